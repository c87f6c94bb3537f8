"""Files of recorded values: what each layer put into its tops.

A value is called LAYER/TOP, or BLOB for what a blob holds after the whole pass.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from typing import Any

import numpy as np

from netc.data.hdf5 import is_hdf5, opened
from netc.errors import DataError
from netc.files import atomic
from netc.load import nearby

Arrays = dict[str, np.ndarray]


def read(path: str) -> Arrays:
    """The values in a .npz or HDF5 file, by name. Raises DataError."""
    if not os.path.exists(path):
        raise DataError("there is no such file", path, nearby(path))
    arrays = _read_hdf5(path) if is_hdf5(path) else _read_npz(path)
    if wrong := [name for name, values in arrays.items() if values.dtype.kind not in "fiub"]:
        raise DataError(f"'{wrong[0]}' holds {arrays[wrong[0]].dtype}, not numbers", path)
    return arrays


def _read_npz(path: str) -> Arrays:
    try:
        with open(path, "rb") as stream, np.load(stream) as file:
            return dict(file.items())
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        raise DataError(
            "this cannot be read as a recording, a .npz or HDF5 file of values by name", path
        ) from None


def _read_hdf5(path: str) -> Arrays:
    arrays: Arrays = {}

    def take(name: str, item: Any) -> None:
        if hasattr(item, "shape"):
            arrays[name] = np.asarray(item[()])

    with opened(path) as h5:
        h5.visititems(take)
    return arrays


def write(path: str, arrays: Arrays) -> None:
    """Write values to a .npz file, whole or not at all. Raises DataError."""
    named: Any = arrays
    try:
        with atomic(path) as file:
            np.savez(file, **named)
    except OSError as e:
        raise DataError(f"the file cannot be written: {e.strerror or e}", path) from None


def value(arrays: Arrays, layer: str, top: str, last: bool) -> np.ndarray | None:
    """What was recorded of a top. last: whether no later layer writes to the blob."""
    found = arrays.get(f"{layer}/{top}")
    return arrays.get(top) if found is None and last else found
