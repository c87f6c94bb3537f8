"""caffe.io: images, their transform for a net, and Caffe's messages of arrays. Caffe: io.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netc.data.datum import pixels
from netc.data.float_image import fitted_mean
from netc.data.float_image import load_image as load_image
from netc.data.float_image import oversample as oversample
from netc.data.float_image import resize_image as resize_image
from netc.errors import DataError, UsageError
from netc.layers.base import dims
from netc.pycaffe import caffe_pb2 as caffe_pb2
from netc.schema import BlobProto, BlobProtoVector, Datum


def blobproto_to_array(blob: BlobProto, return_diff: bool = False) -> np.ndarray:
    """The values or the gradient of a BlobProto. Raises DataError where they do not fill it."""
    values = blob.diff or blob.double_diff if return_diff else blob.data or blob.double_data
    old = ("num", "channels", "height", "width")
    if any(blob.HasField(name) for name in old):
        shape = tuple(getattr(blob, name) for name in old)
    else:
        shape = tuple(blob.shape.dim)
    array = np.array(values, float)
    if array.size != np.prod(shape):
        raise DataError(f"a blob of {dims(shape)} with {array.size} values")
    return array.reshape(shape)


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> BlobProto:
    """A BlobProto of any number of axes, with a gradient if one is given."""
    blob = BlobProto(data=np.ravel(arr).astype(float).tolist())
    blob.shape.dim.extend(np.shape(arr))
    if diff is not None:
        blob.diff.extend(np.ravel(diff).astype(float).tolist())
    return blob


def arraylist_to_blobprotovector_str(arraylist: Sequence[np.ndarray]) -> bytes:
    """Arrays as the bytes of a BlobProtoVector."""
    return BlobProtoVector(blobs=map(array_to_blobproto, arraylist)).SerializeToString()


def blobprotovector_str_to_arraylist(str: bytes) -> list[np.ndarray]:
    """The arrays in the bytes of a BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in BlobProtoVector.FromString(str).blobs]


def array_to_datum(arr: np.ndarray, label: int | None = None) -> Datum:
    """A Datum of an array (C, H, W): bytes of uint8, floats otherwise. Raises UsageError."""
    if arr.ndim != 3:
        raise UsageError(f"Incorrect array shape: a Datum is C x H x W, got {dims(arr.shape)}")
    channels, height, width = arr.shape
    datum = Datum(channels=channels, height=height, width=width)
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.ravel().astype(float).tolist())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Datum) -> np.ndarray:
    """The image (C, H, W) of a Datum, decoded if need be: uint8, or float64 of floats."""
    image = pixels(datum)
    return image if image.dtype == np.uint8 else image.astype(float)


class Transformer:
    """Images (H, W, C) to the inputs of a net, and back.

    Resized to the input, transposed, channels swapped, times raw_scale, less mean, times
    input_scale: what is not set is left out. The mean is in the net's order of channels.

    inputs: input blob -> its shape (N, C, H, W).
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = dict(inputs)
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, float] = {}

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The axes of an image in the net's order, (2, 0, 1) as a rule. Raises UsageError."""
        axes = len(self._shape(in_)) - 1
        if sorted(order) != list(range(axes)):
            raise UsageError(
                "Transpose order needs to have the same number of dimensions as the input: an "
                f"order of 0 to {axes - 1}, got {tuple(order)}"
            )
        self.transpose[in_] = tuple(order)

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Which channel of the image each one of the net is, (2, 1, 0) for BGR. Raises UsageError.

        Comes after transposing.
        """
        channels = self._shape(in_)[1]
        if sorted(order) != list(range(channels)):
            raise UsageError(
                "Channel swap needs to have the same number of dimensions as the input channels: "
                f"an order of 0 to {channels - 1}, got {tuple(order)}"
            )
        self.channel_swap[in_] = tuple(order)

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """What pixels are multiplied with before the mean: 255 for images from 0 to 1."""
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: np.ndarray) -> None:
        """The mean to subtract: (C,), or (C, H, W), which is resized to the input.

        Raises UsageError for any other shape.
        """
        _, channels, *size = self._shape(in_)
        self.mean[in_] = fitted_mean(np.asarray(mean), channels, size)

    def set_input_scale(self, in_: str, scale: float) -> None:
        """What the input is multiplied with after the mean."""
        self._shape(in_)
        self.input_scale[in_] = scale

    def preprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """An image (H, W, C) as the net takes it, float32. A new array."""
        size = tuple(self._shape(in_)[2:])
        image = np.array(data, np.float32)
        if image.shape[:2] != size:
            image = resize_image(image, size)
        if in_ in self.transpose:
            image = image.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            image = image[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            image *= np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            image -= self.mean[in_]
        if in_ in self.input_scale:
            image *= np.float32(self.input_scale[in_])
        return image

    def deprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """An input of the net as an image (H, W, C): `preprocess` undone but for the size."""
        axes = len(self._shape(in_))
        image = data[0] if data.ndim == axes else data
        if in_ in self.input_scale:
            image = image / self.input_scale[in_]
        if in_ in self.mean:
            image = image + self.mean[in_]
        if in_ in self.raw_scale:
            image = image / self.raw_scale[in_]
        if in_ in self.channel_swap:
            image = image[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            image = image.transpose(np.argsort(self.transpose[in_]))
        return image.astype(data.dtype)

    def _shape(self, in_: str) -> Sequence[int]:
        if in_ not in self.inputs:
            known = ", ".join(self.inputs)
            raise UsageError(f"{in_} is not one of the net inputs: {known}")
        return self.inputs[in_]
