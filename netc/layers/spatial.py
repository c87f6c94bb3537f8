"""Layers that cut images, or pool them to a fixed size."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from netc import lowering
from netc.layers.base import Layer, LayerDef, Shape, dims, merged, register, stateless
from netc.layers.pool import pooled
from netc.lazy import jax, jnp, lax
from netc.schema import SPPParameter


def pyramid_level(d: LayerDef, level: int) -> dict:
    """The pooling that makes 2^level bins per side. Caffe: spp_layer.cpp, GetPoolingParam."""
    size, bins = d.bottoms[0].shape[2:], 2**level
    kernel = tuple(-(-n // bins) for n in size)
    pad = tuple((k * bins - n + 1) // 2 for k, n in zip(kernel, size, strict=True))
    if any(q >= k for q, k in zip(pad, kernel, strict=True)):
        d.fail(
            f"pad {dims(pad)} must be smaller than the kernel {dims(kernel)}: {bins} bins per side "
            f"on an image of {dims(size)}",
            "pyramid_height",
        )
    if d.param.spp_param.pool == SPPParameter.STOCHASTIC and any(pad):
        d.fail(
            f"Padding implemented only for average and max pooling; {bins} bins per side on an "
            f"image of {dims(size)} need pad {dims(pad)}.",
            "pool",
        )
    return {"kernel": kernel, "stride": kernel, "pad": pad, "ceil": True}


@register("SPP", bottoms=1, tops=1)
def spp(d: LayerDef) -> Layer:
    """Pool to 1, 4, 16 ... bins and join: (N, C, H, W) -> (N, C (1 + 4 + ... + 4^(L-1))).

    L = pyramid_height. Level i has 2^i bins per side: kernel = stride = ceil(size / bins),
    pad = (kernel bins - size + 1) / 2. L = 1 gives (N, C, 1, 1). Caffe: spp_layer.cpp.
    """
    p, shape = d.param.spp_param, d.bottoms[0].shape
    d.check_images()
    if 0 in shape[2:]:
        d.fail(
            f"Input dimensions cannot be zero: '{d.param.bottom[0]}' is {dims(shape)}.", "bottom"
        )
    if p.pyramid_height == 0:
        d.fail(
            "pyramid_height must be at least 1, got 0",
            "pyramid_height" if p.HasField("pyramid_height") else "spp_param",
        )
    levels = [pooled(d, p.pool, pyramid_level(d, i)) for i in range(p.pyramid_height)]
    if len(levels) == 1:
        return levels[0]

    def joined(rng, x, last):
        tops = []
        for i, level in enumerate(levels):
            apply = level.channels_last if last and level.channels_last else level.apply
            key = jax.random.fold_in(rng, i) if level.random else None
            ((top,), _) = apply((), (), key, x)
            top = top.transpose(0, 3, 1, 2) if last else top
            tops.append(merged(top, 1))
        return jnp.concatenate(tops, 1)

    def apply(blobs, state, rng, x):
        return (joined(rng, x, last=False),), state

    def channels_last(blobs, state, rng, x):
        return (joined(rng, x, last=True),), state

    able = all(level.channels_last for level in levels)
    return Layer(
        apply,
        channels_last=channels_last if able else None,
        prefers_last=able,
        random=any(level.random for level in levels),
    )


def crop_window(d: LayerDef) -> tuple[Shape, Shape]:
    """Where the crop starts and ends on every axis. Caffe: crop_layer.cpp."""
    p, shape, size = d.param.crop_param, d.bottoms[0].shape, d.bottoms[1].shape
    axis = d.axis(p.axis)
    given, cropped = list(p.offset), len(shape) - axis
    if len(given) > 1 and len(given) != cropped:
        d.fail(
            "number of offset values specified must be equal to the number of dimensions "
            f"following axis: {len(given)} for {cropped} of {dims(shape)} from axis {axis}.",
            "offset",
        )
    if len(size) < len(shape):
        d.fail(
            f"bottom[1] '{d.param.bottom[1]}' is {dims(size)}: it has no axis {len(size)}, and "
            f"bottom[0] '{d.param.bottom[0]}' ({dims(shape)}) is cropped from axis {axis} on",
            "bottom",
            1,
        )
    offsets = given * cropped if len(given) == 1 else given or [0] * cropped
    for i, offset in enumerate(offsets, axis):
        if shape[i] - offset < size[i]:
            field, index = ("offset", min(i - axis, len(given) - 1)) if given else ("bottom", 1)
            d.fail(
                f"the crop for dimension {i} is out-of-bounds with size {size[i]} and offset "
                f"{offset}: bottom[0] '{d.param.bottom[0]}' is {dims(shape)}",
                field,
                index,
            )
    start = (*(0,) * axis, *offsets)
    kept = (*shape[:axis], *size[axis : len(shape)])
    return start, tuple(s + n for s, n in zip(start, kept, strict=True))


@register("Crop", bottoms=2, tops=1)
def crop(d: LayerDef) -> Layer:
    """Cut a blob to the sizes that another has from `axis` on, starting at `offset`.

    y = x[..., offset : offset + size]; the gradient outside is 0, and none goes to the blob that
    gives the sizes. Caffe: crop_layer.cpp.
    """
    start, end = crop_window(d)

    def channels_last(blobs, x, like):
        return lax.slice(x, _moved(start), _moved(end))

    return stateless(
        lambda blobs, x, like: lax.slice(x, start, end),
        channels_last=channels_last if len(start) == 4 else None,
    )


@register("Crop", bottoms=2, tops=1, dialects=("fcn", "hed"))
def crop_automatic(d: LayerDef) -> Layer:
    """Cut an image to the size of another, where the layers before put the other one.

    As Crop, on axes 2 and 3; the offset, where none is given, is how far apart the two bottoms are
    by kernel, stride, pad and dilation of the layers from a common ancestor to each of them.
    FCN, HED: crop_layer.cpp.
    """
    return crop(d)


def _moved(index: Shape) -> Shape:
    """A position in (N, C, H, W) as one in (N, H, W, C)."""
    n, c, *spatial = index
    return (n, *spatial, c)


FIXED = ("theta_1_1", "theta_1_2", "theta_1_3", "theta_2_1", "theta_2_2", "theta_2_3")


@register("SpatialTransformer", bottoms=2, tops=1)
def spatial_transformer(d: LayerDef) -> Layer:
    """Sample an image where a matrix of each example says: (N, C, H, W), (N, 6) -> (N, C, H', W').

    Pixel (s, t) of the top takes, bilinearly and 0 outside, (H (p + 1) / 2, W (q + 1) / 2) of the
    bottom, (p, q) = theta (2 s / H' - 1, 2 t / W' - 1, 1). Entries of theta that st_param fixes are
    not in the bottom. output_H and output_W are the bottom's by default; the gradient goes to the
    theta and, with to_compute_dU, the image. Jaderberg et al. 2015; add-ons: st_layer.cpp.
    """
    how, (count, channels, *size) = transform(d), d.bottoms[0].shape
    moves, limit = d.param.st_param.to_compute_dU, np.array(size, np.int32)[None, :, None]

    def forward(blobs, x, theta):
        whole = jnp.broadcast_to(jnp.asarray(how.values, x.dtype), (count, 6))
        whole = whole.at[:, np.array(how.free, int)].set(theta.reshape(count, len(how.free)))
        places = jnp.einsum(
            "nij,jp->nip",
            whole.reshape(count, 2, 3),
            jnp.asarray(how.grid, x.dtype),
            precision=lax.Precision.HIGHEST,
        )
        at = (places + 1) * jnp.asarray(limit / 2, x.dtype)
        seen = x if moves else lax.stop_gradient(x)
        return lowering.sample.bilinear(seen, at, repeat=False).reshape(count, channels, *how.out)

    return stateless(forward)


class Transform(NamedTuple):
    """How a SpatialTransformer samples. values: theta as far as it is fixed, (6,); free: the
    entries that the bottom holds; grid: the pixels of the top, (3, P); out: its height and width.
    """

    values: np.ndarray
    free: list[int]
    grid: np.ndarray
    out: Shape


def transform(d: LayerDef) -> Transform:
    """What st_param says, checked."""
    d.check_images()
    p, (count, channels, *size) = d.param.st_param, d.bottoms[0].shape
    for field, known in (("transform_type", "affine"), ("sampler_type", "bilinear")):
        if getattr(p, field) != known:
            d.fail(f"Unknown {field}: {getattr(p, field)} (known: {known})", field)
    out = [
        n if not p.HasField(f) else getattr(p, f)
        for n, f in zip(size, ("output_H", "output_W"), strict=True)
    ]
    for n, field in zip(out, ("output_H", "output_W"), strict=True):
        if n < 1:
            d.fail(f"{field} must be greater than 0, got {n}", field)
    d.check_sizes((count, channels, *out))
    given = d.bottoms[1].shape
    fixed = [f for f in FIXED if p.HasField(f)]
    if given[:1] != (count,) or math.prod(given[1:]) != 6 - len(fixed):
        d.fail(
            f"bottom[1] '{d.param.bottom[1]}' must hold {6 - len(fixed)} numbers for each of the "
            f"{count} examples, it is {dims(given)}",
            "bottom",
            1,
        )
    free = [i for i, f in enumerate(FIXED) if f not in fixed]
    values = np.array([getattr(p, f) for f in FIXED], np.float32)
    rows, columns = (2 * np.arange(n, dtype=np.float32) / n - 1 for n in out)
    grid = np.stack([*np.meshgrid(rows, columns, indexing="ij"), np.ones(out, np.float32)])
    return Transform(values, free, grid.reshape(3, -1), tuple(out))
