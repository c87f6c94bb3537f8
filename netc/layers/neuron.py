"""Element-wise activations: one bottom, one top of the same shape."""

from __future__ import annotations

from netc.layers.base import TEST, Layer, LayerDef, elementwise, register, stochastic
from netc.lazy import jax, jnp


@register("ReLU", bottoms=1, tops=1, in_place=True)
def relu(d: LayerDef) -> Layer:
    """max(x, 0) + negative_slope min(x, 0); the gradient at 0 is the slope.

    Caffe: relu_layer.cpp.
    """
    slope = d.param.relu_param.negative_slope
    if slope == 0:
        return elementwise(lambda x: jnp.where(x > 0, x, jnp.zeros_like(x)))
    return elementwise(lambda x: jnp.where(x > 0, x, slope * x))


@register("Sigmoid", bottoms=1, tops=1, in_place=True)
def sigmoid(d: LayerDef) -> Layer:
    """1 / (1 + exp(-x)), computed as tanh(x / 2) / 2 + 1 / 2. Caffe: sigmoid_layer.cpp."""
    return elementwise(lambda x: 0.5 * jnp.tanh(0.5 * x) + 0.5)


@register("TanH", bottoms=1, tops=1, in_place=True)
def tanh(d: LayerDef) -> Layer:
    """The hyperbolic tangent of x. Caffe: tanh_layer.cpp."""
    return elementwise(lambda x: jnp.tanh(x))


@register("Dropout", bottoms=1, tops=1, in_place=True)
def dropout(d: LayerDef) -> Layer:
    """TRAIN: zero a random fraction dropout_ratio, divide the rest by 1 - dropout_ratio; TEST: x.

    Caffe: dropout_layer.cpp.
    """
    ratio = d.param.dropout_param.dropout_ratio
    if not 0 <= ratio < 1:
        d.fail(f"dropout_ratio must be in [0, 1), got {ratio:g}", "dropout_ratio")
    if d.phase == TEST or ratio == 0:
        return elementwise(lambda x: x)

    def forward(rng, x):
        keep = jax.random.bernoulli(rng, 1 - ratio, x.shape)
        return jnp.where(keep, x / (1 - ratio), jnp.zeros_like(x))

    return stochastic(forward)
