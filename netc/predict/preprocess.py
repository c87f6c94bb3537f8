"""From an image file to what a net takes, as each of Caffe's programs does it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np

from netc.data import float_image
from netc.data.fail import dims
from netc.data.float_image import Crop
from netc.data.images import decode, read_file
from netc.data.mean_file import read_mean
from netc.errors import DataError, UsageError
from netc.predict.stored import Stored
from netc.schema import TransformationParameter

Size = tuple[int, int]  # height, width


class Options(NamedTuple):
    """What the command line says of the transform; None: as the style has it.

    style: of STYLES. mean: a file, or values separated by commas. size: (height, width) that images
    are resized to.
    """

    style: str = "training"
    mean: str | None = None
    raw_scale: float | None = None
    input_scale: float | None = None
    channel_swap: tuple[int, ...] | None = None
    size: Size | None = None
    ten_crops: bool | None = None


class Style(NamedTuple):
    """How a program of Caffe's prepares images.

    load: (path, color) -> (H, W, C). resize: (image, size) -> image. mean: what a mean image is
    taken for: of the "whole" resized image, of the "input", or for the mean of its "channels".
    raw_scale, swap: before the mean. size: that images are resized to. ten_crops: or the centre.
    """

    load: Callable[[str, bool], np.ndarray]
    resize: Callable[[np.ndarray, Size], np.ndarray]
    mean: str
    raw_scale: float = 1.0
    swap: tuple[int, ...] | None = None
    size: Size | None = None
    ten_crops: bool = False


class Prepared(NamedTuple):
    """The crops of an image, float32 (R, C, h, w), and its own (height, width)."""

    rows: np.ndarray
    size: Size


@dataclass(frozen=True)
class Pipeline:
    """(image[swap] raw_scale - mean) scale, in the crops of an image that is resized to `size`.

    mean: (H, W, C) of the whole image or of a crop, or (1, 1, C).
    """

    style: Style
    size: Size
    crop: Size
    crops: list[Crop]
    swap: tuple[int, ...] | None
    raw_scale: float
    mean: np.ndarray
    scale: float

    def __call__(self, path: str) -> Prepared:
        """An image file, ready for the net. Raises DataError."""
        image = self.style.load(path, self.mean.shape[2] == 3)
        return Prepared(self.rows(image), image.shape[:2])

    def rows(self, image: np.ndarray) -> np.ndarray:
        """The crops of an image (H, W, C): float32 (R, C, h, w)."""
        image = self.style.resize(image, self.size)
        if self.style.mean == "whole":
            cut = float_image.cut(self._valued(image), self.crops, self.crop)
        else:
            cut = map(self._valued, float_image.cut(image, self.crops, self.crop))
        return np.stack([x.transpose(2, 0, 1) for x in cut])

    def _valued(self, image: np.ndarray) -> np.ndarray:
        out = np.array(image if self.swap is None else image[..., self.swap], np.float32)
        out *= np.float32(self.raw_scale)
        out -= self.mean
        out *= np.float32(self.scale)
        return out

    def describe(self) -> str:
        """What is done, in a line."""
        channels = " ".join(f"{m:.4g}" for m in self.mean.mean((0, 1)))
        image = "a mean image of " if self.mean.size > self.mean.shape[2] else ""
        value = f"x * {self.raw_scale:g}" if self.raw_scale != 1 else "x"
        value += f" - {image}({channels})" if self.mean.any() else ""
        value = f"({value}) * {self.scale:g}".replace("(x)", "x") if self.scale != 1 else value
        order = f", channels {','.join(map(str, self.swap))}" if self.swap else ""
        crops = f"{len(self.crops)} crops" if len(self.crops) > 1 else "the centre"
        cut = "" if self.crop == self.size else f", {crops} of {dims(self.crop)}"
        return f"resized to {dims(self.size)}{cut}{order}, {value}"


def pipeline(channels: int, crop: Size, options: Options, stored: Stored) -> Pipeline:
    """What makes inputs (channels, *crop) of image files.

    Options come first, then the style, then what is stored. Images are resized to the size of the
    mean image where nothing else says to which.

    Raises UsageError and DataError for what does not fit the input.
    """
    style, param = STYLES[options.style], stored.param
    mean = _mean(options.mean, param)
    if channels not in (1, 3):
        raise UsageError(f"images have 1 or 3 channels, the net's input {channels}")
    if len(mean) == 1 and mean.ndim == 1:
        mean = mean.repeat(channels)
    whole = mean.shape[1:] if style.mean == "whole" else ()
    size = options.size or style.size or stored.size or whole or crop
    if whole and whole != size:
        raise UsageError(
            f"the mean image is {dims(mean.shape)}, images are resized to {dims(size)}",
            hint=f"--images_dim {whole[0]},{whole[1]}",
        )
    if style.mean == "channels" and mean.ndim == 3:
        mean = mean.mean((1, 2), dtype=np.float64)
    mean = float_image.fitted_mean(mean, channels, size if whole else crop)
    swap = options.channel_swap or (style.swap if channels == 3 else None)
    if swap and sorted(swap) != list(range(channels)):
        raise UsageError(
            f"--channel_swap is an order of 0 to {channels - 1}, got {','.join(map(str, swap))}"
        )
    find = float_image.ten_crops if _or(options.ten_crops, style.ten_crops) else _centre
    return Pipeline(
        style,
        size,
        crop,
        find(size, crop),
        swap,
        _or(options.raw_scale, style.raw_scale),
        mean.transpose(1, 2, 0).astype(np.float32),
        _or(options.input_scale, param.scale),
    )


def _or(given: Any, default: Any) -> Any:
    return default if given is None else given


def _centre(size: Size, crop: Size) -> list[Crop]:
    return [float_image.centre(size, crop)]


def _mean(given: str | None, param: TransformationParameter) -> np.ndarray:
    """The mean, (C,) or (C, H, W)."""
    with suppress(ValueError):
        return np.array([float(word) for word in (given or "").split(",")])
    if path := given or param.mean_file:
        return read_mean(path, _fail)
    return np.array(param.mean_value or [0.0])


def _fail(message: str, field: str, *, hint: str | None = None) -> NoReturn:
    raise DataError(message, hint=hint or "--mean_file names the mean image, or gives its values")


def _load(path: str, color: bool) -> np.ndarray:
    """As Caffe's tools and layers do, BGR. Caffe: io.cpp, ReadImageToCVMat."""
    import cv2

    image = decode(path, read_file(path), cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE)
    return np.atleast_3d(image)


def _load_as_it_is(path: str, color: bool) -> np.ndarray:
    """As it is stored, then BGR or gray. Caffe: classification.cpp."""
    import cv2

    image = np.atleast_3d(decode(path, read_file(path), cv2.IMREAD_UNCHANGED))
    code = {
        (1, True): cv2.COLOR_GRAY2BGR,
        (4, True): cv2.COLOR_BGRA2BGR,
        (3, False): cv2.COLOR_BGR2GRAY,
        (4, False): cv2.COLOR_BGRA2GRAY,
    }.get((image.shape[2], color))
    return image if code is None else np.atleast_3d(cv2.cvtColor(image, code))


def _resize(image: np.ndarray, size: Size) -> np.ndarray:
    import cv2

    return image if image.shape[:2] == size else np.atleast_3d(cv2.resize(image, size[::-1]))


_PYTHON = Style(
    float_image.load_image, float_image.resize_image, "input", raw_scale=255.0, swap=(2, 1, 0)
)
STYLES = {
    "training": Style(_load, _resize, "whole"),
    "cpp": Style(_load_as_it_is, _resize, "channels"),
    "python": _PYTHON._replace(size=(256, 256), ten_crops=True),
    "windows": _PYTHON._replace(mean="channels"),
}
