"""Layers that work element by element, or pick and sum up elements."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from netc.export.calls import Site, f, rule
from netc.export.rules_common import along, plus, times
from netc.layers.affine import span
from netc.layers.base import Shape
from netc.schema import EltwiseParameter, ReductionParameter


@rule("ReLU")
def relu(site: Site) -> Any:
    slope = site.p.relu_param.negative_slope
    return f.relu(site.x[0], **({"negative_slope": slope} if slope else {}))


@rule("NegReLU")
def neg_relu(site: Site) -> Any:
    """min(x, 0) + slope max(x, 0)"""
    slope = site.p.relu_param.negative_slope
    x = site.x[0]
    return f.add(f.minimum(x, 0.0), times(f.maximum(x, 0.0), slope))


@rule("PReLU")
def prelu(site: Site) -> Any:
    return f.prelu(site.x[0], along(site.w[0], len(site.shape)))


@rule("ELU")
def elu(site: Site) -> Any:
    p = site.p.elu_param
    return times(f.elu(site.x[0], alpha=p.alpha), getattr(p, "lambda"))


@rule("Swish")
def swish(site: Site) -> Any:
    x = site.x[0]
    return f.multiply(x, f.sigmoid(times(x, site.p.swish_param.beta)))


@rule("Clip")
def clip(site: Site) -> Any:
    p = site.p.clip_param
    return f.maximum(f.minimum(site.x[0], p.max), p.min)


@rule("Threshold")
def threshold(site: Site) -> Any:
    return f.above(site.x[0], threshold=site.p.threshold_param.threshold)


@rule("Power")
def power(site: Site) -> Any:
    p, x = site.p.power_param, site.x[0]
    if p.power * p.scale == 0:
        with np.errstate(all="ignore"):
            constant = float(np.power(np.float32(p.shift), np.float32(p.power)))
        return f.full_like(x, fill_value=constant)
    y = plus(times(x, p.scale), p.shift)
    return y if p.power == 1 else f.power(y, p.power)


@rule("Exp")
def exp(site: Site) -> Any:
    p = site.p.exp_param
    log_base = 1.0 if p.base == -1 else math.log(p.base)
    return f.exp(plus(times(site.x[0], log_base * p.scale), log_base * p.shift))


@rule("Log")
def log(site: Site) -> Any:
    p = site.p.log_param
    log_base = 1.0 if p.base == -1 else math.log(p.base)
    return times(f.log(plus(times(site.x[0], p.scale), p.shift)), 1 / log_base)


@rule("Dropout")
def dropout(site: Site) -> Any:
    p = site.p.dropout_param
    if p.sample_weights_test and p.dropout_ratio:
        site.refuse("it draws numbers", "sample_weights_test")
    return site.x[0] if p.scale_train else times(site.x[0], 1 - p.dropout_ratio)


def limited(x: Any) -> Any:
    """min(max(x, 0), 6)"""
    return f.minimum(f.maximum(x, 0.0), 6.0)


# A function of the one bottom each.
PLAIN = {
    "AbsVal": f.abs,
    "BNLL": f.softplus,
    "Cosine": f.cos,
    "HardSwish": lambda x: f.multiply(f.multiply(x, limited(f.add(x, 3.0))), 1 / 6),
    "Mish": lambda x: f.multiply(x, f.tanh(f.softplus(x))),
    "ReLU6": limited,
    "Sigmoid": f.sigmoid,
    "SpatialDropout": lambda x: x,
    "TanH": f.tanh,
}


@rule(*PLAIN)
def plain(site: Site) -> Any:
    return PLAIN[site.p.type](site.x[0])


@rule("Softmax")
def softmax(site: Site) -> Any:
    return f.softmax(site.x[0], axis=site.d.axis(site.p.softmax_param.axis))


def _spread(site: Site, value: Any, first: int, shape: Shape) -> Any:
    """Values for some axes, shaped for all of the bottom's."""
    rank = len(site.shape)
    return f.reshape(value, shape=(*(1,) * first, *shape, *(1,) * (rank - first - len(shape))))


@rule("Scale")
def scale(site: Site) -> Any:
    at = span(site.d, site.p.scale_param, "scale")
    values = [_spread(site, v, at.first, at.shape) for v in (*site.x[1:], *site.w)]
    y = f.multiply(site.x[0], values[0])
    return f.add(y, values[1]) if len(values) > 1 else y


@rule("Bias")
def bias(site: Site) -> Any:
    at = span(site.d, site.p.bias_param, "bias")
    (value,) = (*site.x[1:], *site.w)
    return f.add(site.x[0], _spread(site, value, at.first, at.shape))


@rule("Axpy")
def axpy(site: Site) -> Any:
    factor, x, y = site.x
    shape = site.d.bottoms[1].shape
    return f.add(f.multiply(f.reshape(factor, shape=(*shape[:2], *(1,) * (len(shape) - 2))), x), y)


@rule("Eltwise")
def eltwise(site: Site) -> Any:
    p = site.p.eltwise_param
    x = [times(x, c) for x, c in zip(site.x, p.coeff or [1] * len(site.x), strict=True)]
    if p.operation == EltwiseParameter.SUM:
        return functools.reduce(f.add, x)
    return functools.reduce(
        f.multiply if p.operation == EltwiseParameter.PROD else f.maximum, site.x
    )


TERMS = {
    ReductionParameter.SUM: lambda x: x,
    ReductionParameter.MEAN: lambda x: x,
    ReductionParameter.ASUM: f.abs,
    ReductionParameter.SUMSQ: lambda x: f.multiply(x, x),
}


@rule("Reduction")
def reduction(site: Site) -> Any:
    p, shape = site.p.reduction_param, site.shape
    axis = tuple(range(site.d.axis(p.axis), len(shape)))
    add_up = f.mean if p.operation == ReductionParameter.MEAN else f.sum
    return times(add_up(TERMS[p.operation](site.x[0]), axis=axis), p.coeff)


@rule("ArgMax")
def argmax(site: Site) -> Any:
    p, x, shape = site.p.argmax_param, site.x[0], site.shape
    if p.HasField("axis"):
        return f.largest(x, count=p.top_k, axis=site.d.axis(p.axis))[0 if p.out_max_val else 1]
    found = f.largest(f.reshape(x, shape=(shape[0], math.prod(shape[1:]))), count=p.top_k, axis=1)
    parts = [found[1], found[0]] if p.out_max_val else [found[1]]
    rows = f.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
    return f.reshape(rows, shape=site.tops[0])
