"""Print a net after one of the compiler's passes.

parse, upgrade and phase give prototxt, build and infer the graph. The nets of a solver are shown
when the file is one.
"""

from __future__ import annotations

import argparse

from netc.cli.common import (
    flag,
    load_plugins,
    model_flags,
    naming_shape_flag,
    no_device,
    one_file,
    phase,
    shape_flag,
    shapes,
    stages,
)
from netc.show import PASSES, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `netc show`."""
    model_flags(parser, phase=True)
    flag(parser, "after", "the pass to stop after", choices=PASSES, default="build")
    shape_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Print the net."""
    no_device()
    load_plugins(args)
    with naming_shape_flag():
        text = show(one_file(args), args.after, phase(args), args.level, stages(args), shapes(args))
    print(text, end="")
    return 0
