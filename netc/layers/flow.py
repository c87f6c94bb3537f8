"""Layers of nets for optical flow and disparity: what lies where in two images."""

from __future__ import annotations

import functools
import math
from itertools import pairwise
from typing import NamedTuple, NoReturn

import numpy as np

from netc import lowering
from netc.data.mean_file import read_mean
from netc.errors import DataError
from netc.layers.base import BlobSpec, Layer, LayerDef, dims, register, stateless
from netc.layers.distance import check_count
from netc.layers.loss import check_first_axis, with_gradient_of
from netc.lazy import jnp, lax
from netc.schema import CorrelationParameter, FlowWarpParameter, MeanParameter


class Search(NamedTuple):
    """Which patches are compared: the arguments of `lowering.correlate.correlate`."""

    first: list[int]
    out: list[int]
    shifts: list[range]
    kernel: int
    stride: int
    subtract: bool


def search(d: LayerDef) -> Search:
    """The patches that a Correlation or Correlation1D compares, checked."""
    d.check_images()
    p, (a, b) = d.param.correlation_param, (bottom.shape for bottom in d.bottoms)
    searched, direction = (True, True), 0
    if d.param.type == "Correlation1D":
        searched, direction = (False, True), p.single_direction
        if direction not in (-1, 0, 1):
            d.fail(
                f"single_direction must be -1 (left), 0 (off), or 1 (right), got {direction}",
                "single_direction",
            )
    if a != b:
        d.fail(
            "Both bottom blobs must have same width, height and number of channels: "
            f"bottom[0] '{d.param.bottom[0]}' is {dims(a)}, bottom[1] '{d.param.bottom[1]}' is "
            f"{dims(b)}",
            "bottom",
            1,
        )
    whole = "correlation_param"
    if not p.HasField("kernel_size"):
        d.fail("Filter kernel_size is not set", whole)
    if not p.HasField("max_displacement"):
        d.fail("Max displacement is required.", whole)
    if p.kernel_size % 2 == 0:
        d.fail(f"Odd kernel size required, got {p.kernel_size}", "kernel_size")
    for field in ("stride_1", "stride_2"):
        if getattr(p, field) < 1:
            d.fail(f"{field} must be at least 1, got 0", field)
    pad, reach = ([s * n for s in searched] for n in (p.pad, p.max_displacement))
    inside = [
        n + 2 * q - 2 * r - (p.kernel_size - 1) for n, q, r in zip(a[2:], pad, reach, strict=True)
    ]
    if min(inside) < 1:
        d.fail(
            "Correlation cannot be done with current settings. Neighborhood and kernel don't fit "
            f"in blob: {dims(a[2:])} with pad {dims(pad)}, max_displacement {dims(reach)} and a "
            f"kernel of {p.kernel_size} x {p.kernel_size}",
            whole,
        )
    radius = p.max_displacement // p.stride_2
    low, count = {0: (-radius, 2 * radius + 1), 1: (0, radius + 1), -1: (-radius - 1, radius + 1)}[
        direction
    ]
    grid = range(low * p.stride_2, (low + count) * p.stride_2, p.stride_2)
    return Search(
        first=[r - q for r, q in zip(reach, pad, strict=True)],
        out=[-(-n // p.stride_1) for n in inside],
        shifts=[grid if s else range(1) for s in searched],
        kernel=p.kernel_size,
        stride=p.stride_1,
        subtract=p.correlation_type == CorrelationParameter.SUBTRACT,
    )


def _correlating(d: LayerDef) -> Layer:
    how = search(d)._asdict()
    return stateless(lambda blobs, x, y: lowering.correlate.correlate(x, y, **how))


@register("Correlation", bottoms=2, tops=1)
def correlation(d: LayerDef) -> Layer:
    """Compare patches of two feature maps: a, b (N, C, H, W) -> (N, D^2, H', W').

    The mean over C and kernel_size x kernel_size pixels of a b, or under SUBTRACT of |a - b|, the
    patch of b displaced by up to max_displacement, in steps of stride_2: D = 2 (max_displacement /
    stride_2) + 1 in either direction, rows first. Patches of a lie stride_1 apart on the image with
    `pad` zeros around it, max_displacement from the edge. do_abs does nothing, as there.
    Dosovitskiy et al. 2015; FlowNet2: correlation_layer.cu.
    """
    return _correlating(d)


@register("Correlation1D", bottoms=2, tops=1)
def correlation1d(d: LayerDef) -> Layer:
    """Compare patches along rows, as of a stereo pair: a, b (N, C, H, W) -> (N, D, H', W').

    As Correlation with displacements, pad and distance from the edge across only. single_direction
    leaves those to one side: 1 for 0 to max_displacement, -1 for -stride_2 to -(max_displacement +
    stride_2); D = max_displacement / stride_2 + 1. FlowNet2: correlation_layer1d.cu.
    """
    return _correlating(d)


@register("FlowWarp", bottoms=2, tops=1)
def flow_warp(d: LayerDef) -> Layer:
    """Fetch every pixel from where the flow points: image (N, C, H, W), flow (N, 2, H, W).

    y[i, j] = image at (i + v, j + u), bilinearly; fill_value, 0 or NaN, where that is not in
    [0, H) x [0, W). The gradient goes to both. FlowNet2: flow_warp_layer.cu.
    """
    d.check_images()
    n, channels, *size = d.bottoms[0].shape
    if d.bottoms[1].shape != (n, 2, *size):
        d.fail(
            f"the flow '{d.param.bottom[1]}' must be {dims((n, 2, *size))} for "
            f"'{d.param.bottom[0]}' ({dims(d.bottoms[0].shape)}), it is "
            f"{dims(d.bottoms[1].shape)}",
            "bottom",
            1,
        )
    empty = d.param.flow_warp_param.fill_value == FlowWarpParameter.NOT_A_NUMBER
    grid, limit = np.indices(size).reshape(1, 2, -1), np.array(size).reshape(1, 2, 1)

    def forward(blobs, x, flow):
        here, end = (jnp.asarray(v, flow.dtype) for v in (grid, limit))
        at = here + flow[:, ::-1].reshape(n, 2, math.prod(size))
        inside = ((at >= 0) & (at < end)).all(1, keepdims=True)
        found = lowering.sample.bilinear(x, jnp.where(inside, at, 0))
        fill = jnp.asarray(jnp.nan if empty else 0, x.dtype)
        return jnp.where(inside, found, fill).reshape(n, channels, *size)

    return stateless(forward)


@register("ChannelNorm", bottoms=1, tops=1)
def channel_norm(d: LayerDef) -> Layer:
    """The length of each pixel's vector: (N, C, H, W) -> (N, 1, H, W).

    y = sqrt(sum_c x^2); the gradient x / (y + 1e-9) is 0 at 0. FlowNet2: channel_norm_layer.cu.
    """
    d.check_images()

    def forward(blobs, x):
        energy = (x * x).sum(1, keepdims=True)
        length = jnp.sqrt(lax.stop_gradient(energy))
        return with_gradient_of(energy / (2 * (length + 1e-9)), length)

    return stateless(forward)


def _episodes(d: LayerDef) -> list[tuple[int, float, float]]:
    """(first iteration, p, q) of each episode. FlowNet2: lpq_loss_layer.cpp, LayerSetUp."""
    p = d.param.lpq_loss_param
    starts, name = list(p.pq_episode_starts_at_iter), "pq_episode_starts_at_iter"
    if not starts and len(p.p) == len(p.q) == 1:
        starts = [0]
    if not starts or not len(starts) == len(p.p) == len(p.q):
        d.fail(
            f"Incompatible sizes: ({name} -> {len(starts)}, p -> {len(p.p)}, q -> {len(p.q)})",
            "lpq_loss_param",
            hint="one p and one q, or one of each for every episode",
        )
    if starts[0] != 0:
        d.fail(f"First entry in {name} is not 0, it is {starts[0]}", name, 0)
    for i, (before, after) in enumerate(pairwise(starts), 1):
        if before >= after:
            d.fail(f"{name} is not ordered or contains duplicates: {after} after {before}", name, i)
    return list(zip(starts, p.p, p.q, strict=True))


@register("LpqLoss", bottoms=(1, 2), tops=1, loss=True)
def lpq_loss(d: LayerDef) -> Layer:
    """sum (sum_c (|e| + p_epsilon)^p + q_epsilon)^q / N over the positions of e = a - b, or of a.

    (N, C, ...); the inner sum is a mean under l2_prescale_by_channels; NaN counts as e = 0, and
    normalize_by_num_entries divides by the number of elements that are not NaN, per channel.
    p and q are those of the last episode whose pq_episode_starts_at_iter is not after the iteration
    of the training; outside one, of the first. The gradient goes to both.
    FlowNet2: lpq_loss_layer.cu.
    """
    p, shape = d.param.lpq_loss_param, d.bottoms[0].shape
    if len(d.bottoms) == 2:
        check_first_axis(d)
        check_count(d, 1, "Inputs must have the same dimension")
    if len(shape) < 2:
        d.fail(f"bottom '{d.param.bottom[0]}' has no channels: {dims(shape)}", "bottom")
    starts, *powers = zip(*_episodes(d), strict=True)
    power = lowering.elementwise.power

    def summed(inner, outer, size):
        energy = power(size + p.p_epsilon, inner).sum(1)
        energy = energy / (shape[1] if p.l2_prescale_by_channels else 1)
        return power(energy + p.q_epsilon, outer).sum()

    ways = [functools.partial(summed, *pair) for pair in zip(*powers, strict=True)]

    def apply(blobs, clock, rng, x, *others):
        error = x - others[0].reshape(shape) if others else x
        known = error == error
        size = lowering.elementwise.absolute(jnp.where(known, error, 0))
        norm = max(shape[0], 1)
        if p.normalize_by_num_entries:
            norm = jnp.maximum(known.sum().astype(x.dtype) / shape[1], 1)
        if len(ways) == 1:
            return (ways[0](size) / norm,), clock
        past = clock[0] >= jnp.array(starts, clock[0].dtype)
        return (lax.switch(past.sum() - 1, ways, size) / norm,), clock

    timed = len(ways) > 1
    return Layer(apply, memory=(BlobSpec(()),) * timed, clock=timed)


@register("Mean", bottoms=(1, None), tops=(1, None), equal=True)
def mean(d: LayerDef) -> Layer:
    """Add or subtract a mean: (N, C, H, W) -> the same shape, each bottom to its top.

    y = output_scale (input_scale x +- mean_scale mean). The mean is a file's, of the size of the
    images, or `value`, one per channel; either is repeated for bottoms of several times as many
    channels. FlowNet2: mean_layer.cpp.
    """
    p = d.param.mean_param
    if not p.HasField("operation"):
        d.fail("operation is required: ADD or SUBTRACT", "mean_param")
    if not p.HasField("file") and not p.value:
        d.fail("the mean is not given", "mean_param", hint="file, or one value per channel")
    for i in range(len(d.bottoms)):
        d.check_images(i)
    given = mean_of(d)
    sign = 1 if p.operation == MeanParameter.ADD else -1

    def forward(blobs, *bottoms):
        tops = []
        for x in bottoms:
            repeated = np.tile(given, (1, x.shape[1] // given.shape[1], 1, 1))
            summand = jnp.asarray(sign * p.mean_scale * repeated, x.dtype)
            tops.append(p.output_scale * (p.input_scale * x + summand))
        return tuple(tops)

    return stateless(forward)


def mean_of(d: LayerDef) -> np.ndarray:
    """The mean of a Mean layer, checked: (1, C, 1, 1) or (1, C, H, W)."""
    p = d.param.mean_param
    field, given = "value", np.array(p.value, np.float32)
    if p.HasField("file"):

        def fail(message: str, field: str, *, hint: str | None = None) -> NoReturn:
            d.fail(message, "file", hint=hint, kind=DataError)

        field, given = "file", read_mean(p.file, fail)
    given = given.reshape(1, *given.shape, *(1,) * (3 - given.ndim))
    for bottom, x in zip(d.param.bottom, d.bottoms, strict=True):
        if x.shape[1] % given.shape[1] or given.shape[2:] not in ((1, 1), x.shape[2:]):
            d.fail(
                f"mean size does not match bottom size: the mean is {dims(given.shape[1:])}, "
                f"'{bottom}' {dims(x.shape)}",
                field,
            )
    return given
