"""List the layer types, or print the page of one: rules, formula, fields, an example.

netc layers
netc layers Convolution
"""

from __future__ import annotations

import argparse

from netc.manual import listing, page, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `netc layers`."""
    parser.add_argument("type", nargs="?", help="a layer type, such as Convolution")


def run(args: argparse.Namespace) -> int:
    """Print the list or the page."""
    print(text(page(args.type)) if args.type else listing())
    return 0
