"""Time a net: every layer forward and backward, then the compiled programs as they really run.

netc time -model deploy.prototxt -iterations 20
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
    stages,
    start_jax,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    model_flags(parser, phase=True)
    flag(parser, "iterations", "passes to time (default: 50)", type=int, default=50)
    device_flags(parser)


def run(args: argparse.Namespace) -> int:
    from netc.schema import Phase
    from netc.train.log import to_stderr

    to_stderr()
    platform = start_jax(args.gpu)
    load_plugins(args)

    from netc.train.timing import time_net

    phase = Phase.TEST if args.phase == "TEST" else Phase.TRAIN
    model = one_file(args)
    with expecting("net", model):
        return time_net(
            model,
            phase,
            args.iterations,
            platform,
            args.level or 0,
            stages(args),
            tuple(args.lowering),
        )
