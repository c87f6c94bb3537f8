"""Windows of images, scored by a net (R-CNN). Caffe: detect.py, detector.py."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from netc.data.fail import located
from netc.data.float_image import load_image, window_of
from netc.errors import DataError, UsageError
from netc.load import read_bytes, text_of
from netc.predict.preprocess import Pipeline, Prepared
from netc.predict.running import Done

COLUMNS = ("filename", "ymin", "xmin", "ymax", "xmax")


class Window(NamedTuple):
    """A window of an image. where: its line."""

    file: str
    box: tuple[float, ...]
    where: str

    def told(self) -> list[str]:
        """As it stands in the file."""
        return [self.file, *(f"{x:g}" for x in self.box)]


class Scored(NamedTuple):
    """A window with its scores (K) and the names of the classes."""

    window: Window
    scores: np.ndarray
    names: Sequence[str]

    def text(self) -> str:
        """The window with its best class."""
        best = int(self.scores.argmax())
        return " ".join([*self.window.told(), self.names[best], f"{self.scores[best]:.6g}"])

    def data(self) -> dict[str, Any]:
        scores = dict(zip(self.names, self.scores.tolist(), strict=True))
        return {"file": self.window.file, "window": self.window.box, "scores": scores}

    def rows(self) -> list[list[Any]]:
        return [[*self.window.told(), *self.scores.tolist()]]


def read_windows(path: str) -> list[Window]:
    """The windows of a .csv file with the columns `COLUMNS`, and others that are passed over.

    Raises ParseError for no file, DataError naming the line.
    """
    rows = csv.reader(io.StringIO(text_of(read_bytes(path))))
    head = [name.strip() for name in next(rows, [])]
    if absent := [name for name in COLUMNS if name not in head]:
        raise DataError(
            f"no column {', '.join(absent)}: the first line names {', '.join(COLUMNS)}", f"{path}:1"
        )
    at = [head.index(name) for name in COLUMNS]
    found = []
    for row in filter(any, rows):
        where = f"{path}:{rows.line_num}"
        try:
            file, *box = (row[i] for i in at)
            found.append(Window(file, tuple(map(float, box)), where))
        except (ValueError, IndexError):
            raise DataError(
                f"expected {', '.join(COLUMNS)}, got '{','.join(row)}'", where
            ) from None
    if not found:
        raise DataError("there are no windows in it", path)
    return found


class Windows:
    """Makes inputs of windows, which show `pad` pixels of context, the mean beyond the image.

    Raises UsageError for a context that the input has no room for.
    """

    def __init__(self, pipeline: Pipeline, pad: int) -> None:
        height, width = pipeline.crop
        if pad and (height != width or not 0 < 2 * pad < width):
            raise UsageError(
                f"--context_pad {pad} needs a square input that is larger than twice that, not "
                f"{height} x {width}"
            )
        self._pipeline, self._pad, self._side = pipeline, pad, width
        self._load = lru_cache(4)(load_image)
        mean = pipeline.mean / np.float32(pipeline.raw_scale)
        order = pipeline.swap or range(mean.shape[2])
        self._fill = np.broadcast_to(mean[..., np.argsort(order)], (height, width, len(order)))

    def __call__(self, window: Window) -> Prepared:
        """The input of a window. Raises DataError."""
        with located(lambda: window.where):
            image = self._load(window.file, self._pipeline.mean.shape[2] == 3)
            part = window_of(image, window.box, self._pad, self._side, self._fill)
        return Prepared(self._pipeline.rows(part), image.shape[:2])


def scored(done: Done[Window], names: Sequence[str]) -> Scored:
    """The scores of a window."""
    return Scored(done.item, done.output[0], names)
