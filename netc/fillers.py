"""Filler messages to arrays. Caffe: filler.hpp.

The stored layout counts: fan_in = count / shape[0], fan_out = count / shape[1] (count for 1-D).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from netc.errors import did_you_mean
from netc.lazy import jax, jnp
from netc.schema import FillerParameter

Shape = tuple[int, ...]


class Draw(NamedTuple):
    """Where random numbers come from: U[0, 1) and N(0, 1) of a shape, float32, each call anew."""

    uniform: Callable[[Shape], Any]
    normal: Callable[[Shape], Any]


def host_draw(seed: int, name: str) -> Draw:
    """Draws on the host that depend on the seed and a name only: adding a blob changes no other."""
    key = np.array([seed % 2**64, zlib.crc32(name.encode())], np.uint64)
    stream = np.random.Generator(np.random.Philox(key=key))
    return Draw(
        lambda shape: stream.random(shape, np.float32),
        lambda shape: stream.standard_normal(shape, np.float32),
    )


def traced_draw(key: Any) -> Draw:
    """Draws inside a program from a JAX key."""
    keys = iter(jax.random.split(key, 4))
    return Draw(
        lambda shape: jax.random.uniform(next(keys), shape, jnp.float32),
        lambda shape: jax.random.normal(next(keys), shape, jnp.float32),
    )


def fan(filler: FillerParameter, shape: Shape) -> float:
    """The n of xavier and msra: fan_in, fan_out or their mean, by variance_norm."""
    count = math.prod(shape)
    fan_in = count / shape[0]
    fan_out = count / shape[1] if len(shape) > 1 else count
    return {
        FillerParameter.FAN_IN: fan_in,
        FillerParameter.FAN_OUT: fan_out,
        FillerParameter.AVERAGE: (fan_in + fan_out) / 2,
    }[filler.variance_norm]


def _constant(f: FillerParameter, shape: Shape, draw: Draw) -> Any:
    return np.full(shape, f.value, np.float32)


def _uniform(f: FillerParameter, shape: Shape, draw: Draw) -> Any:
    return draw.uniform(shape) * np.float32(f.max - f.min) + np.float32(f.min)


def _gaussian(f: FillerParameter, shape: Shape, draw: Draw) -> Any:
    values = draw.normal(shape) * np.float32(f.std) + np.float32(f.mean)
    if f.sparse < 0:
        return values
    return values * (draw.uniform(shape) < np.float32(f.sparse / shape[0])).astype(np.float32)


def _xavier(f: FillerParameter, shape: Shape, draw: Draw) -> Any:
    bound = math.sqrt(3 / fan(f, shape))
    return draw.uniform(shape) * np.float32(2 * bound) - np.float32(bound)


def _msra(f: FillerParameter, shape: Shape, draw: Draw) -> Any:
    return draw.normal(shape) * np.float32(math.sqrt(2 / fan(f, shape)))


def _positive_unitball(f: FillerParameter, shape: Shape, draw: Draw) -> Any:
    rows = draw.uniform((shape[0], math.prod(shape[1:])))
    return (rows / rows.sum(1, keepdims=True)).reshape(shape)


def _bilinear(f: FillerParameter, shape: Shape, draw: Draw) -> Any:
    size = shape[-1]
    factor = math.ceil(size / 2)
    centre = (size - 1) / (2 * factor)
    ramp = 1 - np.abs(np.arange(size) / factor - centre)
    return np.broadcast_to(np.outer(ramp, ramp), shape).astype(np.float32)


FILLERS: dict[str, Callable[..., Any]] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "xavier": _xavier,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "bilinear": _bilinear,
}


def fill(filler: FillerParameter | None, shape: Shape, draw: Draw | None = None) -> Any:
    """A float32 array of `shape`; zeros without a filler. `problem` says what can be filled.

    draw: may be None for a constant.
    """
    filler = filler if filler is not None else FillerParameter()
    return FILLERS[filler.type](filler, shape, draw)


def _meaningless(f: FillerParameter, shape: Shape) -> tuple[str, str | None] | None:
    """Numbers no distribution has. Caffe: math_functions.cpp, caffe_rng_*."""
    if f.type == "uniform" and f.min > f.max:
        return f"The uniform filler needs min <= max, got {f.min:g} and {f.max:g}", None
    if f.type == "gaussian" and f.std <= 0:
        hint = f"a filler of one value is type: 'constant' value: {f.mean:g}"
        return f"The gaussian filler needs std > 0, got {f.std:g}", hint
    if f.type == "gaussian" and shape and not -1 <= f.sparse <= shape[0]:
        return (
            f"sparse must be between 0 and the {shape[0]} outputs of {shape}, or -1 for none, "
            f"got {f.sparse}",
            None,
        )
    return None


def problem(filler: FillerParameter | None, shape: Shape) -> tuple[str, str | None] | None:
    """Why this filler cannot fill this shape, in Caffe's words, with a hint; None if it can."""
    if filler is None:
        return None
    if filler.type not in FILLERS:
        return f"Unknown filler name: {filler.type}", did_you_mean(filler.type, FILLERS)
    if filler.sparse != -1 and filler.type != "gaussian":
        return f"Sparsity not supported by this Filler. ({filler.type})", "drop sparse"
    if wrong := _meaningless(filler, shape):
        return wrong
    if math.prod(shape) == 0:
        return f"The {filler.type} filler cannot fill an empty blob {shape}", None
    if filler.type in ("xavier", "msra", "positive_unitball", "gaussian") and not shape:
        return f"The {filler.type} filler needs at least one axis", None
    if filler.type == "bilinear" and len(shape) != 4:
        return f"Blob must be 4 dim. (bilinear filler on {shape})", None
    if filler.type == "bilinear" and shape[2] != shape[3]:
        return f"Filter must be square (bilinear filler on {shape})", None
    return None
