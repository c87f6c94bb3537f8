"""Layers that learn segmentation from labels of whole images, and a product with a map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netc.layers.base import LabelRule, Layer, LayerDef, dims, merged, register, stateless
from netc.lazy import jax, jnp, lax
from netc.schema import BiasChannelParameter

NONE = -1  # where a list of labels has no more


def _check_list(d: LayerDef) -> int:
    """The number of labels that each image may have: (N, L, 1, 1) or (N, L)."""
    shape, count = d.bottoms[1].shape, d.bottoms[0].shape[0]
    most = math.prod(shape[1:2])
    if shape[:1] != (count,) or len(shape) < 2 or most < 1 or any(n != 1 for n in shape[2:]):
        d.fail(
            f"bottom[1] '{d.param.bottom[1]}' must hold a list of labels for each of {count} "
            f"images, N x L x 1 x 1, it is {dims(shape)}",
            "bottom",
            1,
        )
    return most


@register("BiasChannel", bottoms=2, tops=1, no_gradient=(1,))
def bias_channel(d: LayerDef) -> Layer:
    """Raise the scores (N, C, H, W) of the labels that an image has.

    IMAGE: labels (N, L, 1, 1), as of UniqueLabel; bg_bias is added to channel 0 for each 0 among
    them, fg_bias to that of each other one. PIXEL: labels (N, 1, H, W); at each pixel fg_bias is
    added to its label's channel; where background_label or bg_bias is given, bg_bias to
    background_label's as well, and of a pixel of that label this alone. Labels of -1 and of
    ignore_label add nothing. DeepLab: bias_channel_layer.cpp.
    """
    d.check_images()
    p, (count, classes, height, width) = d.param.bias_channel_param, d.bottoms[0].shape
    for field, noun in (("bg_bias", "BG"), ("fg_bias", "FG")):
        if getattr(p, field) < 0:
            d.fail(f"{noun} bias needs to be positive, got {getattr(p, field):g}", field)
    pixels = p.label_type == BiasChannelParameter.PIXEL
    if not pixels:
        _check_list(d)
    elif d.bottoms[1].shape != (count, 1, height, width):
        d.fail(
            f"the labels '{d.param.bottom[1]}' must be {count} x 1 x {height} x {width}, they are "
            f"{dims(d.bottoms[1].shape)}",
            "bottom",
            1,
        )
    grounded = p.HasField("background_label") or p.HasField("bg_bias")
    ground = p.background_label if pixels else 0
    if grounded and pixels and not 0 <= ground < classes:
        d.fail(
            f"background_label must be one of the {classes} channels, got {ground}",
            "background_label" if p.HasField("background_label") else "bias_channel_param",
        )
    ignored = {NONE, *p.ignore_label}

    def forward(blobs, x, label):
        label = lax.stop_gradient(label).astype(jnp.int32)
        label = label if pixels else merged(label, 1)[..., None, None]
        counts = ~jnp.isin(label, jnp.array(sorted(ignored), jnp.int32))
        channel = jnp.arange(classes, dtype=jnp.int32).reshape(1, classes, 1, 1)
        if not pixels:
            each = jnp.where(label == 0, p.bg_bias, p.fg_bias)[:, :, None]
            hit = (label[:, :, None] == channel[:, None]) & counts[:, :, None]
            return x + jnp.where(hit, each, 0).sum(1).astype(x.dtype)
        own = jnp.where((label == channel) & counts, p.fg_bias, 0)
        if grounded:
            own = jnp.where(label == ground, 0, own)
            own = own + jnp.where((channel == ground) & counts, p.bg_bias, 0)
        return x + own.astype(x.dtype)

    rule = None if p.ignore_label else LabelRule(1, classes, NONE)
    return stateless(forward)._replace(labels=rule)


@register("AdaptiveBiasChannel", bottoms=2, tops=1, no_gradient=(0, 1))
def adaptive_bias_channel(d: LayerDef) -> Layer:
    """Raise the scores (N, C, H, W) of an image's labels (N, L, 1, 1) until each wins somewhere.

    With suppress_others, scores of other labels that are above the least of these are put
    margin_others below it. Then num_iter times for each label, 0 first and the others in random
    order: its scores are raised by the n-th smallest of what the best label is ahead of it over the
    H W pixels, n = bg_portion H W for 0, else fg_portion H W. At last all is moved so that the mean
    of the best stays. An image without labels stays as it is. No gradient. Papandreou et al. 2015;
    DeepLab: adaptive_bias_channel_layer.cpp.
    """
    d.check_images()
    p, (count, classes, height, width) = d.param.adaptive_bias_channel_param, d.bottoms[0].shape
    _check_list(d)
    if classes < 2:
        d.fail(
            f"there must be more than one channel, '{d.param.bottom[0]}' has {classes}", "bottom", 0
        )
    for field, low, high in (
        ("num_iter", 1, math.inf), ("margin_others", 0, math.inf),
        ("bg_portion", 0, 1), ("fg_portion", 0, 1),
    ):  # fmt: skip
        if not low <= getattr(p, field) <= high:
            bound = f"at least {low}" if high == math.inf else "in [0, 1]"
            d.fail(f"{field} needs to be {bound}, got {getattr(p, field):g}", field)
    pixels = height * width
    portions = np.array([p.bg_portion, p.fg_portion], np.float32)
    least = np.minimum((portions * np.float32(pixels)).astype(int), max(pixels - 1, 0))

    def raised(given):
        """One image (C, P)."""
        key, x, label = given
        has = (label[:, None] == jnp.arange(classes, dtype=jnp.int32)[None]).any(0)
        if p.suppress_others:
            bound = jnp.where(has[:, None], x, jnp.inf).min(0)
            x = jnp.where(~has[:, None] & (x > bound[None]), bound[None] - p.margin_others, x)
        best = jnp.where(has[:, None], x, -jnp.inf).max(0)
        before = best.mean()

        def lift(c, x, best):
            ahead = jnp.sort(best - x[c])  # none is below 0
            mine = x[c] + ahead[jnp.where(c == 0, least[0], least[1])]
            return x.at[c].set(mine), jnp.maximum(best, mine)

        def one(carry, c):
            return lax.cond(has[c], lift, lambda c, x, best: (x, best), c, *carry), None

        def turn(carry, key):
            others = 1 + jax.random.permutation(key, classes - 1)
            return lax.scan(one, carry, jnp.concatenate([jnp.zeros(1, others.dtype), others]))

        (x, best), _ = lax.scan(turn, (x, best), jax.random.split(key, p.num_iter))
        return jnp.where(has.any(), x + before - best.mean(), x)

    def apply(blobs, state, rng, x, label):
        rows = lax.stop_gradient(x).astype(jnp.float32).reshape(count, classes, pixels)
        label = merged(lax.stop_gradient(label).astype(jnp.int32), 1)
        y = lax.map(raised, (jax.random.split(rng, count), rows, label))
        return (y.reshape(x.shape).astype(x.dtype),), state

    return Layer(apply, random=True)


@register("UniqueLabel", bottoms=1, tops=1, no_gradient=(0,))
def unique_label(d: LayerDef) -> Layer:
    """The different labels of each image, rising: (N, 1, H, W) -> (N, max_labels, 1, 1).

    Without those of ignore_label and with those of force_label; -1 stands where there are no more.
    Where there are more, the largest are left out. DeepLab: unique_label_layer.cpp.
    """
    d.check_images()
    p, shape = d.param.unique_label_param, d.bottoms[0].shape
    if shape[1] != 1:
        d.fail(f"Input must have one channel: '{d.param.bottom[0]}' is {dims(shape)}", "bottom", 0)
    forced = sorted(set(p.force_label))
    if p.max_labels <= len(forced):
        d.fail(
            "At least one label more than the forced ones needs to fit: max_labels "
            f"{p.max_labels}, {len(forced)} force_label",
            "max_labels" if p.HasField("max_labels") else "unique_label_param",
        )
    d.check_sizes((shape[0], p.max_labels, 1, 1))

    def forward(blobs, label):
        rows = merged(lax.stop_gradient(label), 1)
        more = jnp.broadcast_to(jnp.array(forced, rows.dtype), (shape[0], len(forced)))
        drop = jnp.isin(rows, jnp.array(list(p.ignore_label), rows.dtype))
        rows = jnp.sort(jnp.concatenate([jnp.where(drop, jnp.inf, rows), more], 1), 1)
        again = jnp.concatenate([jnp.zeros_like(rows[:, :1], bool), rows[:, 1:] == rows[:, :-1]], 1)
        rows = jnp.sort(jnp.where(again, jnp.inf, rows), 1)[:, : p.max_labels]
        room = jnp.full((shape[0], p.max_labels - rows.shape[1]), jnp.inf, rows.dtype)
        rows = jnp.concatenate([rows, room], 1)
        return jnp.where(rows == jnp.inf, NONE, rows).reshape(shape[0], p.max_labels, 1, 1)

    return stateless(forward)


@register("SpatialProduct", bottoms=2, tops=1)
def spatial_product(d: LayerDef) -> Layer:
    """Multiply each pixel by one number: (N, C, H, W), (N, 1, H, W) -> the first's shape.

    DeepLab: spatial_product_layer.cpp.
    """
    d.check_images()
    count, _, height, width = d.bottoms[0].shape
    if d.bottoms[1].shape != (count, 1, height, width):
        d.fail(
            f"the factors '{d.param.bottom[1]}' must be {count} x 1 x {height} x {width}, they are "
            f"{dims(d.bottoms[1].shape)}",
            "bottom",
            1,
        )

    def product(blobs: Any, x: Any, factor: Any) -> Any:
        return x * factor

    return stateless(product, channels_last=product)
