"""List the layer types, or print the page of one: rules, formula, fields, an example.

netc layers
netc layers Convolution
netc layers --plugin my_layers.py MyLayer
"""

from __future__ import annotations

import argparse

from netc.cli.common import load_plugins, plugin_flag
from netc.manual import listing, page, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `netc layers`."""
    parser.add_argument("type", nargs="?", help="a layer type, such as Convolution")
    plugin_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list or the page."""
    load_plugins(args)
    print(text(page(args.type)) if args.type else listing())
    return 0
