"""What a BatchNorm layer has seen: its three blobs, when they move, and who reads them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.load import parse_solver
from netc.train.step import make_step, start
from netc.transfer import by_key, by_layer, file_message, targets
from netc.weights import read_weights, write_weights
from netc.weights.match import match

from ..cases import LayerCase
from .running import compiled, run

FRACTION, EPS = 0.75, 1e-5


def layer(shape, phase="TRAIN", fields=""):
    fields = f"batch_norm_param {{ moving_average_fraction: {FRACTION} {fields} }}"
    return run(LayerCase("BatchNorm", fields, [shape], [shape]), phase).layer


def apply(layer, state, x, *, last=False):
    f = layer.channels_last if last else layer.apply
    (y,), state = f((), tuple(map(jnp.asarray, state)), None, jnp.asarray(x))
    return np.asarray(y), tuple(np.asarray(s) for s in state)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(1, 2, shape).astype(np.float32)


def fresh(channels):
    return tuple(np.zeros(n, np.float32) for n in (channels, channels, 1))


def moved(state, x):
    """The three blobs after a pass over x."""
    rows = np.moveaxis(x.astype(np.float64), 1, -1).reshape(-1, x.shape[1])
    unbiased = rows.var(0, ddof=1) if len(rows) > 1 else rows.var(0)
    seen = (rows.mean(0), unbiased, 1)
    return tuple(FRACTION * old + new for old, new in zip(state, seen, strict=True))


@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (7, 3), (2, 3, 4), (1, 3)], ids=str)
@pytest.mark.parametrize("last", [False, True])
def test_every_pass_moves_the_statistics(shape, last):
    if last and len(shape) != 4:
        pytest.skip("only images have channels last")
    norm, state, want = layer(shape), fresh(3), fresh(3)
    for seed in range(4):
        x = draw(*shape, seed=seed)
        given = np.moveaxis(x, 1, -1) if last else x
        _, state = apply(norm, state, given, last=last)
        want = moved(want, x)
    assert [s.shape for s in state] == [(3,), (3,), (1,)]
    for got, expected in zip(state, want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


SEEN = tuple(np.array(v, np.float32) for v in ([4.0, -8.0], [2.0, 8.0], [4.0]))


@pytest.mark.parametrize(
    ("phase", "fields", "past"),
    [
        ("TRAIN", "", False),
        ("TEST", "", True),
        ("TRAIN", "use_global_stats: false", False),
        ("TEST", "use_global_stats: false", False),
        ("TRAIN", "use_global_stats: true", True),
        ("TEST", "use_global_stats: true", True),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_whose_statistics_count(phase, fields, past, last):
    x = draw(3, 2, 4, 5)
    y, state = apply(
        layer(x.shape, phase, fields), SEEN, np.moveaxis(x, 1, -1) if last else x, last=last
    )
    y = np.moveaxis(y, -1, 1) if last else y
    mean, variance = ([1, -2], [0.5, 2]) if past else (x.mean((0, 2, 3)), x.var((0, 2, 3)))
    mean, variance = (np.reshape(v, (1, 2, 1, 1)) for v in (mean, variance))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + EPS), atol=2e-6)
    for got, want in zip(state, SEEN if past else moved(SEEN, x), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_the_gradient_through_past_statistics():
    x = draw(3, 2, 4, 5)
    norm = layer(x.shape, "TEST")
    dx = jax.grad(lambda x: norm.apply((), SEEN, None, x)[0][0].sum())(x)
    want = np.broadcast_to(1 / np.sqrt(np.reshape([0.5, 2], (1, 2, 1, 1)) + EPS), x.shape)
    np.testing.assert_allclose(dx, want, rtol=1e-6)


def test_one_element_per_channel_has_no_variance_to_correct():
    y, state = apply(layer((1, 3)), fresh(3), draw(1, 3))
    assert not y.any() and not state[1].any()


@pytest.mark.parametrize("name", ["w.caffemodel", "w.caffemodel.h5"])
def test_three_blobs_in_the_file(name, tmp_path):
    graph = compiled(NET).graph
    state = {f"bn/{i}": draw(n, seed=i) for i, n in enumerate((3, 3, 1))}
    blobs = {"scale/0": draw(3), "scale/1": draw(3)}
    write_weights(tmp_path / name, file_message(graph), by_layer(graph, {**blobs, **state}))
    loaded = by_key(graph, match(targets(graph), read_weights(tmp_path / name)))
    assert loaded.keys() == {**blobs, **state}.keys()
    assert all((loaded[k] == v).all() for k, v in state.items())


NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 dim: 2 dim: 2 } } }
layer { name: "bn" type: "BatchNorm" bottom: "x" top: "x"
  batch_norm_param { moving_average_fraction: 0.75 } }
layer { name: "scale" type: "Scale" bottom: "x" top: "y" loss_weight: 1
  scale_param { bias_term: true } }
"""


@pytest.mark.parametrize("rates", ["", "param { lr_mult: 2 decay_mult: 1 } param { } param { }"])
def test_every_pass_of_an_iteration_moves_them_and_no_solver_does(rates):
    program = compiled(NET.replace('type: "BatchNorm"', f'type: "BatchNorm" {rates}'))
    assert program.graph.trainable == ("scale/0", "scale/1")
    solver = parse_solver('base_lr: 0.5 lr_policy: "fixed" weight_decay: 0.5 iter_size: 3').message
    carry = start(program, solver, *program.init(0))
    passes = [{"x": draw(4, 3, 2, 2, seed=i)} for i in range(3)]
    carry, _ = make_step(program, solver, donate=False)(carry, {}, passes, jax.random.key(0))
    want = fresh(3)
    for inputs in passes:
        want = moved(want, inputs["x"])
    for i, expected in enumerate(want):
        np.testing.assert_allclose(carry.state[f"bn/{i}"], expected, rtol=1e-5)


def test_layers_that_share_their_statistics_move_them_in_turn():
    shared = " ".join(f"param {{ name: 's{i}' lr_mult: 0 }}" for i in range(3))
    fields = f"{shared} batch_norm_param {{ moving_average_fraction: {FRACTION} }}"
    program = compiled(f"""
    layer {{ name: "i" type: "Input" top: "x" top: "y"
      input_param {{ shape {{ dim: 4 dim: 2 }} }} }}
    layer {{ name: "a" type: "BatchNorm" bottom: "x" top: "p" {fields} }}
    layer {{ name: "b" type: "BatchNorm" bottom: "y" top: "q" {fields} }}
    """)
    x, y = draw(4, 2), draw(4, 2, seed=1)
    _, state = program.apply({}, program.init(0)[1], None, {"x": x, "y": y})
    assert set(state) == {"a/0", "a/1", "a/2"}
    for i, expected in enumerate(moved(moved(fresh(2), x), y)):
        np.testing.assert_allclose(state[f"a/{i}"], expected, rtol=1e-5)
