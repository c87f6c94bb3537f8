"""Find mistakes in a net or solver without running it.

A net is checked in both phases, a solver with all its nets. Mistakes come first, then warnings of
things that run but are probably not meant, each with a reason and a fix. Data need not be there.
The exit status is 1 when there are mistakes; with --strict also when there are warnings.
"""

from __future__ import annotations

import argparse

from netc.check import check
from netc.cli.common import (
    load_plugins,
    model_flags,
    no_device,
    one_file,
    shape_flag,
    shapes,
    stages,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `netc check`."""
    model_flags(parser)
    shape_flag(parser)
    parser.add_argument("--no-shapes", action="store_true", help="check connections only, quickly")
    parser.add_argument("--strict", action="store_true", help="warnings fail, too")
    parser.add_argument(
        "--allow-unknown", action="store_true", help="unknown fields are warnings, not mistakes"
    )


def run(args: argparse.Namespace) -> int:
    """Print the findings."""
    no_device()
    load_plugins(args)
    report = check(
        one_file(args),
        infer_shapes=not args.no_shapes,
        level=args.level,
        stages=stages(args),
        shapes=shapes(args),
        allow_unknown=args.allow_unknown,
    )
    print(report.render())
    return int(bool(report.errors or (args.strict and report.warnings)))
