"""Layers with windows on images, and those that normalize, resize or frame them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netc import lowering
from netc.export.calls import Call, Site, f, rule
from netc.export.rules_common import affine, along, chosen, reshaped
from netc.graph.window import pooling_window
from netc.layers.base import Shape
from netc.layers.conv import window
from netc.layers.face import EPSILON
from netc.layers.spatial import pyramid_level
from netc.layers.video import pooling_of_video, videos_as_images
from netc.lazy import jnp
from netc.schema import BNParameter, LRNParameter, PoolingParameter

Pairs = tuple[tuple[int, int], ...]


def margins(size: Shape, extent: Shape, stride: Shape, pad: Shape, out: Shape) -> Pairs:
    """Zeros before and after each axis, so that `out` windows fit and no more."""
    axes = zip(size, extent, stride, pad, out, strict=True)
    return tuple((p, max(0, (o - 1) * s + e - p - n)) for n, e, s, p, o in axes)


@rule("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")
def convolution(site: Site) -> tuple[Any, ...]:
    return _filtering(site, "convolution")


@rule("Deconvolution")
def deconvolution(site: Site) -> tuple[Any, ...]:
    return _filtering(site, "deconvolution")


@rule("Convolution3D", "Deconvolution3D")
def convolution3d(site: Site) -> tuple[Any, ...]:
    name = site.p.type.removesuffix("3D").lower()
    return _filtering(site._replace(d=videos_as_images(site.d)), name)


def _filtering(site: Site, function: str) -> tuple[Any, ...]:
    p, shape, top = site.p.convolution_param, site.shape, site.tops[0]
    axis = site.d.axis(p.axis)
    size, flat = shape[axis + 1 :], (math.prod(shape[:axis]), *shape[axis:])
    w = window(site.d, len(size))
    group = shape[axis] if "Depthwise" in site.p.type else p.group
    pad = tuple((q, q) for q in w.pad)
    if function == "convolution":
        needed = margins(size, w.extent, w.stride, w.pad, top[axis + 1 :])
        pad = tuple((q, max(q, after)) for q, after in needed)
    if not size:
        return _pointwise(site, flat, group)
    options = chosen(stride=w.stride, pad=pad, dilation=w.dilation, group=group)
    tops = (Call(function, (reshaped(x, shape, flat), *site.w), options) for x in site.x)
    return tuple(reshaped(y, (flat[0], *top[axis:]), top) for y in tops)


def _pointwise(site: Site, flat: Shape, group: int) -> tuple[Any, ...]:
    """A filter on nothing but channels is a matrix."""
    if group != 1:
        site.refuse(f"group {group} without a spatial axis", "group")
    tops = (
        f.inner_product(
            reshaped(x, site.shape, flat), *site.w, transpose=site.p.type == "Deconvolution"
        )
        for x in site.x
    )
    return tuple(reshaped(y, (flat[0], site.tops[0][-1]), site.tops[0]) for y in tops)


@rule("Im2col")
def im2col(site: Site) -> Any:
    """A convolution whose filters are 1 in one place each."""
    p, shape, top = site.p.convolution_param, site.shape, site.tops[0]
    axis = site.d.axis(p.axis)
    size, flat = shape[axis + 1 :], (math.prod(shape[:axis]), *shape[axis:])
    w = window(site.d, len(size))
    places = math.prod(w.kernel)
    filters = np.eye(places, dtype=np.float32).reshape(places, 1, *w.kernel)
    filters = np.concatenate([filters] * shape[axis])
    pad = margins(size, w.extent, w.stride, w.pad, top[axis + 1 :])
    options = chosen(stride=w.stride, pad=pad, dilation=w.dilation, group=shape[axis])
    y = f.convolution(reshaped(site.x[0], shape, flat), filters, **options)
    return reshaped(y, (flat[0], *top[axis:]), top)


@rule("Pooling")
def pooling(site: Site) -> Any:
    p = site.p.pooling_param
    return _pooled(site, p.pool, *pooling_window(p, site.shape[2:]), site.tops[0][2:])


@rule("Pooling3D")
def pooling3d(site: Site) -> Any:
    return _pooled(site, *pooling_of_video(site.d), site.tops[0][2:])


@rule("SPP")
def spp(site: Site) -> Any:
    p, (n, c, *size) = site.p.spp_param, site.shape
    parts = []
    for level in range(p.pyramid_height):
        g = pyramid_level(site.d, level)
        axes = zip(size, g["kernel"], g["stride"], g["pad"], strict=True)
        out = tuple(lowering.pool.output_size(*axis, ceil=g["ceil"]) for axis in axes)
        y = _pooled(site, p.pool, g["kernel"], g["stride"], g["pad"], out)
        parts.append(f.reshape(y, shape=(n, c * math.prod(out))))
    if len(parts) == 1:
        return parts[0].args[0]
    return f.concatenate(parts, axis=1)


def _pooled(site: Site, how: int, kernel: Shape, stride: Shape, pad: Shape, out: Shape) -> Any:
    x, size = site.x[0], site.shape[2:]
    edges = margins(size, kernel, stride, pad, out)
    uncounted = tuple(max(0, after - q) for (_, after), q in zip(edges, pad, strict=True))
    geometry = {"kernel": tuple(kernel), **chosen(stride=tuple(stride), pad=edges)}
    if how == PoolingParameter.MAX:
        return (f.max_pool_with_mask if len(site.tops) == 2 else f.max_pool)(x, **geometry)
    geometry |= chosen(uncounted=uncounted)
    if how == PoolingParameter.AVE:
        return f.ave_pool(x, **geometry)
    total = f.ave_pool(x, **geometry)
    some = f.greater(total, 0.0)
    energy = f.ave_pool(f.multiply(x, x), **geometry)
    return f.where(some, f.divide(energy, f.where(some, total, 1.0)), 0.0)


@rule("LRN")
def lrn(site: Site) -> Any:
    p, x = site.p.lrn_param, site.x[0]
    n = p.local_size
    if p.norm_region == LRNParameter.ACROSS_CHANNELS:
        return f.lrn(x, size=n, alpha=p.alpha, beta=p.beta, k=p.k)
    mean = f.ave_pool(f.multiply(x, x), kernel=(n, n), **chosen(pad=n // 2))
    return f.multiply(x, f.power(f.add(f.multiply(mean, p.alpha), 1.0), -p.beta))


@rule("BatchNorm", "BatchNorm (intel)")
def batch_norm(site: Site) -> Any:
    p, x, rank = site.p.batch_norm_param, site.x[0], len(site.shape)
    past, learnt = site.w[:3], site.w[3:]
    if p.HasField("use_global_stats") and not p.use_global_stats:
        y = f.standardize(x, axis=_all_but_channels(rank), eps=p.eps)
    else:
        y = f.batch_norm(x, *past, eps=p.eps)
    y = affine(y, rank, *learnt) if learnt else y
    intel = "intel" in site.node.kind.dialects
    return f.maximum(y, 0.0) if intel and p.relu else y


@rule("BatchNorm (nvcaffe)")
def batch_norm_nvcaffe(site: Site) -> Any:
    p, rank = site.p.batch_norm_param, len(site.shape)
    mean, variance, _, *learnt = site.w
    y = f.batch_norm(site.x[0], mean, variance, eps=max(p.eps, 1e-5))
    return affine(y, rank, *learnt) if learnt else y


@rule("BN (pspnet)", "SyncBN")
def bn_with_averages(site: Site) -> Any:
    slope, bias, mean, variance = site.w
    y = f.batch_norm(site.x[0], mean, variance, eps=site.p.bn_param.eps)
    return affine(y, len(site.shape), slope, bias)


@rule("BN (segnet)")
def bn_of_batch(site: Site) -> Any:
    x, rank = site.x[0], len(site.shape)
    if site.p.bn_param.bn_mode == BNParameter.INFERENCE:
        return affine(x, rank, *site.w)
    axis = _all_but_channels(rank)
    mean = f.mean(x, axis=axis, keepdims=True)
    centred = f.subtract(x, mean)
    variance = f.mean(f.multiply(centred, centred), axis=axis, keepdims=True)
    y = affine(f.standardize(x, axis=axis, eps=1e-9), rank, *site.w)
    return (y, mean, variance)[: len(site.tops)]


@rule("BN (parsenet)")
def bn_across_batch(site: Site) -> Any:
    p, x = site.p.bn_param, site.x[0]
    scale, shift, *past = site.w
    if past and not p.across_spatial:
        mean, variance = past
        y = f.divide(f.subtract(x, mean), f.sqrt(f.add(variance, p.var_eps)))
    elif past:
        y = f.batch_norm(x, *past, eps=p.var_eps)
    else:
        y = f.standardize(x, axis=(0, 2, 3) if p.across_spatial else (0,), eps=p.var_eps)
    return f.add(f.multiply(y, scale), shift)


def _all_but_channels(rank: int) -> Shape:
    return (0, *range(2, rank))


@rule("MVN")
def mvn(site: Site) -> Any:
    p, shape = site.p.mvn_param, site.tops[0]
    x = reshaped(site.x[0], site.shape, shape)
    axis = (1, 2, 3) if p.across_channels else (2, 3)
    if p.normalize_variance:
        return f.standardize(x, axis=axis, eps=p.eps, inside=False)
    return f.subtract(x, f.mean(x, axis=axis, keepdims=True))


@rule("Normalize")
def normalize(site: Site) -> Any:
    p, rank = site.p.norm_param, len(site.shape)
    axis = tuple(range(1, rank)) if p.across_spatial else (1,)
    return f.multiply(f.to_unit(site.x[0], axis=axis, eps=p.eps), along(site.w[0], rank))


@rule("Normalize (happynear)")
def normalize_features(site: Site) -> Any:
    p, x, told = site.p.normalize_param, site.x[0], site.tops[-1]
    size = f.multiply(x, x) if p.normalize_type == "L2" else f.abs(x)
    norm = f.add(f.sum(size, axis=(1,), keepdims=True), EPSILON)
    norm = f.sqrt(norm) if p.normalize_type == "L2" else norm
    y = f.divide(x, norm)
    return (y, reshaped(norm, (*site.shape[:1], 1, *site.shape[2:]), told))[: len(site.tops)]


@rule("Interp")
def interp(site: Site) -> Any:
    p, x, size = site.p.interp_param, site.x[0], site.shape[2:]
    if p.pad_beg or p.pad_end:
        stop = tuple(n + p.pad_end for n in size)
        size = tuple(n + p.pad_beg for n in stop)
        x = f.crop(x, axis=(2, 3), start=(-p.pad_beg,) * 2, stop=stop)
    return x if size == site.tops[0][2:] else f.resize(x, size=site.tops[0][2:])


@rule("Upsample (darknet2caffe)")
def upsample(site: Site) -> Any:
    p = site.p.upsample_param
    return f.upsample(site.x[0], scale=p.scale) if p.HasField("scale") else site.x[0]


@rule("Upsample (segnet)")
def unpool(site: Site) -> Any:
    return f.unpool(*site.x, size=site.tops[0][2:])


@rule("PriorBox")
def prior_box(site: Site) -> Any:
    """The boxes depend on shapes only."""
    bottoms = (jnp.zeros(b.shape, b.dtype) for b in site.d.bottoms)
    return np.asarray(site.node.set_up.apply((), (), None, *bottoms)[0][0])
