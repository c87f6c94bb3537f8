"""Go through a whole Caffe project: what of it works with netc, and what to run instead.

netc doctor my_project

Every net, solver, data list, script and file of weights is looked at, without data and without
running anything. What it holds is marked supported, different (netc knowingly does something else
than Caffe), missing, wrong (a mistake) or absent (data that are not here), with
the line, and the command or the code to write instead behind an arrow. Commands are for the
project's folder. The exit status is 1 where anything is missing or wrong.
"""

from __future__ import annotations

import argparse
import json

from netc.cli.common import load_plugins, no_device, plugin_flag
from netc.doctor import examine, report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="the folder of the project")
    plugin_flag(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from netc.cli import flags

    no_device()
    load_plugins(args)
    entries = examine(args.folder, flags)
    print(json.dumps(report.data(entries), indent=2) if args.json else report.text(entries))
    return int(not report.healthy(entries))
