"""Turn a list of images into a database of Datums.

  netc convert_imageset [flags] ROOTFOLDER/ LISTFILE DB_NAME

The list has a line `relative/path label` per image; the root is put before the path as it is. With
-labels N a line has N numbers, which a Data layer gives as a label of (batch, N).

Images that cannot be read are left out and listed at the end; the exit status is then 1. What was
interrupted is gone on with by the same command.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
    "threads": ("how many images are read at once (default: as many as processors)", None),
}
LABELS = {"labels": ("how many labels a line has", 1)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_options(parser, "lines of path and label", {**FLAGS, **LABELS})


def run(args: argparse.Namespace) -> int:
    from netc.data.convert import convert_imageset

    return convert(args, convert_imageset, (*SWITCHES, *FLAGS, *LABELS))


def add_options(
    parser: argparse.ArgumentParser,
    lines: str,
    flags: Mapping[str, tuple[str, Any]],
    switches: Mapping[str, str] = SWITCHES,
) -> None:
    """The arguments of a command that makes a database of a list. lines: what these are."""
    parser.add_argument("root", metavar="ROOTFOLDER/", help="what comes before every path")
    parser.add_argument("listfile", metavar="LISTFILE", help=lines)
    parser.add_argument("db", metavar="DB_NAME", help="the database to make")
    for name, help in switches.items():
        switch(parser, name, help)
    for name, (help, default) in flags.items():
        flag(parser, name, help, default=default, type=str if isinstance(default, str) else int)


def convert(args: argparse.Namespace, tool: Callable[..., Any], options: Sequence[str]) -> int:
    """Run a tool with these of the arguments; 1 if there are images that cannot be read."""
    import logging

    from netc.train.log import to_stderr

    to_stderr()
    log = logging.getLogger(f"netc.{tool.__name__}")
    given = {name: getattr(args, name) for name in options}
    try:
        left_out = tool(args.root, args.listfile, args.db, **given, log=log.info)
    except KeyboardInterrupt:
        log.error("The same command goes on from here.")
        raise
    if left_out:
        log.error("%d images cannot be read and are left out:", len(left_out))
    for item in left_out:
        log.error("%s: %s%s", item.where, args.root, item.files[0])
    return 1 if left_out else 0
