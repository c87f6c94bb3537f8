"""Images to network input: crop, mirror, mean, scale. Caffe: data_transformer.cpp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from netc.data.augment import Augment, Values, inverse_map, warped
from netc.data.draws import below, draws
from netc.data.fail import Fail, dims, plain_fail
from netc.data.mean_file import read_mean
from netc.data.mix import Mix
from netc.schema import AugmentParameter, TransformationParameter

Images = np.ndarray | Sequence[np.ndarray]
# Fields of height and width of the crop: Caffe's for both, SSD's, DeepLab's.
CROPS = (("crop_size", "crop_size"), ("crop_h", "crop_w"), ("crop_height", "crop_width"))


class Transformer:
    """top = (image - mean) * scale on a crop of the image, mirrored or not.

    The crop is random in TRAIN and central in TEST; mirroring is random in both. The mean is taken
    where the pixel lies in the image, before mirroring. In TRAIN comes what `augment` asks for:
    window and warp with the crop, blur, colours and noise before the mean, cut-out after it. What
    example `i` draws depends on (seed, name, i) alone.

    phase: "TRAIN" or "TEST". length: of clips, which come as images (C length, H, W); their mean is
    per pixel (C, length, H, W).
    """

    def __init__(
        self,
        param: TransformationParameter,
        phase: str,
        seed: int = 0,
        name: str = "",
        fail: Fail = plain_fail,
        length: int | None = None,
    ) -> None:
        if phase not in ("TRAIN", "TEST"):
            raise ValueError(f"phase must be 'TRAIN' or 'TEST', got {phase!r}")
        if param.mean_file and param.mean_value:
            fail("Cannot specify mean_file and mean_value at the same time", "mean_value")
        self._param, self._fail = param, fail
        self._crop_fields = _crop_fields(param, fail)
        self.crop = tuple(getattr(param, field) for field in self._crop_fields)
        self._seed, self._name = seed, name
        self._scale, self._train = np.float32(param.scale), phase == "TRAIN"
        mean = np.array(param.mean_value or [0], np.float32)
        if param.mean_file:
            mean = read_mean(param.mean_file, fail, length)
        self._length, self._per_pixel = length or 1, mean.ndim == 3
        if length and len(mean) > 1 and not self._per_pixel:
            mean = np.repeat(mean, length)
        self._mean = mean if self._per_pixel else mean[:, None, None]
        asked = param.augment if self._train else AugmentParameter()
        self._augment = Augment(asked, seed, name, fail)
        self.mix = Mix(asked, seed, name, fail)

    @property
    def color(self) -> bool | None:
        """How encoded images are decoded: True as colour, False as grey, None as they are."""
        p = self._param
        if p.force_color and p.force_gray:
            self._fail("cannot set both force_color and force_gray", "force_gray")
        return p.force_color if p.force_color or p.force_gray else None

    @property
    def mean(self) -> np.ndarray:
        """The mean of each channel: float32 (C, 1, 1), or (1, 1, 1) for all of them."""
        return self._mean.mean((1, 2), keepdims=True)

    @property
    def label_shape(self) -> tuple[int, ...]:
        """The shape of an example's label after `mix`."""
        return (self.mix.classes,) if self.mix else ()

    def output_shape(self, shape: tuple[int, ...], fail: Fail = plain_fail) -> tuple[int, ...]:
        """The shape (C, h, w) that an image (C, H, W) is given; calls `fail` if it has none."""
        channels, height, width = shape
        mean, file = self._mean, self._param.mean_file
        for field, size in zip(self._crop_fields, (height, width), strict=False):
            crop = getattr(self._param, field)
            if crop > size and not self._augment.resizes:
                fail(f"{field} {crop} is larger than the image, {height} x {width}", field)
        if file and mean.shape != (shape if self._per_pixel else (channels, 1, 1)):
            fail(f"mean_file '{file}' is {dims(mean.shape)}, the image {dims(shape)}", "mean_file")
        if not file and len(mean) not in (1, channels):
            many = channels // self._length
            rule = f"Specify either 1 mean_value or as many as channels: {many}"
            fail(f"{rule} (got {len(self._param.mean_value)})", "mean_value")
        self._augment.check(channels, fail)
        return (channels, *self.crop) if self.crop else shape

    def batch(
        self, images: Images | Iterator[np.ndarray], first: int, count: int | None = None
    ) -> np.ndarray:
        """Transform examples `first` and following: float32 (N, C, h, w).

        images: an array (N, C, H, W) or arrays (C, H, W), uint8 or float32, of shapes that
        `output_shape` accepts and maps to one. count: how many an iterator gives; each of its
        images is written while it is in the processor's cache.
        """
        count = len(images) if count is None else count  # pyright: ignore[reportArgumentType]
        out = np.empty(0, np.float32)
        if isinstance(images, np.ndarray) and not self._augment:
            out = self._write_all(images, first)
        else:
            for i, (image, corner, flip, drawn) in enumerate(self._each(images, first, count)):
                out = out if i else self._empty(image, count)
                self._write(image, corner, flip, drawn, first + i, out[i])
        if self._scale != 1:
            out *= self._scale
        return out

    def label_images(self, images: Images, first: int) -> np.ndarray:
        """The label images of examples `first` and following, moved like these: float32.

        They are of the sizes of the images. No value changes, and none is between two others.
        """
        out = self._empty(images[0], len(images))
        places = self._each(images, first, len(images))
        for target, (image, corner, flip, drawn) in zip(out, places, strict=True):
            window = self._window(image, corner, drawn, target.shape[1:], nearest=True)
            target[:] = window[..., ::-1] if flip else window
        return out

    def place(self, size: Sequence[int], example: int) -> tuple[list[int], bool]:
        """Where the crop of an example of (height, width) starts, and whether it is mirrored."""
        words = draws(self._seed, self._name, example, 1)
        return self._corners(size, words)[0].tolist(), bool(self._mirrored(words)[0])

    def describe(self, sizes: Sequence[tuple[int, int]], first: int) -> list[str]:
        """What examples `first` and following draw, for images of these (height, width)."""
        crop, images = dims(self.crop), [np.empty(size) for size in sizes]
        return [
            ", ".join(
                [f"crop {crop} at ({corner[0]}, {corner[1]})"] * bool(crop)
                + ["mirrored"] * flip
                + [f"{field} {_told(value)}" for field, value in drawn.items()]
            )
            for _, corner, flip, drawn in self._each(images, first, len(images))
        ]

    def _empty(self, image: np.ndarray, count: int) -> np.ndarray:
        channels, *size = image.shape
        return np.empty((count, channels, *(self.crop or size)), np.float32)

    def _corners(self, size: Sequence[int], words: np.ndarray) -> np.ndarray:
        """Where the crops of images of one (height, width) start: (N, 2), as (top, left)."""
        if not self.crop:
            return np.zeros((len(words), 2), int)
        room = np.subtract(size, self.crop)
        if self._train:
            return below(words[:, 1:3], np.maximum(room, 0) + 1)
        return np.broadcast_to(room // 2, (len(words), 2))

    def _mirrored(self, words: np.ndarray) -> np.ndarray:
        return (words[:, 0] >> np.uint64(63) == 1) & self._param.mirror

    def _each(
        self, images: Iterable[np.ndarray], first: int, count: int
    ) -> Iterator[tuple[np.ndarray, list[int], bool, Values]]:
        """Each image, where its crop starts, whether it is mirrored, what augmentation draws."""
        words = draws(self._seed, self._name, first, count)
        drawn = self._augment.drawn(first, count) if self._augment else [{}] * count
        mirrored = self._mirrored(words).tolist()
        corners = cache(lambda size: self._corners(size, words).tolist())
        for i, image in enumerate(images):
            yield image, corners(image.shape[-2:])[i], mirrored[i], drawn[i]

    def _window(
        self,
        image: np.ndarray,
        corner: Sequence[int],
        drawn: Values,
        size: tuple[int, ...],
        nearest: bool = False,
    ) -> np.ndarray:
        """The part of an image (C, H, W) that a target of (height, width) shows."""
        if not self._augment.moves:
            return _cropped(image, corner, size)
        return warped(image, inverse_map(drawn, image.shape[1:], size, corner), size, nearest)

    def _write(
        self,
        image: np.ndarray,
        corner: Sequence[int],
        flip: bool,
        drawn: Values,
        example: int,
        target: np.ndarray,
    ) -> None:
        """target = image - mean where the window lies, changed as was drawn."""
        size, mean = target.shape[1:], self._mean
        pixels = self._window(image, corner, drawn, size)
        if self._per_pixel:
            mean = self._window(mean, corner, drawn, size)
        if drawn:
            pixels = self._augment.retouch(pixels, drawn, example)
        if flip:
            pixels, mean = _flipped(pixels), _flipped(mean) if self._per_pixel else mean
        np.copyto(target, pixels)  # and then the mean, which is quicker than both in one call
        target -= mean
        if drawn:
            self._augment.cut_out(target, drawn)

    def _write_all(self, images: np.ndarray, first: int) -> np.ndarray:
        """images - mean where their windows lie, without augmentation, all at once."""
        out, mean = self._empty(images[0], len(images)), self._mean
        words, size = draws(self._seed, self._name, first, len(images)), out.shape[2:]
        corners = self._corners(images.shape[-2:], words)
        if (corners == corners[0]).all():
            pixels = _cropped(images, corners[0], size)
            mean = _cropped(mean, corners[0], size) if self._per_pixel else mean
        else:
            windows = partial(sliding_window_view, window_shape=size, axis=(-2, -1))
            pixels = windows(images)[np.arange(len(images)), :, *corners.T]
            mean = windows(mean)[:, *corners.T].swapaxes(0, 1) if self._per_pixel else mean
        np.subtract(pixels, mean, out=out)
        flip = self._mirrored(words)
        out[flip] = out[flip, ..., ::-1]
        return out


def _crop_fields(param: TransformationParameter, fail: Fail) -> tuple[str, ...]:
    """The fields that give height and width of the crop, or none.

    SSD, DeepLab: data_transformer.cpp.
    """
    given = [pair for pair in CROPS if any(getattr(param, field) for field in pair)]
    if len(given) > 1:
        one, other = (" and ".join(dict.fromkeys(pair)) for pair in given[:2])
        set_too = next(field for field in given[1] if getattr(param, field))
        fail(f"Use either {one} or {other}, not both.", set_too)
    for fields in given:
        height, width = (getattr(param, field) for field in fields)
        if not height or not width:
            fail(
                f"{' and '.join(fields)} should be used at the same time and should be positive, "
                f"got {height} and {width}",
                fields[0] if height else fields[1],
            )
        return fields
    return ()


def _cropped(image: np.ndarray, corner: Sequence[int], size: tuple[int, ...]) -> np.ndarray:
    """The window of (..., H, W) that starts at (top, left)."""
    (top, left), (height, width) = corner, size
    return image[..., top : top + height, left : left + width]


def _flipped(image: np.ndarray) -> np.ndarray:
    """(C, H, W) from right to left, several times quicker than by NumPy."""
    import cv2

    out = np.empty(image.shape, image.dtype)
    for plane, target in zip(image, out, strict=True):
        cv2.flip(plane, 1, target)
    return out


def _told(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(f'{v:.3g}' for v in value)})"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
