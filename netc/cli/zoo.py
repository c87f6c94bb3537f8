"""List the models below a folder, or fetch the weights of one.

netc zoo models/                         # nets, weights, sizes, and whether they fit
netc zoo --fetch models/bvlc_alexnet     # as Caffe's download_model_binary.py

A folder's readme.md begins with the fields caffemodel, caffemodel_url and sha1 between lines ---,
as in Caffe's model zoo. What was fetched is checked before it takes its name.
"""

from __future__ import annotations

import argparse

from netc.cli.common import load_plugins, no_device, plugin_flag


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="a folder of models")
    parser.add_argument("--fetch", action="store_true", help="fetch the weights it names")
    plugin_flag(parser)


def run(args: argparse.Namespace) -> int:
    no_device()
    load_plugins(args)

    from netc.zoo import fetch_model, report

    if args.fetch:
        fetch_model(args.folder)
        return 0
    table, well = report(args.folder)
    print(table)
    return 0 if well else 1
