"""Images and files of their boxes into a database of AnnotatedDatums.

SSD: convert_annoset.cpp, io.cpp.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple
from xml.etree import ElementTree

from netc.data.annotated import parse
from netc.data.convert import Format, Shape, Size, convert_images
from netc.data.fail import located
from netc.data.images import read_file
from netc.data.lists import Row, read_columns, read_labelled
from netc.errors import DataError, UsageError, did_you_mean
from netc.load import read_as_written
from netc.schema import AnnotatedDatum, Datum, LabelMap, NormalizedBBox

Labels = Mapping[str, int]


class Box(NamedTuple):
    """A box of a file. corners: xmin, ymin, xmax, ymax in pixels."""

    label: int
    corners: tuple[float, float, float, float]
    difficult: bool = False


Boxes = tuple[Size, list[Box]]  # (height, width) of the image they are in, and they


def convert_annoset(
    root: str,
    listfile: str,
    db: str,
    *,
    anno_type: str = "classification",
    label_type: str = "xml",
    label_map_file: str = "",
    check_label: bool = False,
    log: Callable[[str], None] = print,
    **options: Any,
) -> tuple[Row, ...]:
    """Write the images of a list, and their labels, to a database of AnnotatedDatums; the lines
    whose images cannot be read.

    anno_type: "classification", where a line is `path label`, or "detection", where it is
    `image boxes` with a file of boxes of the kind `label_type`: "xml" (VOC, ILSVRC), "json" (COCO,
    a file for each image) or "txt" (lines `label xmin ymin xmax ymax` in pixels). An image whose
    file of boxes is not there has none. label_map_file: a LabelMap that says which labels the
    names have. check_label: refuses one with a name twice. options: of `convert_images`.

    Raises UsageError, and DataError also for what is wrong in a file of boxes.
    """
    for what, value, known in (
        ("anno_type", anno_type, ANNO_TYPES),
        ("label_type", label_type, READERS),
    ):
        if value not in known:
            told = f"Unknown {what} {value} (known: {', '.join(known)})"
            raise UsageError(told, hint=did_you_mean(value, known))
    if anno_type == "classification":
        items = read_labelled(listfile)
        return convert_images(
            root, items, listfile, db, Format(_classified, _datum), asked=anno_type, log=log,
            **options,
        )  # fmt: skip
    labels: Labels = {}
    if label_map_file or label_type != "txt":
        labels = read_label_map(label_map_file, check_label)
    items = [row._replace(numbers=(-1.0,)) for row in read_columns(listfile, (True, True))]
    wrap = partial(_with_boxes, root, READERS[label_type], labels, log)
    asked = (anno_type, label_type, sorted(labels.items()))
    return convert_images(
        root, items, listfile, db, Format(wrap, _datum), asked=asked, log=log, **options
    )


def read_label_map(path: str, check: bool = False) -> Labels:
    """The label of each name. Raises ParseError; DataError for a name given twice, if `check`."""
    if not path:
        raise UsageError("label_map_file is not given", hint="it says which label a name has")
    found: dict[str, int] = {}
    for item in read_as_written(path, LabelMap).message.item:
        if check and item.name in found:
            raise DataError(f"There are many duplicates of name: {item.name}", path)
        found[item.name] = item.label
    return found


def read_xml(data: bytes, size: Size, labels: Labels) -> Boxes:
    """The boxes of a VOC or ILSVRC file, in pixels of the size it names, or `size`."""
    try:
        tree = ElementTree.fromstring(data)
    except ElementTree.ParseError as e:
        raise DataError(f"this is no XML: {e}") from None
    given = [tree.findtext(f"size/{side}") for side in ("height", "width")]
    named = None if None in given else tuple(_number(side, "size") for side in given)
    boxes = []
    for thing in tree.findall("object"):
        label = _label(thing.findtext("name") or "", labels)
        corners = (_number(thing.findtext(f"bndbox/{c}"), c) for c in CORNERS)
        difficult = (thing.findtext("difficult") or "").strip() == "1"
        boxes.append(Box(label, tuple(corners), difficult))  # pyright: ignore[reportArgumentType]
    return _sized(named, size), boxes


def read_json(data: bytes, size: Size, labels: Labels) -> Boxes:
    """The boxes of an image as COCO has them: [left, top, width, height]; crowds are difficult."""
    try:
        tree = json.loads(data)
        sides = [tree.get("image", {}).get(side) for side in ("height", "width")]
        named, boxes = None if None in sides else tuple(map(float, sides)), []
        for thing in tree["annotation"]:
            left, top, width, height = map(float, thing["bbox"])
            corners = (left, top, left + width, top + height)
            label = _label(str(thing["category_id"]), labels)
            boxes.append(Box(label, corners, bool(thing.get("iscrowd", 0))))
    except (ValueError, TypeError, KeyError, AttributeError) as e:
        what = f"{type(e).__name__}: {e}"
        raise DataError(f"this is no JSON of an image and its annotation: {what}") from None
    return _sized(named, size), boxes


def read_txt(data: bytes, size: Size, labels: Labels) -> Boxes:
    """The boxes of lines `label xmin ymin xmax ymax`, in pixels of the image."""
    boxes = []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        if line.strip():
            try:
                label, *corners = line.split()
                x0, y0, x1, y1 = map(float, corners)
                boxes.append(Box(int(label), (x0, y0, x1, y1)))
            except ValueError:
                what = f"expected 'label xmin ymin xmax ymax', got '{line}'"
                raise DataError(f"line {number}: {what}") from None
    return size, boxes


CORNERS = ("xmin", "ymin", "xmax", "ymax")
ANNO_TYPES = ("classification", "detection")
READERS = {"xml": read_xml, "json": read_json, "txt": read_txt}


def _with_boxes(
    root: str,
    read: Callable[[bytes, Size, Labels], Boxes],
    labels: Labels,
    log: Callable[[str], None],
    data: bytes,
    shape: Shape,
    item: Row,
    size: Size,
) -> bytes:
    """The record of an image, a Datum, and of the file of its boxes."""
    path = root + item.files[1]
    message = _annotated(data, shape)
    message.type = AnnotatedDatum.BBOX
    if not os.path.exists(path):
        log(f"there is no file {path}: the image has no boxes")
        return message.SerializeToString()
    with located(lambda: path):
        (height, width), boxes = read(read_file(path), size, labels)
        if not height or not width:
            raise DataError("no valid image width/height.")
    if (height, width) != size:
        log(f"{path}: the image is {size[0]} x {size[1]}, here it is {height:g} x {width:g}")
    groups = {}
    for box in boxes:
        for problem in _problems(box, (height, width)):
            log(f"{path}: {problem}")
        if box.label not in groups:
            groups[box.label] = message.annotation_group.add(group_label=box.label)
        group = groups[box.label]
        sides = (width, height, width, height)
        xmin, ymin, xmax, ymax = (v / n for v, n in zip(box.corners, sides, strict=True))
        bbox = NormalizedBBox(xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, difficult=box.difficult)
        group.annotation.add(instance_id=len(group.annotation), bbox=bbox)
    return message.SerializeToString()


def _problems(box: Box, size: Size) -> Iterator[str]:
    xmin, ymin, xmax, ymax = box.corners
    told = f"({xmin:g}, {ymin:g}) to ({xmax:g}, {ymax:g})"
    if min(box.corners) < 0 or max(xmin, xmax) > size[1] or max(ymin, ymax) > size[0]:
        yield f"bounding box exceeds image boundary: {told}"
    if xmin > xmax or ymin > ymax:
        yield f"bounding box irregular: {told}"


def _classified(data: bytes, shape: Shape, item: Row, size: Size) -> bytes:
    return _annotated(data, shape).SerializeToString()


def _annotated(data: bytes, shape: Shape) -> AnnotatedDatum:
    """A Datum of an image (C, H, W) as that of an AnnotatedDatum."""
    message = AnnotatedDatum(datum=Datum.FromString(data))
    # SSD reads the size here, of encoded images too.
    message.datum.channels, message.datum.height, message.datum.width = shape
    return message


def _datum(record: bytes) -> Datum:
    return parse(record).datum


def _sized(named: Any, size: Size) -> Size:
    return size if named is None else named


def _label(name: str, labels: Labels) -> int:
    if name not in labels:
        raise DataError(f"Unknown name: {name}", hint=did_you_mean(name, labels))
    return labels[name]


def _number(text: str | None, what: str) -> Any:
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"{what} must be a number, got '{text or ''}'") from None
