"""`.caffemodel.h5`: data/<layer>/<blob index>, and diff/<layer>/<blob index> for gradients.

A "/" in a layer name nests groups, which Caffe itself cannot write.
Caffe: net.cpp, CopyTrainedLayersFromHDF5 and ToHDF5.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from netc.errors import WeightsError
from netc.files import atomic
from netc.weights.content import Blobs, LayerWeights, WeightFile
from netc.weights.kinds import Kind, writing, wrong_kind

if TYPE_CHECKING:
    import h5py

    from netc.schema import NetParameter

# What h5py raises for a damaged file, according to where the damage is.
DAMAGE = (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError)
MAX_RATIO, MIN_CHECKED = 1100, 1 << 20  # gzip makes zeros at most 1032 times smaller


def read(path: str | os.PathLike[str]) -> WeightFile:
    """The weights in an HDF5 file.

    Raises WeightsError for a file that is damaged or holds something else.
    """
    with opened(path) as file:
        if not is_group(file.get("data")):
            found = Kind.STATE if is_group(file.get("history")) else contents(file)
            raise wrong_kind(path, found, Kind.WEIGHTS)
        root: Any = file
        layers = _layers(root["data"], root.get("diff", {}), os.fspath(path))
        return WeightFile(os.fspath(path), "", tuple(layers), shared_once=True)


def write(
    path: str | os.PathLike[str], net: NetParameter, blobs: Blobs, diffs: Blobs | None = None
) -> None:
    """Write the blobs of a net's layers, atomically; every layer gets its group, even if empty.

    blobs, diffs: by layer name; None in place of a blob that another layer owns.

    Raises WeightsError when layer names clash or the file cannot be written.
    """
    names = [layer.name for layer in net.layer]
    _check_names(names, blobs, os.fspath(path))
    with created(path) as file:
        _write_groups(file.create_group("data"), names, blobs)
        if diffs is not None:
            _write_groups(file.create_group("diff"), names, diffs)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """An HDF5 file open for reading, its errors turned into WeightsError."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except DAMAGE as error:
        raise WeightsError(f"HDF5 cannot read it: {error}", where=os.fspath(path)) from error


@contextmanager
def created(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """A new HDF5 file that takes its name only when the block ends well."""
    import h5py

    with writing(path), atomic(path) as beside, h5py.File(beside.name, "w") as file:
        yield file


def is_group(item: object) -> bool:
    """Whether an item of an HDF5 file is a group."""
    import h5py

    return isinstance(item, h5py.Group)


def load(dataset: h5py.Dataset, path: str) -> np.ndarray:
    """A dataset of numbers as float32, read-only."""
    if dataset.dtype.kind not in "fiu":
        raise WeightsError(f"{dataset.name} holds {dataset.dtype}, not numbers", where=path)
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > MIN_CHECKED and dataset.nbytes > MAX_RATIO * stored:
        raise WeightsError(
            f"{dataset.name} should hold {dataset.nbytes} bytes, {stored} are in the file",
            path,
            "the file is cut short or damaged: compare its size with the original's",
        )
    try:
        values = np.asarray(dataset[()], np.float32)
    except DAMAGE as error:
        raise WeightsError(f"HDF5 cannot read {dataset.name}: {error}", where=path) from error
    values.flags.writeable = False
    return values


def store(group: h5py.Group, name: str, values: Any) -> None:
    """Write an array as float32."""
    group.create_dataset(name, data=np.asarray(values, np.float32))


def _layers(
    data: Mapping[str, Any], diffs: Mapping[str, Any], path: str, prefix: str = ""
) -> Iterator[LayerWeights]:
    """The layers in a group, depth first: a group of blobs, or with nothing in it, is a layer."""
    for name, group in data.items():
        if not is_group(group):
            continue
        diff = diffs.get(name, {})
        blobs = _blobs(group, path)
        if blobs or not len(group):
            held = dict(enumerate(_blobs(diff, path)))
            yield LayerWeights(
                prefix + name,
                "",
                blobs,
                tuple(held.get(i) for i in range(len(blobs))),
                (False,) * len(blobs),
            )
        yield from _layers(group, diff, path, f"{prefix}{name}/")


def _blobs(group: Mapping[str, Any], path: str) -> tuple[np.ndarray | None, ...]:
    """The datasets "0", "1", ... of a group; None for those left out."""
    indices = [int(name) for name in group if name.isdecimal() and not is_group(group[name])]
    return tuple(
        load(group[str(i)], path) if i in indices else None
        for i in range(max(indices, default=-1) + 1)
    )


def _check_names(names: Sequence[str], blobs: Blobs, path: str) -> None:
    datasets = {f"{name}/{i}" for name in names for i in range(len(blobs.get(name, ())))}
    times = Counter(names)
    for name in names:
        parts = name.split("/")
        groups = {"/".join(parts[: i + 1]) for i in range(len(parts))}
        if times[name] > 1 or {"", "."} & set(parts) or groups & datasets:
            raise WeightsError(
                f"the layer name '{name}' cannot name a group of an HDF5 file",
                where=path,
                hint="names must be unique, have something on both sides of every '/', and not "
                "continue another layer's name with a blob's number",
            )


def _write_groups(root: h5py.Group, names: Sequence[str], blobs: Blobs) -> None:
    for name in names:
        group = root.require_group(name)
        for i, values in enumerate(blobs.get(name, ())):
            if values is not None:
                store(group, str(i), values)


def contents(file: h5py.File) -> str:
    """What an HDF5 file that is neither weights nor state holds, for errors."""
    return f"an HDF5 file of {', '.join(sorted(file)) or 'nothing'}"
