"""The one door to files of weights: the format is found, not asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netc.weights import caffemodel, hdf5
from netc.weights.content import Blobs, WeightFile
from netc.weights.kinds import Kind, kind_of, map_file, wrong_kind

if TYPE_CHECKING:
    from netc.schema import NetParameter


def read_weights(path: str | os.PathLike[str]) -> WeightFile:
    """The weights in a file, told binary or HDF5 by its content.

    Raises WeightsError for a file that is missing, damaged, or of another kind.
    """
    view = map_file(path)
    kind = kind_of(view)
    if kind is Kind.HDF5:
        return hdf5.read(path)
    if kind is not Kind.WEIGHTS:
        raise wrong_kind(path, kind, Kind.WEIGHTS)
    return caffemodel.parse(view, os.fspath(path))


def write_weights(
    path: str | os.PathLike[str],
    net: NetParameter,
    blobs: Blobs,
    diffs: Blobs | None = None,
) -> None:
    """Write a net's blobs, atomically; a name that ends in .h5 makes it HDF5.

    net, blobs, diffs: as `caffemodel.write` and `hdf5.write` take them.

    Raises WeightsError when the format cannot hold them or the file cannot be written.
    """
    write = hdf5.write if os.fspath(path).endswith(".h5") else caffemodel.write
    write(path, net, blobs, diffs)
