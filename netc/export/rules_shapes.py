"""Layers that join, cut, copy or reorder."""

from __future__ import annotations

from typing import Any

from netc.export.calls import Site, f, rule
from netc.export.rules_common import reshaped
from netc.layers.spatial import crop_window


@rule("Flatten", "Reshape")
def reshape(site: Site) -> Any:
    return reshaped(site.x[0], site.shape, site.tops[0])


@rule("Split")
def split(site: Site) -> Any:
    return (site.x[0],) * len(site.tops)


@rule("Gather", "Scatter")
def of_one_process(site: Site) -> Any:
    return tuple(site.x)


@rule("Concat")
def concat(site: Site) -> Any:
    p = site.p.concat_param
    axis = p.concat_dim if p.HasField("concat_dim") else site.d.axis(p.axis)
    return f.concatenate(list(site.x), axis=axis)


@rule("Slice")
def slice_(site: Site) -> Any:
    p = site.p.slice_param
    axis = p.slice_dim if p.HasField("slice_dim") else site.d.axis(p.axis)
    if len(site.tops) == 1:
        return site.x[0]
    return f.split(site.x[0], sizes=tuple(top[axis] for top in site.tops), axis=axis)


@rule("Tile")
def tile(site: Site) -> Any:
    p = site.p.tile_param
    axis = site.d.axis(p.axis)
    reps = tuple(p.tiles if i == axis else 1 for i in range(len(site.shape)))
    return f.tile(site.x[0], reps=reps)


@rule("Crop", "Crop (fcn)")
def crop(site: Site) -> Any:
    window = zip(*crop_window(site.d), site.shape, strict=True)
    cut = [(i, a, b) for i, (a, b, n) in enumerate(window) if (a, b) != (0, n)]
    if not cut:
        return site.x[0]
    axis, start, stop = zip(*cut, strict=True)
    return f.crop(site.x[0], axis=axis, start=start, stop=stop)


@rule("Permute")
def permute(site: Site) -> Any:
    given = list(site.p.permute_param.order)
    rest = (i for i in range(len(site.shape)) if i not in given)
    return f.transpose(site.x[0], axes=(*given, *rest))


@rule("ShuffleChannel")
def shuffle_channel(site: Site) -> Any:
    group, (n, c, *size) = site.p.shuffle_channel_param.group, site.shape
    dealt = f.reshape(site.x[0], shape=(n, group, c // group, *size))
    swapped = f.transpose(dealt, axes=(0, 2, 1, *range(3, 3 + len(size))))
    return f.reshape(swapped, shape=site.tops[0])


@rule("Reorg")
def reorg(site: Site) -> Any:
    p, (n, c, h, w) = site.p.reorg_param, site.shape
    s = p.stride
    blocks, order = (n, c // (s * s), h, s, w, s), (0, 3, 5, 1, 2, 4)
    if p.reverse:
        blocks, order = (n, s, s, c // (s * s), h, w), (0, 3, 4, 1, 5, 2)
    y = f.transpose(f.reshape(site.x[0], shape=blocks), axes=order)
    return f.reshape(y, shape=site.tops[0])
