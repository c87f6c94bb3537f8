"""Score a net on its test data: the mean of every output over -iterations batches.

netc test -model train_val.prototxt -weights lenet_iter_10000.caffemodel -iterations 100

With -report, a confusion matrix and a table of the classes are printed, and written to a folder.
"""

from __future__ import annotations

import argparse

from netc.cli.common import (
    device_flags,
    expecting,
    flag,
    load_plugins,
    model_flags,
    one_file,
    rules,
    rules_flags,
    stages,
    start_jax,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    model_flags(parser)
    flag(parser, "weights", "the file of weights", required=True)
    flag(parser, "iterations", "batches to run (default: 50)", type=int, default=50)
    flag(
        parser,
        "report",
        "report on the classes, to a folder (default: report)",
        nargs="?",
        const="report",
        metavar="FOLDER",
    )
    flag(parser, "names", "a file with the name of a class in each line, for -report")
    rules_flags(parser)
    device_flags(parser)


def run(args: argparse.Namespace) -> int:
    from netc.train.log import to_stderr

    to_stderr()
    platform = start_jax(args.gpu)
    load_plugins(args)

    from netc.train.score import score

    model = one_file(args)
    with expecting("net", model):
        return score(
            model,
            args.weights,
            args.iterations,
            platform,
            args.level or 0,
            stages(args),
            tuple(args.lowering),
            args.report,
            args.names,
            rules(args),
        )
