"""Rewrite an old net or solver in the current format.

netc upgrade old.prototxt new.prototxt
netc upgrade old.caffemodel new.caffemodel

Text stays text, with its comments, and binary stays binary, with its blobs. Without OUT, text is
printed. A file in the current format is copied as it is. Caffe's names for this command,
upgrade_net_proto_text, upgrade_net_proto_binary and upgrade_solver_proto_text, work as well.
"""

from __future__ import annotations

import argparse
import sys

from netc.errors import UsageError
from netc.files import atomic
from netc.load import text_of
from netc.rewrite import rewrite
from netc.weights.kinds import writing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a net or solver, text or binary")
    parser.add_argument("out", metavar="OUT", nargs="?", help="the file to write")


def run(args: argparse.Namespace) -> int:
    new = rewrite(args.file)
    for warning in new.warnings:
        print(warning.render(), file=sys.stderr)
    if args.out:
        with writing(args.out), atomic(args.out) as file:
            file.write(new.content)
    elif new.is_text:
        print(text_of(new.content), end="")
    else:
        raise UsageError(f"{args.file} is binary: name the file to write, netc upgrade FILE OUT")
    told = "upgraded" if new.changed else "already in the current format"
    print(f"{args.file}: {told}", file=sys.stderr)
    return 0
