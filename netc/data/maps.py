"""Feature maps (C, H, W) in files: flow, disparity, images, and plain numbers.

FlowNet2: output.cpp. The images are Netpbm's, PFM by P. Debevec, .flo by S. Baker et al. 2007.
"""

from __future__ import annotations

import math

import numpy as np

from netc.data.fail import Fail, dims, failing
from netc.data.images import load
from netc.data.transform import Transformer
from netc.errors import DataError
from netc.load import read_bytes
from netc.schema import LayerParameter


def flo(x: np.ndarray) -> bytes:
    """(2, H, W) as .flo: u and v of every pixel."""
    size = np.array(x.shape[:0:-1], "<i4").tobytes()
    return b"PIEH" + size + x.transpose(1, 2, 0).astype("<f4").tobytes()


def pfm(x: np.ndarray) -> bytes:
    """(1, H, W) or (3, H, W) with the other sign as .pfm, rows from below."""
    kind, (height, width) = "f" if len(x) == 1 else "F", x.shape[1:]
    rows = -x.transpose(1, 2, 0)[::-1]
    return f"P{kind}\n{width} {height}\n-1.0\n".encode() + rows.astype("<f4").tobytes()


def netpbm(x: np.ndarray) -> bytes:
    """(1, H, W) as .pgm, or BGR (3, H, W) as .ppm; values are cut to 0 to 255."""
    kind, (height, width) = 5 if len(x) == 1 else 6, x.shape[1:]
    values = np.nan_to_num(x[::-1].transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)
    return f"P{kind}\n{width} {height}\n255\n".encode() + values.tobytes()


def float3(x: np.ndarray) -> bytes:
    """(C, H, W) as .float3: a head of five lines, then the numbers."""
    lines = ("float", 3, *x.shape[::-1])
    return "".join(f"{line}\n" for line in lines).encode() + x.astype("<f4").tobytes()


def read_float(path: str) -> np.ndarray:
    """(C, H, W) out of a .float3 file; (1, H, W) where it has two axes. Raises DataError."""
    data = read_bytes(path)
    head, rank, *rest = [*data.split(b"\n", 2), b""][:3]
    if head != b"float" or rank not in (b"2", b"3"):
        raise DataError("File has invalid format: its first lines must be float, then 2 or 3", path)
    *sizes, values = [*rest[0].split(b"\n", int(rank)), b""][: int(rank) + 1]
    if len(sizes) < int(rank) or not all(n.isdigit() and len(n) < 10 for n in sizes):
        raise DataError(f"File corrupted: no {int(rank)} sizes follow the first lines", path)
    shape = (*(1,) * (3 - int(rank)), *(int(n) for n in reversed(sizes)))
    if len(values) != 4 * math.prod(shape):
        raise DataError(f"File corrupted: {len(values)} bytes for {dims(shape)} numbers", path)
    return np.frombuffer(values, "<f4").astype(np.float32).reshape(shape)


class FileFeed:
    """ImgReader, FloatReader: one file, `num` times in every batch.

    An image is transformed once, so that its crop stays where it is.
    """

    epoch_size = None
    labels_top = None
    dtypes = (np.dtype(np.float32),)

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        p = param.reader_param
        if not p.num:
            fail("num must be at least 1, got 0", "num")
        self._path = p.file
        with failing(fail, "file"):
            found = read_float(p.file) if param.type == "FloatReader" else load(p.file, color=True)
        if param.type != "FloatReader":
            transformer = Transformer(param.transform_param, phase, seed, param.name, fail)
            transformer.output_shape(found.shape, fail)
            found = transformer.batch([found], 0)[0]
        self._maps = np.broadcast_to(found, (p.num, *found.shape))
        self.shapes = (self._maps.shape,)

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """The file's content, float32 (num, C, H, W)."""
        return (self._maps.copy(),)

    def describe(self, k: int) -> tuple[str, ...]:
        """Names the file for each example."""
        return (self._path,) * len(self._maps)

    def drawn(self, k: int) -> tuple[str, ...]:
        """Nothing is drawn anew."""
        return ("",) * len(self._maps)
