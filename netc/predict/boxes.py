"""The boxes that single-shot nets find in images: told and drawn.

SSD: ssd_detect.cpp, ssd_detect.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netc.data.fail import dims
from netc.data.images import decode, read_file
from netc.errors import DataError, GraphError
from netc.files import atomic
from netc.graph.ir import Graph
from netc.load import read_as_written
from netc.predict.running import Done
from netc.schema import LabelMap
from netc.train.report_files import read_names

COLORS = (
    (60, 60, 230),
    (70, 180, 60),
    (230, 130, 40),
    (40, 160, 230),
    (190, 70, 170),
    (160, 160, 0),
)


class Box(NamedTuple):
    """A class in a place: pixels from the left and from the top."""

    index: int
    name: str
    score: float
    xmin: float
    ymin: float
    xmax: float
    ymax: float


COLUMNS = ("file", *Box._fields)


class Detected(NamedTuple):
    """An image with what was found in it, the best first."""

    file: str
    boxes: list[Box]

    def text(self) -> str:
        """A line for each box, as SSD's ssd_detect prints it."""
        return "\n".join(
            " ".join([self.file, b.name, f"{b.score:.6g}", *(f"{int(x)}" for x in b[3:])])
            for b in self.boxes
        )

    def data(self) -> dict[str, Any]:
        return {"file": self.file, "boxes": [box._asdict() for box in self.boxes]}

    def rows(self) -> Iterator[tuple[Any, ...]]:
        return ((self.file, *box) for box in self.boxes)


def pick_boxes(graph: Graph, size: int) -> str:
    """The output of a DetectionOutput layer. Raises GraphError."""
    for node in graph.nodes:
        if node.param.type == "DetectionOutput" and node.tops[0] in graph.outputs:
            return node.tops[0]
    told = ", ".join(f"'{graph.blobs[v]}' {dims(graph.shapes[v])}" for v in graph.outputs)
    raise GraphError(
        f"no DetectionOutput layer gives an output; there are {told}",
        graph.name,
        "netc classify scores whole images, netc detect WINDOWS.csv windows of them",
    )


def read_boxes(value: np.ndarray, count: int) -> list[np.ndarray]:
    """The rows (K, 7) of each image that stand for something."""
    rows = value.reshape(-1, 7)
    found = rows[rows[:, 1] >= 0]
    return [found[found[:, 0] == i] for i in range(count)]


def box_names(path: str | None) -> dict[int, str]:
    """The names of classes by label, of a label map (.prototxt) or a text file with one a line.

    Raises ParseError and DataError.
    """
    if path is None:
        return {}
    if not path.endswith(".prototxt"):
        return dict(enumerate(read_names(path)))
    items = read_as_written(path, LabelMap).message.item
    return {item.label: item.display_name or item.name for item in items}


def detected(done: Done[str], names: Mapping[int, str], least: float) -> Detected:
    """What was found with a score of `least` or more."""
    height, width = done.size
    (rows,) = done.output
    boxes = [
        Box(int(label), names.get(int(label), f"{label:.0f}"), score, *corners)
        for _, label, score, *corners in (rows * (1, 1, 1, width, height, width, height)).tolist()
        if score >= least
    ]
    return Detected(done.item, sorted(boxes, key=lambda box: -box.score))


def draw(folder: str, found: Sequence[Detected]) -> None:
    """Every image with its boxes, in `folder` as the images lie to each other. Raises DataError."""
    files = [os.path.abspath(f.file) for f in found]
    above = os.path.commonpath([os.path.dirname(file) for file in files]) if files else ""
    for one, file in zip(found, files, strict=True):
        _draw(Path(folder) / os.path.relpath(file, above), one)


def _draw(path: Path, found: Detected) -> None:
    import cv2

    image = decode(found.file, read_file(found.file), cv2.IMREAD_COLOR)
    for box in reversed(found.boxes):
        color = COLORS[box.index % len(COLORS)]
        low, high = (round(box.xmin), round(box.ymin)), (round(box.xmax), round(box.ymax))
        cv2.rectangle(image, low, high, color, 2)
        place = (low[0], max(low[1] - 4, 12))
        text = f"{box.name} {box.score:.2f}"
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, 1, cv2.LINE_AA)
    try:
        with atomic(path) as file:
            file.write(cv2.imencode(path.suffix or ".png", image)[1].tobytes())
    except OSError as error:
        raise DataError(f"the picture cannot be written: {error.strerror}", str(path)) from None
