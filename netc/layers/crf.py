"""Labels of pixels in line with the image: random fields, and filters that stop at edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from netc import lowering
from netc.layers.base import BlobSpec, Layer, LayerDef, Shape, dims, merged, register, stateless
from netc.layers.loss import with_gradient_of
from netc.lazy import jax, jnp, lax

NEVER = 1e-20  # added to what a sum of weights divides
FAR = -20.0  # where exp is taken as 0
TINY = float(np.finfo(np.float32).tiny)


def _check_like(d: LayerDef, bottom: int, want: tuple[int | None, ...]) -> None:
    """The bottom has these sizes; None is any."""
    shape = d.bottoms[bottom].shape
    fits = len(shape) == len(want) and all(w in (None, n) for n, w in zip(shape, want, strict=True))
    if not fits:
        asked = " x ".join("any" if w is None else str(w) for w in want)
        d.fail(
            f"bottom[{bottom}] '{d.param.bottom[bottom]}' must be {asked}, it is {dims(shape)}",
            "bottom",
            bottom,
        )


def _check_sizes_of_images(d: LayerDef, bottom: int) -> None:
    """The bottom holds height and width of each image: (N, ...) with two numbers each."""
    shape, count = d.bottoms[bottom].shape, d.bottoms[0].shape[0]
    if shape[:1] != (count,) or math.prod(shape[1:]) != 2:
        d.fail(
            f"bottom[{bottom}] '{d.param.bottom[bottom]}' must hold height and width of {count} "
            f"images, it is {dims(shape)}",
            "bottom",
            bottom,
        )


def _places(size: Shape) -> np.ndarray:
    """x and y of every pixel: (1, H W, 2)."""
    rows, columns = np.indices(size, np.float32)
    return np.stack([columns, rows], -1).reshape(1, -1, 2)


def _colours(image: Any) -> Any:
    """The first three channels of images (N, C, H, W) as (N, H W, 3)."""
    return merged(image[:, :3], 2).transpose(0, 2, 1)


def _bilateral(image: Any, places: float, colours: float) -> Any:
    """Points (N, H W, 5) whose distances are those of places and colours over their deviations."""
    colour = _colours(lax.stop_gradient(image).astype(jnp.float32)) / colours
    place = jnp.asarray(_places(image.shape[2:]) / np.float32(places))
    place = jnp.broadcast_to(place, (*colour.shape[:2], 2))
    return jnp.concatenate([place, colour], -1)


def _averaging(points: Any, dtype: Any) -> Callable[[Any], Any]:
    """Values (N, C, P) -> each the mean of all, weighted by the distance of points (N, P, D)."""
    blur = lowering.permutohedral.filtered
    total = blur(points, jnp.ones((points.shape[0], 1, points.shape[1]), dtype)) + NEVER
    return lambda values: blur(points, values) / total


@register("MultiStageMeanfield", bottoms=3, tops=1, no_gradient=(2,))
def multi_stage_meanfield(d: LayerDef) -> Layer:
    """A dense random field as a recurrent net: unary scores and first scores (N, C, H, W), image
    (N, 3, H, W) -> (N, C, H, W).

    num_iterations times q = unary - M (W_s G_s p + W_b G_b p), p the softmax of q over channels.
    G_s is the mean of all pixels weighted by exp(-|x - y|^2 / 2 theta_gamma^2), G_b that by
    exp(-|x - y|^2 / 2 theta_alpha^2 - |c - c'|^2 / 2 theta_beta^2), c the colours, both by way of a
    permutohedral lattice. W_s and W_b begin as diagonals of spatial_filter_weight and
    bilateral_filter_weight, or of what the fields that end in s_str list, M as -1 on the diagonal.
    Zheng et al. 2015; crfasrnn: multi_stage_meanfield.cpp.
    """
    d.check_images()
    p, shape = d.param.multi_stage_meanfield_param, d.bottoms[0].shape
    count, classes, *size = shape
    _check_like(d, 1, shape)
    _check_like(d, 2, (count, 3, *size))
    if p.num_iterations < 2:
        d.fail(
            f"Number of iterations must be greater than 1, got {p.num_iterations}.",
            "num_iterations" if p.HasField("num_iterations") else "multi_stage_meanfield_param",
        )
    for field in ("theta_alpha", "theta_beta", "theta_gamma"):
        if not getattr(p, field) > 0:
            d.fail(
                f"{field} must be greater than 0, got {getattr(p, field):g}",
                field if p.HasField(field) else "multi_stage_meanfield_param",
            )
    near = _places(tuple(size)) / np.float32(p.theta_gamma)
    blobs = [_diagonal(d, f, classes) for f in ("spatial", "bilateral")]
    blobs.append(BlobSpec((1, 1, classes, classes), value=-np.eye(classes)[None, None]))

    def forward(blobs, unary, q, image):
        over_places = _averaging(jnp.asarray(near), unary.dtype)
        over_pixels = _averaging(_bilateral(image, p.theta_alpha, p.theta_beta), unary.dtype)
        spatial, bilateral, together = (b.reshape(classes, classes) for b in blobs)

        def mixed(weights, values):
            return jnp.einsum("ck,nkp->ncp", weights, values, precision=lax.Precision.HIGHEST)

        def step(q, _):
            share = merged(jax.nn.softmax(q, 1), 2)
            around = over_places(share.reshape(1, count * classes, share.shape[2]))
            message = mixed(spatial, around.reshape(share.shape))
            message = message + mixed(bilateral, over_pixels(share))
            return unary - mixed(together, message).reshape(shape), None

        return lax.scan(step, q, length=p.num_iterations)[0]

    return stateless(forward, blobs)


def _diagonal(d: LayerDef, which: str, classes: int) -> BlobSpec:
    """The weights of a kernel: one number for all classes, or one for each."""
    p, field = d.param.multi_stage_meanfield_param, f"{which}_filter_weights_str"
    values = [getattr(p, f"{which}_filter_weight")] * classes
    if p.HasField(field):
        words = getattr(p, field).split()
        try:
            values = [float(word) for word in words[:classes]]
        except ValueError:
            values = []
        if len(values) < classes:
            d.fail(
                f"A malformed string! >{getattr(p, field)}<. Couldn't read {classes} values.", field
            )
    matrix = np.diag(np.array(values, np.float32))
    return BlobSpec((1, 1, classes, classes), value=matrix[None, None])


@register("DenseCRF", bottoms=(2, 3), tops=1, no_gradient=(0, 1, 2))
def dense_crf(d: LayerDef) -> Layer:
    """Mean field of a dense random field: scores (N, C, H, W), sizes (N, 1, 1, 2), image
    (N, 3, H, W) -> probabilities of the scores' shape, or their logarithms.

    p = softmax(scores), then max_iter times softmax(scores + sum_k w_k G_k p). G_k is the mean of
    all pixels weighted by exp(-|x - y|^2 / 2 s^2), s and w out of pos_xy_std and pos_w, or, with an
    image, by exp(-|x - y|^2 / 2 s^2 - |c - c'|^2 / 2 r^2), s, r and w out of bi_xy_std, bi_rgb_std
    and bi_w, by way of a permutohedral lattice. A probability e^20 times below the largest is 0,
    and so is all outside of an image's size, as in ImageSegData's third top. No gradient.
    Kraehenbuehl and Koltun 2011; DeepLab: densecrf_layer.cpp.
    """
    d.check_images()
    p, shape = d.param.dense_crf_param, d.bottoms[0].shape
    count, _, height, width = shape
    _check_sizes_of_images(d, 1)
    coloured = len(d.bottoms) == 3
    for group in (("pos_w", "pos_xy_std"), ("bi_w", "bi_xy_std"), ("bi_w", "bi_rgb_std")):
        sizes = [len(getattr(p, field)) for field in group]
        if sizes[0] != sizes[1]:
            d.fail(
                f"{group[0]} and {group[1]} should have the same size: {sizes[0]} and {sizes[1]}.",
                group[sizes[0] == 0],
            )
    for field in ("pos_xy_std", "bi_xy_std", "bi_rgb_std"):
        for i, deviation in enumerate(getattr(p, field)):
            if not deviation > 0:
                d.fail(f"{field} must be greater than 0, got {deviation:g}", field, i)
    if coloured:
        _check_like(d, 2, (count, 3, height, width))
        if not p.bi_w:
            d.fail("has image as input, but no bilateral parameters specified.", "dense_crf_param")

    def probabilities(scores):
        below = scores - scores.max(1, keepdims=True)
        e = jnp.where(below < FAR, 0, jnp.exp(below))
        return e / e.sum(1, keepdims=True)

    def forward(blobs, x, sizes, *image):
        dtype, inside = x.dtype, _inside(sizes, height, width)
        scores = merged(lax.stop_gradient(x).astype(jnp.float32), 2)
        there = merged(inside, 1)[:, None]
        kernels = [
            (w, jnp.broadcast_to(_places((height, width)) / s, (count, height * width, 2)))
            for w, s in zip(p.pos_w, np.array(p.pos_xy_std, np.float32), strict=True)
        ]
        if coloured:
            kernels += [
                (w, _bilateral(image[0], s, r))
                for w, s, r in zip(p.bi_w, p.bi_xy_std, p.bi_rgb_std, strict=True)
            ]
        out = there.transpose(0, 2, 1)
        means = [
            (w, _averaging(jnp.where(out, points, jnp.nan), scores.dtype)) for w, points in kernels
        ]

        def step(_, share):
            sums = scores
            for w, mean in means:
                sums = sums + w * mean(share)
            return jnp.where(there, probabilities(sums), 0)

        share = jnp.where(there, probabilities(scores), 0)
        share = lax.fori_loop(0, max(p.max_iter, 0), step, share)
        if not p.output_probability:
            share = jnp.where(there, jnp.log(jnp.maximum(share, TINY)), 0)
        return share.reshape(shape).astype(dtype)

    return stateless(forward)


def _inside(sizes: Any, height: int, width: int) -> Any:
    """Which pixels (N, H, W) are inside of the given height and width of each image."""
    sizes = lax.stop_gradient(sizes).astype(jnp.int32).reshape(-1, 2)
    rows = jnp.arange(height, dtype=jnp.int32)[None, :, None] < sizes[:, 0, None, None]
    columns = jnp.arange(width, dtype=jnp.int32)[None, None, :] < sizes[:, 1, None, None]
    return rows & columns


@register("DomainTransform", bottoms=3, tops=1, no_gradient=(2,))
def domain_transform(d: LayerDef) -> Layer:
    """Smooth along rows and columns up to edges: x (N, C, H, W), edges g (N, 1, H, W), sizes
    (N, 1, 1, 2) -> the shape of x.

    num_iter times from left to right, right to left, down and up: y_i = x_i + w (y_{i-1} - x_i), w
    that of the later of the two pixels in its row or column, exp(-sqrt(2) / s (1 + spatial_sigma /
    range_sigma g)) kept in [min_weight, 1], s = spatial_sigma sqrt(3) 2^(num_iter - k) /
    sqrt(4^num_iter - 1) in the k-th time. Outside of an image's size, as in ImageSegData's third
    top, all stays. The gradient to g does not see the bounds of w.
    Gastal and Oliveira 2011, Chen et al. 2016; DeepLab: domain_transform_layer.cpp.
    """
    return _domain_transform(d, bounded=True)


@register("DomainTransformForwardOnly", bottoms=3, tops=1, no_gradient=(0, 1, 2))
def domain_transform_forward_only(d: LayerDef) -> Layer:
    """DomainTransform without bounds for the weights, and without a gradient.

    DeepLab: domain_transform_forward_only_layer.cpp.
    """
    return _domain_transform(d, bounded=False)


def _domain_transform(d: LayerDef, *, bounded: bool) -> Layer:
    d.check_images()
    p, (count, _, height, width) = d.param.domain_transform_param, d.bottoms[0].shape
    _check_like(d, 1, (count, 1, height, width))
    _check_sizes_of_images(d, 2)
    for field, ok, noun in (
        ("spatial_sigma", p.spatial_sigma > 0, "Spatial sigma needs to be positive"),
        ("range_sigma", p.range_sigma > 0, "Range sigma needs to be positive"),
        ("min_weight", p.min_weight >= 0, "Minimum weight value needs to be non-negative"),
        ("num_iter", p.num_iter > 0, "number of iteration should be larger than 0"),
    ):
        if not ok:
            d.fail(f"{noun}, got {getattr(p, field):g}.", field)
    widest = p.spatial_sigma * math.sqrt(3 / (1 - 4.0**-p.num_iter))
    slope = p.spatial_sigma / p.range_sigma

    def weights(edges, inside, sigma):
        """w, 0 where nothing may move."""
        exponent = -math.sqrt(2) / sigma * (1 + slope * edges)
        w = jnp.exp(exponent)
        if bounded:
            w = jnp.clip(w, p.min_weight, 1)
            w = with_gradient_of(lax.stop_gradient(w) * exponent, w)
        return jnp.where(inside, w, 0)

    def swept(x, w, axis):
        """Along an axis and back."""
        x, w = jnp.moveaxis(x, axis, 0), jnp.moveaxis(w, axis, 0)

        def step(before, here):
            x, w = here
            y = x + w * (before - x)
            return y, y

        none = jnp.zeros_like(w[:1])
        _, x = lax.scan(step, x[0], (x, jnp.concatenate([none, w[1:]])))
        after = jnp.concatenate([w[1:], none])
        _, x = lax.scan(step, x[-1], (x, after), reverse=True)
        return jnp.moveaxis(x, 0, axis)

    def forward(blobs, x, edges, sizes):
        inside = _inside(sizes, height, width)[:, None]
        if not bounded:
            x, edges = lax.stop_gradient((x, edges))

        def step(x, k):
            w = weights(edges, inside, (widest * 0.5 ** (k + 1)).astype(x.dtype))
            return swept(swept(x, w, 3), w, 2), None

        return lax.scan(step, x, jnp.arange(p.num_iter, dtype=jnp.float32))[0]

    return stateless(forward)
