"""Turn a list of images into a database of Datums.

  netc convert_imageset [flags] ROOTFOLDER/ LISTFILE DB_NAME

The list has a line `relative/path label` per image; the root is put before the path as it is. With
-labels N a line has N numbers, which a Data layer gives as a label of (batch, N).

Images that cannot be read are left out and listed at the end; the exit status is then 1. What was
interrupted is gone on with by the same command.
"""

from __future__ import annotations

import argparse

from netc.cli.common import flag, switch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", metavar="ROOTFOLDER/", help="what comes before every path")
    parser.add_argument("listfile", metavar="LISTFILE", help="lines of path and label")
    parser.add_argument("db", metavar="DB_NAME", help="the database to make")
    for name, help in (
        ("gray", "read images as grey ones"),
        ("shuffle", "shuffle the list"),
        ("check_size", "demand that all images have the size of the first"),
        ("encoded", "store the encoded image file"),
        ("force", "replace a database that exists"),
    ):
        switch(parser, name, help)
    flag(parser, "backend", "the kind of database: lmdb or leveldb", default="lmdb")
    flag(parser, "resize_width", "width to resize to, 0 for none", type=int, default=0)
    flag(parser, "resize_height", "height to resize to, 0 for none", type=int, default=0)
    flag(parser, "encode_type", "store images encoded as this, such as png or jpg", default="")
    flag(parser, "seed", "of the shuffle", type=int, default=0)
    flag(parser, "labels", "how many labels a line has", type=int, default=1)
    flag(parser, "threads", "how many images are read at once (default: all processors)", type=int)


def run(args: argparse.Namespace) -> int:
    import logging

    from netc.data.convert import convert_imageset
    from netc.train.log import to_stderr

    to_stderr()
    log = logging.getLogger("netc.convert_imageset")
    left_out = convert_imageset(
        args.root,
        args.listfile,
        args.db,
        gray=args.gray,
        shuffle=args.shuffle,
        backend=args.backend,
        resize_width=args.resize_width,
        resize_height=args.resize_height,
        check_size=args.check_size,
        encoded=args.encoded,
        encode_type=args.encode_type,
        seed=args.seed,
        labels=args.labels,
        force=args.force,
        threads=args.threads,
        log=log.info,
    )
    if left_out:
        log.error("%d images cannot be read and are left out:", len(left_out))
    for item in left_out:
        log.error("%s: %s%s", item.where, args.root, item.files[0])
    return 1 if left_out else 0
