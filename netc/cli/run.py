"""Run a Python script that was written for pycaffe, as it is: its `import caffe` is netc's.

netc run classify.py cat.jpg scores.npy --gpu
netc run train.py

Whatever stands behind the script is the script's. Log lines go to stderr, as Caffe's; with
GLOG_minloglevel=2 in the environment they do not.
"""

from __future__ import annotations

import argparse

from netc.cli.common import start_jax


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("script", metavar="SCRIPT", help="the Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what it is to be given")


def run(args: argparse.Namespace) -> int:
    from netc.alias import run_script
    from netc.train.log import to_stderr

    to_stderr()
    start_jax(None)
    run_script(args.script, args.arguments)
    return 0
