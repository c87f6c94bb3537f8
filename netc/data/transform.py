"""Images to network input: crop, mirror, mean, scale. Caffe: data_transformer.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
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


class Transformer:
    """top = (image - mean) * scale on a crop of the image, mirrored or not.

    The crop is random in TRAIN and central in TEST; mirroring is random in both. The mean is taken
    where the pixel lies in the image, before mirroring. In TRAIN comes what `augment` asks for:
    window and warp with the crop, blur, colours and noise before the mean, cut-out after it. What
    example `i` draws depends on (seed, name, i) alone.

    phase: "TRAIN" or "TEST".
    """

    def __init__(
        self,
        param: TransformationParameter,
        phase: str,
        seed: int = 0,
        name: str = "",
        fail: Fail = plain_fail,
    ) -> None:
        if phase not in ("TRAIN", "TEST"):
            raise ValueError(f"phase must be 'TRAIN' or 'TEST', got {phase!r}")
        if param.mean_file and param.mean_value:
            fail("Cannot specify mean_file and mean_value at the same time", "mean_value")
        self._param, self._fail = param, fail
        self._seed, self._name = seed, name
        self._scale, self._train = np.float32(param.scale), phase == "TRAIN"
        mean = np.array(param.mean_value or [0], np.float32)
        if param.mean_file:
            mean = read_mean(param.mean_file, fail)
        self._per_pixel = mean.ndim == 3
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
    def label_shape(self) -> tuple[int, ...]:
        """The shape of an example's label after `mix`."""
        return (self.mix.classes,) if self.mix else ()

    def output_shape(self, shape: tuple[int, ...], fail: Fail = plain_fail) -> tuple[int, ...]:
        """The shape (C, h, w) that an image (C, H, W) is given; calls `fail` if it has none."""
        channels, height, width = shape
        crop, mean, file = self._param.crop_size, self._mean, self._param.mean_file
        if crop > min(height, width) and not self._augment.resizes:
            fail(f"crop_size {crop} is larger than the image, {height} x {width}", "crop_size")
        if file and mean.shape != (shape if self._per_pixel else (channels, 1, 1)):
            fail(f"mean_file '{file}' is {dims(mean.shape)}, the image {dims(shape)}", "mean_file")
        if not file and len(mean) not in (1, channels):
            rule = f"Specify either 1 mean_value or as many as channels: {channels}"
            fail(f"{rule} (got {len(mean)})", "mean_value")
        self._augment.check(channels, fail)
        return (channels, crop, crop) if crop else shape

    def batch(self, images: Images, first: int) -> np.ndarray:
        """Transform examples `first` and following: float32 (N, C, h, w).

        images: an array (N, C, H, W) or arrays (C, H, W), uint8 or float32, of shapes that
        `output_shape` accepts and maps to one.
        """
        out = self._empty(images)
        corners, mirrored = self._places(images, first)
        if isinstance(images, np.ndarray) and not self._augment:
            self._write_all(images, corners, mirrored, out)
        else:
            for i, (corner, flip, drawn) in enumerate(self._each(corners, mirrored, first)):
                target = out[i, ..., ::-1] if flip else out[i]
                self._write(images[i], corner, drawn, first + i, target)
        if self._scale != 1:
            out *= self._scale
        return out

    def label_images(self, images: Images, first: int) -> np.ndarray:
        """The label images of examples `first` and following, moved like these: float32.

        They are of the sizes of the images. No value changes, and none is between two others.
        """
        out = self._empty(images)
        places = self._each(*self._places(images, first), first)
        for image, target, (corner, flip, drawn) in zip(images, out, places, strict=True):
            window = self._window(image, corner, drawn, target.shape[1:], nearest=True)
            target[:] = window[..., ::-1] if flip else window
        return out

    def describe(self, sizes: Sequence[tuple[int, int]], first: int) -> list[str]:
        """What examples `first` and following draw, for images of these (height, width)."""
        crop, places = (
            self._param.crop_size,
            self._places([np.empty(size) for size in sizes], first),
        )
        return [
            ", ".join(
                [f"crop {crop} x {crop} at ({corner[0]}, {corner[1]})"] * bool(crop)
                + ["mirrored"] * bool(flip)
                + [f"{field} {_told(value)}" for field, value in drawn.items()]
            )
            for corner, flip, drawn in self._each(*places, first)
        ]

    def _empty(self, images: Images) -> np.ndarray:
        (channels, *size), crop = images[0].shape, self._param.crop_size
        return np.empty((len(images), channels, *([crop, crop] if crop else size)), np.float32)

    def _places(self, images: Images, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the crop of each image starts, as (top, left), and whether it is mirrored."""
        count, crop, mirror = len(images), self._param.crop_size, self._param.mirror
        corners, mirrored = np.zeros((count, 2), int), np.zeros(count, bool)
        at_random = crop and self._train
        words = draws(self._seed, self._name, first, count) if at_random or mirror else None
        if crop:
            room = np.array([image.shape[-2:] for image in images]) - crop
            corners = room // 2
            if words is not None and at_random:
                corners = below(words[:, 1:3], np.maximum(room, 0) + 1)
        if words is not None and mirror:
            mirrored = words[:, 0] >> np.uint64(63) == 1
        return corners, mirrored

    def _each(
        self, corners: np.ndarray, mirrored: np.ndarray, first: int
    ) -> Iterator[tuple[list[int], bool, Values]]:
        """For each example the corner, whether it is mirrored, and what its augmentation draws."""
        count = len(corners)
        drawn = self._augment.drawn(first, count) if self._augment else [{}] * count
        return zip(corners.tolist(), mirrored.tolist(), drawn, strict=True)

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
        np.subtract(pixels, mean, out=target)
        if drawn:
            self._augment.cut_out(target, drawn)

    def _write_all(
        self, images: np.ndarray, corners: np.ndarray, mirrored: np.ndarray, out: np.ndarray
    ) -> None:
        """out = images - mean where their windows lie, without augmentation, all at once."""
        size, mean = out.shape[2:], self._mean
        if (corners == corners[0]).all():
            pixels = _cropped(images, corners[0], size)
            mean = _cropped(mean, corners[0], size) if self._per_pixel else mean
        else:
            windows = partial(sliding_window_view, window_shape=size, axis=(-2, -1))
            pixels = windows(images)[np.arange(len(images)), :, *corners.T]
            mean = windows(mean)[:, *corners.T].swapaxes(0, 1) if self._per_pixel else mean
        np.subtract(pixels, mean, out=out)
        out[mirrored] = out[mirrored, ..., ::-1]


def _cropped(image: np.ndarray, corner: Sequence[int], size: tuple[int, ...]) -> np.ndarray:
    """The window of (..., H, W) that starts at (top, left)."""
    (top, left), (height, width) = corner, size
    return image[..., top : top + height, left : left + width]


def _told(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(f'{v:.3g}' for v in value)})"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
