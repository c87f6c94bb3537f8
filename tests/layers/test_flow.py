"""Layers of optical flow where a row of the case table does not reach: NaN, kinks, files, time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.errors import DataError
from netc.load import parse_solver
from netc.train.step import make_step, start

from ..cases import LayerCase
from .running import compiled, run


def case(type, fields, *shapes, tops=1):
    return LayerCase(type, fields, shapes, [()] * tops)


def top(type, fields, *arrays):
    running = run(case(type, fields, *(a.shape for a in arrays)), "TEST")
    return np.asarray(running.tops((), [jnp.asarray(a, jnp.float32) for a in arrays])[0])


def test_flow_warp_fills_what_comes_from_outside():
    image = np.arange(6.0).reshape(1, 1, 2, 3)
    flow = np.zeros((1, 2, 2, 3))
    flow[0, 0] = [[-0.5, 0, 0.5], [0, 2.5, 0]]
    flow[0, 1, 1, 2] = np.nan
    for fields, fill in (("", 0), ("flow_warp_param { fill_value: NOT_A_NUMBER }", np.nan)):
        want = [[[[fill, 1, 2], [3, fill, fill]]]]
        np.testing.assert_array_equal(top("FlowWarp", fields, image, flow), want)


def test_the_gradient_of_a_warp_is_zero_where_nothing_came_from():
    running = run(case("FlowWarp", "", (1, 1, 2, 3), (1, 2, 2, 3)), "TRAIN")
    flow = jnp.full((1, 2, 2, 3), 9.0)
    image = jnp.ones((1, 1, 2, 3))
    found = jax.grad(lambda *xs: running.tops((), xs)[0].sum(), argnums=(0, 1))(image, flow)
    assert not any(np.any(g) for g in found)


def test_the_gradient_of_a_length_of_zero_is_zero():
    running = run(case("ChannelNorm", "", (1, 2, 1, 1)), "TRAIN")
    gradient = jax.grad(lambda x: running.tops((), [x])[0].sum())
    np.testing.assert_array_equal(gradient(jnp.zeros((1, 2, 1, 1))), np.zeros((1, 2, 1, 1)))


@pytest.mark.parametrize(("lost", "want"), [([1], 1), ([0], np.nan), (range(5), np.nan)])
def test_downsample_is_nan_where_nan_has_more_than_half_the_weight(lost, want):
    x = np.ones((1, 1, 1, 5))
    x[..., list(lost)] = np.nan
    y = top("Downsample", "downsample_param { top_height: 1 top_width: 2 }", x)
    np.testing.assert_allclose(y[0, 0, 0, 0], want, rtol=1e-6)


def test_correlation_of_differences_has_their_gradient():
    fields = "correlation_param { kernel_size: 1 max_displacement: 0 correlation_type: SUBTRACT }"
    running = run(case("Correlation", fields, (1, 1, 1, 3), (1, 1, 1, 3)), "TRAIN")
    a, b = jnp.array([[[[1.0, 2.0, 3.0]]]]), jnp.array([[[[0.0, 2.0, 5.0]]]])
    found = jax.grad(lambda *xs: running.tops((), xs)[0].sum(), argnums=(0, 1))(a, b)
    np.testing.assert_array_equal(found, [[[[[1, 0, -1]]]], [[[[-1, 0, 1]]]]])


EPISODES = "lpq_loss_param { p: [2, 1] q: [1, 1] q_epsilon: 0 pq_episode_starts_at_iter: [0, 2] }"
SOLVER = 'type: "SGD" base_lr: 0 lr_policy: "fixed" iter_size: 2'


def test_lpq_changes_its_powers_at_iterations_of_the_training():
    net = f"""
    layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 1 }} }} }}
    layer {{ name: "w" type: "Bias" bottom: "x" top: "y" }}
    layer {{ name: "loss" type: "LpqLoss" bottom: "y" top: "loss" {EPISODES} }}
    """
    program, solver = compiled(net), parse_solver(SOLVER).message
    blobs, state = program.init(0)
    carry, step = start(program, solver, blobs, state), make_step(program, solver)
    losses = []
    for _ in range(4):
        carry, told = step(
            carry, {}, [{"x": np.full((1, 1), 3.0, np.float32)}] * 2, jax.random.key(0)
        )
        losses.append(float(told.loss))
    assert losses == [9, 9, 3, 3]
    _, there = compiled(net, "TEST").init(0)
    values, _ = compiled(net, "TEST").apply(blobs, there, None, {"x": np.full((1, 1), 3.0)})
    assert values["loss"] == 9


def test_a_mean_from_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mean = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    np.save("mean.npy", mean)
    x = np.ones((1, 6, 2, 2))
    fields = "mean_param { operation: SUBTRACT file: 'mean.npy' }"
    np.testing.assert_array_equal(top("Mean", fields, x), 1 - np.tile(mean, (2, 1, 1))[None])
    with pytest.raises(DataError, match=r"2:\d+: gone.npy.* \(layer 'op', Mean\)"):
        top("Mean", fields.replace("mean.npy", "gone.npy"), np.ones((1, 9, 2, 2)))
