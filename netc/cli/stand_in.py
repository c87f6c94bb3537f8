"""Make a folder that scripts take for Caffe's own, so that they run as they are.

netc stand-in ~/caffe
CAFFE_ROOT=~/caffe ./train_all.sh
PYTHONPATH=~/caffe/python python solve.py

It has build/tools/caffe and the other programs, python/caffe, python/classify.py and draw_net.py,
tools/extra/parse_log.py and more, all of them netc's. netc doctor tells which programs a project
calls, and whether netc has all of their flags.
"""

from __future__ import annotations

import argparse

from netc.standin import write_stand_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="where to")


def run(args: argparse.Namespace) -> int:
    print("\n".join(write_stand_in(args.folder)))
    return 0
