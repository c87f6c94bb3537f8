"""Tell what is in images: the best classes of each, with their scores.

netc classify cat.jpg -model deploy.prototxt -weights caffenet.caffemodel -labels synset_words.txt
netc classify photos/ -model deploy.prototxt -weights w.caffemodel --oversample -o classes.csv
netc classify list.txt -model deploy.prototxt -weights w.caffemodel -mean_file 104,117,123

How images are made into inputs is the matter of --as: "training", as the data layer did that the
net was trained with, which the file of weights or --transform tells; "cpp", as Caffe's
cpp_classification; "python", as its classify.py, with ten crops. The flags change parts of it.
"""

from __future__ import annotations

import argparse

from netc.cli.common import device_flags, expecting, flag, rules_flags
from netc.cli.images import image_flags, model_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    image_flags(parser, batch=32)
    flag(parser, "labels", "a file with the name of a class in each line")
    flag(parser, "top", "how many classes to tell (default: 5)", type=int, default=5)
    parser.add_argument(
        "--as", dest="style", choices=("training", "cpp", "python"), default="training"
    )
    flag(parser, "images_dim", "HEIGHT,WIDTH that images are resized to before they are cropped")
    crops = parser.add_mutually_exclusive_group()
    crops.add_argument(
        "--oversample",
        action="store_true",
        default=None,
        dest="ten_crops",
        help="the mean over ten crops: the corners and the centre, mirrored and not",
    )
    crops.add_argument("--center_only", action="store_false", dest="ten_crops", help="the centre")
    parser.add_argument("-o", "--output", help="write .json, .csv, or all scores as .npy")
    parser.add_argument("--json", action="store_true", help="print JSON")
    rules_flags(parser)
    device_flags(parser)


def run(args: argparse.Namespace) -> int:
    given = model_of(args)

    from netc.predict.classify import classify

    with expecting("net", args.model):
        return classify(args.images, given, args.labels, args.top, args.output, args.json)
