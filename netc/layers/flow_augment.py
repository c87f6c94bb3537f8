"""Augmentation inside a net: images, and the flow between them, moved and recoloured alike."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from netc import lowering
from netc.layers import flow_coefficients as coefficients
from netc.layers.base import TRAIN, BlobSpec, Layer, LayerDef, Shape, dims, register, stateless
from netc.layers.flow_coefficients import AXES, COLOURS, CONTRAST, EFFECTS, MOVING, NAMES, SPATIAL
from netc.lazy import jax, jnp, lax
from netc.weights.content import LayerWeights


def _check_coefficients(d: LayerDef, bottom: int) -> None:
    shape, want = d.bottoms[bottom].shape, (d.bottoms[0].shape[0], len(NAMES), 1, 1)
    if shape != want:
        d.fail(
            f"the coefficients '{d.param.bottom[bottom]}' must be {dims(want)}, they are "
            f"{dims(shape)}",
            "bottom",
            bottom,
        )


def _drawn(d: LayerDef, fields: Iterable[str]) -> bool:
    """Whether any of these is drawn in this phase."""
    p = d.param.augmentation_param
    return bool((d.phase == TRAIN or p.augment_during_test) and coefficients.given(p, fields))


def draws(d: LayerDef) -> bool:
    """Whether a DataAugmentation draws how to move images or to change their colours."""
    return crop_size(d) is not None and _drawn(d, (*SPATIAL, *COLOURS))


def crop_size(d: LayerDef, whole: Shape | None = None) -> Shape | None:
    """(crop_height, crop_width), which fit into `whole`; None where one is not given."""
    p = d.param.augmentation_param
    if not (p.HasField("crop_height") and p.HasField("crop_width")):
        return None
    size = p.crop_height, p.crop_width
    for i, field in enumerate(("crop_height", "crop_width")):
        if size[i] < 1 or (whole and size[i] > whole[i]):
            limit = f"from 1 to {whole[i]}, the image's" if whole else "at least 1"
            d.fail(f"{field} must be {limit}, got {size[i]}", field)
    return size


def _augmented(d: LayerDef, key: Any, x: Any, relative: Any, size: Shape) -> Any:
    """Images (N, C, H, W) moved and recoloured by coefficients (N, 42): (N, C, *size).

    key: of the noise; None for none.
    """
    p, received = d.param.augmentation_param, len(d.bottoms) > 1
    c, most = coefficients.absolute(relative, snap=True), p.max_multiplier
    y = lowering.augment.moved(x, c, size)
    if x.shape[1] != 3:
        return y

    def stage(fields: dict[str, tuple[str, ...]], change: Any, y: Any) -> Any:
        """y changed, if any image of the batch asks for it."""
        if not (received or coefficients.given(p, fields)):
            return y
        names = [name for names in fields.values() for name in names]
        asked = [c[name] != coefficients.DEFAULTS[name] for name in names]
        return jnp.where(jnp.any(jnp.stack(asked)), change(y), y)

    if p.chromatic_eigvec:
        axes = jnp.array(p.chromatic_eigvec, x.dtype).reshape(3, 3)
        by_axes = lowering.augment.recoloured_by_axes
        y = stage(AXES, lambda y: by_axes(y, x, c, axes, most), y)
    y = stage(CONTRAST, lambda y: lowering.augment.recoloured(y, c, most), y)
    y = stage(EFFECTS, lambda y: lowering.augment.shadowed(y, c, most), y)
    if key is not None and (received or p.HasField("noise")):
        y = y + c["noise"][:, None, None, None] * jax.random.normal(key, y.shape, y.dtype)
    return y


@register("DataAugmentation", bottoms=(1, 2), tops=(1, 2), no_gradient=(0, 1))
def data_augmentation(d: LayerDef) -> Layer:
    """Move and recolour images and subtract their mean: (N, C, H, W) -> (N, C, crop_height,
    crop_width); the coefficients used are a second top (N, 42, 1, 1).

    In TRAIN, or with augment_during_test, the coefficients are drawn as augmentation_param says,
    spreads times initial + (final - initial) (2 / (1 + exp(-1.0986 n / half_life)) - 1) of
    coeff_schedule_param at pass n, unless they are a second bottom; else the centre is cut out.
    Colours are of 3 channels, 0 to max_multiplier. Without crop_width and crop_height an image
    stays as it is. Subtracted is `mean`, or with recompute_mean what the first so many passes
    averaged, pixel by pixel or, without mean_per_pixel, by channel. Fog and motion blur do nothing,
    as there. State: the number of passes and, with recompute_mean, the mean image and that of each
    channel; a file's of another size gives the latter. FlowNet2: data_augmentation_layer.cu.
    """
    d.check_images()
    p, shape = d.param.augmentation_param, d.bottoms[0].shape
    count, channels, *whole = shape
    crop = crop_size(d, tuple(whole))
    size = crop or tuple(whole)
    received = len(d.bottoms) > 1
    if received:
        _check_coefficients(d, 1)
    coefficients.check_kinds(d, p)
    own = crop is not None and not received
    drawing = not received and draws(d)
    if own and channels != 3 and (found := coefficients.given(p, COLOURS)):
        d.fail(f"{found[0]} only works with 3-channel input, got {dims(shape)}", found[0])
    axes = len(p.chromatic_eigvec)
    if axes != 9 and (axes or (own and coefficients.given(p, AXES))):
        d.fail(
            "You need to specify chromatic eigenvectors for Chromatic-Eigen augmentation: 9 "
            f"numbers, got {axes}",
            "chromatic_eigvec" if axes else "augmentation_param",
        )
    if p.mean and not p.recompute_mean and (p.mean_per_pixel or len(p.mean) != channels):
        d.fail(
            f"mean must be {channels} numbers, one per channel, without mean_per_pixel; got "
            f"{len(p.mean)}",
            "mean",
            hint="mean_per_pixel: false",
        )

    def apply(blobs, state, rng, x, *given):
        x, passes = lax.stop_gradient(x), state[0].ravel()[0] + 1
        relative = jnp.zeros((count, len(NAMES)), jnp.float32)
        if received:
            relative = lax.stop_gradient(given[0]).reshape(count, len(NAMES)).astype(jnp.float32)
        y, noise = x, None
        if drawing:
            rng, noise = jax.random.split(rng)
            spread = coefficients.discount_at(d, passes)
            relative = coefficients.generate(p, rng, relative, spread, size, tuple(whole))
        elif received:
            noise = rng
        if crop:
            y = _augmented(d, noise, x.astype(jnp.float32), relative, crop).astype(x.dtype)
        y, means = _less_mean(d, y, passes, state[1:])
        tops = y, relative.reshape(count, len(NAMES), 1, 1)
        return tops[: d.tops], (passes.reshape(state[0].shape), *means)

    sizes = ((1, channels, *size), (1, channels, 1, 1)) if p.recompute_mean else ()
    return Layer(
        apply,
        state=tuple(BlobSpec(s) for s in ((1, 1, 1, 1), *sizes)),
        random=drawing or (received and crop is not None),
        read=lambda weights: _fitting(d, weights, size),
    )


def _less_mean(d: LayerDef, y: Any, passes: Any, means: tuple[Any, ...]) -> tuple[Any, Any]:
    """Images without their mean, and what is stored of it from then on."""
    p = d.param.augmentation_param
    if not means:
        fixed = jnp.array(p.mean, y.dtype).reshape(1, -1, 1, 1) if p.mean else None
        return y if fixed is None else y - fixed, ()
    image, channels = means
    now = y.mean(0, keepdims=True).astype(image.dtype)
    average = (image * (passes - 1) + now) / passes
    going_on = passes <= p.recompute_mean
    image = jnp.where(going_on, average, image)
    channels = jnp.where(going_on, average.mean((2, 3), keepdims=True), channels)
    return y - (image if p.mean_per_pixel else channels).astype(y.dtype), (image, channels)


def _fitting(d: LayerDef, weights: LayerWeights, size: Shape) -> LayerWeights:
    """The blobs of a file for images of another size, or without those of a mean that is not
    recomputed. FlowNet2: adjust_blobs.
    """
    p = d.param.augmentation_param
    if len(weights.blobs) != 3 or any(b is None or b.ndim != 4 for b in weights.blobs):
        return weights
    if not p.recompute_mean:
        first = (v[:1] for v in (weights.blobs, weights.diffs, weights.legacy))
        return replace(weights, **dict(zip(("blobs", "diffs", "legacy"), first, strict=True)))
    passes, image, channels = weights.blobs
    assert image is not None
    if p.mean_per_pixel:
        channels = image.mean((2, 3), keepdims=True)
    if image.shape[2:] != size and channels is not None:
        image = np.ascontiguousarray(np.broadcast_to(channels, (*channels.shape[:2], *size)))
    return replace(weights, blobs=(passes, image, channels))


@register("GenerateAugmentationParameters", bottoms=(1, 3), tops=1, no_gradient=(0,))
def generate_augmentation_parameters(d: LayerDef) -> Layer:
    """Draw coefficients for DataAugmentation: (N, 42, 1, 1).

    bottoms: coefficients, images before and images after, or images alone, whose coefficients are
    crop_width x crop_height's, or coefficients alone, with bottomwidth and bottomheight too. What
    is drawn, in TRAIN or with augment_during_test, is added to coefficients that come in; under
    mode "replace" it takes their place, under "regenerate", and for images alone, the rest is as
    there was none. The spreads follow the iteration of the training, as in DataAugmentation.
    FlowNet2: generate_augmentation_parameters_layer.cu.
    """
    for i in range(len(d.bottoms)):
        d.check_images(i)
    if len(d.bottoms) == 2:
        d.fail(
            "takes one blob or three (coefficients, images before, images after), got 2", "bottom"
        )
    p, shape = d.param.augmentation_param, d.bottoms[0].shape
    coefficients.check_kinds(d, p)
    alone = len(d.bottoms) == 1 and max(shape[2:]) > 1
    modes = ("add", "replace", "regenerate")
    if p.mode not in modes:
        d.fail(f"Unknown mode: {p.mode} (known: {', '.join(modes)})", "mode")
    if not alone:
        _check_coefficients(d, 0)
    size, whole = _sizes(d, alone)
    moves, colours = (_drawn(d, fields) for fields in (SPATIAL, COLOURS))
    replaced = [*MOVING] * moves + [
        name for f in coefficients.given(p, COLOURS) * colours for name in COLOURS[f]
    ]
    kept = np.array([name not in replaced for name in NAMES])

    def apply(blobs, clock, rng, x, *others):
        base = jnp.zeros((shape[0], len(NAMES)), jnp.float32)
        if not alone and p.mode != "regenerate":
            base = lax.stop_gradient(x).reshape(base.shape).astype(jnp.float32)
        if p.mode == "replace":
            base = jnp.where(jnp.asarray(kept)[None], base, 0)
        if moves or colours:
            spread = coefficients.discount_at(d, clock[0] + 1)
            base = coefficients.generate(p, rng, base, spread, size, whole)
        return (base.reshape(shape[0], len(NAMES), 1, 1),), clock

    return Layer(apply, random=moves or colours, memory=(BlobSpec(()),), clock=True)


def _sizes(d: LayerDef, alone: bool) -> tuple[Shape, Shape]:
    """The sizes of images after and before."""
    if len(d.bottoms) == 3:
        return d.bottoms[2].shape[2:], d.bottoms[1].shape[2:]
    p, size = d.param.augmentation_param, crop_size(d)
    if size is None:
        d.fail(
            "Need crop_width and crop_height if there is no blob specifying these",
            "augmentation_param",
        )
    if alone:
        return size, d.bottoms[0].shape[2:]
    if not (p.bottomheight and p.bottomwidth):
        d.fail(
            "Need bottomwidth and bottomheight if there is no blob specifying these",
            "augmentation_param",
        )
    return size, (p.bottomheight, p.bottomwidth)


@register("FlowAugmentation", bottoms=3, tops=1, no_gradient=(0, 1, 2))
def flow_augmentation(d: LayerDef) -> Layer:
    """The flow between two moved images: flow (N, 2, H, W), the coefficients of the first image
    and of the second (N, 42, 1, 1) -> (N, 2, crop_height, crop_width).

    A pixel comes from a place of the first image; the flow of the nearest pixel there leads to the
    second, and that to where the second has moved. FlowNet2: flow_augmentation_layer.cu.
    """
    d.check_images()
    count, channels, *whole = d.bottoms[0].shape
    if channels != 2:
        d.fail(
            f"Flow data must have two channels, '{d.param.bottom[0]}' is "
            f"{dims(d.bottoms[0].shape)}",
            "bottom",
            0,
        )
    size = crop_size(d)
    if size is None:
        d.fail(
            "Please enter crop width and crop height if you want to perform augmentation",
            "augmentation_param",
        )
    for i in (1, 2):
        _check_coefficients(d, i)

    def forward(blobs, flow, *relative):
        dtype = flow.dtype
        flow, *relative = (lax.stop_gradient(v).astype(jnp.float32) for v in (flow, *relative))
        first, second = (coefficients.absolute(v.reshape(count, len(NAMES))) for v in relative)
        here = lowering.augment.pixels(size, jnp.float32)
        x, y = lowering.augment.seen_from(first, *here, size, whole)
        column, row = (
            jnp.clip(jnp.floor(v + 0.5).astype(jnp.int32), 0, n - 1)
            for v, n in ((x, whole[1]), (y, whole[0]))
        )
        place = (row * whole[1] + column)[:, None]
        flat = flow.reshape(count, 2, math.prod(whole))
        u, v = jnp.moveaxis(jnp.take_along_axis(flat, place, 2), 1, 0)
        there = lowering.augment.moved_to(second, x + u, y + v, size, whole)
        moved = [a - b for a, b in zip(there, here, strict=True)]
        return jnp.stack(moved, 1).reshape(count, 2, *size).astype(dtype)

    return stateless(forward)


@register("BlackAugmentation", bottoms=(1, None), tops=(1, None), equal=True, no_gradient=(0,))
def black_augmentation(d: LayerDef) -> Layer:
    """Examples of no motion, and black borders: images (N, 3, H, W) and flows (N, 2, H, W).

    Where `black` draws it, all images of an example are its last one and its flows 0. Elsewhere
    `border` draws how much of the sides is made 0 all around, left and right only or above and
    below only. In both phases. FlowNet2: black_augmentation_layer.cu.
    """
    for i, x in enumerate(d.bottoms):
        d.check_images(i)
        same = x.shape[::2] == d.bottoms[0].shape[::2] and x.shape[3] == d.bottoms[0].shape[3]
        if x.shape[1] not in (2, 3) or not same:
            d.fail(
                "Inputs must have 2 or 3 channels and be equal otherwise: "
                f"'{d.param.bottom[0]}' is {dims(d.bottoms[0].shape)}, '{d.param.bottom[i]}' "
                f"{dims(x.shape)}",
                "bottom",
                i,
            )
    p = d.param.black_augmentation_param
    coefficients.check_kinds(d, p)
    count, _, *size = d.bottoms[0].shape
    images = [i for i, x in enumerate(d.bottoms) if x.shape[1] == 3]

    def apply(blobs, state, rng, *bottoms):
        keys = jax.random.split(rng, 3)
        black, share = (
            coefficients.draw(message, key, (count,), absent=0.0)
            for message, key in ((p.black, keys[0]), (p.border, keys[1]))
        )
        black = (black != 0)[:, None, None, None]
        sides = jax.random.randint(keys[2], (count,), 0, 3)
        inside = True
        for axis, (n, spared) in enumerate(zip(size, (0, 1), strict=True)):
            border = jnp.where(sides == spared, 0, jnp.trunc(share * n))[:, None]
            at = jnp.arange(n, dtype=jnp.float32)[None]
            kept = (at >= border) & (at < n - border)
            inside = inside & kept.reshape(count, 1, *((n, 1) if axis == 0 else (1, n)))
        still = [
            bottoms[images[-1]] if i in images else jnp.zeros_like(x) for i, x in enumerate(bottoms)
        ]
        tops = [
            jnp.where(black, s, jnp.where(inside, x, 0))
            for s, x in zip(still, bottoms, strict=True)
        ]
        return tuple(map(lax.stop_gradient, tops)), state

    return Layer(apply, random=True)
