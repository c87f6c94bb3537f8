"""The records of one store into another: LMDB, LevelDB, HDF5."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np

from netc.data.datum import encode_raw, parse, pixels
from netc.data.fail import dims, located, missing
from netc.data.hdf5 import data_set, opened, read_paths
from netc.data.rows import write_rows
from netc.data.sources import Source, chunks, find_source
from netc.data.writer import STORES, refuse_existing, write_database
from netc.errors import DataError, UsageError, did_you_mean
from netc.schema import Datum

HDF5 = "hdf5"
KINDS = (*STORES, HDF5)
BLOCK = 256


def copy(
    source: str,
    target: str,
    kind: str = "",
    force: bool = False,
    log: Callable[[str], None] = print,
) -> int:
    """Copy a database, an HDF5 file or a list of them; how many records there are.

    kind: of the target, "lmdb", "leveldb" or "hdf5"; "" goes by its name: HDF5 if that ends in .h5
    or .hdf5, LevelDB if in leveldb, else LMDB. force: replaces a target that exists.

    From database to database records and their keys go as they are. In HDF5 they are the data sets
    `data` (N, C, H, W), uint8 or float32, and `label`, (N,) or of several (N, L).

    Raises UsageError and DataError, and then leaves no target.
    """
    kind = kind or _kind(target)
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        raise UsageError(f"Unknown db backend {kind} (known: {', '.join(KINDS)})", hint=hint)
    if not os.path.exists(source):
        raise DataError("there is no such file or folder", source, missing(source))
    if os.path.isdir(source):
        database = find_source(source)
        count = (_to_hdf5 if kind == HDF5 else _to_database)(database, target, kind, force)
    elif kind == HDF5:
        raise UsageError("both are HDF5: copy the file as it is")
    else:
        paths = read_paths(source)
        with write_database(target, kind, force) as writer:
            for path in paths:
                for record in _from_hdf5(path):
                    writer.put(b"%08d" % writer.count, record)
        count = writer.count
    log(f"{target}: {count} records")
    return count


def _kind(target: str) -> str:
    if target.endswith((".h5", ".hdf5")):
        return HDF5
    return "leveldb" if target.rstrip("/").endswith("leveldb") else "lmdb"


def _to_database(source: Source, target: str, kind: str, force: bool) -> int:
    with write_database(target, kind, force) as writer:
        for start, records in chunks(source):
            keys = source.keys(range(start, start + len(records)))
            for key, record in zip(keys, records, strict=True):
                writer.put(key, record)
    return writer.count


def _to_hdf5(source: Source, target: str, kind: str, force: bool) -> int:
    if not force:
        refuse_existing(target)
    first = pixels(parse(source.read([0])[0]))
    with write_rows(target) as put:
        for start, records in chunks(source):
            images, labels = [], []
            for position, record in enumerate(records, start):
                with located(lambda at=position: source.where(at)):
                    datum = parse(record)
                    image = pixels(datum)
                    if (image.shape, image.dtype) != (first.shape, first.dtype):
                        raise DataError(
                            f"the image is {dims(image.shape)} of {image.dtype}, that of the first "
                            f"record {dims(first.shape)} of {first.dtype}",
                            hint="an HDF5 data set holds images of one size and kind",
                        )
                images.append(image)
                labels.append(datum.labels or datum.label)
            put({"data": np.stack(images), "label": np.array(labels, np.float32)})
    return len(source)


def _from_hdf5(path: str) -> Iterator[bytes]:
    """A Datum for each row of an HDF5 file."""
    with opened(path) as h5:
        data = data_set(h5, "data")
        labels = data_set(h5, "label") if "label" in h5 else np.zeros(len(data))
        if len(labels) != len(data):
            raise DataError(f"'data' has {len(data)} rows, 'label' {len(labels)}")
        if data.ndim > 4:
            raise DataError(f"a Datum has 3 axes, a row of 'data' {dims(data.shape[1:])}")
        shape = (*data.shape[1:], 1, 1, 1)[:3]
        for start in range(0, len(data), BLOCK):
            rows, numbers = data[start : start + BLOCK], labels[start : start + BLOCK]
            for row, number in zip(rows.reshape(-1, *shape), numbers, strict=True):
                yield _record(row, np.ravel(number))


def _record(image: np.ndarray, numbers: np.ndarray) -> bytes:
    label = int(numbers[0])
    labels = numbers.tolist() if numbers.size > 1 or label != numbers[0] else ()
    if image.dtype == np.uint8:
        return encode_raw(image, label, labels)
    channels, height, width = image.shape
    return Datum(
        channels=channels,
        height=height,
        width=width,
        float_data=image.ravel().tolist(),
        label=label,
        labels=labels,
    ).SerializeToString()
