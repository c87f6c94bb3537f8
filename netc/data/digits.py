"""1,797 handwritten digits that come with netc: real data without a download.

They are the test part of the "Optical Recognition of Handwritten Digits" data set by E. Alpaydin
and C. Kaynak (UCI Machine Learning Repository, CC BY 4.0), as scikit-learn ships it too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from netc.data.datum import encode_raw
from netc.data.draws import permutation
from netc.data.writer import refuse_existing, write_database
from netc.errors import UsageError

TRAIN_COUNT = 1437
SIZE = 28
CLASSES = 10
SPLIT_SEED = 1


class Digits(NamedTuple):
    """images: uint8 (N, 8, 8), 0 to 16. labels: uint8 (N,), 0 to 9."""

    images: np.ndarray
    labels: np.ndarray


def load_digits() -> Digits:
    """All digits, in the order of the data set."""
    with files("netc.data").joinpath("digits.npz").open("rb") as file, np.load(file) as packed:
        return Digits(packed["images"], packed["labels"])


def split_digits() -> dict[str, Digits]:
    """The digits shuffled once and for all: 1,437 to train on and 360 to test on."""
    images, labels = load_digits()
    order = permutation(SPLIT_SEED, "digits", 0, len(labels))
    parts = {"train": order[:TRAIN_COUNT], "test": order[TRAIN_COUNT:]}
    return {name: Digits(images[rows], labels[rows]) for name, rows in parts.items()}


def labels_of(text: str) -> tuple[int, ...]:
    """The labels in a text such as 0-4 or 1,3,7-9, in increasing order. Raises UsageError."""
    labels: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = (first, last if dash else first)
        if not all(e.isdecimal() and int(e) < CLASSES for e in ends) or int(ends[0]) > int(ends[1]):
            raise UsageError(f"labels are digits and ranges, such as 0-4 or 1,3,7-9, not '{text}'")
        labels.update(range(int(ends[0]), int(ends[1]) + 1))
    return tuple(sorted(labels))


def write_digits(
    folder: str, labels: str | None = None, log: Callable[[str], None] = print
) -> None:
    """Make the LMDBs `digits_train_lmdb` and `digits_test_lmdb` in a folder.

    The images are enlarged to 28 x 28 and their values spread over 0 to 255, so that nets for MNIST
    take them as they are. labels: the digits to take, as `labels_of` reads them; they are numbered
    from 0, and the names become `digits_0-4_train_lmdb`.

    Raises DataError when one of the databases exists already or cannot be written, UsageError for
    labels that are none.
    """
    import cv2

    taken = labels_of(labels) if labels is not None else tuple(range(CLASSES))
    stem = "digits" if labels is None else f"digits_{labels}"
    parts = split_digits()
    paths = {name: os.path.join(folder, f"{stem}_{name}_lmdb") for name in parts}
    for path in paths.values():
        refuse_existing(path)
    for name, (images, classes) in parts.items():
        rows = np.flatnonzero(np.isin(classes, taken))
        with write_database(paths[name]) as writer:
            for index, row in enumerate(rows):
                large = cv2.resize(spread(images[row]), (SIZE, SIZE))
                label = taken.index(classes[row])
                writer.put(b"%08d" % index, encode_raw(large[None], label))
        log(f"{paths[name]}: {len(rows)} digits of {SIZE} x {SIZE}")


def spread(image: np.ndarray) -> np.ndarray:
    """Values 0 to 16 as 0 to 255, uint8."""
    return (image.astype(np.uint16) * 255 // 16).astype(np.uint8)
