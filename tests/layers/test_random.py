"""Layers that draw: what the draws are like, and what they depend on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ..cases import LayerCase, positive
from .running import compiled, run


def tops(running, key, x):
    return np.asarray(running.layer.apply((), (), jax.random.key(key), jnp.asarray(x))[0][0])


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.9])
def test_dropout_keeps_a_share_and_scales_it_up(ratio):
    fields = f"dropout_param {{ dropout_ratio: {ratio} }}"
    running = run(LayerCase("Dropout", fields, [(100, 200)], [(100, 200)]), "TRAIN")
    x = np.full((100, 200), 3, np.float32)
    y = tops(running, 0, x)
    kept = y != 0
    np.testing.assert_allclose(y[kept], 3 / (1 - ratio), rtol=1e-6)
    deviation = np.sqrt(ratio * (1 - ratio) / y.size)
    assert abs(kept.mean() - (1 - ratio)) < 5 * deviation
    assert (tops(running, 0, x) == y).all() and (tops(running, 1, x) != y).any()


def test_dropout_drops_the_same_in_the_gradient():
    running = run(LayerCase("Dropout", "", [(8, 9)], [(8, 9)]), "TRAIN")
    x = jnp.ones((8, 9))
    f = lambda x: running.layer.apply((), (), jax.random.key(4), x)[0][0]  # noqa: E731
    np.testing.assert_array_equal(jax.grad(lambda x: f(x).sum())(x), f(x))


def test_dropout_without_scale():
    fields = "dropout_param { dropout_ratio: 0.25 scale_train: false }"
    running = run(LayerCase("Dropout", fields, [(30, 40)], [(30, 40)]), "TRAIN")
    y = tops(running, 0, np.full((30, 40), 3, np.float32))
    assert set(y.ravel()) == {0, 3}


def test_dropout_goes_on_in_test():
    fields = "dropout_param { sample_weights_test: true }"
    case = LayerCase("Dropout", fields, [(30, 40)], [(30, 40)])
    x = np.full((30, 40), 3, np.float32)
    train, test = (tops(run(case, phase), 0, x) for phase in ("TRAIN", "TEST"))
    np.testing.assert_array_equal(train, test)
    assert set(test.ravel()) == {0, 6}


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_only_training_draws(phase):
    case = LayerCase("Dropout", "", [(2, 3)], [(2, 3)])
    assert run(case, phase).layer.random == (phase == "TRAIN")


def test_stochastic_pooling_samples_in_proportion_to_the_values():
    fields = "pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }"
    draws = 4000
    running = run(LayerCase("Pooling", fields, [(draws, 1, 2, 2)], [(draws, 1, 1, 1)]), "TRAIN")
    window = np.array([[1, 0], [3, 6]], np.float32)
    y = tops(running, 0, np.broadcast_to(window, (draws, 1, 2, 2))).ravel()
    for value, share in ((1, 0.1), (3, 0.3), (6, 0.6)):
        assert abs((y == value).mean() - share) < 5 * np.sqrt(share * (1 - share) / draws)
    assert set(y) == {1, 3, 6}


def test_stochastic_pooling_sends_the_gradient_to_the_sample():
    fields = "pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }"
    running = run(LayerCase("Pooling", fields, [positive(2, 3, 4, 4)], [(2, 3, 2, 2)]), "TRAIN")
    x = jnp.asarray(running.bottoms[0], jnp.float32)
    f = lambda x: running.layer.apply((), (), jax.random.key(4), x)[0][0]  # noqa: E731
    dx = np.asarray(jax.grad(lambda x: f(x).sum())(x))
    assert dx.sum() == 24 and set(dx.ravel()) == {0, 1}
    np.testing.assert_array_equal(np.sort(x[dx == 1]), np.sort(np.asarray(f(x)).ravel()))


def test_spp_draws_anew_at_every_level():
    fields = "spp_param { pyramid_height: 2 pool: STOCHASTIC }"
    x = np.random.default_rng(0).permutation(np.arange(1.0, 17)).reshape(1, 1, 4, 4)
    running = run(LayerCase("SPP", fields, [x], [(1, 5)]), "TRAIN")
    found = np.array([tops(running, key, x)[0] for key in range(60)])
    assert np.isin(found, x).all()
    corners = [x[0, 0, i : i + 2, j : j + 2] for i in (0, 2) for j in (0, 2)]
    for column, part in zip(found.T[1:], corners, strict=True):
        assert np.isin(column, part).all() and len(set(column)) > 1
    assert len({tuple(row[:2]) for row in found}) > len(set(found[:, 0]))


DUMMY = """
layer { name: "d" type: "DummyData" top: "a" top: "b" top: "c" dummy_data_param {
  shape { dim: 300 dim: 4 }
  data_filler { type: "uniform" min: 2 max: 3 } data_filler { value: 7 }
  data_filler { type: "gaussian" mean: -5 std: 0.1 sparse: 30 } } }
"""


def test_dummy_data_draws_anew_in_every_pass():
    program = compiled(DUMMY)
    apply = jax.jit(lambda k: program.apply({}, {}, jax.random.key(k), {})[0])
    first, again, second = (
        {k: np.asarray(v) for k, v in apply(seed).items()} for seed in (0, 0, 1)
    )
    assert all((first[k] == again[k]).all() for k in "abc")
    assert (first["b"] == 7).all() and (second["b"] == 7).all()
    assert (first["a"] != second["a"]).any() and (first["c"] != second["c"]).any()
    assert first["a"].min() >= 2 and first["a"].max() < 3
    assert abs(first["a"].mean() - 2.5) < 5 * np.sqrt(1 / 12 / 1200)
    kept = first["c"] != 0
    assert abs(kept.mean() - 0.1) < 5 * np.sqrt(0.09 / 1200)
    assert abs(first["c"][kept].mean() + 5) < 5 * 0.1 / np.sqrt(kept.sum())


def test_the_tops_of_dummy_data_are_drawn_one_by_one():
    text = """layer { name: 'd' type: 'DummyData' top: 'a' top: 'b' dummy_data_param {
      shape { dim: 9 } data_filler { type: 'uniform' } } }"""
    tops, _ = compiled(text).apply({}, {}, jax.random.key(0), {})
    assert (np.asarray(tops["a"]) != np.asarray(tops["b"])).all()


def test_constant_dummy_data_needs_no_key():
    text = "layer { name: 'd' type: 'DummyData' top: 'a' dummy_data_param { shape { dim: 2 } } }"
    program = compiled(text)
    assert not program.graph.nodes[0].set_up.random
    assert (program.apply({}, {}, None, {})[0]["a"] == 0).all()
