"""Turn a list of images into a database of Datums.

  netc convert_imageset [flags] ROOTFOLDER/ LISTFILE DB_NAME

The list has a line `relative/path label` per image; the root is put before the path as it is.
"""

from __future__ import annotations

import argparse

from netc.cli.common import flag, switch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", metavar="ROOTFOLDER/", help="what comes before every path")
    parser.add_argument("listfile", metavar="LISTFILE", help="lines of path and label")
    parser.add_argument("db", metavar="DB_NAME", help="the database to make; it must not exist")
    for name, help in (
        ("gray", "read images as grey ones"),
        ("shuffle", "shuffle the list"),
        ("check_size", "demand that all images have the size of the first"),
        ("encoded", "store the encoded image file"),
    ):
        switch(parser, name, help)
    flag(parser, "backend", "the kind of database", choices=("lmdb",), default="lmdb")
    flag(parser, "resize_width", "width to resize to, 0 for none", type=int, default=0)
    flag(parser, "resize_height", "height to resize to, 0 for none", type=int, default=0)
    flag(parser, "encode_type", "store images encoded as this, such as png or jpg", default="")
    flag(parser, "seed", "of the shuffle", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    import logging

    from netc.data.convert import convert_imageset
    from netc.train.log import to_stderr

    to_stderr()
    log = logging.getLogger("netc.convert_imageset")
    convert_imageset(
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
        log=log.info,
    )
    return 0
