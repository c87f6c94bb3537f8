"""Blobs in MATLAB's files of version 5, one a file. DeepLab: matio_io.cpp."""

from __future__ import annotations

import io

import numpy as np

from netc.data.fail import Fail, dims, failing
from netc.data.lists import lines
from netc.errors import DataError
from netc.load import read_bytes
from netc.schema import LayerParameter

VARIABLE = "data"


def mat(x: np.ndarray) -> bytes:
    """(N, C, H, W), or fewer axes, as the variable `data` (W, H, C, N) of a .mat file, single."""
    from scipy.io import savemat

    four = np.asarray(x, np.float32).reshape((*x.shape, 1, 1, 1, 1)[: max(x.ndim, 4)])
    file = io.BytesIO()
    savemat(file, {VARIABLE: four.T})
    return file.getvalue()


def read_mat(path: str) -> np.ndarray:
    """The variable `data` (W, H, C, N) of a .mat file as (N, C, H, W). Raises DataError."""
    from scipy.io import loadmat

    content = read_bytes(path)
    try:
        found = loadmat(io.BytesIO(content), variable_names=[VARIABLE])
    except Exception as e:  # of whatever kind, it is the file that is wrong
        raise DataError(f"Error opening MAT file: {e}", path) from None
    if VARIABLE not in found:
        raise DataError(f"Field '{VARIABLE}' not present in MAT file", path)
    values = np.asarray(found[VARIABLE])
    if values.dtype.kind not in "fiub":
        raise DataError(f"Field '{VARIABLE}' must hold numbers, it is {values.dtype}", path)
    if values.ndim > 4:
        raise DataError(f"Field '{VARIABLE}' cannot have ndims > 4, it is {values.ndim}", path)
    whole = values.reshape((*values.shape, 1, 1)[:4] if values.ndim < 4 else values.shape)
    return np.ascontiguousarray(whole.T, np.float32)


def read_names(source: str, strip: int) -> list[str]:
    """The first word of each line without its last `strip` characters. Raises DataError."""
    names = []
    for line, where in lines(source):
        name = line.split()[0]
        if len(name) <= strip:
            raise DataError(f"Too much stripping: {strip} characters of '{name}'", where)
        names.append(name[: len(name) - strip])
    if not names:
        raise DataError("the list is empty", source)
    return names


class MatFeed:
    """MatRead: a .mat file for each example and top, named by the lines of a list, again and again.

    Without a list they are numbered, iter_0, iter_1 and so on.
    """

    labels_top = None

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        p = param.mat_read_param
        if p.batch_size < 1:
            fail(f"batch_size must be positive, got {p.batch_size}", "batch_size")
        if p.strip < 0:
            fail(f"Strip cannot be negative, got {p.strip}", "strip")
        self._p, self._tops = p, len(param.top)
        self._names = None
        self._field = "source" if p.HasField("source") else "prefix"
        with failing(fail, self._field):
            if p.HasField("source"):
                self._names = read_names(p.source, p.strip)
            first = [self._read(0, top) for top in range(self._tops)]
        self.epoch_size = len(self._names) if self._names else None
        self.shapes = tuple((p.batch_size, *image.shape) for image in first)
        self.dtypes = (np.dtype(np.float32),) * self._tops

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """The tops of batch k, float32 (N, C, H, W). Raises DataError."""
        made = tuple(np.empty(shape, np.float32) for shape in self.shapes)
        for n in range(self._p.batch_size):
            for top, into in enumerate(made):
                image = self._read(k * self._p.batch_size + n, top)
                if image.shape != into.shape[1:]:
                    raise DataError(
                        f"the blob is {dims(image.shape)}, the first of this top "
                        f"{dims(into.shape[1:])}",
                        self._path(k * self._p.batch_size + n, top),
                    )
                into[n] = image
        return made

    def describe(self, k: int) -> tuple[str, ...]:
        """Names the file of the first top for each example."""
        first = k * self._p.batch_size
        return tuple(self._path(first + n, 0) for n in range(self._p.batch_size))

    def drawn(self, k: int) -> tuple[str, ...]:
        """Nothing is drawn."""
        return ("",) * self._p.batch_size

    def _path(self, example: int, top: int) -> str:
        name = f"iter_{example}" if self._names is None else self._names[example % len(self._names)]
        return f"{self._p.prefix}{name}_blob_{top}.mat"

    def _read(self, example: int, top: int) -> np.ndarray:
        path = self._path(example, top)
        images = read_mat(path)
        if len(images) != 1:
            raise DataError(f"Check failed: blob.num() == 1 ({len(images)} vs. 1)", path)
        return images[0]
