"""Colours, canvas and size of images that have boxes: OpenCV's (H, W, C) or (H, W).

SSD: data_transformer.cpp, im_transforms.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from netc.data.augment import Values
from netc.data.boxes import fitted_size
from netc.data.draws import draws, uniform
from netc.data.fail import Fail
from netc.schema import DistortionParameter, ResizeParameter

BLACK_TO_WHITE = np.arange(256, dtype=np.float32)


def linear(image: np.ndarray, factor: float, shift: float = 0) -> np.ndarray:
    """factor * image + shift, rounded and kept within 0 to 255."""
    import cv2

    table = np.float32(factor) * BLACK_TO_WHITE + np.float32(shift)
    return cv2.LUT(image, table.round().clip(0, 255).astype(np.uint8))


def _in_hsv(image: np.ndarray, channel: int, factor: float, shift: float) -> np.ndarray:
    import cv2

    planes = list(cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV)))
    planes[channel] = linear(planes[channel], factor, shift)
    return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2BGR)


class Change(NamedTuple):
    """bounds: the fields between which a value is drawn; one is for both ways.

    apply: (image, value) -> image.
    """

    bounds: tuple[str, ...]
    apply: Callable[[np.ndarray, Any], np.ndarray]


CHANGES = {
    "brightness": Change(("brightness_delta",), lambda x, v: linear(x, 1, v)),
    "contrast": Change(("contrast_lower", "contrast_upper"), linear),
    "saturation": Change(
        ("saturation_lower", "saturation_upper"), lambda x, v: _in_hsv(x, 1, v, 0)
    ),
    "hue": Change(("hue_delta",), lambda x, v: _in_hsv(x, 0, 1, v)),
    "random_order": Change((), lambda x, v: np.ascontiguousarray(x[..., v])),
}
ORDERS = (tuple(CHANGES), ("brightness", "saturation", "hue", "contrast", "random_order"))
COLOURED = ("saturation", "hue", "random_order")


class Distort:
    """Brightness, contrast, saturation, hue, order of the channels, each with its probability.

    Contrast comes second or last but one, each in half of the examples. Calls `fail` where a field
    is out of bounds.
    """

    def __init__(self, param: DistortionParameter, seed: int, name: str, fail: Fail) -> None:
        self._seed, self._name = seed, name
        self._chances = {
            field: chance for field in CHANGES if (chance := getattr(param, f"{field}_prob"))
        }
        self._bounds: dict[str, tuple[float, float]] = {}
        for field in self._chances:
            fields = CHANGES[field].bounds
            values = [getattr(param, f) for f in fields]
            for f, value in zip(fields, values, strict=True):
                if value < 0:
                    fail(f"{f} must be non-negative, got {value:g}", f)
            if len(values) == 2 and values[1] < values[0]:
                told = f"{values[1]:g} and {values[0]:g}"
                fail(f"{fields[1]} must be >= {fields[0]}, got {told}", fields[1])
            self._bounds[field] = (values[0], values[1]) if len(values) == 2 else (0.0, 0.0)
            if len(values) == 1:
                self._bounds[field] = (-values[0], values[0])

    def __bool__(self) -> bool:
        return bool(self._chances)

    def check(self, channels: int, fail: Fail) -> None:
        """Calls `fail` where images of this many channels cannot be changed so."""
        for field in COLOURED:
            if field in self._chances and channels != 3:
                fail(f"{field} needs images of 3 channels, got {channels}", f"{field}_prob")

    def drawn(self, example: int) -> Values:
        """What an example draws, in the order in which it is done."""
        numbers = {
            field: uniform(draws(self._seed, f"{self._name}/{field}", example, 1))[0]
            for field in ("order", *self._chances)
        }
        order = ORDERS[int(2 * numbers["order"][0])]
        return {
            field: self._value(field, numbers[field])
            for field in order
            if field in self._chances and numbers[field][0] < self._chances[field]
        }

    def _value(self, field: str, u: np.ndarray) -> Any:
        if field == "random_order":
            return u[1:].argsort().tolist()
        low, high = self._bounds[field]
        return float(low + (high - low) * u[1])


def distorted(image: np.ndarray, drawn: Values) -> np.ndarray:
    """The image after the changes that were drawn."""
    for field, value in drawn.items():
        image = CHANGES[field].apply(image, value)
    return image


def expanded(image: np.ndarray, drawn: Sequence[float], fill: np.ndarray) -> tuple[Any, Any]:
    """The image somewhere on a larger canvas, and the canvas as corners in units of the image.

    drawn: sides of the canvas in sides of the image, and where the image lies, from 0 to 1, down
    and right. fill: the value of each channel, or one for all.
    """
    size = np.array(image.shape[:2])
    canvas = (size * np.float32(drawn[0])).astype(int)
    top, left = (np.array(drawn[1:]) * (canvas - size)).astype(int)
    height, width = size
    out = np.empty((*canvas, *image.shape[2:]), image.dtype)
    fill = fill.reshape(-1)
    out[:] = fill.round().clip(0, 255) if image.dtype == np.uint8 else fill
    out[top : top + height, left : left + width] = image
    ends = [-left, -top, canvas[1] - left, canvas[0] - top]
    return out, np.array(ends, np.float32) / np.array([width, height] * 2, np.float32)


def cut(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The part of an image that a window, (4,) as corners from 0 to 1, shows; a pixel at least."""
    height, width = image.shape[:2]
    ends = window.clip(0, 1) * np.array([width, height] * 2, np.float32)
    left, top = ends[:2].astype(int)
    across, down = np.maximum((ends[2:] - ends[:2]).astype(int), 1)
    left, top = min(left, width - across), min(top, height - down)
    return image[top : top + down, left : left + across]


def resize(image: np.ndarray, p: ResizeParameter, u: float) -> np.ndarray:
    """Resize and pad. u: from 0 to 1, which of several ways to interpolate is taken."""
    import cv2

    modes = [ResizeParameter.Interp_mode.Name(mode) for mode in p.interp_mode] or ["LINEAR"]
    mode = getattr(cv2, f"INTER_{modes[int(u * len(modes))]}")
    height, width = (max(int(n), 1) for n in fitted_size(image.shape[:2], p))
    image = cv2.resize(image, (width, height), interpolation=mode)
    if p.resize_mode != ResizeParameter.FIT_LARGE_SIZE_AND_PAD:
        return image
    down, across = p.height - height, p.width - width
    border = {
        ResizeParameter.CONSTANT: cv2.BORDER_CONSTANT,
        ResizeParameter.MIRRORED: cv2.BORDER_REFLECT_101,
        ResizeParameter.REPEAT_NEAREST: cv2.BORDER_REPLICATE,
    }[p.pad_mode]
    fill = (list(p.pad_value) or [0.0]) * (4 if len(p.pad_value) < 2 else 1)
    top, left = down // 2, across // 2
    return cv2.copyMakeBorder(image, top, down - top, left, across - left, border, value=fill[:4])
