"""Images to network input: crop, mirror, mean, scale. Caffe: data_transformer.cpp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netc.data.draws import below, draws
from netc.data.fail import Fail, dims, failing, plain_fail
from netc.errors import DataError
from netc.load import read_blob_proto
from netc.schema import BlobProto, TransformationParameter


class Transformer:
    """top = (image - mean) * scale on a crop of the image, mirrored or not.

    The crop is random in TRAIN and central in TEST; mirroring is random in both. The mean is taken
    where the pixel lies in the image, before mirroring. What example `i` draws depends on
    (seed, name, i) alone.

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
        self._scale, self._phase = np.float32(param.scale), phase
        self._random = param.mirror or (param.crop_size > 0 and phase == "TRAIN")
        self._mean = _read_mean(param.mean_file, fail) if param.mean_file else None
        if param.mean_value:
            self._mean = np.array(param.mean_value, np.float32).reshape(-1, 1, 1)

    @property
    def color(self) -> bool | None:
        """How encoded images are decoded: True as colour, False as grey, None as they are."""
        p = self._param
        if p.force_color and p.force_gray:
            self._fail("cannot set both force_color and force_gray", "force_gray")
        return p.force_color if p.force_color or p.force_gray else None

    def output_shape(self, shape: tuple[int, ...], fail: Fail = plain_fail) -> tuple[int, ...]:
        """The shape (C, h, w) that an image (C, H, W) is given; calls `fail` if it has none."""
        channels, height, width = shape
        crop, mean = self._param.crop_size, self._mean
        if crop > min(height, width):
            fail(f"crop_size {crop} is larger than the image, {height} x {width}", "crop_size")
        if mean is not None and self._param.mean_file and mean.shape != shape:
            size = f"is {dims(mean.shape)}, the image {dims(shape)}"
            fail(f"mean_file '{self._param.mean_file}' {size}", "mean_file")
        if mean is not None and len(mean) not in (1, channels):
            rule = f"Specify either 1 mean_value or as many as channels: {channels}"
            fail(f"{rule} (got {len(mean)})", "mean_value")
        return (channels, crop, crop) if crop else shape

    def batch(self, images: np.ndarray | Sequence[np.ndarray], first: int) -> np.ndarray:
        """Transform examples `first` and following: float32 (N, C, h, w).

        images: an array (N, C, H, W) or arrays (C, H, W), uint8 or float32, of shapes that
        `output_shape` accepts and maps to one.
        """
        out = np.empty((len(images), *self.output_shape(images[0].shape)), np.float32)
        words = draws(self._seed, self._name, first, len(images)) if self._random else None
        if words is None and isinstance(images, np.ndarray):
            ((top, left),) = self._corners([images.shape[-2:]])
            self._write(images, top, left, out)
        else:
            corners = self._corners([image.shape[-2:] for image in images], words)
            mirrored = np.zeros(len(images), bool)
            if words is not None and self._param.mirror:
                mirrored = words[:, 0] >> np.uint64(63) == 1
            for image, (top, left), flip, target in zip(
                images, corners, mirrored.tolist(), out, strict=True
            ):
                self._write(image, top, left, target[..., ::-1] if flip else target)
        if self._scale != 1:
            out *= self._scale
        return out

    def _corners(
        self, sizes: Sequence[tuple[int, int]], words: np.ndarray | None = None
    ) -> list[list[int]]:
        """Where the crop of each image starts, as (top, left)."""
        if not self._param.crop_size:
            return [[0, 0]] * len(sizes)
        room = np.array(sizes) - self._param.crop_size
        if words is not None and self._phase == "TRAIN":
            return below(words[:, 1:3], room + 1).tolist()
        return (room // 2).tolist()

    def _write(self, image: np.ndarray, top: int, left: int, target: np.ndarray) -> None:
        """target = image - mean on the window that starts at (top, left)."""
        height, width = target.shape[-2:]
        window = np.s_[..., top : top + height, left : left + width]
        if self._mean is None:
            np.copyto(target, image[window])
        else:
            per_pixel = self._mean.shape[-2:] == image.shape[-2:]
            np.subtract(image[window], self._mean[window] if per_pixel else self._mean, out=target)


def _read_mean(path: str, fail: Fail) -> np.ndarray:
    """A mean image, float32 (C, H, W)."""
    with failing(fail, "mean_file"):
        blob = read_blob_proto(path)
        shape = _blob_shape(blob)
        values = np.array(blob.double_data or blob.data, np.float32)
        if len(shape) != 3 or values.size != np.prod(shape):
            raise DataError(
                f"a mean image needs one image of C x H x W values, "
                f"got {values.size} values of shape {dims(shape)}",
                path,
            )
    return values.reshape(shape)


def _blob_shape(blob: BlobProto) -> tuple[int, ...]:
    """The shape of a blob, without the leading axis of size 1 that mean files have."""
    if blob.HasField("shape"):
        shape = tuple(blob.shape.dim)
    else:
        shape = (blob.num, blob.channels, blob.height, blob.width)
    return shape[1:] if len(shape) == 4 and shape[0] == 1 else shape
