"""Layers without bottoms: where blobs come from."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeVar

from netc.data.feeds import Feed, open_feed
from netc.errors import DataError
from netc.fillers import fill, problem, traced_draw
from netc.layers.base import BlobSpec, Layer, LayerDef, Shape, dims, register, stateless
from netc.lazy import jax, jnp
from netc.schema import BlobShape, FillerParameter, Phase

T = TypeVar("T")


def outside(*shapes: Shape, feed: Feed | None = None) -> Layer:
    """A layer whose tops come from outside the program, float32."""
    return Layer(
        lambda *_: ((), ()),
        external=tuple(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes),
        feed=feed,
    )


def per_top(d: LayerDef, field: str, given: Sequence[T]) -> Sequence[T]:
    """A repeated field given once for all tops, or once per top."""
    if len(given) not in (1, d.tops):
        d.fail(
            f"Must specify '{field}' once, or once per top blob ({d.tops}); "
            f"specified {len(given)}.",
            field if given else None,
        )
    return given if len(given) == d.tops else [given[0]] * d.tops


def blob_shapes(d: LayerDef, given: Sequence[BlobShape]) -> Sequence[Shape]:
    """The shape of each top out of a field `shape`. Caffe: blob.cpp, Reshape."""
    shapes = [tuple(shape.dim) for shape in given]
    for i, shape in enumerate(shapes):
        if any(n < 0 for n in shape):
            d.fail(f"shape {dims(shape)} has a negative dim", "shape", i)
    return per_top(d, "shape", shapes)


@register("Input", bottoms=0, tops=(1, None))
def input_(d: LayerDef) -> Layer:
    """Blobs that the caller fills. Caffe: input_layer.cpp."""
    return outside(*blob_shapes(d, d.param.input_param.shape))


@register("Parameter", bottoms=0, tops=1)
def parameter(d: LayerDef) -> Layer:
    """A learnable blob of the given shape as a top; it starts at zero.

    Caffe: parameter_layer.cpp.
    """
    (shape,) = blob_shapes(d, [d.param.parameter_param.shape])
    return stateless(lambda blobs: blobs[0], [BlobSpec(shape)])


@register("Data", bottoms=0, tops=(1, 2))
def data(d: LayerDef) -> Layer:
    """Records of a database in key order, transformed: (N, C, H, W), and labels (N).

    Caffe: data_layer.cpp.
    """
    return _from_source(d)


@register("HDF5Data", bottoms=0, tops=(1, None))
def hdf5_data(d: LayerDef) -> Layer:
    """Rows of the data sets named as the tops, from a list of HDF5 files.

    Caffe: hdf5_data_layer.cpp.
    """
    return _from_source(d)


def _from_source(d: LayerDef) -> Layer:
    fail = functools.partial(d.fail, kind=DataError)
    feed = open_feed(d.param, Phase.Name(d.phase), d.seed, fail)
    return outside(*feed.shapes, feed=feed)


@register("DummyData", bottoms=0, tops=(1, None))
def dummy_data(d: LayerDef) -> Layer:
    """Blobs made by fillers: constant ones stay, all others are drawn anew in every pass.

    Caffe: dummy_data_layer.cpp.
    """
    p = d.param.dummy_data_param
    if len(p.data_filler) not in (0, 1, d.tops):
        d.fail(
            f"Number of data fillers must be 0, 1 or equal to the number of tops: {d.tops}; "
            f"you specified {len(p.data_filler)} data fillers.",
            "data_filler",
        )
    fillers = per_top(d, "data_filler", list(p.data_filler) or [FillerParameter()])
    shapes = _dummy_shapes(d)
    for i, (filler, shape) in enumerate(zip(fillers, shapes, strict=True)):
        if wrong := problem(filler, shape):
            d.fail(wrong[0], "data_filler", i, wrong[1])
    drawn = any(f.type != "constant" for f in fillers)

    def apply(blobs, state, rng):
        keys = jax.random.split(rng, d.tops) if drawn else (None,) * d.tops
        tops = []
        for key, filler, shape in zip(keys, fillers, shapes, strict=True):
            draw = traced_draw(key) if filler.type != "constant" else None
            tops.append(jnp.asarray(fill(filler, shape, draw), jnp.float32))
        return tuple(tops), state

    return Layer(apply, random=drawn)


def _dummy_shapes(d: LayerDef) -> Sequence[Shape]:
    p = d.param.dummy_data_param
    legacy = {f: list(getattr(p, f)) for f in ("num", "channels", "height", "width")}
    if not any(legacy.values()):
        return blob_shapes(d, p.shape)
    if p.shape:
        d.fail("Both shape and legacy fields were specified", "shape")
    sizes = [per_top(d, field, given) for field, given in legacy.items()]
    return list(zip(*sizes, strict=True))
