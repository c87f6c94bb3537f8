"""Batches of images with a class in each pixel. DeepLab, PSPNet: image_seg_data_layer.cpp."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.data.draws import below, draws
from netc.data.fail import Fail, check_same, located
from netc.data.images import ImageFeed, Size, check_sizes, load, load_labels
from netc.data.lists import Row
from netc.schema import ImageDataParameter, LayerParameter


class SegmentFeed(ImageFeed):
    """ImageSegData: images, label images (N, 1, h, w), and (N, 1, 1, 2), what of height and width
    the image fills.

    An image is resized by one of scale_factors, filled up below and at the right to the size of the
    crop, with the mean and with ignore_label, and cropped; its label image with it. Which factor
    example `i` draws depends on (seed, name, i) alone.
    """

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        if param.transform_param.mean_file:
            fail("ImageSegDataLayer does not support mean file", "mean_file")
        self._factors = param.transform_param.scale_factors
        for factor in self._factors:
            if not factor > 0:
                fail(f"scale_factors must be greater than 0, got {factor:g}", "scale_factors")
        super().__init__(param, phase, seed, fail)
        data, label = self.shapes
        self.shapes = (data, label, (data[0], 1, 1, 2))[: len(param.top)]
        self.dtypes = (np.dtype(np.float32),) * len(param.top)
        self.labels_top = 1 if len(param.top) > 1 else None

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """As many of the tops as the layer has, float32. Raises DataError."""
        first, sizes = k * self._p.batch_size, []
        rows = self._batch_rows(k)
        pairs = [self._pair(row, first + i, sizes) for i, row in enumerate(rows)]
        for row, (image, _) in zip(rows, pairs, strict=True):
            with located(lambda at=row: at.where):
                shape = self._transformer.output_shape(image.shape)
                check_same(shape, self._transformer.output_shape(pairs[0][0].shape), "img")
        data = self._transformer.batch([image for image, _ in pairs], first)
        label = self._transformer.label_images([label for _, label in pairs], first)
        filled = np.minimum(sizes, data.shape[2:]).astype(np.float32)
        return (data, label, filled.reshape(-1, 1, 1, 2))[: len(self.shapes)]

    def drawn(self, k: int) -> tuple[str, ...]:
        """What each example of batch k draws."""
        first, rows = k * self._p.batch_size, self._batch_rows(k)
        images = [self._pair(row, first + i, [])[0] for i, row in enumerate(rows)]
        placed = self._transformer.describe([image.shape[1:] for image in images], first)
        scaled = [f"scale {self._factor(first + i):g}" for i in range(len(rows))]
        return tuple(", ".join(filter(None, both)) for both in zip(scaled, placed, strict=True))

    def _shape(self, column: Any) -> tuple[int, ...]:
        channels = self._channels if column == self._columns[0] else 1
        return (channels, *(self._transformer.crop or self._scaled(self._size, 0)))

    @property
    def _channels(self) -> int:
        return 3 if self._p.is_color else 1

    @property
    def _size(self) -> Size:
        return self._resized or self._first_size

    def _factor(self, example: int) -> float:
        if not self._factors:
            return 1.0
        word = draws(self._seed, f"{self._name}/scale", example, 1)[:, 0]
        return self._factors[int(below(word, len(self._factors))[0])]

    def _scaled(self, size: Size, example: int) -> Size:
        factor = np.float32(self._factor(example))
        return tuple(max(int(np.float32(n) * factor), 1) for n in size)

    def _pair(self, row: Row, example: int, sizes: list[Size]) -> tuple[np.ndarray, np.ndarray]:
        """An image and its label image before the crop; its size in the file goes to `sizes`."""
        import cv2

        with located(lambda: row.where):
            image = load(self._root + row.files[0], self._p.is_color, self._resized)
            label = self._label(row, image.shape[1:])
            check_sizes(row, -1, label.shape[1:], image.shape[1:])
        sizes.append(image.shape[1:])
        size = self._scaled(image.shape[1:], example)
        if size != image.shape[1:]:
            image, label = (
                np.stack([cv2.resize(plane, size[::-1], interpolation=way) for plane in x])
                for x, way in ((image, cv2.INTER_LINEAR), (label, cv2.INTER_NEAREST))
            )
        crop = self._transformer.crop or (0, 0)
        return (
            filled(image, crop, self._transformer.mean),
            filled(label, crop, np.float32(self._p.ignore_label)),
        )

    def _label(self, row: Row, size: Size) -> np.ndarray:
        if self._p.label_type == ImageDataParameter.PIXEL:
            return load_labels(self._root + row.files[1], self._resized)
        value = row.numbers[0] if row.numbers else self._p.ignore_label
        return np.full((1, *size), value, np.float32)


def filled(image: np.ndarray, size: Size, value: Any) -> np.ndarray:
    """(C, H, W) in float32 with a value below and at the right of it, at least of this size."""
    height, width = np.maximum(image.shape[1:], size)
    if (height, width) == image.shape[1:]:
        return image
    out = np.empty((len(image), height, width), np.float32)
    out[:] = value
    out[:, : image.shape[1], : image.shape[2]] = image
    return out
