"""A picture of many examples, each with its label."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from netc.data.boxes import CORNERS, of_item
from netc.data.feeds import Feed, boxes_of
from netc.errors import DataError, UsageError
from netc.files import atomic

COLUMNS = 10
CELL = 96  # pixels of the longer side of an image, about
STRIP = 16  # pixels under it for the label
GAP = 4
FRAME = (0, 0, 255)  # BGR
NONE = np.empty((0, 4))


def write_sheet(path: str, feed: Feed, examples: int) -> None:
    """Draw the first examples of a feed, as they come out of its transformer, into a picture.

    Boxes are drawn into the images. Channels are taken for BGR, or gray where there are not three.
    Values beyond 0 to 255 or within
    0 to 1 are spread from the least to the greatest of all that are drawn.

    Raises UsageError for a name that is no picture's or a feed without images; DataError.
    """
    import cv2

    shown = _collect(feed, examples)
    span = _span([example.image for example in shown])
    cells = [_cell(_framed(_picture(x.image, span), x.boxes), x.label) for x in shown]
    sheet = _arrange(cells)
    try:
        data = cv2.imencode(f".{path.rpartition('.')[2]}", sheet)[1].tobytes()
    except cv2.error:
        raise UsageError(f"'{path}' is no name of a picture, such as sheet.png") from None
    try:
        with atomic(path) as file:
            file.write(data)
    except OSError as e:
        raise DataError(f"the sheet cannot be written: {e.strerror or e}", path) from None


class Example(NamedTuple):
    """image: (C, H, W). label: as text. boxes: (G, 4), corners in units of the sides."""

    image: np.ndarray
    label: str = ""
    boxes: np.ndarray = NONE


def _collect(feed: Feed, examples: int) -> list[Example]:
    """So many examples."""
    place = next((i for i, shape in enumerate(feed.shapes) if len(shape) == 4), None)
    if place is None:
        raise UsageError("the layer has no top of images (N, C, H, W) to draw")
    found: list[Example] = []
    for k in count():
        if len(found) >= examples:
            break
        tops = feed.batch(k)
        top, rows = feed.labels_top, boxes_of(feed, tops)
        for i, image in enumerate(tops[place]):
            if rows is not None:
                mine = of_item(rows, i)
                found.append(Example(image, _text(mine[:, 1]), mine[:, CORNERS]))
            else:
                found.append(Example(image, "" if top is None else _text(tops[top][i])))
    return found[:examples]


def _text(label: np.ndarray) -> str:
    """A label, the first numbers of several, or nothing for a label image."""
    if label.ndim > 1:
        return ""
    return " ".join(f"{x:.3g}" for x in np.ravel(label)[:4])


def _span(images: Sequence[np.ndarray]) -> tuple[float, float]:
    """The values that become black and white."""
    low, high = min(x.min() for x in images), max(x.max() for x in images)
    if low >= 0 and 1 < high <= 255:
        return 0.0, 255.0
    return float(low), float(high if high > low else low + 1)


def _picture(image: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """uint8 (H, W, 3), about CELL high or wide."""
    import cv2

    low, high = span
    channels = image if len(image) == 3 else image[:1].repeat(3, 0)
    pixels = ((channels - low) * (255 / (high - low))).round().clip(0, 255).astype(np.uint8)
    pixels = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    factor = CELL / max(pixels.shape[:2])
    factor = max(1, int(factor)) if factor >= 1 else factor
    way = cv2.INTER_NEAREST if factor >= 1 else cv2.INTER_AREA
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=way)


def _framed(picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The picture with the edges of boxes."""
    import cv2

    height, width = picture.shape[:2]
    for left, top, right, bottom in (boxes * ([width, height] * 2)).astype(int).tolist():
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), FRAME)
    return picture


def _cell(picture: np.ndarray, label: str) -> np.ndarray:
    """The picture with its label under it."""
    import cv2

    strip = np.full((STRIP, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, label, (1, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([picture, strip])


def _arrange(cells: Sequence[np.ndarray]) -> np.ndarray:
    """The cells row by row on white."""
    high = max(cell.shape[0] for cell in cells) + GAP
    wide = max(cell.shape[1] for cell in cells) + GAP
    rows, columns = -(-len(cells) // COLUMNS), min(len(cells), COLUMNS)
    sheet = np.full((rows * high, columns * wide, 3), 255, np.uint8)
    for i, cell in enumerate(cells):
        top, left = i // COLUMNS * high, i % COLUMNS * wide
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet
