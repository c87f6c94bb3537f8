"""Element-wise activations: one bottom, one top of the same shape."""

from __future__ import annotations

import math

import numpy as np

from netc import lowering
from netc.layers.base import (
    TEST,
    Layer,
    LayerDef,
    dims,
    elementwise,
    register,
    stateless,
    stochastic,
)
from netc.layers.loss import with_gradient_of
from netc.lazy import jax, jnp
from netc.schema import ExpParameter, FillerParameter, LogParameter


@register("ReLU", bottoms=1, tops=1, in_place=True)
def relu(d: LayerDef) -> Layer:
    """max(x, 0) + negative_slope min(x, 0); the gradient at 0 is the slope.

    Caffe: relu_layer.cpp.
    """
    slope = d.param.relu_param.negative_slope
    if slope == 0:
        return elementwise(lambda x: jnp.where(x <= 0, jnp.zeros_like(x), x))  # NaN stays NaN
    return elementwise(lambda x: jnp.where(x > 0, x, slope * x))


@register("ReLU6", bottoms=1, tops=1, in_place=True)
def relu6(d: LayerDef) -> Layer:
    """min(max(x, 0), 6); the gradient is 1 between 0 and 6, both excluded. relu6_layer.cpp."""

    def forward(x):
        inside = (x > 0) & (x < 6)
        return jnp.where(inside, x, jax.lax.stop_gradient(jnp.clip(x, 0, 6)))

    return elementwise(forward)


@register("NegReLU", bottoms=1, tops=1, in_place=True)
def neg_relu(d: LayerDef) -> Layer:
    """min(x, 0) + negative_slope max(x, 0); the gradient at 0 is the slope.

    FlowNet2: neg_relu_layer.cpp.
    """
    slope = d.param.relu_param.negative_slope
    return elementwise(lambda x: jnp.where(x < 0, x, slope * x))


@register("PReLU", bottoms=1, tops=1, in_place=True)
def prelu(d: LayerDef) -> Layer:
    """max(x, 0) + a min(x, 0), a learnt per channel or shared: (N, C, *S) -> the same shape.

    The gradient at 0 is a. Caffe: prelu_layer.cpp.
    """
    p, shape = d.param.prelu_param, d.bottoms[0].shape
    if len(shape) < 2:
        d.fail(
            f"Number of axes of bottom blob must be >=2: '{d.param.bottom[0]}' is {dims(shape)}",
            "bottom",
        )
    filler = p.filler if p.HasField("filler") else FillerParameter(type="constant", value=0.25)
    slope = d.blob(() if p.channel_shared else (shape[1],), filler, "filler")

    def forward(blobs, x, layout="NCHW"):
        below = jnp.where(x > 0, jnp.zeros_like(x), x)
        bent = lowering.affine.multiply(d.plan, below, blobs[0], layout=layout)
        return jnp.where(x > 0, x, bent)

    return stateless(
        forward, [slope], channels_last=lambda blobs, x: forward(blobs, x, layout="NHWC")
    )


@register("ELU", bottoms=1, tops=1, in_place=True, fields=("elu_param.lambda",))
def elu(d: LayerDef) -> Layer:
    """lambda x where x > 0, else lambda alpha (exp(x) - 1); the gradient at 0 is lambda alpha.

    Caffe: elu_layer.cpp; NVCaffe adds lambda, 1 by default.
    """
    p = d.param.elu_param
    alpha, scale = p.alpha, getattr(p, "lambda")

    def forward(x):
        below = jnp.where(x > 0, jnp.zeros_like(x), x)
        return jnp.where(x > 0, scale * x, scale * alpha * (jnp.exp(below) - 1))

    return elementwise(forward)


@register("Sigmoid", bottoms=1, tops=1, in_place=True)
def sigmoid(d: LayerDef) -> Layer:
    """1 / (1 + exp(-x)), computed as tanh(x / 2) / 2 + 1 / 2. Caffe: sigmoid_layer.cpp."""
    return elementwise(_sigmoid)


def _sigmoid(x):
    return 0.5 * jnp.tanh(0.5 * x) + 0.5


EDGE = float(np.float32(1) - np.float32(1e-4))


@register("Arccos", bottoms=1, tops=1, in_place=True)
def arccos(d: LayerDef) -> Layer:
    """The angle in radians whose cosine is x, bounded by 1e-4 from 1 and -1.

    The gradient is -1 / sqrt(1 - x^2) of the bounded x, outside as well. happynear:
    arccos_layer.cu.
    """

    def forward(x):
        near = jax.lax.stop_gradient(jnp.clip(x, -EDGE, EDGE))
        return with_gradient_of(-x / jnp.sqrt(1 - near * near), jnp.arccos(near))

    return elementwise(forward)


@register("Swish", bottoms=1, tops=1, in_place=True)
def swish(d: LayerDef) -> Layer:
    """x times the sigmoid of beta x. Caffe: swish_layer.cpp."""
    beta = d.param.swish_param.beta
    return elementwise(lambda x: x * _sigmoid(beta * x))


@register("Mish", bottoms=1, tops=1, in_place=True)
def mish(d: LayerDef) -> Layer:
    """x tanh(log(1 + exp(x))). Misra 2019; mish_layer.cpp."""
    return elementwise(lambda x: x * jnp.tanh(lowering.elementwise.softplus(x)))


@register("HardSwish", bottoms=1, tops=1, in_place=True)
def hard_swish(d: LayerDef) -> Layer:
    """x min(max(x + 3, 0), 6) / 6; the gradient at -3 is 0, at 3 it is 1. Howard et al. 2019."""

    def forward(x):
        bent = x * (x + 3) * (1 / 6)
        return jnp.where(x <= -3, jnp.zeros_like(x), jnp.where(x >= 3, x, bent))

    return elementwise(forward)


@register("TanH", bottoms=1, tops=1, in_place=True)
def tanh(d: LayerDef) -> Layer:
    """The hyperbolic tangent of x. Caffe: tanh_layer.cpp."""
    return elementwise(lambda x: jnp.tanh(x))


@register("Cosine", bottoms=1, tops=1)
def cosine(d: LayerDef) -> Layer:
    """The cosine of x. happynear: cosine_layer.cpp."""
    return elementwise(lambda x: jnp.cos(x))


@register("BNLL", bottoms=1, tops=1, in_place=True)
def bnll(d: LayerDef) -> Layer:
    """The binomial normal log likelihood log(1 + exp(x)). Caffe: bnll_layer.cpp."""
    return elementwise(lambda x: lowering.elementwise.softplus(x))


@register("AbsVal", bottoms=1, tops=1)
def absval(d: LayerDef) -> Layer:
    """The absolute value of x; the gradient at 0 is 0. Caffe: absval_layer.cpp."""
    return elementwise(lambda x: x * jnp.sign(x))  # the gradient of jnp.abs at 0 is 1


@register("Clip", bottoms=1, tops=1, in_place=True)
def clip(d: LayerDef) -> Layer:
    """max(min, min(x, max)); the gradient passes from min to max, both included.

    Caffe: clip_layer.cpp.
    """
    p = d.param.clip_param
    if not d.param.HasField("clip_param"):
        d.fail(
            "Missing required fields: clip_param.min, clip_param.max",
            hint="clip_param { min: 0 max: 6 }",
        )

    def forward(x):
        inside = (x >= p.min) & (x <= p.max)
        limit = jnp.maximum(p.min, jnp.minimum(x, p.max))
        return jnp.where(inside, x, jax.lax.stop_gradient(limit))

    return elementwise(forward)


@register("Threshold", bottoms=1, tops=1, in_place=True, no_gradient=(0,))
def threshold(d: LayerDef) -> Layer:
    """1 where x > threshold, else 0; no gradient passes. Caffe: threshold_layer.cpp."""
    t = d.param.threshold_param.threshold
    return elementwise(lambda x: (x > t).astype(x.dtype))


@register("Power", bottoms=1, tops=1, in_place=True)
def power(d: LayerDef) -> Layer:
    """(shift + scale x) ^ power. Caffe: power_layer.cpp.

    Where power or scale is 0 the top is constant. The gradient of a power above 0, other than 1,
    is 0 at shift + scale x = 0, where Caffe's is NaN.
    """
    p = d.param.power_param
    if p.power * p.scale == 0:
        with np.errstate(all="ignore"):
            constant = np.power(np.float32(p.shift), np.float32(p.power))
        return elementwise(lambda x: jnp.full_like(x, constant))
    return elementwise(lambda x: lowering.elementwise.power(p.shift + p.scale * x, p.power))


@register("Exp", bottoms=1, tops=1, in_place=True)
def exp(d: LayerDef) -> Layer:
    """base ^ (shift + scale x); a base of -1 is e. Caffe: exp_layer.cpp."""
    p = d.param.exp_param
    log_base = _log_base(d, p)
    return elementwise(lambda x: jnp.exp(log_base * p.shift + (log_base * p.scale) * x))


@register("Log", bottoms=1, tops=1, in_place=True)
def log(d: LayerDef) -> Layer:
    """The logarithm to `base` of shift + scale x; a base of -1 is e. Caffe: log_layer.cpp."""
    p = d.param.log_param
    log_base = _log_base(d, p)
    if log_base == 0:
        d.fail("Inf result: 1/log(base) = 1/log(1) = inf", "base")
    return elementwise(lambda x: jnp.log(p.shift + p.scale * x) * (1 / log_base))


def _log_base(d: LayerDef, p: ExpParameter | LogParameter) -> float:
    if p.base == -1:
        return 1.0
    if not p.base > 0:
        d.fail(f"base must be strictly positive, got {p.base:g}", "base", hint="-1 stands for e")
    if math.isinf(p.base):
        d.fail("Inf result: log(base) = log(inf) = inf", "base")
    return math.log(p.base)


@register(
    "Dropout", bottoms=1, tops=1, in_place=True,
    fields=("dropout_param.scale_train", "dropout_param.sample_weights_test"),
)  # fmt: skip
def dropout(d: LayerDef) -> Layer:
    """TRAIN: zero a random fraction dropout_ratio, divide the rest by 1 - dropout_ratio; TEST: x.

    scale_train: false leaves the rest as it is, and TEST multiplies by 1 - dropout_ratio.
    sample_weights_test: true makes TEST as TRAIN.
    Caffe: dropout_layer.cpp; Fast R-CNN has scale_train, SegNet sample_weights_test.
    """
    p = d.param.dropout_param
    ratio = p.dropout_ratio
    if not 0 <= ratio < 1:
        d.fail(f"dropout_ratio must be in [0, 1), got {ratio:g}", "dropout_ratio")
    if ratio == 0 or (d.phase == TEST and p.scale_train and not p.sample_weights_test):
        return elementwise(lambda x: x)
    if d.phase == TEST and not p.sample_weights_test:
        return elementwise(lambda x: (1 - ratio) * x)
    kept = 1 - ratio if p.scale_train else 1

    def forward(rng, x):
        keep = jax.random.bernoulli(rng, 1 - ratio, x.shape)
        return jnp.where(keep, x / kept, jnp.zeros_like(x))

    return stochastic(forward)


@register("SpatialDropout", bottoms=1, tops=1, in_place=True, fields=("spatial_dropout_param",))
def spatial_dropout(d: LayerDef) -> Layer:
    """TRAIN: zero a random fraction dropout_ratio of the channels (N, C, *S), divide the rest by
    1 - dropout_ratio; TEST: x. Intel: spatial_dropout_layer.cpp.
    """
    ratio, shape = d.param.spatial_dropout_param.dropout_ratio, d.bottoms[0].shape
    if not 0 <= ratio < 1:
        d.fail(f"dropout_ratio must be in [0, 1), got {ratio:g}", "dropout_ratio")
    if len(shape) < 2:
        d.fail(f"bottom '{d.param.bottom[0]}' has no channels: {dims(shape)}", "bottom")
    if d.phase == TEST or ratio == 0:
        return elementwise(lambda x: x)
    channels = (*shape[:2], *(1,) * (len(shape) - 2))

    def forward(rng, x):
        keep = jax.random.bernoulli(rng, 1 - ratio, channels)
        return jnp.where(keep, x / (1 - ratio), jnp.zeros_like(x))

    return stochastic(forward)
