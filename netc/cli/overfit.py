"""Train on a few examples until the net knows them by heart, or say what keeps it from it.

Weight decay, dropout, mirroring and random crops are off, and base_lr is constant. Nothing is
written. The exit status is 0 when all examples are learnt, else 1.

netc overfit solver.prototxt
netc overfit solver.prototxt -n 20 --set base_lr=0.001
"""

from __future__ import annotations

import argparse

from netc.cli.common import flag, open_solver, rules, solver_flags, stages, weights
from netc.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    solver_flags(parser)
    parser.add_argument("-n", "--examples", type=int, default=100, help="(default: 100)")
    flag(parser, "iterations", "how many at most (default: 1000)", type=int, default=1000)


def run(args: argparse.Namespace) -> int:
    from netc.train.log import to_stderr

    for name in ("examples", "iterations"):
        if getattr(args, name) < 1:
            raise UsageError(f"--{name} must be at least 1, got {getattr(args, name)}")
    to_stderr()
    _, solver, platform = open_solver(args)

    from netc.lowering.plan import Plan, parse_overrides
    from netc.train.overfit import memorizing, overfit
    from netc.train.probe import opened
    from netc.train.symptoms import table

    plan = Plan(platform, parse_overrides(args.lowering))
    solver = memorizing(solver, args.iterations)
    with opened(solver, plan, args.level, stages(args), weights(args), rules(args)) as session:
        found = overfit(session, args.examples, print)
    if found.signs:
        print(f"\n{table(found.signs)}\n")
    if found.done:
        print(f"The net knows the examples by heart after {found.iterations} iterations.")
        return 0
    print("The net does not learn the examples by heart:")
    for sentence in found.wrong:
        print(f"- {sentence}")
    return 1
