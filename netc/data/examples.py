"""Images and labels in the files that data sets are published in: IDX, and CIFAR's binary form."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netc.data.fail import dims
from netc.errors import DataError

IDX_IMAGES, IDX_LABELS = 0x803, 0x801
IDX_FILES = {"train": "train", "test": "t10k"}
CIFAR_SHAPE = (3, 32, 32)


class Examples(NamedTuple):
    """images: uint8 (N, C, H, W). labels: uint8 (N,)."""

    images: np.ndarray
    labels: np.ndarray

    def part(self, start: int, count: int | None = None) -> Examples:
        """`count` of them, or all, from `start` on."""
        end = None if count is None else start + count
        return Examples(self.images[start:end], self.labels[start:end])


Parts = dict[str, Examples]


class Cifar(NamedTuple):
    """Where the records of a CIFAR are.

    archive, inside: a tar file, and the folder in it. files: of each part.
    labels: bytes of labels in a record, of which the last is taken.
    """

    archive: str
    inside: str
    files: dict[str, list[str]]
    labels: int


def read_idx_parts(folder: Path) -> Parts:
    """What there is of MNIST's four files, plain or compressed. Raises DataError."""
    parts = {}
    for part, name in IDX_FILES.items():
        images, labels = _idx_file(folder, name, "images", 3), _idx_file(folder, name, "labels", 1)
        if not images and not labels:
            continue
        if not images or not labels:
            there, absent = ("images", "labels") if images else ("labels", "images")
            what = f"this file has the {there}, and there is none with the {absent}"
            raise DataError(what, os.fspath(images or labels or folder))
        pixels, classes = read_idx(images, IDX_IMAGES), read_idx(labels, IDX_LABELS)
        if len(pixels) != len(classes):
            raise DataError(f"{len(pixels)} images, but {len(classes)} labels", os.fspath(images))
        parts[part] = Examples(pixels[:, None], classes)
    return parts


def _idx_file(folder: Path, part: str, what: str, axes: int) -> Path | None:
    stems = [f"{part}-{what}{dot}idx{axes}-ubyte" for dot in "-."]
    return _first(folder, [stem + suffix for stem in stems for suffix in ("", ".gz")])


def read_idx(path: Path, magic: int) -> np.ndarray:
    """The array in an IDX file, uint8. Raises DataError."""
    data, where = _read(path), os.fspath(path)
    if data[:4] != magic.to_bytes(4):
        kind = {IDX_IMAGES: "image", IDX_LABELS: "label"}[magic]
        found = data[:4].hex() or "nothing"
        raise DataError(f"Incorrect {kind} file magic: {found}, not {magic:08x}", where)
    axes = magic & 0xFF
    start = 4 + 4 * axes
    shape = np.frombuffer(data[4:start].ljust(4 * axes, b"\0"), ">u4").tolist()
    if len(data) != start + prod(shape):
        found = f"{len(data)} bytes, {start + prod(shape)} for {dims(shape)}"
        raise DataError(f"the file is not whole: {found}", where)
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def read_cifar_parts(folder: Path, cifar: Cifar) -> Parts:
    """What there is of a CIFAR: plain files, in `inside` or not, or the archive. Raises DataError.

    A record is `cifar.labels` bytes of labels and 3 x 32 x 32 pixels.
    """
    names = [name for part in cifar.files.values() for name in part]
    places = {name: _first(folder, [name, f"{cifar.inside}/{name}"]) for name in names}
    found = {name: _read(place) for name, place in places.items() if place}
    if not found and (folder / cifar.archive).is_file():
        found = _from_archive(folder / cifar.archive, names)
    parts = {}
    for part, files in cifar.files.items():
        absent = [name for name in files if name not in found]
        if absent and len(absent) < len(files):
            raise DataError(f"{', '.join(absent)} is missing", os.fspath(folder))
        if not absent:
            records = [_cifar_records(found[name], cifar.labels, name) for name in files]
            parts[part] = Examples(*(np.concatenate(x) for x in zip(*records, strict=True)))
    return parts


def _cifar_records(data: bytes, labels: int, name: str) -> Examples:
    size = labels + prod(CIFAR_SHAPE)
    if not data or len(data) % size:
        raise DataError(f"the file is not whole: {len(data)} bytes in records of {size}", name)
    records = np.frombuffer(data, np.uint8).reshape(-1, size)
    return Examples(records[:, labels:].reshape(-1, *CIFAR_SHAPE), records[:, labels - 1])


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these files that is there."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read(path: Path) -> bytes:
    """The bytes of a file, unpacked if they are compressed. Raises DataError."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as e:
        raise DataError(f"the file cannot be read: {e}", os.fspath(path)) from None


def _from_archive(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The files of these names in whatever folder of a tar file. Raises DataError."""
    found = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = Path(member.name).name
                file = tar.extractfile(member) if name in names else None
                if file is not None:
                    found[name] = file.read()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as e:
        raise DataError(f"the archive cannot be read: {e}", os.fspath(path)) from None
    return found
