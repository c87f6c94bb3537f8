"""Known data sets as databases. Caffe: convert_mnist_data.cpp, convert_cifar_data.cpp."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from netc.data.datum import encode_raw
from netc.data.examples import Cifar, Parts, read_cifar_parts, read_idx_parts
from netc.data.fail import dims, missing
from netc.data.fetch import fetch
from netc.data.mean import compute_image_mean
from netc.data.writer import refuse_existing, write_database
from netc.errors import DataError, UsageError

Log = Callable[[str], None]


class Known(NamedTuple):
    """Where a data set is, how it is read, and what its databases are.

    url: the folder of its files. files: their names and MD5 sums. read: of a folder of files.
    key: the form of a record's key. mean: whether a mean image belongs to it.
    """

    url: str
    files: dict[str, str]
    read: Callable[[Path], Parts]
    key: bytes
    mean: bool


def write_known(
    name: str,
    folder: str,
    source: str = "",
    train: int | None = None,
    test: int | None = None,
    log: Log = print,
) -> None:
    """Make the LMDBs `NAME_train_lmdb` and `NAME_test_lmdb` in a folder, and a mean if it has one.

    source: a folder that holds the files; by default they are fetched into `folder`.
    train, test: how many examples of each, by default all. Where only one part is there, it is
    split: the first `train` for training, the next `test` for testing.

    Raises UsageError, and DataError when files cannot be had or read, or databases exist.
    """
    known, base = KNOWN[name], name.replace("-", "_")
    paths = {part: os.path.join(folder, f"{base}_{part}_lmdb") for part in ("train", "test")}
    for path in paths.values():
        refuse_existing(path)
    if source and not os.path.isdir(source):
        raise DataError("there is no such folder", source, missing(source))
    if not source:
        _fetch_all(known, Path(folder), log)
    found = known.read(Path(source or folder))
    if not found:
        raise DataError(f"the folder holds none of {', '.join(known.files)}", source or folder)
    for part, (images, labels) in _split(found, {"train": train, "test": test}).items():
        with write_database(paths[part]) as writer:
            for i, (image, label) in enumerate(zip(images, labels, strict=True)):
                writer.put(known.key % i, encode_raw(image, int(label), encoded=None))
        log(f"{paths[part]}: {len(labels)} images of {dims(images.shape[1:])}")
    if known.mean:
        compute_image_mean(paths["train"], os.path.join(folder, "mean.binaryproto"), log=log)


def _fetch_all(known: Known, folder: Path, log: Log) -> None:
    for name, checksum in known.files.items():
        try:
            fetch(known.url + name, folder / name, checksum, log)
        except DataError as error:
            error.hint = error.hint or (
                f"get {', '.join(known.files)} by other means, and name their folder with --from"
            )
            raise


def _split(found: Parts, counts: dict[str, int | None]) -> Parts:
    """As many of each part as are asked for. Raises UsageError."""
    pool = dict(found)
    if len(found) == 1:
        ((part, examples),) = found.items()
        if None in counts.values():
            absent = {"train": "test", "test": "training"}[part]
            raise UsageError(
                f"there is no {absent} part, only one of {len(examples.labels)} examples",
                hint="--train N --test M splits it",
            )
        pool = {"train": examples, "test": examples.part(counts["train"] or 0)}
    for part, count in counts.items():
        there = len(pool[part].labels)
        if count is not None and not 1 <= count <= there:
            raise UsageError(f"--{part} {count}: there are {there} examples for that")
        pool[part] = pool[part].part(0, count)
    return pool


def _mnist(url: str, *checksums: str) -> Known:
    """A data set in four files of MNIST's names."""
    parts, kinds = ("train", "t10k"), ("images-idx3", "labels-idx1")
    names = [f"{part}-{kind}-ubyte.gz" for part in parts for kind in kinds]
    files = dict(zip(names, checksums, strict=True))
    return Known(url, files, read_idx_parts, b"%08d", mean=False)


def _cifar(checksum: str, cifar: Cifar) -> Known:
    url, files = "https://www.cs.toronto.edu/~kriz/", {cifar.archive: checksum}
    return Known(url, files, partial(read_cifar_parts, cifar=cifar), b"%05d", mean=True)


KNOWN = {
    "mnist": _mnist(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    "fashion-mnist": _mnist(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    "cifar10": _cifar(
        "c32a1d4ab5d03f1284b67883e8d87530",
        Cifar(
            "cifar-10-binary.tar.gz",
            "cifar-10-batches-bin",
            {
                "train": [f"data_batch_{i}.bin" for i in range(1, 6)],
                "test": ["test_batch.bin"],
            },
            labels=1,
        ),
    ),
    "cifar100": _cifar(
        "03b5dce01913d631647c71ecec9e9cb8",
        Cifar(
            "cifar-100-binary.tar.gz",
            "cifar-100-binary",
            {"train": ["train.bin"], "test": ["test.bin"]},
            labels=2,  # the superclass, then the class
        ),
    ),
}
