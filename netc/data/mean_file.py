"""Means to subtract, from Caffe's `.binaryproto` or from `.npy`."""

from __future__ import annotations

import io

import numpy as np

from netc.data.fail import Fail, dims, failing
from netc.errors import DataError
from netc.load import read_blob_proto, read_bytes
from netc.schema import BlobProto

SIGNATURE = b"\x93NUMPY"


def read_mean(path: str, fail: Fail) -> np.ndarray:
    """A mean as float32: per pixel (C, H, W), or per channel (C,) where a `.npy` file holds that.

    Calls `fail` at mean_file where the file holds something else.
    """
    with failing(fail, "mean_file"):
        data = read_bytes(path)
        if data.startswith(SIGNATURE):
            return _from_numpy(data, path)
        blob = read_blob_proto(path)
        shape, values = _blob_shape(blob), np.array(blob.double_data or blob.data, np.float32)
        if len(shape) != 3 or values.size != np.prod(shape):
            raise DataError(
                f"a mean image needs one image of C x H x W values, "
                f"got {values.size} values of shape {dims(shape)}",
                path,
            )
    return values.reshape(shape)


def _from_numpy(data: bytes, path: str) -> np.ndarray:
    try:
        values = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as e:
        raise DataError(f"the .npy file cannot be read: {e}", path) from None
    values = values[0] if values.ndim == 4 and len(values) == 1 else values
    if values.ndim not in (1, 3) or values.dtype.kind not in "fiu":
        found = f"{values.dtype} of shape {dims(values.shape)}"
        raise DataError(f"a mean is numbers of shape C x H x W or C, got {found}", path)
    per_channel = values.shape[1:] == (1, 1)
    return values.reshape(-1 if per_channel else values.shape).astype(np.float32)


def _blob_shape(blob: BlobProto) -> tuple[int, ...]:
    """The shape of a blob, without the leading axis of size 1 that mean files have."""
    if blob.HasField("shape"):
        shape = tuple(blob.shape.dim)
    else:
        shape = (blob.num, blob.channels, blob.height, blob.width)
    return shape[1:] if len(shape) == 4 and shape[0] == 1 else shape
