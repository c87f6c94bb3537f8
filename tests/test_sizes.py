"""Nets whose batch size depends on values: the program that a batch needs."""

from __future__ import annotations

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.errors import ShapeError
from netc.sizes import Fit, Sizes

from .layers.running import compiled

HEAD = """
layer { name: "in" type: "Input" top: "x" top: "y" top: "s"
  input_param { shape { dim: 5 dim: 3 } shape { dim: 5 } shape { dim: 5 } } }
"""
NET = f"""{HEAD}
layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param {{ num_output: 4 weight_filler {{ type: "gaussian" }} }} }}
layer {{ name: "f" type: "Filter" bottom: "ip" bottom: "y" bottom: "s" top: "some" top: "labels" }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "some" bottom: "labels" top: "loss" }}
"""
ONE_AFTER_ANOTHER = f"""{HEAD}
layer {{ name: "f" type: "Filter" bottom: "x" bottom: "y" bottom: "s" top: "a" top: "b" }}
layer {{ name: "high" type: "Threshold" bottom: "b" top: "high"
  threshold_param {{ threshold: 1 }} }}
layer {{ name: "g" type: "Filter" bottom: "a" bottom: "high" top: "c" }}
"""
X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
Y = np.array([0, 3, 2, 1, 2], np.float32)


def inputs(selector):
    return {"x": X, "y": Y, "s": np.array(selector, np.float32)}


def loss(program, blobs, fed):
    return program.loss(program.apply(blobs, {}, None, fed)[0])


@pytest.mark.parametrize("selector", [[1, 0, 1, 1, 0], [0, 0, 0, 0, 2], [1, 1, -1, 0.5, 1]])
def test_the_items_left_out_do_not_count(selector):
    program = compiled(NET)
    blobs, _ = program.init(0)
    fed = inputs(selector)
    fitted = Sizes(program).fit(blobs, {}, None, fed)
    kept = np.flatnonzero(selector)
    assert fitted.graph.shapes["some"] == (len(kept), 4)
    value, slope = jax.value_and_grad(lambda b: loss(fitted, b, fed))(blobs)
    score = X @ blobs["ip/0"].T + blobs["ip/1"]
    p = np.exp(score) / np.exp(score).sum(1, keepdims=True)
    picked = p[kept, Y[kept].astype(int)]
    assert float(value) == pytest.approx(-np.log(picked).mean(), rel=1e-5)
    error = (p - np.eye(4)[Y.astype(int)])[kept] / len(kept)
    np.testing.assert_allclose(slope["ip/0"], error.T @ X[kept], rtol=1e-4, atol=1e-6)


def test_nothing_is_left():
    program = compiled(NET)
    blobs, _ = program.init(0)
    fed = inputs(np.zeros(5))
    fitted = Sizes(program).fit(blobs, {}, None, fed)
    value, slope = jax.value_and_grad(lambda b: loss(fitted, b, fed))(blobs)
    assert float(value) == 0 and not any(g.any() for g in slope.values())


def test_a_filter_after_a_filter():
    program = compiled(ONE_AFTER_ANOTHER)
    sizes = Sizes(program)
    fed = inputs([1, 1, 0, 1, 1])
    assert sizes.measure({}, {}, None, fed) == Fit((), (4, 2))
    fitted = sizes.fit({}, {}, None, fed)
    (c,) = fitted.apply({}, {}, None, fed)[0].values()
    np.testing.assert_array_equal(c, X[[1, 4]])


def test_one_program_for_each_size(caplog):
    sizes = Sizes(compiled(NET))
    blobs, _ = sizes.program.init(0)
    with caplog.at_level(logging.INFO, "netc"):
        first = sizes.fit(blobs, {}, None, inputs([1, 0, 1, 0, 0]))
        assert sizes.fit(blobs, {}, None, inputs([0, 0, 0, 1, 1])) is first
        assert sizes.fit(blobs, {}, None, inputs([1, 1, 0, 1, 1])) is not first
    assert [r.getMessage() for r in caplog.records] == [
        "Compiling for another size: layer 'f' keeps 2 items",
        "Compiling for another size: layer 'f' keeps 4 items",
    ]


def test_a_net_of_fixed_sizes_has_one_program():
    program = compiled(HEAD)
    sizes = Sizes(program)
    assert sizes.fit({}, {}, None, {}) is program and sizes.of(Fit()) is program


def test_items_that_are_missing_are_nan():
    program = compiled(ONE_AFTER_ANOTHER)
    fed = {k: jnp.asarray(v) for k, v in inputs([1, 0, 0, 0, 1]).items()}
    a = program.apply({}, {}, None, fed, keep=["a"])[0]["a"]
    np.testing.assert_array_equal(a[:2], X[[0, 4]])
    assert a.shape == (5, 3) and np.isnan(a[2:]).all()


def test_a_blob_of_the_size_of_the_batch_is_refused():
    program = compiled(f"""{HEAD}
layer {{ name: "f" type: "Filter" bottom: "x" bottom: "s" top: "a" }}
layer {{ name: "ip" type: "InnerProduct" bottom: "a" top: "ip"
  inner_product_param {{ num_output: 2 axis: 0 }} }}
""")
    with pytest.raises(ShapeError, match=r"changes a blob from 2 x 15 to 2 x 3 \(layer 'ip'"):
        Sizes(program).fit({}, {}, None, inputs([1, 0, 0, 0, 0]))
