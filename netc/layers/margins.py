"""Classifiers that keep the true class at a margin from the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from netc import lowering
from netc.layers.base import TEST, BlobSpec, LabelRule, Layer, LayerDef, Shape, dims, register
from netc.layers.dense import outputs, over_first, read_from, rows_of, unit_rows
from netc.layers.loss import check_one_each, flattened, one_hot, with_gradient_of
from netc.lazy import jax, jnp, lax
from netc.schema import LabelSpecificMarginParameter, LargeMarginInnerProductParameter

LargeMargin = LargeMarginInnerProductParameter
LEAST = 1e-9  # added to |x| |w|


def _double(c: Any) -> Any:
    return 2 * jnp.sign(c) * c * c - 1


def _triple(c: Any) -> Any:
    side = jnp.sign(jnp.abs(c) - 0.5)
    return side * (4 * c**3 - 3 * c) + jnp.sign(c) * (1 + side) - 2


def _quadruple(c: Any) -> Any:
    half = jnp.sign(c)
    side = half * jnp.sign(2 * c * c - 1)
    return side * (8 * c**4 - 8 * c * c + 1) + 2 * half + side - 3


# By the numbers that both messages give the types. psi(c) = (-1)^j cos(m t) - 2 j falls all the way
# from t = 0 to pi, c = cos t and j the part of m that t is in.
PSI = {
    LargeMargin.SINGLE: lambda c: c,
    LargeMargin.DOUBLE: _double,
    LargeMargin.TRIPLE: _triple,
    LargeMargin.QUADRUPLE: _quadruple,
}


def _strength(p: Any, passes: Any) -> Any:
    """lambda of this pass, of which there were so many before."""
    at = 1 + p.gamma * (p.iteration + 1 + passes)
    return jnp.maximum(p.base * at**-p.power, p.lambda_min)


def _length(rows: Any) -> Any:
    """|row|, whose gradient at 0 is 0."""
    square = (rows * rows).sum(-1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


def _product(
    d: LayerDef, message: str, true_class: Callable[..., Any], weights_of: Callable[[Any], Any]
) -> Layer:
    """x W^T, but for the true class (psi + lambda x w) / (1 + lambda).

    true_class: (psi, x, w) -> |x| |w| psi of each example, x and w both (N, K). weights_of: W as it
    is read.
    """
    check_one_each(d, 1)
    p, shape = getattr(d.param, message), d.bottoms[0].shape
    axis = d.axis(p.axis)
    count, k = math.prod(shape[:axis]), math.prod(shape[axis:])
    if count != shape[0]:
        d.fail(f"axis must be 1, the one after the examples, got {p.axis}", "axis")
    given = len(d.bottoms) == 3
    n = rows_of(d, 2, k) if given else outputs(d, message)
    psi = PSI[p.type]

    def apply(blobs, memory, rng, x, label, *others):
        weights = weights_of(others[0].reshape(n, k) if given else blobs[0])
        x, strength = x.reshape(count, k), _strength(p, memory[0]).astype(x.dtype)
        y = lowering.dense.inner_product(d.plan, x, weights, transpose=False)
        if p.type != LargeMargin.SINGLE:
            label = label.astype(jnp.int32).reshape(count)
            own = true_class(psi, x, jnp.take(weights, label, axis=0))
            hit = one_hot(label[:, None], n)[..., 0]
            y = jnp.where(hit, (own[:, None] + strength * y) / (1 + strength), y)
        tops = y.reshape(*shape[:axis], n), strength.reshape(1)
        return tops[: d.tops], (memory[0] + 1,)

    own = () if given else (d.blob((n, k), p.weight_filler, "weight_filler"),)
    return Layer(apply, own, memory=(BlobSpec(()),), labels=LabelRule(1, n))


@register("LargeMarginInnerProduct", bottoms=(2, 3), tops=(1, 2), no_gradient=(1,))
def large_margin_inner_product(d: LayerDef) -> Layer:
    """Scores x w of features (N, ...), those of the label (N) cut down: (N, num_output).

    For the label's w it is (|x| |w| psi(cos t) + lambda x w) / (1 + lambda), t between x and w.
    psi falls from 1 to 1 - 2 m as (-1)^j cos(m t) - 2 j, m the number that `type` names, SINGLE
    being the plain product. lambda = max(base (1 + gamma n)^-power, lambda_min) in pass n, counted
    on from `iteration`; it is the second top (1). A third bottom takes the place of W.
    Liu et al. 2016; L-Softmax: largemargin_inner_product_layer.cpp.
    """

    def true_class(psi, x, w):
        both = _length(x) * _length(w)
        cosine = (x * w).sum(1) / (both + LEAST)
        return (both + LEAST) * psi(cosine)

    return _product(d, "largemargin_inner_product_param", true_class, lambda w: w)


@register("MarginInnerProduct", bottoms=2, tops=(1, 2), no_gradient=(1,))
def margin_inner_product(d: LayerDef) -> Layer:
    """Scores x w of features (N, ...) with unit rows w, those of the label (N) cut down.

    As LargeMarginInnerProduct, (N, num_output), but a pass first writes w / |w| over each row of W.
    W's gradient is that of x w; the features' from |x| psi(cos t) is psi' w + (psi - psi' cos t) x
    / |x|, divided by the length of (psi', (psi - psi' cos t) / |x|).
    Liu et al. 2017; SphereFace: margin_inner_product_layer.cpp.
    """

    def true_class(psi, x, w):
        fixed, length = lax.stop_gradient((x, w)), _length(lax.stop_gradient(x))
        length = jnp.where(length > 0, length, 1)
        cosine = (fixed[0] * fixed[1]).sum(1) / length
        value, slope = jax.jvp(psi, (cosine,), (jnp.ones_like(cosine),))
        along = (value - slope * cosine) / length
        size = jnp.sqrt(slope * slope + along * along)
        way = (slope / size)[:, None] * fixed[1] + (along / size)[:, None] * fixed[0]
        moving = (way * x + fixed[0] * w).sum(1)
        return with_gradient_of(moving, value * length)

    layer = _product(d, "margin_inner_product_param", true_class, lambda w: read_from(w, unit_rows))
    return layer._replace(rewrite=over_first(unit_rows))


def _of_label(d: LayerDef) -> tuple[int, int, LabelRule]:
    """The sizes of scores that have a label each: examples, classes; and the rule for labels."""
    if not d.bottoms[0].shape:
        d.fail(f"bottom '{d.param.bottom[0]}' has no batch axis", "bottom", 0)
    check_one_each(d, 1)
    count, classes = flattened(d)
    return count, classes, LabelRule(1, classes)


def _changed(x: Any, label: Any, sizes: Shape, change: Callable[[Any], Any]) -> Any:
    """x with change(score) in the place of each label's score."""
    rows = x.reshape(sizes)
    hit = one_hot(label.astype(jnp.int32).reshape(-1, 1), sizes[1])[..., 0]
    own = change(jnp.where(hit, rows, 0).sum(1, keepdims=True))
    return jnp.where(hit, own, rows).reshape(x.shape)


def _scheduled(passes: Any, first: int, gamma: float, power: float) -> Any:
    """(1 + gamma n)^power in pass n, counted from `first`."""
    return (1 + gamma * (first + passes)) ** power


@register("LabelSpecificAdd", bottoms=2, tops=(1, 2), in_place=True, no_gradient=(1,))
def label_specific_add(d: LayerDef) -> Layer:
    """Add `bias` to the label's score where that is above -bias: scores (N, C), labels (N).

    With bias_base, bias is instead bias_base + (1 + bias_gamma n)^bias_power - 1 in pass n, counted
    from `iteration`, at least bias_min and at most bias_max. It is the second top (1). The identity
    in TEST, whose second top is 0. Wang et al. 2018; happynear: label_specific_add.cpp.
    """
    p = d.param.label_specific_add_param
    count, classes, rule = _of_label(d)

    def apply(blobs, memory, rng, x, label):
        if d.phase == TEST:
            return (x, jnp.zeros(1, x.dtype))[: d.tops], memory
        bias: Any = jnp.float32(p.bias)
        if p.HasField("bias_base"):
            grown = _scheduled(memory[0], p.iteration, p.bias_gamma, p.bias_power)
            bias = jnp.minimum(jnp.maximum(p.bias_base + grown - 1, p.bias_min), p.bias_max)
        bias = bias.astype(x.dtype)
        y = _changed(x, label, (count, classes), lambda s: jnp.where(s > -bias, s + bias, s))
        return (y, bias.reshape(1))[: d.tops], (memory[0] + 1,)

    return Layer(apply, memory=(BlobSpec(()),), labels=rule)


EDGE = float(np.float32(1) - np.float32(1e-4))  # the nearest to 1 and -1 that a cosine may be
STEEPEST = 2.0  # of the gradient through a margin
PACE = 0.01  # of the moving averages of angles


@register("LabelSpecificMargin", bottoms=(2, 3), tops=(1, 2), no_gradient=(1, 2))
def label_specific_margin(d: LayerDef) -> Layer:
    """Add a margin m to the angle of the label's cosine: cosines (N, C), labels (N).

    c is bounded by 1e-4 from 1 and -1. HARD: y = cos(arccos c + m), m in degrees, its gradient
    cos m - c sin m / sqrt(1 - c^2); SOFT: y = cos(m arccos c), the angle set to pi - 1e-4 where m
    times it is above, its gradient m sin(m arccos c) / sqrt(1 - c^2). Both gradients are kept in
    [0, 2]. m is margin_base + (1 + gamma n)^power - 1 in pass n, counted from `iteration`, and at
    most margin_max, each if it is given; with auto_tune and a second top, half the difference of
    two moving averages: of the angles to other classes and to the label's; or the third bottom.
    The second top is m (1), with auto_tune m and both averages (3). The identity in TEST.
    Wang et al. 2018; happynear: label_specific_margin.cu.
    """
    p = d.param.label_specific_margin_param
    count, classes, rule = _of_label(d)
    for field in ("reset_margin", "pass_bp"):
        if getattr(p, field):
            d.fail(f"{field} is not carried out", field)
    if len(d.bottoms) == 3 and 0 in d.bottoms[2].shape:
        d.fail(
            f"the margin '{d.param.bottom[2]}' must be a number, it is {dims(d.bottoms[2].shape)}",
            "bottom",
            2,
        )
    soft = p.type == LabelSpecificMarginParameter.SOFT
    tuned = p.auto_tune and d.tops == 2
    value = np.zeros(3 if p.auto_tune else 1, np.float32)
    value[0] = p.margin_base

    def moved(state, passes, x, label):
        """What the blob becomes in a pass of training."""
        margin, *means = state
        if p.HasField("margin_base"):
            margin = p.margin_base + _scheduled(passes, p.iteration, p.gamma, p.power) - 1
        if p.HasField("margin_max"):
            margin = jnp.minimum(margin, p.margin_max)
        if tuned:
            now = _mean_angles(x.reshape(count, classes), label)
            first = p.HasField("margin_base") & (p.iteration + passes == 0)
            means = [
                jnp.where(first, new, (1 - PACE) * old + PACE * new)
                for old, new in zip(means, now, strict=True)
            ]
            margin = (means[1] - means[0]) / 2
        return jnp.stack([margin, *means])

    def apply(blobs, state, rng, x, label, *given):
        stored, passes = state
        told = stored
        if d.phase != TEST:
            stored = moved(stored, passes, lax.stop_gradient(x).astype(jnp.float32), label)
            told = stored
        elif tuned:
            rows = lax.stop_gradient(x).astype(jnp.float32).reshape(count, classes)
            told = jnp.stack([stored[0], *_mean_angles(rows, label)])
        if given:
            one = lax.stop_gradient(given[0]).ravel()[:1].astype(jnp.float32)
            stored, told = (jnp.concatenate([one, v[1:]]) for v in (stored, told))
        told = told if tuned and not given else told[:1]
        y = x
        if d.phase != TEST:
            margin = stored[0].astype(x.dtype)
            bend = _soft if soft else _hard
            y = _changed(
                x, label, (count, classes), lambda s: jnp.where(margin == 0, s, bend(s, margin))
            )
        return (y, told.astype(x.dtype))[: d.tops], (stored, passes + int(d.phase != TEST))

    spec = BlobSpec(value.shape, value=value)
    return Layer(apply, state=(spec,), memory=(BlobSpec(()),), labels=rule)


def _mean_angles(rows: Any, label: Any) -> tuple[Any, Any]:
    """The mean angle to the label's class and to the others, in degrees."""
    angles = jnp.degrees(jnp.arccos(rows))
    hit = one_hot(label.astype(jnp.int32).reshape(-1, 1), rows.shape[1])[..., 0]
    count, others = rows.shape[0], rows.shape[0] * (rows.shape[1] - 1)
    own = jnp.where(hit, angles, 0).sum()
    return own / max(count, 1), (jnp.where(hit, 0, angles)).sum() / max(others, 1)


def _bent(c: Any, value: Any, slope: Any) -> Any:
    bounded = lax.stop_gradient(jnp.clip(slope, 0, STEEPEST))
    return with_gradient_of(bounded * c, value)


def _hard(c: Any, margin: Any) -> Any:
    """cos(arccos c + margin), the margin in degrees."""
    near = jnp.clip(c, -EDGE, EDGE)
    cos, sin = jnp.cos(jnp.radians(margin)), jnp.sin(jnp.radians(margin))
    rest = jnp.sqrt(1 - near * near)
    return _bent(c, near * cos - rest * sin, cos - near / rest * sin)


def _soft(c: Any, margin: Any) -> Any:
    """cos(margin arccos c)"""
    near, last = jnp.clip(c, -EDGE, EDGE), math.pi - 1e-4
    angle = jnp.arccos(jnp.clip(c, -1, 1))
    angle = jnp.where(margin * angle > last, last, angle)
    slope = margin * jnp.sin(margin * angle) / jnp.sqrt(1 - near * near)
    return _bent(c, jnp.cos(margin * angle), slope)


@register("LabelSpecificAffine", bottoms=2, tops=(1, 2), no_gradient=(1,))
def label_specific_affine(d: LayerDef) -> Layer:
    """Stretch and turn the label's angle: angles (N, C) in radians, labels (N).

    y = a x^q pi^(1 - q) + b, at most pi - 1e-4, b in degrees; the gradient is that of a x^q
    pi^(1 - q). In pass n, counted from `iteration`: a = scale_base (1 + scale_gamma n)^scale_power,
    at most scale_max; b = bias_base + (1 + bias_gamma n)^bias_power - 1, at most bias_max; q =
    power_base (1 + power_gamma n)^power_power, at least power_min. The second top is a, b, q (3).
    In TEST the identity. The blob is not read. happynear (ms): label_specific_affine.cu.
    """
    p = d.param.label_specific_affine_param
    count, classes, rule = _of_label(d)
    for field in OF_EXPERIMENT:
        if p.HasField(field):
            d.fail(f"{field} is not carried out", field)

    def apply(blobs, state, rng, x, label):
        stored, passes = state
        if d.phase == TEST:
            return (x, jnp.array([1, 0, 1], x.dtype))[: d.tops], state
        scale, shift, power = (
            _scheduled(passes, p.iteration, getattr(p, f"{f}_gamma"), getattr(p, f"{f}_power"))
            for f in ("scale", "bias", "power")
        )
        scale = jnp.minimum(p.scale_base * scale, p.scale_max)
        shift = jnp.minimum(p.bias_base + shift - 1, p.bias_max)
        power = jnp.maximum(p.power_base * power, p.power_min)
        told = jnp.stack([scale, shift, power]).astype(x.dtype)

        def change(angle):
            stretched = told[0] * angle ** told[2] * math.pi ** (1 - told[2])
            value = jnp.minimum(stretched + jnp.radians(told[1]), math.pi - 1e-4)
            return with_gradient_of(stretched, value)

        y = _changed(x, label, (count, classes), change)
        return (y, told)[: d.tops], (stored, passes + 1)

    value = np.array([p.scale_base, p.bias_base, 0], np.float32)
    spec = BlobSpec((3,), value=value)
    return Layer(apply, state=(spec,), memory=(BlobSpec(()),), labels=rule)


OF_EXPERIMENT = (
    *("auto_tune", "reset", "original_bp", "protect_low_bound", "scale_factor"),
    *("scale_min", "bias_min", "power_max"),
)
