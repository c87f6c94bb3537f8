"""Losses between two blobs of numbers."""

from __future__ import annotations

import math
from typing import Any

from netc import lowering
from netc.layers.base import Layer, LayerDef, dims, register, stateless
from netc.layers.loss import (
    check_first_axis,
    check_one_each,
    ignored_label,
    normalization,
    normalizer,
    with_gradient_of,
)
from netc.lazy import jnp, lax
from netc.schema import LossParameter


def check_count(d: LayerDef, bottom: int, sentence: str) -> None:
    """The bottom has as many elements as bottom 0."""
    a, b = d.bottoms[0].shape, d.bottoms[bottom].shape
    if math.prod(a) != math.prod(b):
        d.fail(
            f"{sentence}: '{d.param.bottom[0]}' is {dims(a)}, '{d.param.bottom[bottom]}' is "
            f"{dims(b)}.",
            "bottom",
            bottom,
        )


@register("EuclideanLoss", bottoms=2, tops=1, loss=True)
def euclidean_loss(d: LayerDef) -> Layer:
    """sum (a - b)^2 / 2N, N the first axis; the gradient goes to both.

    Caffe: euclidean_loss_layer.cpp.
    """
    check_first_axis(d)
    check_count(d, 1, "Inputs must have the same dimension")
    count = d.bottoms[0].shape[0]

    def forward(blobs, x, y):
        difference = (x - y.reshape(x.shape)).ravel()
        # A product, not a sum of squares: XLA's CPU reductions are slow.
        return difference @ difference / (2 * max(count, 1))

    return stateless(forward)


@register(
    "SigmoidCrossEntropyLoss", bottoms=2, tops=1, loss=True, no_gradient=(1,),
    fields=("loss_param.pre_fixed_normalizer",),
)  # fmt: skip
def sigmoid_cross_entropy_loss(d: LayerDef) -> Layer:
    """Cross entropy of the sigmoid of scores with targets t in [0, 1], one for each score.

    L = sum max(x, 0) - x t + log(1 + exp(-|x|)) / norm over elements whose whole part of t is not
    ignore_label; the default norm is BATCH_SIZE. Gradient: sigmoid(x) - t; none to t.
    Caffe: sigmoid_cross_entropy_loss_layer.cpp.
    """
    check_first_axis(d)
    check_count(d, 1, "SIGMOID_CROSS_ENTROPY_LOSS layer inputs must have the same count")
    shape, ignore = d.bottoms[0].shape, ignored_label(d)
    mode = normalization(d, LossParameter.BATCH_SIZE)
    norm = normalizer(d, mode, shape[0], math.prod(shape[1:]))

    absolute, softplus = lowering.elementwise.absolute, lowering.elementwise.softplus

    def forward(blobs, x, target):
        target = lax.stop_gradient(target).reshape(shape)
        each = jnp.maximum(x, 0) - x * target + softplus(-absolute(x))
        if ignore is None:
            return each.sum() / norm(jnp.asarray(x.size, x.dtype))
        keep = target.astype(jnp.int32) != ignore
        return jnp.where(keep, each, 0).sum() / norm(keep.sum().astype(x.dtype))

    return stateless(forward)


@register("ContrastiveLoss", bottoms=3, tops=1, loss=True)
def contrastive_loss(d: LayerDef) -> Layer:
    """Pull pairs of features (N, C) together where y (N) is not 0, push them apart where it is.

    D = |a - b|: L = sum D^2 (y != 0), max(margin - D, 0)^2 (y = 0; under legacy_version
    max(margin - D^2, 0)) / 2N. Gradient to a, and with the other sign to b: (a - b) / N where
    y != 0; -(margin - D) / (D + 1e-4) (a - b) / N where y = 0 and D is within the margin
    (legacy_version: -(a - b) / N).
    Caffe: contrastive_loss_layer.cpp.
    """
    check_first_axis(d)
    p, shape = d.param.contrastive_loss_param, d.bottoms[0].shape
    channels = _channels(d, 0), _channels(d, 1)
    if channels[0] != channels[1]:
        d.fail(
            f"the features must have the same number of channels: bottom[0] "
            f"'{d.param.bottom[0]}' has {channels[0]}, bottom[1] '{d.param.bottom[1]}' has "
            f"{channels[1]}",
            "bottom",
            1,
        )
    check_one_each(d, 2)
    count, margin, legacy = shape[0], p.margin, p.legacy_version

    def forward(blobs, a, b, similar):
        difference = (a - b.reshape(shape)).reshape(count, channels[0])
        squared = (difference * difference).sum(1)
        constant = lax.stop_gradient(squared)
        distance = jnp.sqrt(constant)
        gap = margin - (constant if legacy else distance)
        gap = jnp.where(gap > 0, gap, jnp.zeros_like(gap))
        alike = similar.reshape(count).astype(jnp.int32) != 0
        value = jnp.where(alike, constant, gap if legacy else gap * gap)
        slope = (gap > 0).astype(gap.dtype) if legacy else gap / (distance + 1e-4)
        # The gradient of slope D^2 / 2 is slope (a - b).
        moving = jnp.where(alike, squared, -slope * squared)
        return with_gradient_of(moving, value).sum() / (2 * max(count, 1))

    return stateless(forward)


def _channels(d: LayerDef, bottom: int) -> int:
    """The number of features per example of a bottom (N, C), (N, C, 1) or (N, C, 1, 1)."""
    shape = d.bottoms[bottom].shape
    if len(shape) > 4 or any(n != 1 for n in shape[2:]):
        d.fail(
            f"features must be N x C x 1 x 1: bottom[{bottom}] '{d.param.bottom[bottom]}' is "
            f"{dims(shape)}",
            "bottom",
            bottom,
        )
    return shape[1] if len(shape) > 1 else 1


@register("SmoothL1Loss", bottoms=(2, 4), tops=1, loss=True)
def smooth_l1_loss(d: LayerDef) -> Layer:
    """Huber's loss of a - b, N the first axis; bottoms a, b[, inner weight[, outer weight]].

    e = inner (a - b); f = (sigma e)^2 / 2 where |e| < 1 / sigma^2, |e| - 1 / (2 sigma^2)
    elsewhere; L = sum outer f / N. The gradient goes to a and b, none to the weights.
    Fast R-CNN and SSD (which has no sigma and no outer weight): smooth_L1_loss_layer.
    """
    check_first_axis(d)
    for i in range(1, len(d.bottoms)):
        check_count(d, i, "Inputs must have the same dimension")
    shape, sigma = d.bottoms[0].shape, d.param.smooth_l1_loss_param.sigma
    if sigma <= 0:
        d.fail(f"sigma must be greater than 0, got {sigma:g}", "sigma")

    def forward(blobs, x, y, *weights):
        inner, outer = [*(lax.stop_gradient(w).reshape(shape) for w in weights), None, None][:2]
        error = x - y.reshape(shape)
        error = error if inner is None else inner * error
        each = huber(error, sigma)
        each = each if outer is None else outer * each
        return each.sum() / max(shape[0], 1)

    return stateless(forward)


def huber(error: Any, sigma: float = 1.0) -> Any:
    """(sigma e)^2 / 2 where |e| < 1 / sigma^2, |e| - 1 / (2 sigma^2) elsewhere."""
    square = sigma * sigma
    size = lowering.elementwise.absolute(error)
    return jnp.where(size < 1 / square, square / 2 * error * error, size - 1 / (2 * square))


@register("L1Loss", bottoms=(1, 2), tops=1, loss=True)
def l1_loss(d: LayerDef) -> Layer:
    """sum |a - b| / N, N the first axis; with one bottom, sum |a| / N. NaN counts as 0.

    l1_loss_param: l2_per_location takes sqrt(sum_channels (a - b)^2 + epsilon) of each position of
    (N, C, H, W) instead, the sum a mean under l2_prescale_by_channels; errors below `plateau` count
    as 0; normalize_by_num_entries divides by the number of elements that are not NaN, per channel.
    The gradient goes to both.
    NVCaffe (no parameters) and FlowNet2: l1_loss_layer.
    """
    p, shape = d.param.l1_loss_param, d.bottoms[0].shape
    if len(d.bottoms) == 2:
        check_first_axis(d)
        check_count(d, 1, "Inputs must have the same dimension")
    if not shape:
        d.fail(f"bottom '{d.param.bottom[0]}' has no batch axis", "bottom")
    if len(shape) < 2 and (p.l2_per_location or p.normalize_by_num_entries):
        field = "l2_per_location" if p.l2_per_location else "normalize_by_num_entries"
        d.fail(f"{field} needs a channel axis, '{d.param.bottom[0]}' is {dims(shape)}", field)

    def forward(blobs, x, *others):
        error = x - others[0].reshape(shape) if others else x
        known = error == error
        error = jnp.where(known, error, 0)
        norm: Any = max(shape[0], 1)
        if p.normalize_by_num_entries:
            norm = jnp.maximum(known.sum().astype(x.dtype) / shape[1], 1)
        if p.l2_per_location:
            energy = (error * error).sum(1) / (shape[1] if p.l2_prescale_by_channels else 1)
            energy = jnp.where(energy < p.plateau**2, 0, energy)
            return jnp.sqrt(energy + p.epsilon).sum() / norm
        size = lowering.elementwise.absolute(error)
        return jnp.where(size < p.plateau, 0, size).sum() / norm

    return stateless(forward)
