"""Means to subtract, from Caffe's `.binaryproto` or from `.npy`."""

from __future__ import annotations

import io
import math

import numpy as np

from netc.data.fail import Fail, dims, failing
from netc.errors import DataError
from netc.load import read_blob_proto, read_bytes
from netc.schema import BlobProto

SIGNATURE = b"\x93NUMPY"


def read_mean(path: str, fail: Fail, length: int | None = None) -> np.ndarray:
    """A mean as float32: per pixel (C, H, W), or per channel (C,) where a `.npy` file holds that.

    length: of clips, whose mean is (C, length, H, W) in the file and here (C length, H, W).
    Calls `fail` at mean_file where the file holds something else.
    """
    axes = "C x H x W" if length is None else "C x L x H x W"
    with failing(fail, "mean_file"):
        data = read_bytes(path)
        if data.startswith(SIGNATURE):
            mean = _from_numpy(data, path, axes)
        else:
            mean = _from_blob(read_blob_proto(path), path, axes)
        if length is None or mean.ndim == 1:
            return mean
        if mean.shape[1] != length:
            raise DataError(
                f"the mean is that of clips of {mean.shape[1]} frames, these have {length}", path
            )
        return mean.reshape(-1, *mean.shape[2:])


def _from_blob(blob: BlobProto, path: str, axes: str) -> np.ndarray:
    shape = (blob.num, blob.channels, blob.height, blob.width)
    values = np.array(blob.double_data or blob.data, np.float32)
    if blob.HasField("shape"):
        shape = tuple(blob.shape.dim)
    elif not values.size and blob.diff:
        # C3D 1.0 has the length where others have the height, and so on.
        values = np.array(blob.diff, np.float32)
        shape = (*shape, values.size // max(math.prod(shape), 1))
    many = axes.count("x") + 1
    shape = shape[1:] if len(shape) == many + 1 and shape[0] == 1 else shape
    if len(shape) != many or values.size != math.prod(shape):
        raise DataError(
            f"a mean image needs one image of {axes} values, got {values.size} values of shape "
            f"{dims(shape)}",
            path,
        )
    return values.reshape(shape)


def _from_numpy(data: bytes, path: str, axes: str) -> np.ndarray:
    try:
        values = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as e:
        raise DataError(f"the .npy file cannot be read: {e}", path) from None
    many = axes.count("x") + 1
    values = values[0] if values.ndim == many + 1 and len(values) == 1 else values
    if values.ndim not in (1, many) or values.dtype.kind not in "fiu":
        found = f"{values.dtype} of shape {dims(values.shape)}"
        raise DataError(f"a mean is numbers of shape {axes} or C, got {found}", path)
    per_channel = set(values.shape[1:]) == {1}
    return values.reshape(-1 if per_channel else values.shape).astype(np.float32)
