"""Draw the learning rate of a solver over its run, and print it where the schedule turns.

netc plot-lr solver.prototxt
netc plot-lr solver.prototxt -o rate.svg --log --set lr_policy=cosine --set warmup_iter=500
"""

from __future__ import annotations

import argparse

from netc.cli.common import (
    expecting,
    flag,
    no_device,
    one_file,
    picture,
    picture_flag,
    set_flag,
    warn,
)
from netc.load import read_solver
from netc.overrides import override_solver


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", help="the solver's prototxt")
    flag(parser, "solver", "the solver's prototxt")
    picture_flag(parser)
    parser.add_argument("--log", action="store_true", help="draw the rate on a logarithmic scale")
    set_flag(parser)


def run(args: argparse.Namespace) -> int:
    path = one_file(args, "solver")
    with expecting("solver", path):
        solver = read_solver(path)
    warn(solver.warnings)
    solver = override_solver(solver, args.set)
    no_device()

    from netc.train import rates
    from netc.train.nets import check_solver

    check_solver(solver)
    p = rates.in_iterations(solver)
    picture(args, rates.chart(p, args.log))
    print(rates.table(p))
    return 0
