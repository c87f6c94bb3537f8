"""Layers of nets for optical flow and disparity, and those that sample images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netc.export.calls import Call, Site, f, rule
from netc.export.rules_common import times
from netc.layers.flow import mean_of, search
from netc.layers.flow_augment import crop_size, draws
from netc.layers.flow_coefficients import NAMES
from netc.layers.resample import downsample_weights, joint_size, resample_weights
from netc.layers.spatial import transform
from netc.schema import FlowWarpParameter, MeanParameter


def weighted(x: Any, weights: Sequence[np.ndarray]) -> Any:
    """Height and width of images as sums by weights (pixels of the top, of the bottom)."""
    rows, columns = weights
    if not np.array_equal(rows, np.eye(len(rows))):
        x = f.matmul(rows, x)
    return x if np.array_equal(columns, np.eye(len(columns))) else f.matmul(x, columns.T)


@rule("Correlation", "Correlation1D")
def correlation(site: Site) -> Call:
    how = search(site.d)
    usual = {"kernel": 1, "stride": 1, "subtract": False}
    down, across = ((s.start, s.stop, s.step) for s in how.shifts)
    return f.correlation(
        *site.x,
        first=tuple(how.first),
        size=tuple(how.out),
        down=down,
        across=across,
        **{k: v for k, v in how._asdict().items() if k in usual and v != usual[k]},
    )


@rule("FlowWarp")
def flow_warp(site: Site) -> Call:
    empty = site.p.flow_warp_param.fill_value == FlowWarpParameter.NOT_A_NUMBER
    return f.flow_warp(*site.x, **({"fill": np.nan} if empty else {}))


@rule("ChannelNorm")
def channel_norm(site: Site) -> Call:
    x = site.x[0]
    return f.sqrt(f.sum(f.multiply(x, x), axis=(1,), keepdims=True))


@rule("Mean")
def mean(site: Site) -> tuple[Any, ...]:
    p, given = site.p.mean_param, mean_of(site.d)
    scale = p.mean_scale * (1 if p.operation == MeanParameter.ADD else -1)
    tops = []
    for x, bottom in zip(site.x, site.d.bottoms, strict=True):
        summand = scale * np.tile(given, (1, bottom.shape[1] // given.shape[1], 1, 1))
        y = f.add(times(x, p.input_scale), summand.astype(np.float32))
        tops.append(times(y, p.output_scale))
    return tuple(tops)


@rule("Resample")
def resample(site: Site) -> Any:
    return weighted(site.x[0], resample_weights(site.d))


@rule("Downsample")
def downsample(site: Site) -> Any:
    x, weights = site.x[0], downsample_weights(site.d)
    if weights is None:
        return x
    missing = f.isnan(x)
    total = weighted(f.where(missing, 0.0, x), weights)
    there = weighted(f.where(missing, 0.0, 1.0), weights)
    lost = weighted(f.where(missing, 1.0, 0.0), weights)
    return f.where(f.greater(lost, times(there, 0.5)), np.nan, f.divide(total, there))


@rule("Accum")
def accum(site: Site) -> Any:
    size = joint_size(site.d)
    count = len(site.x) - site.p.accum_param.have_reference
    joined = zip(site.x[:count], site.d.bottoms[:count], strict=True)
    parts = [x if b.shape[2:] == size else f.resize(x, size=size) for x, b in joined]
    return f.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def _centre(size: int, part: int) -> np.ndarray:
    """Weights of the pixels in the middle of an axis, as `lowering.augment.moved` takes them."""
    middle, last = np.float32(size / 2), np.float32(size - 1.05)
    at = np.arange(part, dtype=np.float32) - np.float32(part / 2) + middle
    at = np.maximum(np.minimum(at, last), 0)
    low = at.astype(int)
    weights = np.zeros((part, size), np.float32)
    np.add.at(weights, (np.arange(part), low), 1 - (at - low))
    np.add.at(weights, (np.arange(part), np.minimum(low + 1, size - 1)), at - low)
    return weights


@rule("DataAugmentation")
def data_augmentation(site: Site) -> Any:
    """What it does to images that are not moved: the centre, less the mean."""
    p, size = site.p.augmentation_param, site.shape[2:]
    x = images = site.x[0]
    if len(site.x) > 1:
        site.refuse("it moves images by coefficients, which is for training", "bottom")
    if draws(site.d):
        site.refuse("it draws numbers", "augment_during_test")
    if crop := crop_size(site.d):
        x = weighted(x, [_centre(n, part) for n, part in zip(size, crop, strict=True)])
    if p.recompute_mean:
        passes = int(site.values[site.w[0].key].ravel()[0])
        if passes < p.recompute_mean:
            site.refuse(
                f"its mean is that of {p.recompute_mean} passes, of which the weights have seen "
                f"{passes}",
                "recompute_mean",
            )
        x = f.subtract(x, site.w[1 if p.mean_per_pixel else 2])
    elif p.mean:
        x = f.subtract(x, np.array(p.mean, np.float32).reshape(1, -1, 1, 1))
    if len(site.tops) == 1:
        return x
    zero = f.full_like(f.sum(images, axis=(1, 2, 3), keepdims=True), fill_value=0.0)
    return x, f.tile(zero, reps=(1, len(NAMES), 1, 1))


@rule("SpatialTransformer")
def spatial_transformer(site: Site) -> Call:
    how, size = transform(site.d), site.shape[2:]
    fixed, chosen = how.values.reshape(1, 6), np.eye(6, dtype=np.float32)[how.free]
    fixed = np.where(chosen.any(0), 0, fixed).astype(np.float32)
    theta = f.reshape(site.x[1], shape=(site.shape[0], len(how.free)))
    theta = f.matmul(theta, chosen) if len(how.free) < 6 else theta
    theta = f.add(theta, fixed) if fixed.any() else theta
    matrix = f.reshape(theta, shape=(site.shape[0], 2, 3))
    half = np.array(size, np.float32).reshape(1, 2, 1) / 2
    at = f.multiply(f.add(f.matmul(matrix, how.grid), 1.0), half)
    return f.reshape(f.bilinear(site.x[0], at, zeros=True), shape=site.tops[0])
