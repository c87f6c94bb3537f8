"""Which implementation is the fastest where: data, with a reason per row.

For an operation the first row wins whose platform is the program's (`""` is every platform),
that is able to compute the case, and that calls itself better. The facts are the geometry of the
case: `geometry.Conv`, `geometry.Pool`, or a tuple named in a comment below. On GPU the native
operations go to cuDNN, and XLA assigns layouts: no row but the last one applies.
`benchmarks/lowerings.py` measures every row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

Predicate = Callable[[Any], bool]


def always(_: Any) -> bool:
    return True


class Row(NamedTuple):
    """able: what the implementation can compute. better: where it beats the rows below it."""

    operation: str
    implementation: str
    platform: str
    able: Predicate
    better: Predicate
    reason: str


def _one_by_one(g: Any) -> bool:
    return g.group == 1 and not any(g.pad) and all(k == 1 for k in g.kernel)


def _no_space(g: Any) -> bool:
    return not g.kernel


def _depthwise(g: Any) -> bool:
    """One channel per group, and a kernel small enough to unroll."""
    return 1 < g.group == g.channels and math.prod(g.kernel) <= 64


def _few_groups(g: Any) -> bool:
    """A program must not grow with the number of groups."""
    return 1 < g.group <= 64


def _narrow_groups(g: Any) -> bool:
    return g.bundle > 1 and not _depthwise(g)


def _one_group(g: Any) -> bool:
    return g.group == 1


def _whole_image(g: Any) -> bool:
    return g.group == 1 and not any(g.pad) and g.kernel == g.size


def _dense(g: Any) -> bool:
    return all(d == 1 for d in g.dilation)


def _strided(g: Any) -> bool:
    return any(s > 1 for s in g.stride)


def _many_phases(g: Any) -> bool:
    """A program must not grow with the stride."""
    return math.prod(g.stride) > 4


def _whole_window(g: Any) -> bool:
    return g.whole


def _in_a_byte(g: Any) -> bool:
    """A position in a window fits into the byte it is remembered in."""
    return max(g.kernel, default=1) <= 127


def _few_steps(g: Any) -> bool:
    """The window is unrolled: a program must not grow with the picture."""
    return max(g.kernel, default=1) <= 32


def _strided_and_wide(g: Any) -> bool:
    wide = min(g.channels, g.num_output) >= 64 and math.prod(g.kernel) <= 9
    return wide and _strided(g) and g.layout == "NHWC"


_SIDES = ("conv.forward", "conv.input_gradient", "conv.weight_gradient")

ROWS: tuple[Row, ...] = (
    Row("conv.input_gradient", "subpixels", "cpu", _dense, _many_phases,
        "one convolution for all phases: 3 to 50 times faster than XLA's own on the kernels of 16 "
        "and 64 that enlarge images, level with `phases` at stride 2"),
    Row("conv.input_gradient", "phases", "cpu", _dense, _depthwise,
        "gathers shifted copies of dy: 1.4 to 2.3 times faster than scattering them"),
    *(
        row
        for side in _SIDES
        for row in (
            Row(side, "pointwise", "", _one_by_one, _no_space,
                "without spatial axes a convolution is a matrix product everywhere"),
            Row(side, "pointwise", "cpu", _one_by_one, always,
                "a matrix product: level with XLA's own forward, 1.1 to 2 times faster in the "
                "weight gradient and with a stride"),
            Row(side, "whole", "cpu", _whole_image, always,
                "a kernel as large as the image is one matrix product"),
            Row(side, "depthwise", "cpu", _depthwise, always,
                "shifted multiply-adds: 1.4 (weights) to 80 times faster than XLA's grouped "
                "convolution of one channel"),
            Row(side, "bundle", "cpu", _narrow_groups, always,
                "3 times faster than 32 convolutions of 4 channels, 1.3 times than 32 of 8"),
            Row(side, "split", "cpu", _few_groups, always,
                "XLA's grouped convolution is level forward, and 18 to 100 times slower in the "
                "weight gradient"),
        )
    ),
    Row("conv.input_gradient", "phases", "cpu", _dense, _strided,
        "dense convolutions instead of one over a dy blown up with zeros"),
    Row("conv.weight_gradient", "positions", "cpu", _one_group, _strided_and_wide,
        "a matrix product per kernel position: 1.3 to 1.8 times faster with a stride and a "
        "small kernel, level without"),
    *(Row(side, "native", "", always, always, "XLA's own") for side in _SIDES),
    # (rows, inputs, outputs)
    Row("dense", "blocks", "cpu", lambda f: f[2] % 2 == 0, lambda f: f[0] > 1 and f[2] >= 4 * f[0],
        "3 to 20 times faster when the weights are much larger than the data"),
    Row("dense", "native", "", always, always, "XLA's own"),
    # (batch, channels, spatial sizes, layout)
    Row("channel_sum", "product", "cpu", always, always,
        "a product with ones is 10 times faster than XLA's reduction over pixels"),
    Row("channel_sum", "native", "", always, always, "XLA's own"),
    # (batch, channels, spatial sizes, layout)
    Row("channel_dot", "folded", "cpu", always, always,
        "half the memory traffic of a product with ones, 5 to 15 times faster than a reduction"),
    Row("channel_dot", "native", "", always, always, "XLA's own"),
    Row("max_pool", "separable", "cpu", _in_a_byte, _few_steps,
        "the gradient of XLA's windowed maximum is 8 to 30 times slower"),
    Row("max_pool", "native", "", always, always, "XLA's own, exact in ties"),
    # (batch times channels, values, places)
    Row("unpool", "in_turn", "cpu", always, always,
        "XLA's CPU scatter is a loop: 1.3 to 4 times faster than to find the last value first"),
    Row("unpool", "native", "", always, always, "right in whatever order a scatter is done"),
    Row("ave_pool", "whole", "cpu", _whole_window, always, "a product with ones"),
    Row("ave_pool", "separable", "cpu", always, _few_steps, "fewer additions, vectorized"),
    Row("ave_pool", "native", "", always, always, "XLA's own"),
    # (batch, channels, spatial sizes, window, layout)
    Row("lrn", "slices", "cpu", always, lambda f: f[3] <= 32,
        "shifted copies: up to 1.9 times faster than a windowed sum, 2 to 4 times than a product "
        "with a band matrix"),
    Row("lrn", "native", "", always, always, "XLA's own"),
)  # fmt: skip
