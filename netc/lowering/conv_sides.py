"""The three sides of a convolution, each by the way the plan picks.

Some ways cut a convolution into smaller ones, or make it another operation: the plan picks again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from netc.lowering import conv_ways as ways
from netc.lowering.dense import product
from netc.lowering.geometry import Axes, Conv, channel_axis, spatial_axes
from netc.lowering.plan import Plan
from netc.lowering.windows import interleave

WAYS: dict[str, dict[str, ways.Way]] = {
    "conv.forward": {
        "native": ways.native,
        "depthwise": ways.depthwise,
    },
    "conv.input_gradient": {
        "native": ways.transposed_to_input(ways.native),
        "pointwise": ways.transposed_to_input(ways.pointwise),
        "whole": ways.transposed_to_input(ways.whole),
        "depthwise": ways.transposed_to_input(ways.depthwise),
    },
    "conv.weight_gradient": {
        "native": ways.transposed_to_weight(ways.native),
        "pointwise": ways.transposed_to_weight(ways.pointwise),
        "whole": ways.transposed_to_weight(ways.whole),
        "depthwise": ways.depthwise_weight_gradient,
        "positions": ways.by_positions,
    },
}


def run(plan: Plan, side: str, g: Conv, a: Array, b: Array) -> Array:
    """One side of the convolution, by the way the plan picks: see `conv_ways`."""
    name = plan.pick(side, g)
    if way := PLANNED[side].get(name):
        return way(plan, g, a, b)
    return WAYS[side][name](g, a, b)


def split(side: str, plan: Plan, g: Conv, a: Array, b: Array) -> Array:
    """Every group as a convolution of its own."""
    channels = channel_axis(g.layout)
    axis_a = channels
    axis_b = channels if side == "conv.weight_gradient" else 0
    axis_out = 0 if side == "conv.weight_gradient" else channels
    one = g.one_group()
    pairs = zip(jnp.split(a, g.group, axis_a), jnp.split(b, g.group, axis_b), strict=True)
    return jnp.concatenate([run(plan, side, one, *pair) for pair in pairs], axis_out)


def bundle(side: str, plan: Plan, g: Conv, a: Array, b: Array) -> Array:
    """Several groups as one, whose weights are zero between the groups."""
    per_group = g.channels // g.group
    m = g.bundle
    fewer = g._replace(group=g.group // m)
    own = jnp.eye(m, dtype=b.dtype).reshape(1, m, 1, m, *(1,) * (len(g.kernel) + 1))
    blocks = (fewer.group, m, g.num_output // g.group, m, per_group, *g.kernel)
    if side == "conv.weight_gradient":
        dw = run(plan, side, fewer, a, b)
        return (dw.reshape(blocks) * own).sum(3).reshape(g.weight_shape)
    w = b.reshape(*blocks[:3], 1, *blocks[4:]) * own
    return run(plan, side, fewer, a, w.reshape(fewer.weight_shape))


def with_product(way: Callable[..., Array], plan: Plan, g: Conv, x: Array, w: Array) -> Array:
    """A way that is a matrix product, with the product the plan picks."""
    return way(g, x, w, functools.partial(product, plan))


def by_phases(plan: Plan, g: Conv, dy: Array, w: Array) -> Array:
    """The input gradient as unstrided convolutions of dy, one per phase of the stride.

    Along an axis, pixel i (counted from the start of the padding) meets kernel positions
    k = i mod stride, + stride, + 2 stride ...: pixels of one remainder form a dense convolution
    of dy with that part of the flipped kernel. The remainders are interleaved again.
    """
    axes = spatial_axes(g.layout, dy.ndim)
    w = _swapped(g, w)
    blocks = _blocks(g)

    def phase(remainders: Axes) -> Array:
        part = w[(..., *(slice(r, None, s) for r, s in zip(remainders, g.stride, strict=True)))]
        if 0 in part.shape[2:]:
            return jnp.zeros(g._replace(size=blocks).input_shape, dy.dtype)
        return _spread(plan, g, blocks, dy, part)

    def along(depth: int, remainders: Axes) -> Array:
        if depth == len(axes):
            return phase(remainders)
        parts = [along(depth + 1, (*remainders, r)) for r in range(g.stride[depth])]
        return interleave(parts, axes[depth])

    return _unpadded(g, along(0, ()))


def by_subpixels(plan: Plan, g: Conv, dy: Array, w: Array) -> Array:
    """The input gradient as one unstrided convolution of dy that gives all phases as channels.

    As `by_phases`, with the kernel filled up with zeros to whole strides; the channels
    (channel, remainders) are then laid out as blocks of pixels.
    """
    rank, w = len(g.stride), _swapped(g, w)
    steps = tuple(-(-k // s) for k, s in zip(g.kernel, g.stride, strict=True))
    rest = [(0, n * s - k, 0) for n, s, k in zip(steps, g.stride, g.kernel, strict=True)]
    w = lax.pad(w, jnp.zeros((), w.dtype), [(0, 0, 0), (0, 0, 0), *rest])
    pairs = [n for pair in zip(steps, g.stride, strict=True) for n in pair]
    w = w.reshape(*w.shape[:2], *pairs)
    w = w.transpose(0, *range(3, w.ndim, 2), 1, *range(2, w.ndim, 2))
    blocks = _blocks(g)
    y = _spread(plan, g, blocks, dy, w.reshape(-1, *w.shape[rank + 1 :]))
    at = channel_axis(g.layout) % dy.ndim
    y = y.reshape(*y.shape[:at], g.channels, *g.stride, *y.shape[at + 1 :])
    space = [a if a < at else a + rank for a in spatial_axes(g.layout, dy.ndim)]
    mixed = [a for pair in zip(space, range(at + 1, y.ndim), strict=False) for a in pair]
    y = y.transpose((0, at, *mixed) if g.layout == "NCHW" else (0, *mixed, at))
    size = tuple(m * s for m, s in zip(blocks, g.stride, strict=True))
    return _unpadded(g, y.reshape(g._replace(size=size).input_shape))


def _blocks(g: Conv) -> Axes:
    """How many pixels of each remainder there are along the axes, padding included."""
    axes = zip(g.pad, g.size, g.stride, g.out, g.kernel, strict=True)
    return tuple(max(-(-(p + i) // s), o + (k - 1) // s) for p, i, s, o, k in axes)


def _spread(plan: Plan, g: Conv, blocks: Axes, dy: Array, w: Array) -> Array:
    """dy convolved without a stride with w (outputs, num_output/group, *steps) flipped."""
    steps = w.shape[2:]
    margins = [(0, 0, 0)] * dy.ndim
    for axis, n, m, o in zip(spatial_axes(g.layout, dy.ndim), steps, blocks, g.out, strict=True):
        margins[axis] = (n - 1, m - o, 0)
    dense = Conv(
        batch=g.batch,
        channels=g.num_output,
        num_output=w.shape[0],
        size=tuple(m + n - 1 for m, n in zip(blocks, steps, strict=True)),
        kernel=steps,
        stride=(1,) * len(steps),
        pad=(0,) * len(steps),
        dilation=(1,) * len(steps),
        group=g.group,
        layout=g.layout,
        itemsize=g.itemsize,
    )
    x = lax.pad(dy, jnp.zeros((), dy.dtype), margins)
    return run(plan, "conv.forward", dense, x, lax.rev(w, range(2, w.ndim)))


def _unpadded(g: Conv, dx: Array) -> Array:
    for axis, p, i in zip(spatial_axes(g.layout, dx.ndim), g.pad, g.size, strict=True):
        dx = lax.slice_in_dim(dx, p, p + i, 1, axis)
    return dx


def _swapped(g: Conv, w: Array) -> Array:
    """Weights with inputs and outputs exchanged: (channels, num_output/group, *kernel)."""
    grouped = w.reshape(g.group, g.num_output // g.group, *w.shape[1:])
    return jnp.swapaxes(grouped, 1, 2).reshape(g.channels, -1, *g.kernel)


PLANNED: dict[str, dict[str, Callable[[Plan, Conv, Array, Array], Array]]] = {
    side: {
        "split": functools.partial(split, side),
        "bundle": functools.partial(bundle, side),
    }
    for side in WAYS
}
PLANNED["conv.forward"] |= {
    "pointwise": functools.partial(with_product, ways.pointwise),
    "whole": functools.partial(with_product, ways.whole),
}
PLANNED["conv.input_gradient"] |= {"phases": by_phases, "subpixels": by_subpixels}
