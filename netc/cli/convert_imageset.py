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

SWITCHES = {
    "gray": "read images as grey ones",
    "shuffle": "shuffle the list",
    "check_size": "demand that all images have the size of the first",
    "encoded": "store the encoded image file",
    "force": "replace a database that exists",
}
FLAGS = {  # what they mean, and their defaults
    "backend": ("the kind of database: lmdb or leveldb", "lmdb"),
    "resize_width": ("width to resize to, 0 for none", 0),
    "resize_height": ("height to resize to, 0 for none", 0),
    "encode_type": ("store images encoded as this, such as png or jpg", ""),
    "seed": ("of the shuffle", 0),
    "labels": ("how many labels a line has", 1),
    "threads": ("how many images are read at once (default: as many as processors)", None),
}
OPTIONS = (*SWITCHES, *FLAGS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("root", metavar="ROOTFOLDER/", help="what comes before every path")
    parser.add_argument("listfile", metavar="LISTFILE", help="lines of path and label")
    parser.add_argument("db", metavar="DB_NAME", help="the database to make")
    for name, help in SWITCHES.items():
        switch(parser, name, help)
    for name, (help, default) in FLAGS.items():
        flag(parser, name, help, default=default, type=str if isinstance(default, str) else int)


def run(args: argparse.Namespace) -> int:
    import logging

    from netc.data.convert import convert_imageset
    from netc.train.log import to_stderr

    to_stderr()
    log = logging.getLogger("netc.convert_imageset")
    options = {name: getattr(args, name) for name in OPTIONS}
    try:
        left_out = convert_imageset(args.root, args.listfile, args.db, **options, log=log.info)
    except KeyboardInterrupt:
        log.error("The same command goes on from here.")
        raise
    if left_out:
        log.error("%d images cannot be read and are left out:", len(left_out))
    for item in left_out:
        log.error("%s: %s%s", item.where, args.root, item.files[0])
    return 1 if left_out else 0
