"""Write the values of a net's blobs, one record per example of its data layer.

  netc extract_features WEIGHTS NET BLOB[,BLOB...] NAME[,NAME...] NUM_MINI_BATCHES DB_TYPE
                        [CPU or GPU] [DEVICE_ID]

The net runs in phase TEST. Each blob goes to the name in the same place: a database of float Datums
(lmdb, leveldb), or a file that holds one array under the blob's name (hdf5, npz).
"""

from __future__ import annotations

import argparse

from netc.cli.common import expecting, start_jax


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="the file of weights")
    parser.add_argument("net", metavar="NET", help="the net's prototxt, with its data layer")
    parser.add_argument("blobs", metavar="BLOBS", help="names of blobs, separated by commas")
    parser.add_argument("names", metavar="NAMES", help="where each goes, separated by commas")
    parser.add_argument("batches", metavar="NUM_MINI_BATCHES", type=int, help="batches to run")
    parser.add_argument("kind", metavar="DB_TYPE", help="lmdb, leveldb, hdf5 or npz")
    parser.add_argument(
        "mode", nargs="?", choices=("CPU", "GPU"), help="where (default: GPU if any)"
    )
    parser.add_argument("device", nargs="?", metavar="DEVICE_ID", help="of the GPU (default: 0)")


def run(args: argparse.Namespace) -> int:
    from netc.train.log import to_stderr

    to_stderr()
    gpu = (args.device or "0") if args.mode == "GPU" else None
    platform = start_jax(gpu, None if args.mode is None else args.mode == "GPU")

    from netc.train.features import extract_features

    with expecting("net", args.net):
        extract_features(
            args.weights,
            args.net,
            args.blobs.split(","),
            args.names.split(","),
            args.batches,
            args.kind,
            platform,
        )
    return 0
