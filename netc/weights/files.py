"""The one door to files of weights: read by what a file holds, written by its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from netc.weights import caffemodel, flat, hdf5
from netc.weights.content import Blobs, WeightFile
from netc.weights.kinds import Kind, kind_of, map_file, wrong_kind

if TYPE_CHECKING:
    from netc.schema import NetParameter

_READERS = {Kind.HDF5: hdf5.read, Kind.NPZ: flat.read_npz, Kind.SAFETENSORS: flat.read_safetensors}
WRITERS = {
    ".caffemodel": caffemodel.write,
    ".h5": hdf5.write,
    ".npz": flat.write_npz,
    ".safetensors": flat.write_safetensors,
}


def read_weights(path: str | os.PathLike[str]) -> WeightFile:
    """The weights in a file: binary, HDF5, .npz or .safetensors, whatever its name.

    Raises WeightsError for a file that is missing, damaged, or of another kind.
    """
    view = map_file(path)
    kind = kind_of(view)
    if kind in _READERS:
        return _READERS[kind](path)
    if kind is not Kind.WEIGHTS:
        raise wrong_kind(path, kind, Kind.WEIGHTS)
    return caffemodel.parse(view, os.fspath(path))


def write_weights(
    path: str | os.PathLike[str],
    net: NetParameter,
    blobs: Blobs,
    diffs: Blobs | None = None,
) -> None:
    """Write a net's blobs, atomically, in the format of the file's suffix: binary if it is none.

    net, blobs, diffs: as `caffemodel.write` and `hdf5.write` take them.

    Raises WeightsError when the format cannot hold them or the file cannot be written.
    """
    WRITERS.get(Path(path).suffix, caffemodel.write)(path, net, blobs, diffs)
