"""The three sides of a convolution, each by the way the plan picks.

Some ways cut a convolution into smaller ones, for which the plan picks again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from netc.lowering import conv_ways as ways
from netc.lowering.geometry import Axes, Conv, channel_axis, spatial_axes
from netc.lowering.plan import Plan
from netc.lowering.windows import interleave

WAYS: dict[str, dict[str, ways.Way]] = {
    "conv.forward": {
        "native": ways.native,
        "pointwise": ways.pointwise,
        "whole": ways.whole,
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
    if way := RECURSIVE[side].get(name):
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


def by_phases(plan: Plan, g: Conv, dy: Array, w: Array) -> Array:
    """The input gradient as unstrided convolutions of dy, one per phase of the stride.

    Along an axis, pixel i (counted from the start of the padding) meets kernel positions
    k = i mod stride, + stride, + 2 stride ...: pixels of one remainder form a dense convolution
    of dy with that part of the flipped kernel. The remainders are interleaved again.
    """
    axes = spatial_axes(g.layout, dy.ndim)
    w = _swapped(g, w)
    blocks = tuple(
        max(-(-(p + i) // s), o + (k - 1) // s)
        for p, i, s, o, k in zip(g.pad, g.size, g.stride, g.out, g.kernel, strict=True)
    )

    def phase(remainders: Axes) -> Array:
        part = w[(..., *(slice(r, None, s) for r, s in zip(remainders, g.stride, strict=True)))]
        kernel = part.shape[2:]
        if 0 in kernel:
            return jnp.zeros(g._replace(size=blocks).input_shape, dy.dtype)
        margins = [(0, 0, 0)] * dy.ndim
        for axis, k, m, o in zip(axes, kernel, blocks, g.out, strict=True):
            margins[axis] = (k - 1, m - o, 0)
        x = lax.pad(dy, jnp.zeros((), dy.dtype), margins)
        dense = Conv(
            batch=g.batch,
            channels=g.num_output,
            num_output=g.channels,
            size=tuple(m + k - 1 for m, k in zip(blocks, kernel, strict=True)),
            kernel=kernel,
            stride=(1,) * len(axes),
            pad=(0,) * len(axes),
            dilation=(1,) * len(axes),
            group=g.group,
            layout=g.layout,
            itemsize=g.itemsize,
        )
        return run(plan, "conv.forward", dense, x, lax.rev(part, range(2, part.ndim)))

    def along(depth: int, remainders: Axes) -> Array:
        if depth == len(axes):
            return phase(remainders)
        parts = [along(depth + 1, (*remainders, r)) for r in range(g.stride[depth])]
        return interleave(parts, axes[depth])

    dx = along(0, ())
    for axis, p, i in zip(axes, g.pad, g.size, strict=True):
        dx = lax.slice_in_dim(dx, p, p + i, 1, axis)
    return dx


def _swapped(g: Conv, w: Array) -> Array:
    """Weights with inputs and outputs exchanged: (channels, num_output/group, *kernel)."""
    grouped = w.reshape(g.group, g.num_output // g.group, *w.shape[1:])
    return jnp.swapaxes(grouped, 1, 2).reshape(g.channels, -1, *g.kernel)


RECURSIVE: dict[str, dict[str, Callable[[Plan, Conv, Array, Array], Array]]] = {
    side: {
        "split": functools.partial(split, side),
        "bundle": functools.partial(bundle, side),
    }
    for side in WAYS
}
RECURSIVE["conv.input_gradient"]["phases"] = by_phases
