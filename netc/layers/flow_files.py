"""Layers that write what they are given to files, a file for each image, or read a file."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import numpy as np

from netc.data import maps, matlab
from netc.data.fail import failing
from netc.errors import DataError
from netc.files import atomic
from netc.layers.base import Layer, LayerDef, dims, elementwise, register
from netc.layers.inputs import from_source


def _writer(
    d: LayerDef, suffix: str, channels: tuple[int, ...], encode: Callable[[np.ndarray], bytes]
) -> Layer:
    """Write every image (C, H, W) as `encode` makes it. channels: the C it takes; none: all."""
    d.check_images()
    p, shape = d.param.writer_param, d.bottoms[0].shape
    if channels and shape[1] not in channels:
        d.fail(
            f"{d.param.type} layer input must have {' or '.join(map(str, channels))} channels, "
            f"'{d.param.bottom[0]}' is {dims(shape)}",
            "bottom",
            0,
        )

    def sink(k: int, images: np.ndarray) -> None:
        for n, image in enumerate(images):
            which = f"{k:07}({n:03})" if len(images) > 1 else f"{k:07}"
            own = os.path.join(p.folder, f"{p.prefix}{which}{p.suffix}.{suffix}")
            _write(p.file or own, encode(image))

    return elementwise(lambda x: ())._replace(sink=sink)


def _write(path: str, content: bytes) -> None:
    try:
        with atomic(path) as file:
            file.write(content)
    except OSError as e:
        raise DataError(f"Cannot open file for writing: {e.strerror or e}", path) from None


@register("FLOWriter", bottoms=1, tops=0)
def flo_writer(d: LayerDef) -> Layer:
    """Write flow (N, 2, H, W) to a .flo file for each image of every pass.

    They are folder/prefix, the pass in seven digits, of several images the image in brackets,
    suffix, .flo; or all `file`, so that the last one stays. FlowNet2: flowriter_layer.cpp.
    """
    return _writer(d, "flo", (2,), maps.flo)


@register("PFMWriter", bottoms=1, tops=0)
def pfm_writer(d: LayerDef) -> Layer:
    """Write maps (N, 1, H, W) or (N, 3, H, W) with the other sign to .pfm files.

    As disparities go to the left, they are stored as numbers above 0. Files are named as
    FLOWriter's. FlowNet2: pfmwriter_layer.cpp.
    """
    return _writer(d, "pfm", (1, 3), maps.pfm)


@register("FloatWriter", bottoms=1, tops=0)
def float_writer(d: LayerDef) -> Layer:
    """Write maps (N, C, H, W) to .float3 files, which FloatReader reads.

    Files are named as FLOWriter's. FlowNet2: floatwriter_layer.cpp.
    """
    return _writer(d, "float3", (), maps.float3)


@register("ImgWriter", bottoms=1, tops=0)
def img_writer(d: LayerDef) -> Layer:
    """Write images (N, 1, H, W) to .pgm files, BGR ones (N, 3, H, W) to .ppm files.

    Values times `scale` are cut to 0 to 255; with `normalize` the least becomes 0 and the greatest
    255. Files are named as FLOWriter's. FlowNet2: imgwriter_layer.cpp.
    """
    p = d.param.writer_param

    def encode(x: np.ndarray) -> bytes:
        if not p.normalize:
            return maps.netpbm(x * p.scale)
        known = x[np.isfinite(x)]
        low, span = (known.min(), np.ptp(known)) if known.size else (0, 0)
        return maps.netpbm(255 * (x - low) / (span or np.inf))

    gray = d.bottoms[0].shape[1:2] == (1,)
    return _writer(d, "pgm" if gray else "ppm", (1, 3), encode)


@register("ImgReader", bottoms=0, tops=1)
def img_reader(d: LayerDef) -> Layer:
    """An image file, `num` times: (num, 3, H, W), BGR, transformed once by transform_param.

    FlowNet2: imgreader_layer.cpp.
    """
    return from_source(d)


@register("FloatReader", bottoms=0, tops=1)
def float_reader(d: LayerDef) -> Layer:
    """A .float3 file, `num` times: (num, C, H, W). FlowNet2: floatreader_layer.cpp."""
    return from_source(d)


@register("MatWrite", bottoms=(1, None), tops=0)
def mat_write(d: LayerDef) -> Layer:
    """Write blobs to MATLAB's files, which MatRead reads: prefix, name, _blob_0.mat and so on.

    In every period-th pass. The name is iter_, the pass, or that in the pass's line of `source`,
    without its last `strip` characters. A file holds `data`, (W, H, C, N).
    DeepLab: mat_write_layer.cpp.
    """
    p = d.param.mat_write_param
    if p.period < 1:
        d.fail(f"period must be positive, got {p.period}", "period")
    if p.strip < 0:
        d.fail(f"Strip cannot be negative, got {p.strip}", "strip")
    names = None
    if p.HasField("source"):
        with failing(functools.partial(d.fail, kind=DataError), "source"):
            names = matlab.read_names(p.source, p.strip)

    def sink(k: int, *bottoms: np.ndarray) -> None:
        if k % p.period:
            return
        if names is not None and k >= len(names):
            what = f"Test has run for more iterations than it was supposed to: pass {k}"
            raise DataError(f"{what}, {len(names)} names", p.source)
        name = f"iter_{k}" if names is None else names[k]
        for i, x in enumerate(bottoms):
            _write(f"{p.prefix}{name}_blob_{i}.mat", matlab.mat(x))

    return elementwise(lambda *xs: ())._replace(sink=sink)


@register("MatRead", bottoms=0, tops=(1, None))
def mat_read(d: LayerDef) -> Layer:
    """Blobs out of MATLAB's files, one for each example and top: (N, C, H, W).

    Their names are prefix, a line of `source` without its last `strip` characters, _blob_0.mat and
    so on; a file holds `data`, (W, H, C). DeepLab: mat_read_layer.cpp.
    """
    return from_source(d)
