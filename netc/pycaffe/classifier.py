"""caffe.Classifier: what is in an image. Caffe: classifier.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netc.data import float_image
from netc.errors import UsageError
from netc.pycaffe.io import Transformer, resize_image
from netc.pycaffe.net import Net
from netc.schema import TEST


class Transforming(Net):
    """A net in TEST with the transformer of its first input, for images (H, W, C).

    Raises UsageError for a net without inputs.
    """

    def __init__(
        self,
        model_file: str,
        pretrained_file: str,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        if not self.inputs:
            raise UsageError(
                f"{model_file}: the net has no Input layer for images", hint="give a deploy net"
            )
        in_ = self.inputs[0]
        self.transformer = Transformer({in_: self.blobs[in_].shape})
        self.transformer.set_transpose(in_, (2, 0, 1))
        given = {
            "mean": mean,
            "input_scale": input_scale,
            "raw_scale": raw_scale,
            "channel_swap": channel_swap,
        }
        for name, value in given.items():
            if value is not None:
                getattr(self.transformer, f"set_{name}")(in_, value)

    def _predict(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The first output for images (H, W, C) of any sizes."""
        in_ = self.inputs[0]
        made = np.array([self.transformer.preprocess(in_, image) for image in images])
        inputs: Any = {in_: made}
        return self.forward_all(**inputs)[self.outputs[0]]


class Classifier(Transforming):
    """A net that scores classes.

    image_dims: (height, width) that images are resized to before they are cropped to the input; the
    input's by default. mean, input_scale, raw_scale, channel_swap: as in `Transformer`.
    """

    def __init__(
        self,
        model_file: str,
        pretrained_file: str,
        image_dims: Sequence[int] | None = None,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = self.crop_dims if image_dims is None else image_dims

    def predict(self, inputs: Sequence[np.ndarray], oversample: bool = True) -> np.ndarray:
        """The scores (N, classes) of images (H, W, C).

        oversample: the mean over ten crops, the corners and the centre, mirrored and not; otherwise
        the centre.
        """
        size = tuple(int(n) for n in self.image_dims)
        find = float_image.ten_crops if oversample else lambda *at: [float_image.centre(*at)]
        crops = find(size, self.crop_dims)
        images = (resize_image(image, size) for image in inputs)
        cut = [crop for x in images for crop in float_image.cut(x, crops, self.crop_dims)]
        scores = self._predict(cut)
        return scores.reshape(len(inputs), len(crops), -1).mean(1) if oversample else scores
