"""The coefficients by which FlowNet2's layers augment images, and how they are drawn.

There are 42 per image, those of AugmentationCoeff in the order of the schema, relative to their
defaults: the difference from 0, or the logarithm of the ratio to 1. FlowNet2:
augmentation_layer_base.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netc import lowering
from netc.layers.base import LayerDef, Shape
from netc.lazy import jax, jnp
from netc.schema import AugmentationCoeff, AugmentationParameter, RandomGeneratorParameter

DEFAULTS = {f.name: f.default_value for f in AugmentationCoeff.DESCRIPTOR.fields}
NAMES = tuple(DEFAULTS)
MOVING = ("mirror", "dx", "dy", "angle", "zoom_x", "zoom_y")  # those that SPATIAL fields draw
SPATIAL = (
    *("mirror", "translate", "translate_x", "translate_y"),
    *("rotate", "zoom", "squeeze"),
)
# field -> the coefficients that are drawn by it, each by itself
CONTRAST = {
    "gamma": ("gamma",),
    "brightness": ("brightness",),
    "contrast": ("contrast",),
    "color": ("color1", "color2", "color3"),
}
AXES = {
    "ladd_pow": ("pow_nomean0",),
    "ladd_add": ("add_nomean0",),
    "ladd_mult": ("mult_nomean0",),
    "col_pow": ("pow_nomean1", "pow_nomean2"),
    "col_add": ("add_nomean1", "add_nomean2"),
    "col_mult": ("mult_nomean1", "mult_nomean2"),
    "sat_pow": ("pow_withmean1",),
    "sat_add": ("add_withmean1",),
    "sat_mult": ("mult_withmean1",),
    "lmult_pow": ("lmult_pow",),
    "lmult_add": ("lmult_add",),
    "lmult_mult": ("lmult_mult",),
    "col_rotate": ("col_angle",),
}
SHADOW = {f: (f,) for f in ("shadow_angle", "shadow_distance", "shadow_strength")}
WITHOUT_EFFECT = {
    f: (f,) for f in ("fog_amount", "fog_size", "motion_blur_angle", "motion_blur_size")
}
EFFECTS = {**SHADOW, **WITHOUT_EFFECT, "noise": ("noise",)}
COLOURS = {**CONTRAST, **AXES, **EFFECTS}
TRIES = 50
NEAR = 1e-3  # coefficients as near as this to their default are taken for it
KINDS = ("uniform", "gaussian", "bernoulli", "uniform_bernoulli", "gaussian_bernoulli")


def given(p: AugmentationParameter, fields: Any) -> list[str]:
    return [f for f in fields if p.HasField(f)]


def check_kinds(d: LayerDef, p: Any) -> None:
    """Every random number is of a known kind."""
    for field, value in p.ListFields():
        if isinstance(value, RandomGeneratorParameter) and value.rand_type not in KINDS:
            d.fail(
                f"Unknown random type {value.rand_type} of {field.name} "
                f"(known: {', '.join(KINDS)})",
                field.name,
            )


def draw(
    p: RandomGeneratorParameter, key: Any, shape: Shape, discount: Any = 1.0, absent: Any = None
) -> Any:
    """Random numbers as the message says; `absent` where a bernoulli gate is closed, else as of 0.

    FlowNet2: rng.cpp, caffe_rng_generate.
    """
    kind, _, gated = p.rand_type.partition("_")
    one, other = jax.random.split(key)
    if kind == "bernoulli":
        value = jax.random.bernoulli(one, p.prob, shape).astype(jnp.float32)
    else:
        noise = (
            jax.random.uniform(one, shape, jnp.float32, -1, 1)
            if kind == "uniform"
            else jax.random.normal(one, shape, jnp.float32)
        )
        value = p.mean + p.spread * (discount if p.apply_schedule else 1.0) * noise

    def finished(x):
        x = jnp.exp(x) if p.exp and kind != "bernoulli" else x
        return p.multiplier * (jnp.round(x) if p.discretize else x)

    if not gated:
        return finished(value)
    closed = finished(jnp.zeros(shape, jnp.float32)) if absent is None else jnp.float32(absent)
    return jnp.where(jax.random.bernoulli(other, p.prob, shape), finished(value), closed)


def _relative(name: str, value: Any) -> Any:
    return jnp.log(value) if DEFAULTS[name] else value


def absolute(coefficients: Any, snap: bool = False) -> dict[str, Any]:
    """The coefficients (N, 42) by name, each (N,)."""
    found = {}
    for i, (name, default) in enumerate(DEFAULTS.items()):
        value = jnp.exp(coefficients[..., i]) if default else coefficients[..., i]
        found[name] = jnp.where(jnp.abs(value - default) < NEAR, default, value) if snap else value
    return found


def array(values: Mapping[str, Any], shape: Shape) -> Any:
    """(*shape, 42) from the relative coefficients that are given, the others 0."""
    zero = jnp.zeros(shape, jnp.float32)
    return jnp.stack([values.get(name, zero) for name in NAMES], -1)


def _movements(p: AugmentationParameter, key: Any, shape: Shape, discount: Any) -> dict[str, Any]:
    """Relative coefficients of how images move."""
    fields = AugmentationParameter.DESCRIPTOR.fields_by_name

    def drawn(field: str, nth: int = 0, absent: float | None = 0.0) -> Any:
        own = jax.random.fold_in(jax.random.fold_in(key, fields[field].number), nth)
        return draw(getattr(p, field), own, shape, discount, absent)

    found: dict[str, Any] = {}
    if p.HasField("mirror"):
        found["mirror"] = (drawn("mirror", absent=None) != 0).astype(jnp.float32)
    if p.HasField("translate"):
        found["dx"], found["dy"] = drawn("translate"), drawn("translate", 1)
    for field, name in (("translate_x", "dx"), ("translate_y", "dy"), ("rotate", "angle")):
        if p.HasField(field):
            found[name] = drawn(field)
    zoom = jnp.log(drawn("zoom", absent=1)) if p.HasField("zoom") else 0.0
    squeeze = jnp.log(drawn("squeeze", absent=1)) if p.HasField("squeeze") else 0.0
    if given(p, ("zoom", "squeeze")):
        found["zoom_x"], found["zoom_y"] = zoom + squeeze, zoom - squeeze
    return found


def generate(
    p: AugmentationParameter, key: Any, base: Any, discount: Any, size: Shape, whole: Shape
) -> Any:
    """base (N, 42) plus what is drawn: of 50 movements the first that shows no edge, else none.

    size, whole: (height, width) of the images after and before.
    FlowNet2: augmentation_layer_base.cpp, generate_valid_spatial_coeffs.
    """
    count, moving = len(base), jax.random.fold_in(key, 0)
    total = base
    if given(p, SPATIAL):
        tried = base[None] + array(_movements(p, moving, (TRIES, count), discount), (TRIES, count))
        corners = ((0, size[1] - 1, 0, size[1] - 1), (0, 0, size[0] - 1, size[0] - 1))
        x, y = (jnp.array(v, jnp.float32)[None, None] for v in corners)
        x, y = lowering.augment.seen_from(absolute(tried), x, y, size, whole)
        fits = (jnp.floor(x) >= 0) & (jnp.floor(x) <= whole[1] - 2)
        fits = (fits & (jnp.floor(y) >= 0) & (jnp.floor(y) <= whole[0] - 2)).all(-1)
        first = jnp.argmax(fits, 0)[None, :, None]
        found = jnp.take_along_axis(tried, first, axis=0)[0]
        total = jnp.where(fits.any(0)[:, None], found, base)
    drawn = {}
    for i, field in enumerate(COLOURS, 1):
        if p.HasField(field):
            absent = 0.0 if field in {**SHADOW, **WITHOUT_EFFECT} else None
            for j, name in enumerate(COLOURS[field]):
                own = jax.random.fold_in(jax.random.fold_in(key, i), j)
                value = draw(getattr(p, field), own, (count,), discount, absent)
                drawn[name] = _relative(name, value)
    return total + array(drawn, (count,))


def discount_at(d: LayerDef, iteration: Any) -> Any:
    """What spreads are multiplied by at an iteration, 1 for the first."""
    p = d.param.coeff_schedule_param
    share = 2 / (1 + jnp.exp(-1.0986 * iteration / p.half_life)) - 1
    return p.initial_coeff + (p.final_coeff - p.initial_coeff) * share
