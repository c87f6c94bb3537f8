"""Ways to spoil files that were right: each is a function without arguments that does it."""

import os
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from netc.data.datum import encode_raw
from netc.data.writer import write_database


class Edit(NamedTuple):
    """A file's text with a part replaced."""

    path: str
    old: str
    new: str

    def __call__(self):
        path = Path(self.path)
        text = path.read_text()
        assert text.count(self.old) == 1, self.old
        path.write_text(text.replace(self.old, self.new))


def net(old, new):
    return Edit("net.prototxt", old, new)


def solver(old, new):
    return Edit("solver.prototxt", old, new)


def cut(path, share):
    def spoil():
        data = Path(path).read_bytes()
        Path(path).write_bytes(data[: int(len(data) * share)])

    return spoil


def fill(path, data):
    def spoil():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_bytes(data)

    return spoil


def without(path):
    return lambda: os.unlink(path)


def database(*records):
    """The database "images", anew, of these records."""

    def spoil():
        for path in Path("images").iterdir():
            path.unlink()
        Path("images").rmdir()
        with write_database("images") as writer:
            for i, record in enumerate(records):
                writer.put(b"%04d" % i, record)

    return spoil


def image(label=0, size=6):
    return encode_raw(np.zeros((1, size, size), np.uint8), label)


def rows(path, name, values):
    def spoil():
        with h5py.File(path, "r+") as file:
            del file[name]
            if values is not None:
                file[name] = values

    return spoil


def both(*spoils):
    def spoil():
        for one in spoils:
            one()

    return spoil
