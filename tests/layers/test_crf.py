"""Random fields in whole nets."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from ..layer_cases.crf_reference import meanfield
from .running import compiled

V1 = """
input: "unary" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 5
input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 5
layers { type: SPLIT name: "split" bottom: "unary" top: "unary1" top: "unary2" }
layers { type: MULTI_STAGE_MEANFIELD name: "inference1" bottom: "unary1" bottom: "unary2"
  bottom: "data" top: "pred" blobs_lr: 10000 blobs_lr: 10000 blobs_lr: 1000
  multi_stage_meanfield_param { num_iterations: 10 compatibility_mode: POTTS threshold: 2
    theta_alpha: 159 theta_beta: 3 theta_gamma: 3.1 spatial_filter_weight: 3
    bilateral_filter_weight: 5 } }
"""


def test_a_net_of_2015_with_its_first_weights():
    program = compiled(V1, "TEST")
    blobs, state = program.init(0)
    weights = [blobs[f"inference1/{i}"] for i in range(3)]
    for got, want in zip(weights, (3, 5, -1), strict=True):
        np.testing.assert_array_equal(got[0, 0], want * np.eye(3))
    rng = np.random.default_rng(0)
    fed = {"unary": rng.normal(size=(1, 3, 4, 5)), "data": rng.integers(-120, 130, (1, 3, 4, 5))}
    fed = {k: v.astype(np.float32) for k, v in fed.items()}
    run = jax.jit(lambda blobs, fed: program.apply(blobs, state, None, fed)[0]["pred"])
    want = meanfield(
        fed["unary"].astype(float), fed["unary"], fed["data"], *weights,
        steps=10, alpha=159, beta=3, gamma=3.1,
    )  # fmt: skip
    np.testing.assert_allclose(run(blobs, fed), want, rtol=1e-4, atol=1e-4)


def test_labels_of_images_raise_scores_in_whatever_order_is_drawn():
    net = """
      layer { name: "in" type: "Input" top: "x" top: "y"
        input_param { shape { dim: 1 dim: 4 dim: 3 dim: 5 } shape { dim: 1 dim: 3 } } }
      layer { name: "b" type: "AdaptiveBiasChannel" bottom: "x" bottom: "y" top: "b"
        adaptive_bias_channel_param { num_iter: 20 fg_portion: 0.3 bg_portion: 0.3 } }"""
    program = compiled(net)
    x = np.random.default_rng(1).normal(size=(1, 4, 3, 5)).astype(np.float32) * [1]
    x[:, 1] -= 9  # of the labels, the one that wins nowhere
    fed = {"x": x.astype(np.float32), "y": np.array([[0, 1, 3]], np.float32)}
    y = program.apply({}, {}, jax.random.key(3), fed)[0]["b"]
    winner = np.asarray(y)[0].argmax(0)
    assert {0, 1, 3} == set(winner.ravel().tolist())
    best = x[0, [0, 1, 3]].max(0).mean()
    assert float(np.asarray(y)[0].max(0).mean()) == pytest.approx(best, abs=1e-5)
