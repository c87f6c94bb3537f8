"""`.npz` and `.safetensors`: arrays in one flat table, each named `<layer>/<blob index>`.

The name of the net is in the metadata of `.safetensors`; `.npz` has none.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from netc.errors import WeightsError
from netc.files import atomic
from netc.weights.content import Blobs, LayerWeights, WeightFile
from netc.weights.kinds import writing

if TYPE_CHECKING:
    from netc.schema import NetParameter

_DAMAGED = (
    ValueError,
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
PathLike = str | os.PathLike[str]


def read_npz(path: PathLike) -> WeightFile:
    """The weights in a .npz file. Raises WeightsError for one that is damaged or holds others."""
    try:
        with open(path, "rb") as stream, np.load(stream) as file:
            return _weights(path, "", dict(file.items()))
    except _DAMAGED as error:
        raise WeightsError(f"NumPy cannot read it: {error}", os.fspath(path)) from error


def write_npz(path: PathLike, net: NetParameter, blobs: Blobs, diffs: Blobs | None = None) -> None:
    """Write a net's blobs to a .npz file, atomically. Raises WeightsError."""
    arrays: dict[str, Any] = _arrays(path, net, blobs, diffs)
    with writing(path), atomic(path) as file:
        np.savez(file, **arrays)


def read_safetensors(path: PathLike) -> WeightFile:
    """The weights in a .safetensors file, mapped into memory.

    Raises WeightsError for one that is damaged or holds others, and without safetensors.
    """
    with _package(path):
        from safetensors import SafetensorError, safe_open
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.offset_keys()}
            return _weights(path, (file.metadata() or {}).get("name", ""), arrays)
    except (SafetensorError, TypeError, ValueError) as error:
        raise WeightsError(f"safetensors cannot read it: {error}", os.fspath(path)) from error


def write_safetensors(
    path: PathLike, net: NetParameter, blobs: Blobs, diffs: Blobs | None = None
) -> None:
    """Write a net's blobs to a .safetensors file, atomically.

    Raises WeightsError, also without safetensors.
    """
    with _package(path):
        from safetensors.numpy import save_file
    arrays = _arrays(path, net, blobs, diffs)
    with writing(path), atomic(path) as beside:
        save_file(arrays, beside.name, {"name": net.name})


@contextmanager
def _package(path: PathLike) -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise WeightsError(
            "this needs the package safetensors", os.fspath(path), "pip install 'netc[export]'"
        ) from None


def _arrays(
    path: PathLike, net: NetParameter, blobs: Blobs, diffs: Blobs | None
) -> dict[str, np.ndarray]:
    if diffs is not None:
        raise WeightsError(
            "this format holds no gradients", os.fspath(path), "write a .caffemodel or HDF5"
        )
    arrays: dict[str, np.ndarray] = {}
    for layer in net.layer:
        for i, blob in enumerate(blobs.get(layer.name, ())):
            name = f"{layer.name}/{i}"
            if name in arrays:
                raise WeightsError(f"two layers are called '{layer.name}'", os.fspath(path))
            arrays[name] = np.asarray(blob, np.float32, "C")
    return arrays


def _weights(path: PathLike, name: str, arrays: dict[str, np.ndarray]) -> WeightFile:
    layers: dict[str, dict[int, np.ndarray]] = {}
    for key, array in arrays.items():
        layer, slash, index = key.rpartition("/")
        if not slash or not index.isdecimal() or not index.isascii():
            raise WeightsError(
                f"the array '{key}' is not named LAYER/INDEX",
                os.fspath(path),
                "arrays are named like conv1/0 (its weights) and conv1/1 (its bias)",
            )
        if array.dtype.kind not in "fiub":
            raise WeightsError(f"{key} holds {array.dtype}, not numbers", os.fspath(path))
        with np.errstate(over="ignore"):  # a double beyond float32 becomes inf
            values = np.asarray(array, np.float32)
        values.flags.writeable = False
        layers.setdefault(layer, {})[int(index)] = values
    return WeightFile(
        os.fspath(path), name, tuple(_layer(os.fspath(path), *item) for item in layers.items())
    )


def _layer(path: str, name: str, blobs: dict[int, np.ndarray]) -> LayerWeights:
    count = len(blobs)
    for i in range(count):
        if i not in blobs:
            raise WeightsError(f"there are {count} arrays {name}/..., but no {name}/{i}", path)
    ordered = tuple(blobs[i] for i in range(count))
    return LayerWeights(name, "", ordered, (None,) * count, (False,) * count)
