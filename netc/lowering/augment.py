"""Moving images and changing their colours by coefficients, one of each name per image (N,)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
from jax import Array, lax

from netc.lowering.sample import bilinear

Coefficients = Mapping[str, Array]
Pair = tuple[Array, Array]
LEAST = 1e-2  # below it colours are left alone


def seen_from(
    c: Coefficients, x: Array, y: Array, size: Sequence[int], whole: Sequence[int]
) -> Pair:
    """Where pixels (..., P) of the moved image, of `size`, come from in one of size `whole`.

    Mirrored and turned about the centre by `angle`, then moved by (dx, dy) of the size and shrunk
    by zoom. FlowNet2: augmentation_layer_base.cpp, fromCoeff.
    """
    mirror, cos, sin = _turn(c)
    x, y = (x - size[1] / 2) * mirror, y - size[0] / 2
    x, y = cos * x - sin * y, sin * x + cos * y
    x, y = x + c["dx"][..., None] * size[1], y + c["dy"][..., None] * size[0]
    return (
        x / c["zoom_x"][..., None] + whole[1] / 2,
        y / c["zoom_y"][..., None] + whole[0] / 2,
    )


def moved_to(
    c: Coefficients, x: Array, y: Array, size: Sequence[int], whole: Sequence[int]
) -> Pair:
    """The inverse of `seen_from`."""
    mirror, cos, sin = _turn(c)
    x, y = (x - whole[1] / 2) * c["zoom_x"][..., None], (y - whole[0] / 2) * c["zoom_y"][..., None]
    x, y = x - c["dx"][..., None] * size[1], y - c["dy"][..., None] * size[0]
    x, y = cos * x + sin * y, cos * y - sin * x
    return x * mirror + size[1] / 2, y + size[0] / 2


def _turn(c: Coefficients) -> tuple[Array, Array, Array]:
    mirror = jnp.where(c["mirror"] != 0, -1.0, 1.0).astype(c["dx"].dtype)
    return mirror[..., None], jnp.cos(c["angle"])[..., None], jnp.sin(c["angle"])[..., None]


def pixels(size: Sequence[int], dtype: jnp.dtype) -> Pair:
    """x and y of all pixels, (1, P) each."""
    rows, columns = (lax.broadcasted_iota(dtype, size, i).reshape(1, -1) for i in (0, 1))
    return columns, rows


def moved(images: Array, c: Coefficients, size: Sequence[int]) -> Array:
    """Images seen through `seen_from`, bilinearly: (N, C, H, W) -> (N, C, *size).

    Places stay 1.05 pixels from the lower and right edge. FlowNet2: data_augmentation_layer.cu.
    """
    whole = images.shape[2:]
    x, y = seen_from(c, *pixels(size, c["dx"].dtype), size, whole)
    at = jnp.stack(
        [jnp.maximum(jnp.minimum(v, n - 1.05), 0) for v, n in ((y, whole[0]), (x, whole[1]))], 1
    )
    return bilinear(images, at.astype(images.dtype)).reshape(*images.shape[:2], *size)


def recoloured(x: Array, c: Coefficients, most: float) -> Array:
    """Colours weighted at the same brightness, gamma, brightness, contrast: (N, 3, H, W), 0 to 1.

    FlowNet2: data_augmentation_layer.cu, ColorContrastAugmentation.
    """
    gamma, brightness, contrast = (_each(c[k]) for k in ("gamma", "brightness", "contrast"))
    weighted = x * jnp.stack([c[f"color{i}"] for i in (1, 2, 3)], 1)[..., None, None]
    before, after = (v.sum(1, keepdims=True) for v in (x, weighted))
    y = jnp.clip(weighted * (before / (after + 0.01)), 0, 1) ** gamma + brightness
    return jnp.clip(0.5 + (y - 0.5) * contrast, 0, most)


def _each(value: Array) -> Array:
    return value[:, None, None, None]


def _bent(x: Array, c: Coefficients, at: str) -> Array:
    """mult (sign(x) |x|^pow + add), of the coefficients whose names end so."""
    power, add, mult = (c[f"{k}_{at}"][:, None, None] for k in ("pow", "add", "mult"))
    return (jnp.copysign(jnp.abs(x) ** power, x) + add) * mult


def _lifted(x: Array, c: Coefficients, *names: str) -> Array:
    """mult max(x^pow + add, 0), of the coefficients of these names."""
    power, add, mult = (c[name][:, None, None] for name in names)
    return jnp.maximum(x**power + add, 0) * mult


def recoloured_by_axes(x: Array, whole: Array, c: Coefficients, axes: Array, most: float) -> Array:
    """Colours changed along three axes (3, 3), rows, of which the first is about brightness.

    Ranges and mean are those of `whole`, the images before they were moved: (N, 3, H, W) both.
    FlowNet2: data_augmentation_layer.cu, ChromaticEigenAugmentation.
    """

    mean, rows = whole.mean((0, 2, 3)), [axes[i][None, :, None, None] for i in range(3)]
    reach = [jnp.abs((row * whole).sum(1)).max(initial=0) for row in rows]
    longest = _length(reach)
    scale = [jnp.where(r > LEAST, r, 1) for r in reach]
    off = x - mean[None, :, None, None]
    e = [(row * off).sum(1) / s for row, s in zip(rows, scale, strict=True)]
    e = [
        jnp.where(r > LEAST, _bent(v, c, f"nomean{i}"), v)
        for i, (r, v) in enumerate(zip(reach, e, strict=True))
    ]
    light, *pair = (v + axes[i] @ mean / scale[i] for i, v in enumerate(e))
    light = jnp.where(reach[0] > LEAST, _bent(light, c, "withmean0"), light)
    colour = _length(pair)
    vivid = colour > LEAST
    stronger = _lifted(colour, c, "pow_withmean1", "add_withmean1", "mult_withmean1")
    cos, sin = (f(c["col_angle"])[:, None, None] for f in (jnp.cos, jnp.sin))
    turned = cos * pair[0] - sin * pair[1], sin * pair[0] + cos * pair[1]
    e = [v * s for v, s in zip((light, *turned), scale, strict=True)]
    relative = _length(e) / jnp.maximum(longest, LEAST)
    wanted = _lifted(relative, c, "lmult_pow", "lmult_add", "lmult_mult") * longest
    gain = jnp.where(vivid, stronger / jnp.where(vivid, colour, 1), 1)
    e = [e[0], e[1] * gain, e[2] * gain]
    now = _length(e)
    bright = (longest > LEAST) & (now > LEAST)
    gain = wanted / jnp.where(bright, now, 1)
    e = [jnp.where(bright, jnp.minimum(v * gain, r), v) for v, r in zip(e, reach, strict=True)]
    y = sum(axes[i][None, :, None, None] * v[:, None] for i, v in enumerate(e))
    return jnp.clip(y, 0, most)


def _length(parts: Sequence[Array]) -> Array:
    """The length of a vector of three or two parts."""
    return jnp.sqrt(sum(v * v for v in parts))


def shadowed(x: Array, c: Coefficients, most: float) -> Array:
    """Images darkened on one side of a line. FlowNet2: data_augmentation_layer.cu, ApplyEffects."""
    across, down = pixels(x.shape[2:], c["dx"].dtype)
    along = (across - x.shape[3] // 2) * jnp.cos(c["shadow_angle"])[:, None]
    side = along + (down - x.shape[2] // 2) * jnp.sin(c["shadow_angle"])[:, None]
    dark = (side > c["shadow_distance"][:, None]).reshape(len(x), 1, *x.shape[2:])
    return jnp.clip(x - jnp.where(dark, _each(c["shadow_strength"]), 0), 0, most)
