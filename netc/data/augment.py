"""Random changes of training images: windows, warps, blur, colours, noise, cut-out.

What example `i` draws depends on (seed, name of the layer, name of the change, i) alone, so that
switching one change on or off leaves the others as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from netc.data.draws import draws, normal, uniform
from netc.data.fail import Fail
from netc.schema import AugmentParameter

Values = dict[str, Any]
LUMA = {1: np.ones(1), 3: np.array([0.114, 0.587, 0.299])}  # of B, G and R
# Rows Y, I, Q over columns B, G, R: I and Q span the colours, around the gray axis Y.
YIQ = np.array([[0.114, 0.587, 0.299], [-0.3213, -0.2744, 0.5957], [0.3112, -0.5227, 0.2115]])
COLOURS = ("saturation", "hue", "gray")
GEOMETRY = ("area", "aspect", "zoom", "rotation", "shift")


class Change(NamedTuple):
    """What a field may be, and how an example draws from it.

    least, most: bounds of the field's values. draw: (field, uniform numbers (N, 4)) -> (N, ...).
    """

    least: float
    most: float
    draw: Callable[[Any, np.ndarray], np.ndarray]


def _either_way(most: float, u: np.ndarray) -> np.ndarray:
    return (2 * u[:, 0] - 1) * most


def _factor(most: float, u: np.ndarray) -> np.ndarray:
    return 1 + _either_way(most, u)


def _up_to(most: float, u: np.ndarray) -> np.ndarray:
    return most * u[:, 0]


def _ratio(bounds: Sequence[float], u: np.ndarray) -> np.ndarray:
    low, high = np.log(bounds)
    return np.exp(low + (high - low) * u[:, 0])


def _window(bounds: Sequence[float], u: np.ndarray) -> np.ndarray:
    low, high = bounds
    return np.column_stack([low + (high - low) * u[:, 0], u[:, 1:3]])


CHANGES = {
    "area": Change(0.0001, 1, _window),  # and where the window lies
    "aspect": Change(0.01, 100, _ratio),
    "zoom": Change(0.01, 100, _ratio),
    "rotation": Change(0, 180, _either_way),
    "shift": Change(0, 1, lambda most, u: (2 * u[:, :2] - 1) * most),
    "brightness": Change(0, 1, _factor),
    "contrast": Change(0, 1, _factor),
    "saturation": Change(0, 1, _factor),
    "hue": Change(0, 0.5, _either_way),
    "gray": Change(0, 1, lambda share, u: u[:, 0] < share),
    "blur": Change(0, 100, _up_to),
    "noise": Change(0, 1e6, _up_to),
    "cutout": Change(0, 1 << 16, lambda side, u: u[:, :2]),
}


class Augment:
    """The changes that a layer asks for; calls `fail` where a field is out of bounds."""

    def __init__(self, param: AugmentParameter, seed: int, name: str, fail: Fail) -> None:
        self._seed, self._name = seed, name
        given = {field: setting(param, field, fail) for field in CHANGES}
        self.settings: Values = {field: value for field, value in given.items() if value}
        if "aspect" in self.settings:
            self.settings.setdefault("area", [1.0, 1.0])

    def __bool__(self) -> bool:
        return bool(self.settings)

    @property
    def moves(self) -> bool:
        """Whether pixels move."""
        return any(field in self.settings for field in GEOMETRY)

    @property
    def resizes(self) -> bool:
        """Whether a window is resized, so that a crop may be larger than the image."""
        return "area" in self.settings

    def check(self, channels: int, fail: Fail) -> None:
        """Calls `fail` where images of this many channels cannot be changed so."""
        for field in COLOURS:
            if field in self.settings and channels not in LUMA:
                fail(f"{field} needs images of 1 or 3 channels, got {channels}", field)

    def drawn(self, first: int, count: int) -> list[Values]:
        """What each example from `first` on draws, by field."""
        columns = {
            field: CHANGES[field].draw(value, self.uniform(field, first, count)).tolist()
            for field, value in self.settings.items()
        }
        return [{field: column[i] for field, column in columns.items()} for i in range(count)]

    def uniform(self, field: str, first: int, count: int) -> np.ndarray:
        """Four numbers of [0, 1) for each example: (count, 4)."""
        return uniform(draws(self._seed, f"{self._name}/{field}", first, count))

    def retouch(self, pixels: np.ndarray, drawn: Values, example: int) -> np.ndarray:
        """Blur, colours and noise of one image (C, H, W): float32, as bounded as uint8 was."""
        image = recolour(blurred(pixels, drawn.get("blur", 0)), drawn)
        if drawn.get("noise"):
            noise = normal(self._seed, f"{self._name}/noise", example, image.size)
            image = image + np.float32(drawn["noise"]) * noise.reshape(image.shape)
        return np.clip(image, 0, 255) if pixels.dtype == np.uint8 else image

    def cut_out(self, image: np.ndarray, drawn: Values) -> None:
        """Set a square of (C, H, W) to 0, cut at the edges."""
        if "cutout" in drawn:
            side = self.settings["cutout"]
            down, right = drawn["cutout"]
            image[:, span(down, side, image.shape[1]), span(right, side, image.shape[2])] = 0


def setting(param: AugmentParameter, field: str, fail: Fail) -> Any:
    """The value of a field, a pair where the field is a list; false where it is off."""
    value, change = getattr(param, field), CHANGES[field]
    single = isinstance(value, int | float)
    values = [value] if single else list(value)
    if not single and values and (len(values) != 2 or values[0] > values[1]):
        told = ", ".join(f"{v:g}" for v in values)
        fail(f"{field} takes two values, the lower one first, got [{told}]", field)
    for v in values:
        if not change.least <= v <= change.most:
            bounds = f"{change.least:g} to {change.most:g}"
            fail(f"{field} must be in {bounds}, got {v:g}", field)
    return value if single else values


def span(centre: float, side: float, size: int) -> slice:
    """The part of [0, size) that a stretch around centre * size covers."""
    start = round(centre * size - side / 2)
    return slice(max(start, 0), max(min(start + round(side), size), 0))


def inverse_map(
    drawn: Values, size: tuple[int, ...], target: tuple[int, ...], corner: Sequence[int]
) -> np.ndarray:
    """Where the pixels of a target lie in the image, as OpenCV's 2 x 3 matrix of (x, y).

    The target shows a window of the image: that of `area` and `aspect`, or one of its own size at
    `corner`. The image is zoomed, turned and shifted around its centre before. size, target:
    (height, width).
    """
    height, width = size
    start, step = np.array([corner[1], corner[0]], float), np.ones(2)
    if "area" in drawn:
        area, top, left = drawn["area"]
        aspect = drawn.get("aspect", width / height)
        window = np.sqrt(area * height * width * np.array([aspect, 1 / aspect]))
        window = np.minimum(window, [width, height])
        start = np.array([left, top]) * ([width, height] - window)
        step = window / [target[1], target[0]]
    angle = math.radians(drawn.get("rotation", 0))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turn /= drawn.get("zoom", 1)
    down, right = drawn.get("shift", (0, 0))
    centre = np.array([width, height]) / 2
    linear = turn * step
    # Pixel i covers [i, i + 1): its centre is at i + 1/2.
    offset = turn @ (start - centre - [right * width, down * height]) + centre
    return np.column_stack([linear, offset + linear @ [0.5, 0.5] - 0.5])


def warped(
    image: np.ndarray, inverse: np.ndarray, target: tuple[int, ...], nearest: bool = False
) -> np.ndarray:
    """The target (C, h, w) that an inverse map takes from an image (C, H, W), mirrored outside."""
    import cv2

    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR)
    size = target[::-1]
    planes = [
        cv2.warpAffine(plane, inverse, size, flags=flags, borderMode=cv2.BORDER_REFLECT)
        for plane in np.ascontiguousarray(image)
    ]
    return np.stack(planes)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """The planes of (C, H, W) under a Gaussian of this standard deviation in pixels."""
    import cv2

    if not sigma:
        return image
    return np.stack([cv2.GaussianBlur(plane, (0, 0), sigma) for plane in image])


def recolour(image: np.ndarray, drawn: Values) -> np.ndarray:
    """Brightness, contrast, saturation, hue and gray, in this order: float32 (C, H, W).

    All are linear: x' = G H S (c b x + (1 - c) b m), where m is the image's mean gray, which G, H
    and S leave as it is.
    """
    channels = len(image)
    luma = LUMA.get(channels, np.full(channels, 1 / channels))
    bright, contrast = drawn.get("brightness", 1), drawn.get("contrast", 1)
    matrix = np.eye(channels) * contrast * bright
    if channels == 3:
        gray = np.outer(np.ones(3), luma)
        saturation = 0 if drawn.get("gray") else drawn.get("saturation", 1)
        matrix = hue_matrix(drawn.get("hue", 0)) @ (gray + saturation * (np.eye(3) - gray)) @ matrix
    mean = luma @ image.reshape(channels, -1).mean(axis=1) if contrast != 1 else 0
    flat = matrix.astype(np.float32) @ image.reshape(channels, -1).astype(np.float32)
    return flat.reshape(image.shape) + np.float32((1 - contrast) * bright * mean)


def hue_matrix(turn: float) -> np.ndarray:
    """Colours B, G, R turned around the gray axis by a share of the circle."""
    cos, sin = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    return np.linalg.inv(YIQ) @ [[1, 0, 0], [0, cos, -sin], [0, sin, cos]] @ YIQ
