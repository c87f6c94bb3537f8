"""Turn a log of training into tables: LOG.train and LOG.test, as Caffe's parse_log.py.

netc parse_log caffe.INFO .
netc parse_log train.log tables/ --verbose --delimiter ';'

The log is what Caffe or netc wrote to stderr or to -log_dir, or the metrics.jsonl of a run folder.
Columns are NumIters, Seconds, LearningRate and the outputs by name.
"""

from __future__ import annotations

import argparse

from netc.logs import write_csv


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("log", metavar="LOG", help="the log")
    parser.add_argument("folder", metavar="OUT_DIR", help="where the tables go")
    parser.add_argument("--verbose", action="store_true", help="name the files")
    parser.add_argument("--delimiter", default=",", help="between columns (default: a comma)")


def run(args: argparse.Namespace) -> int:
    for name in write_csv(args.log, args.folder, args.delimiter):
        if args.verbose:
            print(f"Wrote {name}")
    return 0
