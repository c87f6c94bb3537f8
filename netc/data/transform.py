"""Images to network input: crop, mirror, mean, scale. Caffe: data_transformer.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

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
        # Per pixel (C, H, W) or per channel (C,); of no length where there is none.
        self._mean = np.array(param.mean_value, np.float32)
        if param.mean_file:
            self._mean = read_mean(param.mean_file, fail)
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
        if file and mean.shape not in (shape, (channels,)):
            size = f"is {dims(mean.shape)}, the image {dims(shape)}"
            fail(f"mean_file '{file}' {size}", "mean_file")
        if not file and len(mean) not in (0, 1, channels):
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
        if not self._random and isinstance(images, np.ndarray):
            self._write(images, corners[0], out)
        else:
            drawn = self._drawn(first, len(images))
            for i, image in enumerate(images):
                target = out[i, ..., ::-1] if mirrored[i] else out[i]
                self._write(image, corners[i], target, drawn[i], first + i)
        if self._scale != 1:
            out *= self._scale
        return out

    def label_images(self, images: Images, first: int) -> np.ndarray:
        """The label images of examples `first` and following, moved like these: float32.

        They are of the sizes of the images. No value changes, and none is between two others.
        """
        out = self._empty(images)
        corners, mirrored = self._places(images, first)
        drawn = self._drawn(first, len(images))
        for image, corner, flip, values, target in zip(
            images, corners, mirrored, drawn, out, strict=True
        ):
            window = self._window(image, corner, values, target.shape[1:], nearest=True)
            target[:] = window[..., ::-1] if flip else window
        return out

    def describe(self, sizes: Sequence[tuple[int, int]], first: int) -> list[str]:
        """What examples `first` and following draw, for images of these (height, width)."""
        corners, mirrored = self._places([np.empty((0, *size)) for size in sizes], first)
        drawn = self._drawn(first, len(sizes))
        crop = self._param.crop_size
        return [
            ", ".join(
                [f"crop {crop} x {crop} at ({corner[0]}, {corner[1]})"] * bool(crop)
                + ["mirrored"] * bool(flip)
                + [f"{field} {_told(value)}" for field, value in values.items()]
            )
            for corner, flip, values in zip(corners, mirrored, drawn, strict=True)
        ]

    def _empty(self, images: Images) -> np.ndarray:
        (channels, *size), crop = images[0].shape, self._param.crop_size
        return np.empty((len(images), channels, *([crop, crop] if crop else size)), np.float32)

    @property
    def _random(self) -> bool:
        return bool(self._param.mirror or (self._train and self._param.crop_size) or self._augment)

    def _places(self, images: Images, first: int) -> tuple[list[list[int]], list[bool]]:
        """Where the crop of each image starts, as (top, left), and whether it is mirrored."""
        count, crop = len(images), self._param.crop_size
        corners, mirrored = [[0, 0]] * count, [False] * count
        words = draws(self._seed, self._name, first, count) if self._random else None
        if words is not None and self._param.mirror:
            mirrored = (words[:, 0] >> np.uint64(63) == 1).tolist()
        if crop:
            room = np.array([image.shape[-2:] for image in images]) - crop
            if words is not None and self._train:
                corners = below(words[:, 1:3], np.maximum(room, 0) + 1).tolist()
            else:
                corners = (room // 2).tolist()
        return corners, mirrored

    def _window(
        self,
        image: np.ndarray,
        corner: Sequence[int],
        drawn: Values,
        size: tuple[int, ...],
        nearest: bool = False,
    ) -> np.ndarray:
        """The part of an image (..., H, W) that a target of (height, width) shows."""
        (top, left), (height, width) = corner, size
        if self._augment.moves:
            inverse = inverse_map(drawn, image.shape[-2:], (height, width), corner)
            return warped(image, inverse, (height, width), nearest)
        return image[..., top : top + height, left : left + width]

    def _write(
        self,
        image: np.ndarray,
        corner: Sequence[int],
        target: np.ndarray,
        drawn: Values | None = None,
        example: int = 0,
    ) -> None:
        """target = image - mean where the window lies; of an image, or of a batch undrawn."""
        see = partial(self._window, corner=corner, drawn=drawn or {}, size=target.shape[-2:])
        pixels, mean = see(image), self._mean
        if drawn:
            pixels = self._augment.retouch(pixels, drawn, example)
        if mean.size:
            mean = see(mean) if mean.ndim == 3 else mean[:, None, None]
            np.subtract(pixels, mean, out=target)
        else:
            np.copyto(target, pixels)
        if drawn:
            self._augment.cut_out(target, drawn)

    def _drawn(self, first: int, count: int) -> list[Values]:
        """What the augmentation of each example draws: nothing where it is off."""
        return self._augment.drawn(first, count) if self._augment else [{}] * count


def _told(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(f'{v:.3g}' for v in value)})"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
