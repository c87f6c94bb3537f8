"""Windows of images, some with an object and some without. Caffe: window_data_layer.cpp."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np

from netc.data.datum import planes
from netc.data.draws import below, draws
from netc.data.fail import Fail, check_size, dims, excerpt, failing, located
from netc.data.images import decode, read_file
from netc.data.mean_file import read_mean
from netc.errors import DataError
from netc.load import read_bytes
from netc.schema import LayerParameter

log = logging.getLogger(__name__)

HEAD = ("#", "image_index", "path", "channels", "height", "width", "the number of windows")
WINDOW = ("label", "overlap", "x1", "y1", "x2", "y2")
MODES = ("warp", "square")
Box = Sequence[int]  # x1, y1, x2, y2, both corners inside


class Windows(NamedTuple):
    """Windows, one a row. rows: float32 (M, 6) as in WINDOW. image: which of `paths`. line: where
    it stands in the file."""

    paths: list[str]
    rows: np.ndarray
    image: np.ndarray
    line: np.ndarray


class Placed(NamedTuple):
    """A box inside its image, the (height, width) it is warped to, and where that comes into the
    crop: rows and columns from the top, the left and the right."""

    box: Box
    size: tuple[int, int]
    top: int
    left: int
    right: int


class WindowFeed:
    """Windows drawn anew for every batch, with replacement: background first, then fg_fraction of
    foreground. Window i of the stream depends on (seed, name, i) alone.

    top = (window - mean) * scale, 0 outside the image; the mean is taken after mirroring. The scale
    is that of window_data_param, or of transform_param, where upgrades of old nets put it.
    """

    labels_top = 1
    dtypes = (np.dtype(np.float32),) * 2

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        p, transform = param.window_data_param, param.transform_param
        for field, message, name in (
            ("batch_size", p, "window_data_param"),
            ("crop_size", transform, "transform_param"),
        ):
            if getattr(message, field) == 0:
                where = field if message.HasField(field) else "window_data_param"
                fail(f"{field} must be positive in {name}, got 0", where)
        if p.crop_mode not in MODES:
            fail(f"Unknown crop_mode '{p.crop_mode}'", "crop_mode", hint="it is 'warp' or 'square'")
        if not 0 <= p.fg_fraction <= 1:
            fail(f"fg_fraction must be in 0 to 1, got {p.fg_fraction:g}", "fg_fraction")
        self._crop = transform.crop_size
        if 2 * p.context_pad >= self._crop:
            what = f"context_pad {p.context_pad} on both sides leaves nothing of crop_size"
            fail(f"{what} {self._crop}", "context_pad")
        self.shapes = ((p.batch_size, 3, self._crop, self._crop), (p.batch_size,))
        check_size(self.shapes[0], fail, "crop_size")
        self._p, self._fail, self._mirror = p, fail, transform.mirror
        self._scale = np.float32(p.scale if p.HasField("scale") else transform.scale)
        foreground = int(np.float32(p.batch_size) * np.float32(p.fg_fraction))
        self._background = p.batch_size - foreground
        self._seed, self._name = seed, param.name
        self._mean = self._read_mean(transform.mean_file, list(transform.mean_value))
        self._file = cache(read_file) if p.cache_images else read_file

    @property
    def epoch_size(self) -> None:
        """None: windows are drawn with replacement."""
        _ = self._sets

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """Windows (N, 3, crop, crop) and labels (N,), float32. Raises DataError."""
        windows, chosen, mirrored = self._windows, *self._draw(k)
        data = np.zeros(self.shapes[0], np.float32)
        image_of = cache(self._load)
        for target, i, flip in zip(data, chosen, mirrored, strict=True):
            with located(lambda at=i: self._where(at)):
                image = image_of(windows.paths[windows.image[i]])
                self._write(image, windows.rows[i, 2:].astype(int).tolist(), flip, target)
        labels = windows.rows[chosen, 0]
        labels[: self._background] = 0
        return data, labels

    def describe(self, k: int) -> tuple[str, ...]:
        """Names each example of batch k."""
        windows, chosen, mirrored = self._windows, *self._draw(k)
        return tuple(
            f"{self._where(i)}, {windows.paths[windows.image[i]]}{', mirrored' * bool(flip)}"
            for i, flip in zip(chosen, mirrored, strict=True)
        )

    def drawn(self, k: int) -> tuple[str, ...]:
        """Nothing that `describe` does not tell."""
        return ("",) * self._p.batch_size

    @cached_property
    def _windows(self) -> Windows:
        with failing(self._fail, "source"):
            return read_windows(self._p.source, self._p.root_folder)

    @cached_property
    def _sets(self) -> tuple[np.ndarray, np.ndarray]:
        """The windows of background and of foreground."""
        p, windows = self._p, self._windows
        overlap = windows.rows[:, 1]
        foreground = overlap >= np.float32(p.fg_threshold)
        found = (
            np.flatnonzero(~foreground & (overlap < np.float32(p.bg_threshold))),
            np.flatnonzero(foreground),
        )
        with failing(self._fail, "source"):
            wrong = found[1][windows.rows[found[1], 0] <= 0]
            if wrong.size:
                label = f"Check failed: label > 0 ({windows.rows[wrong[0], 0]:g} vs. 0)"
                raise DataError(f"{label}: a foreground window has a class", self._where(wrong[0]))
            limits = (f"less than bg_threshold {p.bg_threshold:g}",)
            limits += (f"fg_threshold {p.fg_threshold:g} or more",)
            for name, limit, members in zip(("bg", "fg"), limits, found, strict=True):
                if not members.size:
                    what = f"Check failed: {name}_windows_.size() > 0 (0 vs. 0)"
                    raise DataError(f"{what}: no window overlaps by {limit}", p.source)
        log.info("Number of images: %d", len(windows.paths))
        labels = np.concatenate([np.zeros(len(found[0])), windows.rows[found[1], 0]])
        for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
            log.info("class %d has %d samples", label, count)
        return found

    def _draw(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The windows of batch k, and whether each is mirrored."""
        count = self._p.batch_size
        words = draws(self._seed, self._name, k * count, count)
        parts = np.split(words[:, 0], [self._background])
        chosen = [s[below(w, len(s))] for s, w in zip(self._sets, parts, strict=True)]
        return np.concatenate(chosen), (words[:, 1] >> np.uint64(63) == 1) & self._mirror

    def _where(self, window: int) -> str:
        return f"{self._p.source}:{self._windows.line[window]}"

    def _load(self, path: str) -> np.ndarray:
        import cv2

        return decode(path, self._file(path), cv2.IMREAD_COLOR)

    def _write(self, image: np.ndarray, box: Box, flip: bool, target: np.ndarray) -> None:
        import cv2

        p = self._p
        placed = place(box, image.shape[:2], self._crop, p.context_pad, p.crop_mode == "square")
        x1, y1, x2, y2 = placed.box
        if not (0 <= x1 <= x2 < image.shape[1] and 0 <= y1 <= y2 < image.shape[0]):
            raise DataError(
                f"window {' '.join(map(str, box))} does not lie in the image of "
                f"{dims(image.shape[:2])}"
            )
        top, left = placed.top, placed.right if flip else placed.left
        height = min(placed.size[0], self._crop - top)
        width = min(placed.size[1], self._crop - left)
        if height <= 0 or width <= 0:
            return
        warped = planes(cv2.resize(image[y1 : y2 + 1, x1 : x2 + 1], (width, height)))
        inside = np.s_[:, top : top + height, left : left + width]
        target[inside] = (warped[..., ::-1] if flip else warped) - self._mean[inside]
        target *= self._scale

    def _read_mean(self, path: str, values: list[float]) -> np.ndarray:
        """The mean over the crop, (3, crop, crop)."""
        if path and values:
            self._fail("Cannot specify mean_file and mean_value at the same time", "mean_value")
        mean = read_mean(path, self._fail) if path else np.array(values or [0], np.float32)
        crop, shape = self._crop, (3, self._crop, self._crop)
        if mean.ndim == 1:
            if len(mean) not in (1, 3):
                rule = "Specify either 1 mean_value or as many as channels: 3"
                self._fail(f"{rule} (got {len(mean)})", "mean_file" if path else "mean_value")
            return np.broadcast_to(mean.reshape(-1, 1, 1), shape)
        start = (mean.shape[2] - crop) // 2
        inside = mean[:, start : start + crop, start : start + crop]
        if start < 0 or inside.shape != shape:
            what = f"mean_file '{path}' is {dims(mean.shape)}, too small for windows of"
            self._fail(f"{what} {dims(shape)}", "mean_file")
        return inside


def place(box: Box, image: tuple[int, int], crop: int, pad: int, square: bool) -> Placed:
    """Where a box comes in a crop that shows `pad` pixels of context around it.

    image: (height, width). Computed in float32 and rounded half away from zero, as in Caffe.
    """
    if not pad and not square:
        return Placed(box, (crop, crop), 0, 0, 0)
    real = np.float32
    scale = real(crop) / real(crop - 2 * pad)
    halves = [real(box[i + 2] - box[i] + 1) / real(2) for i in (0, 1)]
    reach = [max(halves)] * 2 if square else halves
    low, high, before, after, sizes = [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]
    for i in (0, 1):
        limit, center = image[1 - i], real(box[i]) + halves[i]
        low[i], high[i] = (_round(center + s * reach[i] * scale) for s in (real(-1), real(1)))
        factor = real(crop) / real(high[i] - low[i] + 1)
        outside = max(0, -low[i]), max(0, high[i] - limit + 1)
        low[i], high[i] = low[i] + outside[0], high[i] - outside[1]
        sizes[i] = _round(real(high[i] - low[i] + 1) * factor)
        before[i], after[i] = (_round(real(n) * factor) for n in outside)
    return Placed((*low, *high), (sizes[1], sizes[0]), before[1], before[0], after[0])


def _round(x: np.float32) -> int:
    return int(math.copysign(math.floor(abs(float(x)) + 0.5), x))


def read_windows(source: str, root: str) -> Windows:
    """The windows of a text file. Raises DataError naming file and line.

    For each image a head, as in HEAD, and a line for each window, as in WINDOW.
    """
    lines = read_bytes(source).decode(errors="surrogateescape").split("\n")
    paths: list[str] = []
    blocks, numbers = [np.zeros((0, len(WINDOW)), np.float32)], [np.zeros(0, int)]
    at = 0
    while True:
        tokens: list[str] = []
        start = at + 1
        while at < len(lines) and len(tokens) < len(HEAD):
            tokens += lines[at].split()
            at += 1
        if not tokens:
            break
        path, count = _head(tokens, len(paths), f"{source}:{start}")
        blocks.append(_block(lines, at, count, source))
        numbers.append(np.arange(at + 1, at + 1 + count))
        paths.append(root + path)
        at += count
    if not paths:
        raise DataError("Window file is empty", source)
    counts = [len(block) for block in blocks[1:]]
    image = np.repeat(np.arange(len(paths)), counts)
    return Windows(paths, np.concatenate(blocks), image, np.concatenate(numbers))


def _head(tokens: list[str], index: int, where: str) -> tuple[str, int]:
    """The path and the number of windows."""
    digits = all(token.isdigit() for token in (*tokens[1:2], *tokens[3:]))
    if len(tokens) != len(HEAD) or tokens[0] != "#" or not digits:
        raise DataError(f"expected {', '.join(HEAD)}, got '{excerpt(' '.join(tokens))}'", where)
    if int(tokens[1]) != index:
        raise DataError(f"expected image_index {index}, got {tokens[1]}", where)
    return tokens[2], int(tokens[-1])


def _block(lines: list[str], at: int, count: int, source: str) -> np.ndarray:
    """`count` lines of windows, float32 (count, 6)."""
    rows = [line.split() for line in lines[at : at + count]]
    try:
        return np.array(rows, np.float32).reshape(count, len(WINDOW))
    except ValueError:
        pass
    for number, row in enumerate(rows, at + 1):
        try:
            fits = len(np.array(row, np.float32)) == len(WINDOW)
        except ValueError:
            fits = False
        if not fits:
            what = f"expected {' '.join(WINDOW)}, got '{excerpt(' '.join(row))}'"
            raise DataError(what, f"{source}:{number}")
    raise DataError(f"the file ends after {len(rows)} of {count} windows", source)
