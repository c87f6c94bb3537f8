"""Batch normalization with a factor and a summand of its own, as the forks of Caffe have it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from netc import lowering
from netc.layers.base import TEST, BlobSpec, Layer, LayerDef, Shape, register, stateless
from netc.layers.norm import batch_norm
from netc.lazy import jax, jnp
from netc.schema import BatchNormParameter, BNParameter, FillerParameter
from netc.weights.content import LayerWeights

Moved = Callable[[Any, Any], Any]  # (what is stored, what the batch has) -> what is stored next


def standardized(
    d: LayerDef, x: Any, eps: float, layout: str, together: bool = False
) -> tuple[Any, Any, Any]:
    """(y, mean, variance) of each channel over the batch; the variance is biased.

    together: over the batches of all devices.
    """
    return lowering.norm.standardize(
        d.plan, x, lambda v: jax.lax.rsqrt(v + eps), layout=layout, together=together
    )


def affine(d: LayerDef, x: Any, blobs: Any, layout: str) -> Any:
    """x times the first blob plus the second, each (C), as far as there are blobs."""
    if not blobs:
        return x
    factor, *summand = (blob.ravel() for blob in blobs)
    y = lowering.affine.multiply(d.plan, x, factor, layout=layout)
    return lowering.conv.add_bias(d.plan, y, *summand, layout=layout) if summand else y


def averaging(
    d: LayerDef, fixed: bool, eps: float, moved: Moved, together: bool = False
) -> Callable[..., Any]:
    """The apply of a layer whose first two states are the mean and the variance of the past.

    fixed: they are used and stay as they are; otherwise those of the batch are, and move them.
    together: the batch is that of all devices.
    """

    def apply(blobs, state, rng, x, layout="NCHW"):
        mean, variance, *rest = state
        if fixed:
            y = lowering.norm.normalize(x, mean.ravel(), variance.ravel(), eps, layout=layout)
            return (affine(d, y, blobs, layout),), state
        y, *seen = standardized(d, x, eps, layout, together)
        now = (n.reshape(s.shape).astype(s.dtype) for s, n in zip(state, seen, strict=False))
        stored = (moved(s, n) for s, n in zip((mean, variance), now, strict=True))
        return (affine(d, y, blobs, layout),), (*stored, *rest)

    return apply


def in_both_orders(apply: Callable[..., Any], **layer: Any) -> Layer:
    """A layer whose `apply` takes a layout."""
    return Layer(apply, **layer, channels_last=functools.partial(apply, layout="NHWC"))


def in_layer(d: LayerDef, *fields: str) -> tuple[BlobSpec, ...]:
    """A factor, 1 by default, and a summand, (C), from the fields of batch_norm_param."""
    p, shape = d.param.batch_norm_param, (channels_of(d),)
    fillers = [getattr(p, f) if p.HasField(f) else None for f in fields]
    fillers = [f or FillerParameter(value=1 - i) for i, f in enumerate(fillers)]
    return tuple(d.blob(shape, f, field) for f, field in zip(fillers, fields, strict=True))


def momentum(m: float) -> Moved:
    """m of what is stored and 1 - m of the batch's."""
    return lambda stored, seen: m * stored + (1 - m) * seen


def channels_of(d: LayerDef) -> int:
    """The number of channels of a bottom (N, C, *S)."""
    return d.bottoms[0].shape[d.axis(1, field="bottom")]


def _slope_and_averages(d: LayerDef, shape: Shape, frozen: bool, together: bool = False) -> Layer:
    p = d.param.bn_param
    learnt = (
        d.blob(shape, p.slope_filler, "slope_filler"),
        d.blob(shape, p.bias_filler, "bias_filler"),
    )
    past = BlobSpec(shape), BlobSpec(shape, value=np.full(shape, float(frozen), np.float32))
    fixed = frozen or d.phase == TEST
    apply = averaging(d, fixed, p.eps, momentum(p.momentum), together)
    if not frozen:
        return in_both_orders(apply, blobs=learnt, state=past)

    def of_past(blobs, state, rng, x, layout="NCHW"):
        learnt = tuple(s.astype(x.dtype) for s in state[:2])
        return apply(learnt, state[2:], rng, x, layout)[0], state

    return in_both_orders(of_past, state=(*learnt, *past))


@register(
    "BN", bottoms=1, tops=1, in_place=True, dialects=("pspnet", "tsn", "happynear"),
    fields=tuple(f"bn_param.{f}" for f in (
        "slope_filler", "bias_filler", "momentum", "eps", "frozen",
    )),
)  # fmt: skip
def bn_with_averages(d: LayerDef) -> Layer:
    """Normalize each channel, then scale and shift it: (N, C, *S) -> the same shape.

    y = slope (x - mean) / sqrt(variance + eps) + bias, both of the batch (the variance biased) or,
    in TEST and where `frozen`, the stored ones. A pass on a batch's own moves what is stored:
    momentum times it plus 1 - momentum times the batch's. Frozen, none of the four blobs changes.
    PSPNet, TSN: bn_layer.cpp.
    """
    return _slope_and_averages(d, (1, channels_of(d), 1, 1), d.param.bn_param.frozen)


@register("SyncBN", bottoms=1, tops=1, in_place=True)
def sync_bn(d: LayerDef) -> Layer:
    """BN with averages, its statistics those of all devices.

    As BN of the dialect pspnet; the blobs are (1, C). TSN: sync_bn_layer.cpp.
    """
    return _slope_and_averages(d, (1, channels_of(d)), False, together=True)


@register(
    "BN", bottoms=1, tops=(1, 3), in_place=True, dialects=("segnet", "enet"),
    fields=("bn_param.bn_mode", "bn_param.scale_filler", "bn_param.shift_filler"),
)  # fmt: skip
def bn_of_batch(d: LayerDef) -> Layer:
    """Normalize each channel by its batch, in TEST as well, then scale and shift it.

    y = scale (x - mean) / sqrt(variance + 1e-9) + shift for (N, C, H, W); further tops hold mean
    and (biased) variance, (1, C, 1, 1), without a gradient. bn_mode INFERENCE: y = scale x + shift.
    SegNet: bn_layer.cpp.
    """
    p, shape = d.param.bn_param, (1, channels_of(d), 1, 1)
    d.check_images()
    learnt = (
        d.blob(shape, p.scale_filler, "scale_filler"),
        d.blob(shape, p.shift_filler, "shift_filler"),
    )
    inference = p.bn_mode == BNParameter.INFERENCE
    if inference and d.tops > 1:
        d.fail("bn_mode INFERENCE has no statistics for further tops", "top", 1)

    def forward(blobs, x, layout="NCHW"):
        if inference:
            return affine(d, x, blobs, layout)
        y, *seen = standardized(d, x, 1e-9, layout)
        column = shape if layout == "NCHW" else (1, 1, 1, shape[1])
        statistics = (jax.lax.stop_gradient(s).reshape(column).astype(x.dtype) for s in seen)
        return (affine(d, y, blobs, layout), *statistics)[: d.tops]

    return stateless(forward, learnt, functools.partial(forward, layout="NHWC"))


@register(
    "BN", bottoms=1, tops=1, in_place=True, dialects=("parsenet",),
    fields=tuple(f"bn_param.{f}" for f in (
        "scale_filler", "shift_filler", "var_eps", "moving_average", "decay", "across_spatial",
    )),
)  # fmt: skip
def bn_across_batch(d: LayerDef) -> Layer:
    """Normalize each channel, or without across_spatial each position, then scale and shift it.

    y = scale (x - mean) / sqrt(variance + var_eps) + shift, both of the batch. With moving_average
    TEST takes what is stored, to which TRAIN adds: decay times the batch's plus 1 - decay times
    itself. The blobs are (1, C, 1, 1), without across_spatial (1, C, H, W).
    ParseNet: bn_layer.cpp, which loses its averages; here they are blobs 2 and 3.
    """
    p, channels = d.param.bn_param, channels_of(d)
    d.check_images()
    bottom = d.bottoms[0].shape
    shape = (1, channels, *((1, 1) if p.across_spatial else bottom[2:]))
    learnt = (
        d.blob(shape, p.scale_filler, "scale_filler"),
        d.blob(shape, p.shift_filler, "shift_filler"),
    )
    kept = (BlobSpec(shape), BlobSpec(shape)) if p.moving_average else ()
    by_past = averaging(d, d.phase == TEST, p.var_eps, momentum(1 - p.decay))

    def apply(blobs, state, rng, x, layout="NCHW"):
        if kept:
            return by_past(blobs, state, rng, x, layout)
        return (affine(d, standardized(d, x, p.var_eps, layout)[0], blobs, layout),), ()

    def by_position(blobs, state, rng, x):
        (y,), moved = apply(blobs, state, rng, x.reshape(bottom[0], math.prod(bottom[1:])))
        return (y.reshape(bottom),), moved

    if not p.across_spatial:
        return Layer(by_position, learnt, kept)
    return in_both_orders(apply, blobs=learnt, state=kept)


DIGITS_ORDER = (2, 3, 4, 0, 1)  # from scale, bias, mean, variance, 1 in the file


def _as_nvcaffe(weights: LayerWeights) -> LayerWeights:
    """Sums and their divisor, as Caffe stores them, or the order of old DIGITS, as averages."""
    blobs, legacy = weights.blobs, weights.legacy
    if len(blobs) == 5 and blobs[4] is not None and blobs[4].size == 1:
        blobs, legacy = (tuple(v[i] for i in DIGITS_ORDER) for v in (blobs, legacy))
        blobs = (*blobs[:2], np.ones_like(blobs[2]), *blobs[3:])
    elif len(blobs) == 3:
        mean, variance, divisor = blobs
        if mean is not None and variance is not None and divisor is not None:
            share = 1 / float(divisor.ravel()[0]) if divisor.any() else 0
            blobs = (mean * share, variance * share, np.ones_like(divisor))
    return replace(weights, blobs=blobs, legacy=legacy)


@register(
    "BatchNorm", bottoms=1, tops=1, in_place=True, dialects=("nvcaffe",),
    fields=tuple(f"batch_norm_param.{f}" for f in ("scale_bias", "scale_filler", "bias_filler")),
)  # fmt: skip
def batch_norm_nvcaffe(d: LayerDef) -> Layer:
    """Normalize each channel, in TEST by moving averages: (N, C, *S) -> the same shape.

    y = (x - mean) / sqrt(variance + max(eps, 1e-5)), times a factor plus a summand with scale_bias
    or a filler for one of them. TRAIN: both of the batch (the variance biased); the averages become
    them at first, then moving_average_fraction times themselves plus the rest times the batch's.
    Files with Caffe's three sums, or in the old order of DIGITS, are converted when read.
    NVCaffe: batch_norm_layer.cpp.
    """
    p, channels = d.param.batch_norm_param, channels_of(d)
    wanted = p.scale_bias or p.HasField("scale_filler") or p.HasField("bias_filler")
    learnt = in_layer(d, "scale_filler", "bias_filler") if wanted else ()
    one = BlobSpec((1,), value=np.ones(1, np.float32))
    average = momentum(p.moving_average_fraction)

    def moved(stored, seen):
        return jnp.where(stored == 0, seen, average(stored, seen))  # 0: nothing was seen yet

    return in_both_orders(
        averaging(d, d.phase == TEST, max(p.eps, 1e-5), moved),
        blobs=learnt,
        state=(BlobSpec((channels,)), BlobSpec((channels,)), one),
        state_first=True,
        read=_as_nvcaffe,
    )


@register(
    "BatchNorm", bottoms=1, tops=1, in_place=True, dialects=("intel",),
    fields=tuple(f"batch_norm_param.{f}" for f in (
        "use_weight_bias", "bias_term", "filler", "bias_filler", "relu", "stats_batch_size",
    )),
)  # fmt: skip
def batch_norm_intel(d: LayerDef) -> Layer:
    """Normalize each channel as Caffe's BatchNorm, then scale and shift it: the same shape.

    The factor goes without use_weight_bias, and with engine: CAFFE; the summand also without
    bias_term. relu: max(y, 0) follows. Intel Caffe: mkldnn_batch_norm_layer.cpp.
    """
    p = d.param.batch_norm_param
    if p.stats_batch_size not in (0, d.bottoms[0].shape[0]):
        d.fail(
            f"statistics of {p.stats_batch_size} of the {d.bottoms[0].shape[0]} examples of a "
            "batch are not computed",
            "stats_batch_size",
            hint="give the batch that size",
        )
    plain = batch_norm(d)
    fields = ("filler", "bias_filler")[: 1 + p.bias_term]
    wanted = p.use_weight_bias and p.engine != BatchNormParameter.CAFFE
    learnt = in_layer(d, *fields) if wanted else ()

    def apply(blobs, state, rng, x, layout="NCHW"):
        (y,), moved = plain.apply((), state, rng, x, layout)
        y = affine(d, y, blobs, layout)
        return (jnp.where(y > 0, y, jnp.zeros_like(y)) if p.relu else y,), moved

    return in_both_orders(apply, blobs=learnt, state=plain.state, state_first=True)
