"""Draw a net.

netc draw train_val.prototxt net.svg
netc draw train_val.prototxt net.svg --phase TEST --shapes
netc draw train_val.prototxt net.png --rankdir LR

The ending says what to make: .svg, .dot (Graphviz) and .mmd (Mermaid, for Markdown) need nothing;
.png, .pdf, .jpg and others are made by Graphviz's program `dot`. Layers that only rework a blob,
such as ReLU in place, are in the box of the layer that makes it. Of sources far away, such as a
label, the box that reads them has a note. Flags are those of Caffe's draw_net.py, and more.
"""

from __future__ import annotations

import argparse

from netc.cli.common import (
    expecting,
    flag,
    load_plugins,
    naming_shape_flag,
    no_device,
    phase,
    shape_flag,
    shapes,
    stages,
    state_flags,
)
from netc.draw import DIRECTIONS
from netc.drawing import draw_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", metavar="NET", help="the net's prototxt")
    parser.add_argument("out", metavar="OUT", help="the picture to write")
    flag(parser, "rankdir", "which way it runs (default: TB)", default="TB", choices=DIRECTIONS)
    flag(parser, "phase", "whose layers (default: ALL)", choices=("ALL", "TRAIN", "TEST"))
    flag(parser, "display_lrm", "tell the lr_mult of layers", action="store_true")
    flag(parser, "shapes", "tell the shapes of tops", action="store_true")
    shape_flag(parser)
    state_flags(parser)


def run(args: argparse.Namespace) -> int:
    no_device()
    load_plugins(args)
    args.phase = None if args.phase == "ALL" else args.phase
    given = shapes(args) if args.shapes or args.shape else None
    with expecting("net", args.net), naming_shape_flag():
        draw_file(
            args.net,
            args.out,
            args.rankdir,
            phase(args),
            args.level,
            stages(args),
            args.display_lrm,
            given,
        )
    return 0
