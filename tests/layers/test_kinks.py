"""Gradients where a layer has a kink, a tie or a clamp: Caffe's choice."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ..cases import LayerCase
from .running import compiled, run


def gradients(type, fields, *bottoms, tops=1):
    """The gradients of the sum of the first top to every bottom."""
    bottoms = [np.array(b, np.float64) for b in bottoms]
    running = run(LayerCase(type, fields, bottoms, [()] * tops), "TRAIN")
    blobs, arrays = running.arrays()
    found = jax.grad(lambda xs: running.tops(blobs, xs)[0].sum())(arrays)
    return [np.asarray(g) for g in found]


IMAGE = [[[[1, 5, 5], [5, 2, 0], [0, 5, 3]]]]

# fmt: off
KINKS = [
    ("ReLU", "", [[-1, 0, 1]], [[0, 0, 1]]),
    ("ReLU", "relu_param { negative_slope: 0.5 }", [[-1, 0, 1]], [[0.5, 0.5, 1]]),
    ("ELU", "elu_param { alpha: 0.5 }", [[0, 1]], [[0.5, 1]]),
    ("ELU", "elu_param { alpha: 0.5 lambda: 3 }", [[0, 1]], [[1.5, 3]]),
    ("ReLU6", "", [[-1, 0, 1, 6, 7]], [[0, 0, 1, 0, 0]]),
    ("NegReLU", "relu_param { negative_slope: 0.5 }", [[-1, 0, 1]], [[1, 0.5, 0.5]]),
    ("HardSwish", "", [[-4, -3, 0, 3, 4]], [[0, 0, 0.5, 1, 1]]),
    ("AbsVal", "", [[-2, 0, 3]], [[-1, 0, 1]]),
    ("BNLL", "", [[0, 100, -100]], [[0.5, 1, 0]]),
    ("Clip", "clip_param { min: -1 max: 1 }", [[-1.5, -1, 0, 1, 1.5]], [[0, 1, 1, 1, 0]]),
    ("Clip", "clip_param { min: 1 max: -1 }", [[-1, 0, 1]], [[0, 0, 0]]),
    ("Threshold", "", [[-1, 0, 1]], [[0, 0, 0]]),
    # Caffe divides by 0: NaN.
    ("Power", "power_param { power: 3 }", [[0, 1]], [[0, 3]]),
    ("Power", "power_param { power: 0.5 }", [[0, 4]], [[0, 0.25]]),
    ("Power", "power_param { power: 1.5 shift: -1 }", [[1, 5]], [[0, 3]]),
    ("Power", "power_param { scale: 3 }", [[0, 1]], [[3, 3]]),
    ("Power", "power_param { power: 0 }", [[0, 1]], [[0, 0]]),
    ("Power", "power_param { scale: 0 shift: 2 }", [[0, 1]], [[0, 0]]),
    # The first maximum of each window in row-major order.
    ("Pooling", "pooling_param { kernel_size: 2 }", [IMAGE],
        [[[[[0, 2, 0], [1, 0, 0], [0, 1, 0]]]]]),
    ("Pooling", "pooling_param { global_pooling: true }", [IMAGE],
        [[[[[0, 1, 0], [0, 0, 0], [0, 0, 0]]]]]),
    # The second of the first two equals; a later one has to be greater.
    ("Eltwise", "eltwise_param { operation: MAX }", [[1, 2, 3], [1, 3, 2]], [[0, 0, 1], [1, 1, 0]]),
    ("Eltwise", "eltwise_param { operation: MAX }", [[1, 1, 2], [1, 0, 2], [1, 2, 3]],
        [[0, 0, 0], [1, 0, 0], [0, 1, 1]]),
    # The product of the others, where a factor is 0.
    ("Eltwise", "eltwise_param { operation: PROD }", [[0, 0], [2, 0], [3, 5]],
        [[6, 0], [0, 0], [0, 0]]),
    # The loss is clamped at -log(FLT_MIN), the gradient is not.
    ("SoftmaxWithLoss", "", [[[200, 0]], [1]], [[[1, -1]], [0]]),
    ("SoftmaxWithLoss", "loss_param { ignore_label: 1 }", [[[2, 0]], [1]], [[[0, 0]], [0]]),
    ("EuclideanLoss", "", [[3], [1]], [[2], [-2]]),
    ("Accuracy", "", [[[1, 2]], [1]], [[[0, 0]], [0]]),
]
# fmt: on


@pytest.mark.parametrize(("type", "fields", "bottoms", "want"), KINKS)
def test_gradient_at_a_kink(type, fields, bottoms, want):
    for got, expected in zip(gradients(type, fields, *bottoms), want, strict=True):
        np.testing.assert_allclose(got, np.array(expected, np.float32), rtol=1e-6)


def test_second_top_of_a_loss_has_no_gradient():
    x, label = np.array([[1.0, 2.0]]), np.array([0])
    running = run(LayerCase("SoftmaxWithLoss", "", [x, label], [(), (1, 2)]), "TRAIN")
    blobs, bottoms = running.arrays()
    dx, dlabel = jax.grad(lambda xs: running.tops(blobs, xs)[1][0, 0])(bottoms)
    assert not dx.any() and not dlabel.any()


@pytest.mark.parametrize("score", [88.0, 1e4, 1e30])
def test_largest_loss_is_minus_log_of_the_smallest_float(score):
    x = np.array([[score, 0.0], [0.0, 0.0]])
    running = run(LayerCase("SoftmaxWithLoss", "", [x, np.array([1, 0])], [()]), "TRAIN")
    (loss,) = running.tops(*running.arrays())
    assert float(loss) == pytest.approx((126 * np.log(2) + np.log(2)) / 2, rel=1e-6)


def test_gradient_of_prelu_at_0_is_its_slope():
    x = np.array([[-2.0], [0.0], [3.0]])
    running = run(LayerCase("PReLU", "", [x], [(3, 1)], blobs=[(1,)]), "TRAIN")
    (slope,), bottoms = running.arrays()
    top = lambda slope, x: running.tops([slope], [x])[0].sum()  # noqa: E731
    dslope, dx = jax.grad(top, (0, 1))(slope, *bottoms)
    np.testing.assert_array_equal(dx, [slope, slope, [1]])
    np.testing.assert_array_equal(dslope, [-2])


@pytest.mark.parametrize("eps", [1e-9, 0.5])
def test_gradient_of_mvn_takes_the_top_for_the_exact_quotient(eps):
    x, dy = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6))
    shape = x.shape
    running = run(LayerCase("MVN", f"mvn_param {{ eps: {eps} }}", [shape], [shape]), "TRAIN")
    y, pull = jax.vjp(lambda x: running.tops((), [x])[0], jnp.asarray(x, jnp.float32))
    mean = lambda v: v.mean((2, 3), keepdims=True)  # noqa: E731
    along = mean(dy * np.asarray(y)) * y
    want = (dy - mean(dy) - along) / (x.std((2, 3), keepdims=True) + eps)
    np.testing.assert_allclose(pull(jnp.asarray(dy, jnp.float32))[0], want, atol=2e-6)


def test_gradient_of_a_shared_factor_adds_up_at_batch_size_1():
    net = """
    layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 3 } } }
    layer { name: "a" type: "Scale" bottom: "x" top: "y" param { name: "s" } }
    layer { name: "b" type: "Scale" bottom: "x" top: "z" param { name: "s" } }
    layer { name: "sum" type: "Eltwise" bottom: "y" bottom: "z" top: "loss" loss_weight: 1 }
    """
    program = compiled(net)
    blobs, state = program.init(0)
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    loss = lambda blobs: program.loss(program.apply(blobs, state, None, {"x": x})[0])  # noqa: E731
    np.testing.assert_array_equal(jax.grad(loss)(blobs)["a/0"], [2 * 3, 2 * 12])


@pytest.mark.parametrize("fields", ["", "eltwise_param { operation: PROD }"])
def test_one_blob_twice_adds_its_gradients(fields):
    running = run(LayerCase("Eltwise", fields, [(3,), (3,)], [(3,)]), "TRAIN")
    x = jnp.asarray([1.0, 2.0, 3.0])
    got = jax.grad(lambda x: running.tops((), [x, x])[0].sum())(x)
    np.testing.assert_array_equal(got, [2, 2, 2] if not fields else [2, 4, 6])


@pytest.mark.parametrize("fields", ["", "relu_param { negative_slope: 0.5 }"])
def test_relu_hides_no_nan(fields):
    running = run(LayerCase("ReLU", fields, [np.array([np.nan, -2.0, 3.0])], [(3,)]), "TRAIN")
    (top,) = running.tops(*running.arrays())
    assert np.isnan(top[0]) and np.isfinite(top[1:]).all()
