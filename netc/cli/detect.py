"""Find what is where in images.

netc detect photos/ -model deploy.prototxt -weights ssd.caffemodel -labels labelmap.prototxt
netc detect street.jpg -model deploy.prototxt -weights ssd.caffemodel --draw boxes/
netc detect windows.csv -model deploy.prototxt -weights rcnn.caffemodel -context_pad 16 -o s.csv

A net that ends in DetectionOutput gives boxes: file, class, score, xmin, ymin, xmax, ymax in
pixels. Images are made into inputs as for its training, see netc classify. Any other net scores
windows, the columns filename, ymin, xmin, ymax, xmax of a .csv file, as Caffe's detect.py does.
"""

from __future__ import annotations

import argparse

from netc.cli.common import device_flags, expecting, flag, rules_flags
from netc.cli.images import image_flags, model_of
from netc.errors import UsageError

IMAGES, WINDOWS = {"draw", "confidence_threshold"}, {"context_pad"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    image_flags(parser, batch=8)
    flag(parser, "labels", "a label map (.prototxt), or a file with a class in each line")
    flag(parser, "confidence_threshold", "the least score of a box (default: 0.01)", type=float)
    parser.add_argument("--draw", metavar="FOLDER", help="write the images with their boxes")
    flag(parser, "context_pad", "pixels of the input around a window (default: 0)", type=int)
    parser.add_argument("-o", "--output", help="write .json or .csv")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(style="training", images_dim=None, ten_crops=False)
    rules_flags(parser)
    device_flags(parser)


def run(args: argparse.Namespace) -> int:
    given = model_of(args)

    from netc.predict.detect import detect_boxes, detect_windows

    tables = [name for name in args.images if name.lower().endswith(".csv")]
    for name in sorted(IMAGES if tables else WINDOWS):
        if getattr(args, name) is not None:
            raise UsageError(f"--{name} is for {'images' if tables else 'windows'}")
    out = args.output, args.json
    with expecting("net", args.model):
        if not tables:
            least = 0.01 if args.confidence_threshold is None else args.confidence_threshold
            return detect_boxes(args.images, given, args.labels, least, *out, args.draw)
        if args.images != tables[:1]:
            raise UsageError(f"one .csv file of windows at a time, got {' '.join(args.images)}")
        return detect_windows(tables[0], given, args.labels, args.context_pad or 0, *out)
