"""Compute the mean image of a database, and the mean of each channel.

  netc compute_image_mean [flags] INPUT_DB [OUTPUT_FILE]

OUTPUT_FILE is for `mean_file`, which subtracts a mean pixel by pixel: a BlobProto, or NumPy's if
its name ends in .npy. What is printed last is a `transform_param` that subtracts the mean of each
channel instead.
"""

from __future__ import annotations

import argparse

from netc.cli.common import flag


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("db", metavar="INPUT_DB", help="a database of images of one size")
    parser.add_argument("output", metavar="OUTPUT_FILE", nargs="?", default="", help="where to")
    flag(parser, "backend", "lmdb or leveldb (default: what the folder holds)", default="")


def run(args: argparse.Namespace) -> int:
    import logging

    from netc.data.mean import as_transform, channel_means, compute_image_mean
    from netc.train.log import to_stderr

    to_stderr()
    log = logging.getLogger("netc.compute_image_mean")
    mean = compute_image_mean(args.db, args.output, args.backend, log.info)
    print(as_transform(channel_means(mean)), end="")
    return 0
