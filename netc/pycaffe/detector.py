"""caffe.Detector: what is in windows of images (R-CNN). Caffe: detector.py."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from netc.data.float_image import window_of
from netc.errors import UsageError
from netc.pycaffe.classifier import Transforming
from netc.pycaffe.io import load_image

Window = Sequence[float]
SEARCH = "selective_search_ijcv_with_python"


class Detector(Transforming):
    """A net that scores windows, warped to its input.

    context_pad: how many pixels of the input show what is around the window. mean, input_scale,
    raw_scale, channel_swap: as in `Transformer`.
    """

    def __init__(
        self,
        model_file: str,
        pretrained_file: str,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(
        self, images_windows: Iterable[tuple[str, Sequence[Window]]]
    ) -> list[dict[str, Any]]:
        """The `prediction` for each `window` (ymin, xmin, ymax, xmax) of each `filename`."""
        images_windows = list(images_windows)
        pairs = [(name, window) for name, windows in images_windows for window in windows]
        if not pairs:
            return []
        crops = []
        for name, windows in images_windows:
            image = load_image(name)
            crops += [self.crop(image, window) for window in windows]
        predictions = self._predict(crops)
        return [
            {"window": window, "prediction": prediction, "filename": name}
            for (name, window), prediction in zip(pairs, predictions, strict=True)
        ]

    def detect_selective_search(self, image_fnames: Sequence[str]) -> list[dict[str, Any]]:
        """The same for the windows that selective search finds.

        The module selective_search_ijcv_with_python finds them, which calls MATLAB.
        Raises UsageError where it is not there.
        """
        try:
            search: Any = importlib.import_module(SEARCH)
        except ImportError as error:
            raise UsageError(
                f"selective search needs the module {SEARCH}: {error}",
                hint="give windows of your own to detect_windows",
            ) from None
        names = [os.path.abspath(name) for name in image_fnames]
        windows = search.get_windows(names, cmd="selective_search_rcnn")
        return self.detect_windows(zip(names, windows, strict=True))

    def crop(self, im: np.ndarray, window: Window) -> np.ndarray:
        """A window of an image, with its context, which beyond the image is the mean."""
        return window_of(im, window, self.context_pad or 0, self._side, self.crop_mean)

    def configure_crop(self, context_pad: int | None) -> None:
        """Let windows show so many pixels of context. Raises UsageError."""
        in_ = self.inputs[0]
        _, channels, height, width = self.blobs[in_].shape
        self.context_pad, self._side = context_pad, width
        self.crop_dims = np.array((height, width, channels))
        if context_pad and (height != width or 2 * context_pad >= width):
            raise UsageError(
                f"context_pad {context_pad} needs a square input that is larger than twice that, "
                f"'{in_}' is {height} x {width}"
            )
        # What is 0 to the net is the mean in an image.
        nothing = np.zeros((channels, height, width), np.float32)
        self.crop_mean = self.transformer.deprocess(in_, nothing)
