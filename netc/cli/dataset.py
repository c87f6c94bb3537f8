"""Make a ready database of a known data set.

netc dataset digits FOLDER    1,797 handwritten digits that come with netc: nothing is fetched
netc dataset digits FOLDER --labels 0-4    some of them, their labels numbered from 0
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=("digits",), help="which data set")
    parser.add_argument("folder", help="where its databases go")
    parser.add_argument("--labels", help="the labels to take, such as 0-4 or 1,3,7-9")


def run(args: argparse.Namespace) -> int:
    from netc.data.digits import write_digits

    write_digits(args.folder, args.labels)
    return 0
