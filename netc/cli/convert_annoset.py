"""Turn a list of images and files of their boxes into a database that AnnotatedData reads.

  netc convert_annoset --anno_type=detection --label_type=xml --label_map_file=labels.prototxt \\
      ROOTFOLDER/ LISTFILE DB_NAME

The list has a line `image boxes` per image, such as `JPEGImages/1.jpg Annotations/1.xml`; the root
is put before both. Boxes are VOC's XML, COCO's JSON of an image, or a text file of lines
`label xmin ymin xmax ymax` in pixels. With --anno_type=classification a line is `image label`.

Images that cannot be read are left out and listed at the end; the exit status is then 1. What was
interrupted is gone on with by the same command.
"""

from __future__ import annotations

import argparse

from netc.cli import convert_imageset as images

SWITCHES = {
    **images.SWITCHES,
    "check_label": "refuse a label map that has a name twice",
}
FLAGS = {  # what they mean, and their defaults
    **images.FLAGS,
    "anno_type": ("what lines give: classification (a label) or detection", "classification"),
    "label_type": ("the kind of the files of boxes: xml, json or txt", "xml"),
    "label_map_file": ("a LabelMap prototxt: which label a name has", ""),
    "min_dim": ("enlarge images until no side is shorter, 0 for no limit", 0),
    "max_dim": ("reduce images until no side is longer, 0 for no limit", 0),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    images.add_options(parser, "lines of image and boxes, or image and label", FLAGS, SWITCHES)


def run(args: argparse.Namespace) -> int:
    from netc.data.annoset import convert_annoset

    return images.convert(args, convert_annoset, (*SWITCHES, *FLAGS))
