"""Try learning rates on the real data, and suggest base_lr.

The rate rises from --from to --to, by the same factor in each iteration, until the loss diverges.
Nothing is written: weights and snapshots stay as they are.

netc lr-find solver.prototxt
netc lr-find solver.prototxt --from 1e-4 --to 1 -iterations 200 -o loss.svg
"""

from __future__ import annotations

import argparse

from netc.cli.common import (
    flag,
    open_solver,
    picture,
    picture_flag,
    rules,
    solver_flags,
    stages,
    weights,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    solver_flags(parser)
    parser.add_argument("--from", dest="low", type=float, default=1e-6, help="(default: 1e-6)")
    parser.add_argument("--to", dest="high", type=float, default=10.0, help="(default: 10)")
    flag(parser, "iterations", "how many to run (default: 100)", type=int, default=100)
    parser.add_argument(
        "--smoothing", type=float, default=0.8, help="weight of the past losses (default: 0.8)"
    )
    parser.add_argument(
        "--stop",
        type=float,
        default=3.0,
        help="stop when the smoothed loss exceeds so many times its lowest (default: 3)",
    )
    picture_flag(parser)


def run(args: argparse.Namespace) -> int:
    from netc.train.log import to_stderr

    to_stderr()
    _, solver, platform = open_solver(args)

    from netc.lowering.plan import Plan, parse_overrides
    from netc.train import lr_find
    from netc.train.probe import opened

    solver = lr_find.rising(solver, args.low, args.high, args.iterations)
    plan = Plan(platform, parse_overrides(args.lowering))
    with opened(solver, plan, args.level, stages(args), weights(args), rules(args)) as session:
        found = lr_find.sweep(session, args.smoothing, args.stop)
    picture(args, lr_find.chart(found))
    print(lr_find.table(found) + "\n")
    print(lr_find.advice(found))
    return 0 if found.steepest is not None else 1
