"""Images as pycaffe has them: float32 (H, W, C), RGB from 0 to 1. Caffe: io.py, detector.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from netc.data.fail import dims
from netc.data.images import decode, read_file
from netc.errors import DataError, UsageError

Size = Sequence[int] | np.ndarray  # height, width
GRAY = np.array([0.2125, 0.7154, 0.0721], np.float32)  # of R, G and B


def load_image(filename: str, color: bool = True) -> np.ndarray:
    """An image file as (H, W, 3), or (H, W, 1) without color. Raises DataError.

    An alpha channel is dropped; a gray image has three equal channels in color.
    """
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = decode(filename, read_file(filename), flags)[..., ::-1]
    most = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    image = np.divide(pixels, most, dtype=np.float32)
    return image if color else (image @ GRAY)[..., None]


def resize_image(im: np.ndarray, new_dims: Size, interp_order: int = 1) -> np.ndarray:
    """(H, W, C) -> (*new_dims, C), by splines of `interp_order`.

    With 1 or 3 channels pixels are areas, and around the image lies its least value. Otherwise they
    are points, and the corners stay in place.
    """
    import cv2
    from scipy.ndimage import zoom

    im = np.asarray(im, np.float32)
    height, width = (int(n) for n in new_dims)
    factors = (height / im.shape[0], width / im.shape[1], 1)
    if im.shape[2] not in (1, 3):
        return np.asarray(zoom(im, factors, order=interp_order))
    least = im.min()
    if interp_order != 1:
        out = zoom(im - least, factors, order=interp_order, mode="grid-constant", grid_mode=True)
        return out + least
    out = cv2.resize(im - least, (width, height)).reshape(height, width, -1)
    out *= _inside(im.shape[0], height)[:, None, None]
    out *= _inside(im.shape[1], width)[:, None]
    return out + least


def _inside(size: int, new: int) -> np.ndarray:
    """How much of each new pixel's value comes from inside of an axis, where the image lies."""
    at = (np.arange(new) + 0.5) * (size / new) - 0.5
    return (1 - np.maximum(0, np.maximum(-at, at - (size - 1)))).astype(np.float32)


def fitted_mean(mean: np.ndarray, channels: int, size: Sequence[int]) -> np.ndarray:
    """A mean (C,) or (C, H, W) for inputs of (channels, *size), resized to them: (C, 1, 1) or
    (C, *size). Raises UsageError.
    """
    shape = mean.shape
    if len(shape) not in (1, 2, 3):
        raise UsageError(f"Mean shape invalid: it is C or C x H x W, got {dims(shape)}")
    mean = mean[:, None, None] if mean.ndim == 1 else mean.reshape(-1, *shape[-2:])
    if len(mean) != channels:
        raise UsageError(
            f"Mean channels incompatible with input: the mean is {dims(shape)}, the input has "
            f"{channels} channels."
        )
    if len(shape) == 1 or mean.shape[1:] == tuple(size):
        return mean
    return resize_image(mean.transpose(1, 2, 0), size).transpose(2, 0, 1)


class Crop(NamedTuple):
    """A window of an image, mirrored or not."""

    top: int
    left: int
    mirror: bool = False


def centre(size: Size, crop: Size) -> Crop:
    """The crop in the middle of an image of (height, width). Raises DataError if it is larger."""
    room = [int(s) - int(c) for s, c in zip(size, crop, strict=True)]
    if min(room) < 0:
        raise DataError(
            f"a crop of {crop[0]} x {crop[1]} does not fit an image of {size[0]} x {size[1]}"
        )
    return Crop(room[0] // 2, room[1] // 2)


def ten_crops(size: Size, crop: Size) -> list[Crop]:
    """The four corners and the centre, then the same mirrored. Raises DataError."""
    middle = centre(size, crop)
    bottom, right = int(size[0]) - int(crop[0]), int(size[1]) - int(crop[1])
    places = [Crop(0, 0), Crop(0, right), Crop(bottom, 0), Crop(bottom, right), middle]
    return places + [place._replace(mirror=True) for place in places]


def cut(image: np.ndarray, crops: Sequence[Crop], size: Size) -> Iterator[np.ndarray]:
    """The crops (h, w, C) of an image (H, W, C), as views."""
    for top, left, mirror in crops:
        window = image[top : top + int(size[0]), left : left + int(size[1])]
        yield window[:, ::-1] if mirror else window


def oversample(images: Sequence[np.ndarray], crop_dims: Size) -> np.ndarray:
    """The `ten_crops` of each image (H, W, C), which are of one size: (10 N, h, w, C)."""
    crops = ten_crops(images[0].shape[:2], crop_dims)
    each = (crop for image in images for crop in cut(image, crops, crop_dims))
    return np.array(list(each), np.float32)


def window_of(
    image: np.ndarray,
    window: Sequence[float],
    pad: int = 0,
    side: int = 0,
    fill: np.ndarray | None = None,
) -> np.ndarray:
    """A window ymin, xmin, ymax, xmax of an image, ymax and xmax outside. Raises DataError.

    pad: how many pixels of context the window has on each side when it is `side` pixels wide and
    high, which it is then resized to. Beyond the image lies `fill` (side, side, C).
    """
    box = np.asarray(window, np.float64)
    height, width = image.shape[:2]
    if box.shape != (4,) or not np.isfinite(box).all():
        raise DataError(f"a window is ymin, xmin, ymax, xmax, got {list(window)}")
    inside = np.concatenate([box[:2].clip(0), np.minimum(box[2:], (height, width))]).astype(int)
    if (inside[2:] <= inside[:2]).any():
        told = " ".join(f"{x:g}" for x in box)
        raise DataError(f"window {told} holds no pixel of the image of {height} x {width}")
    if not pad:
        return image[inside[0] : inside[2], inside[1] : inside[3]]
    half = (box[2:] - box[:2] + 1) / 2
    reach = half * side / (side - 2 * pad)
    middle = box[:2] + half
    low, high = np.round(middle - reach), np.round(middle + reach)
    scale = side / (high - low + 1)
    before = np.round(np.maximum(0, -low) * scale).astype(int)
    start = low.clip(0, (height, width))
    end = high.clip(0, (height, width))
    size = np.minimum(np.round((end - start + 1) * scale).astype(int), side - before)
    (top, left), (bottom, right) = start.astype(int), end.astype(int)
    shape = (side, side, image.shape[2])
    out = np.zeros(shape, np.float32) if fill is None else np.array(fill, np.float32)
    rows, columns = (slice(b, b + n) for b, n in zip(before, size, strict=True))
    out[rows, columns] = resize_image(image[top:bottom, left:right], size)
    return out
