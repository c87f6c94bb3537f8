"""Normalisation."""

from __future__ import annotations

import functools
import math

from netc import lowering
from netc.layers.base import TEST, TRAIN, BlobSpec, Layer, LayerDef, dims, register, stateless
from netc.lazy import jax, jnp
from netc.schema import FillerParameter, LRNParameter


@register("LRN", bottoms=1, tops=1, in_place=True)
def lrn(d: LayerDef) -> Layer:
    """Divide by the energy of neighbours: (N, C, H, W) -> the same shape, n = local_size.

    ACROSS_CHANNELS: y = x (k + alpha / n sum_{n channels} x^2)^-beta;
    WITHIN_CHANNEL: y = x (1 + alpha mean_{n x n} x^2)^-beta, the mean over n^2 with zeros outside.
    Caffe: lrn_layer.cpp.
    """
    p = d.param.lrn_param
    if p.local_size % 2 == 0:
        d.fail(f"LRN only supports odd values for local_size, got {p.local_size}", "local_size")
    d.check_images()

    def forward(blobs, x, layout="NCHW"):
        common = {"size": p.local_size, "alpha": p.alpha, "beta": p.beta, "layout": layout}
        if p.norm_region == LRNParameter.ACROSS_CHANNELS:
            return lowering.lrn.across_channels(d.plan, x, k=p.k, **common)
        return lowering.lrn.within_channel(d.plan, x, **common)

    return stateless(
        forward,
        channels_last=lambda blobs, x: forward(blobs, x, layout="NHWC"),
        prefers_last=True,
    )


@register(
    "BatchNorm", bottoms=1, tops=1, in_place=True,
    fields=("batch_norm_param.update_global_stats",),
)  # fmt: skip
def batch_norm(d: LayerDef) -> Layer:
    """Normalize each channel: (N, C, *S) -> the same shape, over n = N * S elements.

    y = (x - mean) / sqrt(variance + eps), both of the batch (the variance biased) or, under
    use_global_stats, which is the default in TEST, of the past: blob 0 and 1 divided by blob 2.
    Each pass on a batch's own statistics moves the three, with m = moving_average_fraction:
    blob 0 = m blob 0 + mean, blob 1 = m blob 1 + variance n / (n - 1), blob 2 = m blob 2 + 1.
    With update_global_stats, of DeepLab, so does each pass of TRAIN under use_global_stats.
    Caffe: batch_norm_layer.cpp.
    """
    p, shape = d.param.batch_norm_param, d.bottoms[0].shape
    for i, given in enumerate(d.param.param[:3]):
        if given.lr_mult != 0:
            d.fail(
                "Cannot configure batch normalization statistics as layer parameters: "
                f"lr_mult {given.lr_mult:g}",
                "param",
                i,
                "the three blobs are not learnt: lr_mult: 0, or no param at all",
            )
    channels = shape[d.axis(1, field="bottom")]
    fixed = p.use_global_stats if p.HasField("use_global_stats") else d.phase == TEST
    count = math.prod(shape) // max(channels, 1)
    unbiased, fraction = count / max(count - 1, 1), p.moving_average_fraction

    def by_past(blobs, state, rng, x, layout="NCHW"):
        mean, variance, weight = state
        share = jnp.where(weight == 0, 0, 1 / jnp.where(weight == 0, 1, weight))
        y = lowering.norm.normalize(x, mean * share, variance * share, p.eps, layout=layout)
        moves = p.update_global_stats and d.phase == TRAIN
        return (y,), by_batch(blobs, state, rng, x, layout)[1] if moves else state

    def by_batch(blobs, state, rng, x, layout="NCHW"):
        y, mean, variance = lowering.norm.standardize(
            d.plan, x, lambda v: jax.lax.rsqrt(v + p.eps), layout=layout
        )
        seen = (mean, variance * unbiased, jnp.ones(1, mean.dtype))
        moved = (
            fraction * old + new.astype(old.dtype) for old, new in zip(state, seen, strict=True)
        )
        return (y,), tuple(moved)

    apply = by_past if fixed else by_batch
    return Layer(
        apply,
        state=(BlobSpec((channels,)), BlobSpec((channels,)), BlobSpec((1,))),
        channels_last=functools.partial(apply, layout="NHWC"),
    )


@register("MVN", bottoms=1, tops=1, in_place=True)
def mvn(d: LayerDef) -> Layer:
    """Normalize each channel of each example, or with across_channels each example.

    y = (x - mean) / (sqrt(variance) + eps), or y = x - mean without normalize_variance. The top
    has 4 axes: (N), (N, C) and (N, C, H) become (N, C, H, W) with ones. Caffe: mvn_layer.cpp.
    """
    p, shape = d.param.mvn_param, d.bottoms[0].shape
    if len(shape) > 4:
        d.fail(
            "Cannot use legacy accessors on Blobs with > 4 axes: bottom "
            f"'{d.param.bottom[0]}' is {dims(shape)}",
            "bottom",
        )
    top = (*shape, 1, 1, 1, 1)[:4]
    groups = top[0] if p.across_channels else top[0] * top[1]

    def forward(blobs, x):
        rows = x.reshape(1, groups, math.prod(shape) // max(groups, 1))
        if p.normalize_variance:
            # Caffe: its gradient takes y for (x - mean) / sqrt(variance), as if eps were 0.
            y, _, _ = lowering.norm.standardize(d.plan, rows, lambda v: 1 / (jnp.sqrt(v) + p.eps))
        else:
            y = lowering.norm.center(d.plan, rows)
        return y.reshape(top if x.shape == shape else x.shape)

    return stateless(forward, channels_last=forward if p.across_channels else None)


@register("Normalize", bottoms=1, tops=1, in_place=True, fields=("norm_param",))
def normalize(d: LayerDef) -> Layer:
    """Divide by the Euclidean norm over channels and space, or channels alone, and scale.

    (N, C, *S) -> the same shape: y = a x / sqrt(sum x^2 + eps); across_spatial takes the sum of
    an example, otherwise of a position. a is learnt, one () or, without channel_shared, (C); with
    fix_scale: true it stays. The gradient of x is a times that of x / sqrt(...), as in Caffe, which
    is exact where a is one. SSD: normalize_layer.cpp; ParseNet has fix_scale.
    """
    p, shape = d.param.norm_param, d.bottoms[0].shape
    if len(shape) < 2:
        d.fail(
            f"Number of axes of bottom blob must be >=2: '{d.param.bottom[0]}' is {dims(shape)}.",
            "bottom",
        )
    filler = p.scale_filler if p.HasField("scale_filler") else FillerParameter(value=1)
    scale = d.blob(() if p.channel_shared else shape[1:2], filler, "scale_filler")
    fixed = p.HasField("fix_scale") and p.fix_scale
    axes = tuple(range(1, len(shape))) if p.across_spatial else (1,)

    def forward(blobs, x):
        a = jax.lax.stop_gradient(blobs[0]) if fixed else blobs[0]
        a = a.reshape((1, -1, *(1,) * (x.ndim - 2)) if a.ndim else ())
        return lowering.norm.scaled_to_unit(axes, p.eps, x, a)

    return stateless(forward, [scale])


@register("L2Normalize", bottoms=1, tops=1)
def l2_normalize(d: LayerDef) -> Layer:
    """Divide each example by its Euclidean norm: y = x / sqrt(sum x^2 + 1e-7).

    C3D: l2_normalize_layer.cpp.
    """
    axes = tuple(range(1, len(d.bottoms[0].shape)))
    if not d.bottoms[0].shape:
        d.fail(f"bottom '{d.param.bottom[0]}' has no axes", "bottom")

    def forward(blobs, x):
        return lowering.norm.scaled_to_unit(axes, 1e-7, x, jnp.ones((), x.dtype))

    return stateless(forward, channels_last=forward)
