"""Gradients that are not those of the value, as forks compute them, and weights written over."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.load import parse_net
from netc.schema import SolverParameter
from netc.train.step import make_step, start

from ..cases import LayerCase, labels
from .running import compiled, run

X, LABEL = (6, 4), labels((6,), 3)
COSINES = np.random.default_rng(8).uniform(-0.99, 0.99, (6, 3))
WEIGHT = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)


def gradients(case, phase="TRAIN"):
    """(blobs, first bottom, their gradients) under a weight on every number of the first top."""
    running = run(case, phase)
    blobs, (x, *others) = running.arrays()

    def loss(blobs, x):
        return (running.tops(blobs, [x, *others])[0] * WEIGHT).sum()

    d_blobs, dx = jax.jit(jax.grad(loss, (0, 1)))(blobs, x)
    return [np.asarray(b) for b in blobs], np.asarray(x), [np.asarray(b) for b in d_blobs], dx


def units(w):
    return w / np.sqrt((w * w).sum(1, keepdims=True))


@pytest.mark.parametrize("bias", ["true", "false"])
def test_the_gradient_of_normalized_weights_is_that_of_what_they_became(bias):
    fields = f"inner_product_param {{ num_output: 3 normalize: true bias_term: {bias} }}"
    (w, *_), x, (dw, *_), dx = gradients(
        LayerCase("InnerProduct", fields, [X], [()], dialect="happynear")
    )
    np.testing.assert_allclose(dw, WEIGHT.T @ x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx, WEIGHT @ units(w), rtol=1e-5, atol=1e-6)


def test_distances_move_only_the_centre_of_the_label():
    fields = "inner_distance_param { num_output: 3 update_center_only: true normalize: true }"
    (w,), x, (dw,), dx = gradients(LayerCase("InnerDistance", fields, [X, LABEL], [()]))
    w, want, want_x = units(w), np.zeros((3, 4)), np.zeros((6, 4))
    for m, n in np.ndindex(6, 3):
        step = 2 * WEIGHT[m, n] * (w[n] - x[m])
        want[n] += step if n == LABEL[m] else 0
        want_x[m] -= step
    np.testing.assert_allclose(dw, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dx, want_x, rtol=1e-4, atol=1e-5)


# Powers of the cosine c: the slope of psi, and psi less slope times c; m = 2, 3, 4.
BACKWARD = {
    "DOUBLE": lambda s, c: (4 * s[0] * c, -(2 * s[0] * c**2 + 1)),
    "TRIPLE": lambda s, c: (s[1] * (12 * c**2 - 3), -(8 * s[1] * c**3 - s[2])),
    "QUADRUPLE": lambda s, c: (
        s[3] * (32 * c**3 - 16 * c), -(s[3] * (24 * c**4 - 8 * c**2 - 1) - s[4])
    ),
}  # fmt: skip


def signs(c):
    zero, one = np.sign(c), np.sign(abs(c) - 0.5)
    three = zero * np.sign(2 * c * c - 1)
    return zero, one, zero * (1 + one) - 2, three, 2 * zero + three - 3


@pytest.mark.parametrize("kind", BACKWARD)
def test_sphereface_goes_a_unit_step_for_the_label(kind):
    fields = f"margin_inner_product_param {{ num_output: 3 type: {kind} base: 4 }}"
    (w,), x, (dw,), dx = gradients(LayerCase("MarginInnerProduct", fields, [X, LABEL], [()]))
    w, want, strength = units(w), np.zeros((6, 4)), 4
    for m, n in np.ndindex(6, 3):
        length, step = np.sqrt(x[m] @ x[m]), w[n]
        if n == LABEL[m]:
            c = x[m] @ w[n] / length
            of_w, of_x = BACKWARD[kind](signs(c), c)
            of_x = of_x / length
            size = np.hypot(of_w, of_x)
            step = (of_w * w[n] + of_x * x[m]) / size
        want[m] += WEIGHT[m, n] * (step + strength * w[n]) / (1 + strength)
    np.testing.assert_allclose(dx, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dw, WEIGHT.T @ x, rtol=1e-4, atol=1e-5)


def cut(c):
    return np.clip(c, -(1 - 1e-4), 1 - 1e-4)


@pytest.mark.parametrize(
    ("fields", "slope"),
    [
        ("margin_base: 30", lambda c: np.cos(np.pi / 6) - cut(c) / np.sqrt(1 - cut(c) ** 2) / 2),
        (
            "margin_base: 1.5 type: SOFT",
            lambda c: 1.5 * np.sin(1.5 * np.arccos(c)) / np.sqrt(1 - cut(c) ** 2),
        ),
    ],
)
def test_the_gradient_through_a_margin_is_bounded(fields, slope):
    fields = f"label_specific_margin_param {{ gamma: 0 {fields} }}"
    cosines = np.where(np.arange(6)[:, None] < 5, COSINES, -0.4)
    _, x, _, dx = gradients(LayerCase("LabelSpecificMargin", fields, [cosines, LABEL], [()]))
    want = WEIGHT.copy()
    for m, n in enumerate(LABEL):
        want[m, n] *= np.clip(slope(x[m, n]), 0, 2)
    assert len({float(w) for w in (want / WEIGHT)[range(6), LABEL]} - {0.0, 2.0}) > 1
    np.testing.assert_allclose(dx, want, rtol=1e-4, atol=1e-5)


def test_arccos_has_the_gradient_of_its_bound():
    case = LayerCase("Arccos", "", [np.array([[0.5, 1.0, -1.5]] * 6)], [()])
    _, _, _, dx = gradients(case)
    slope = -1 / np.sqrt(1 - cut(np.array([0.5, 1.0, -1.5])) ** 2)
    np.testing.assert_allclose(dx, WEIGHT * slope.astype(np.float32), rtol=1e-3)


def test_focal_loss_of_faces_takes_alpha_for_1_in_its_gradient():
    fields = "focal_loss_param { alpha: 1.5 gamma: 2 } loss_param { normalization: NONE }"
    case = LayerCase("FocalLoss", fields, [(6, 3), LABEL], [()], dialect="happynear")
    running = run(case, "TRAIN")
    _, (x, label) = running.arrays()
    dx = jax.grad(lambda x: running.tops([], [x, label])[0].sum())(x)
    p = np.asarray(jax.nn.softmax(x, 1))
    own = p[range(6), LABEL][:, None]
    weight = (1.5 - own) ** 2
    slope = weight - 2 * weight / (1 - own) * np.log(own) * own
    np.testing.assert_allclose(dx, slope * (p - np.eye(3)[LABEL]), rtol=1e-4, atol=1e-6)


def test_fix_gradient_is_not_divided_by_the_norm():
    case = LayerCase("Normalize", "normalize_param { fix_gradient: true }", [(6, 3)], [()])
    _, x, _, dx = gradients(case)
    y = x / np.sqrt((x * x).sum(1, keepdims=True) + 1e-6)
    want = WEIGHT - y * (y * WEIGHT).sum(1, keepdims=True)
    np.testing.assert_allclose(dx, want, rtol=1e-4, atol=1e-5)


NET = """
dialect: "happynear"
layer { name: "in" type: "Input" top: "x" top: "t"
  input_param { shape { dim: 5 dim: 3 } shape { dim: 5 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param {
  num_output: 2 normalize: true bias_term: false weight_filler { type: "gaussian" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" }
"""


@pytest.mark.parametrize("passes", [1, 2])
def test_an_iteration_moves_the_weights_that_the_pass_has_written(passes):
    program = compiled(NET)
    p = SolverParameter(
        base_lr=0.1, lr_policy="fixed", momentum=0.0, weight_decay=0.5, iter_size=passes
    )
    blobs, state = program.init(3)
    rng = np.random.default_rng(0)
    fed = [{"x": rng.normal(size=(5, 3)), "t": rng.normal(size=(5, 2))} for _ in range(passes)]
    fed = [{k: v.astype(np.float32) for k, v in one.items()} for one in fed]
    step = make_step(program, p, donate=False)
    carry = start(program, p, jax.tree.map(jnp.asarray, blobs), state)
    w = blobs["ip/0"].astype(np.float64)
    for _ in range(3):
        carry, _ = step(carry, {}, fed, jax.random.key(0))
        w = units(w)
        total = sum((one["x"] @ w.T - one["t"]).T @ one["x"] / 5 for one in fed) / passes
        w = w - 0.1 * (total + 0.5 * w)
    np.testing.assert_allclose(carry.blobs["ip/0"], w, rtol=1e-5)


def test_the_strength_falls_from_pass_to_pass():
    net = """
      layer { name: "in" type: "Input" top: "x" top: "y"
        input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
      layer { name: "ip" type: "MarginInnerProduct" bottom: "x" bottom: "y" top: "ip" top: "lambda"
        margin_inner_product_param { num_output: 4 type: QUADRUPLE base: 1000 gamma: 1 power: 2
          iteration: 3 lambda_min: 25 weight_filler { type: "xavier" } } }"""
    assert not parse_net(net).warnings
    program = compiled(net)
    blobs, state = program.init(0)
    fed = {"x": np.ones((2, 3), np.float32), "y": np.zeros(2, np.float32)}
    seen = []
    for _ in range(3):
        values, state = program.apply(blobs, state, None, fed, keep=["lambda"])
        seen.append(float(values["lambda"][0]))
    assert seen == pytest.approx([1000 / 25, 1000 / 36, 25])
