"""Tell where two nets, two solvers or two files of weights differ.

netc diff old.prototxt new.prototxt
netc diff bvlc.caffemodel finetuned.caffemodel

Nets are compared layer by layer in the current format, whatever the order of fields: layers that
were added (+), removed (-), changed, renamed or moved, with the values and lines of both files.
Weights are compared blob by blob, whatever the formats of the files. The exit status is 0 where
nothing differs, 1 where something does, and 2 where a file cannot be read.
"""

from __future__ import annotations

import argparse
import sys

from netc.diff import diff
from netc.errors import NetcError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="a net, a solver or a file of weights")
    parser.add_argument("b", metavar="B", help="another one")


def run(args: argparse.Namespace) -> int:
    try:
        told = diff(args.a, args.b)
    except NetcError as error:
        if args.debug:
            raise
        print(error.render(), file=sys.stderr)
        return 2
    if told:
        print(told)
    return int(bool(told))
