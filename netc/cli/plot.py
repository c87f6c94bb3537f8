"""Draw the curves of training: a chart for each output, of one log or of several.

netc plot train.log -o curves.svg
netc plot old.log new.log -o loss.png -y loss --smooth 20 --log
netc plot run/metrics.jsonl -y accuracy,lr -x seconds

A log is what Caffe or netc wrote to stderr or to -log_dir, or the metrics.jsonl of a run folder.
Without -o, the terminal shows the curves.
"""

from __future__ import annotations

import argparse

from netc.cli.common import picture, picture_flag


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logs", nargs="+", metavar="LOG", help="a log")
    picture_flag(parser)
    parser.add_argument("-y", help="outputs, separated by commas; lr is the rate (default: all)")
    parser.add_argument(
        "-x",
        choices=("iterations", "seconds"),
        default="iterations",
        help="what they are drawn over (default: iterations)",
    )
    parser.add_argument("--phase", choices=("train", "test"), help="outputs of one phase alone")
    parser.add_argument("--smooth", type=int, default=1, help="means over so many points")
    parser.add_argument("--log", action="store_true", help="draw them on a logarithmic scale")


def run(args: argparse.Namespace) -> int:
    from netc.logs import charts

    names = args.y.split(",") if args.y else ()
    picture(args, *charts(args.logs, names, args.phase, args.x, args.smooth, args.log))
    return 0
