"""What several rules need."""

from __future__ import annotations

import math
from typing import Any

from netc.export.calls import Call, f
from netc.layers.base import Shape


def reshaped(x: Any, shape: Shape, new: Shape) -> Any:
    """x of one shape as another; x itself where they are the same."""
    return x if shape == new else f.reshape(x, shape=new)


def along(x: Any, rank: int, axis: int = 1) -> Call:
    """Numbers for the channels, shaped for an array of that rank."""
    return f.reshape(x, shape=(*(1,) * axis, -1, *(1,) * (rank - axis - 1)))


def affine(x: Any, rank: int, factor: Any, summand: Any = None) -> Call:
    """x times a factor for each channel, plus a summand."""
    y = f.multiply(x, along(factor, rank))
    return y if summand is None else f.add(y, along(summand, rank))


def times(x: Any, factor: float) -> Any:
    """x times a number."""
    return x if factor == 1 else f.multiply(x, factor)


def plus(x: Any, summand: float) -> Any:
    """x plus a number."""
    return x if summand == 0 else f.add(x, summand)


def chosen(**options: Any) -> dict[str, Any]:
    """The options that are not the functions' defaults; one number for several equal ones."""
    plain = {"stride": 1, "pad": 0, "dilation": 1, "group": 1, "uncounted": 0}
    found = {}
    for name, value in options.items():
        flat = _flat(value)
        short = flat[0] if flat and len(set(flat)) == 1 and name in plain else value
        if short != plain.get(name) and flat:
            found[name] = short
    return found


def _flat(value: Any) -> list[Any]:
    return [v for part in value for v in _flat(part)] if isinstance(value, tuple) else [value]


def matrix(x: Any, shape: Shape, axis: int) -> Any:
    """x with the axes before `axis` as rows and those from it on as columns."""
    return reshaped(x, shape, (math.prod(shape[:axis]), math.prod(shape[axis:])))
