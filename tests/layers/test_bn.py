"""What layers called BN, and the forks' BatchNorm, have seen; and what their files hold."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from netc.errors import WeightsError
from netc.layers.bn import _as_nvcaffe
from netc.transfer import by_key, by_layer, file_message, targets
from netc.weights import LayerWeights, WeightFile, read_weights, write_weights
from netc.weights.match import match

from ..cases import LayerCase
from .running import compiled, net_text, run

X = (4, 3, 2, 5)


def layer(type, fields, phase="TRAIN", shape=X, dialect=""):
    return run(LayerCase(type, fields, [shape], [shape], dialect=dialect), phase).layer


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(1, 2, shape).astype(np.float32)


def passes(layer, state, count=3):
    """The state after some passes, by the function for either order of axes."""
    blobs = tuple(jnp.ones(b.shape) for b in layer.blobs)
    last = layer.channels_last or (lambda b, s, r, x: layer.apply(b, s, r, jnp.moveaxis(x, -1, 1)))
    for seed in range(count):
        x = draw(*X, seed=seed)
        f, fed = (last, np.moveaxis(x, 1, -1)) if seed % 2 else (layer.apply, x)
        state = f(blobs, tuple(map(jnp.asarray, state)), None, jnp.asarray(fed))[1]
    return [np.asarray(s) for s in state]


def averages(share, first_copies=False):
    """Mean and variance after three passes, by batches drawn as `passes` does."""
    mean = variance = np.zeros(3)
    for seed in range(3):
        x = draw(*X, seed=seed).astype(np.float64)
        part = 1 if first_copies and seed == 0 else share
        mean = (1 - part) * mean + part * x.mean((0, 2, 3))
        variance = (1 - part) * variance + part * x.var((0, 2, 3))
    return mean, variance


@pytest.mark.parametrize(
    ("type", "fields", "dialect", "want"),
    [
        ("BN", "bn_param { momentum: 0.75 }", "", averages(0.25)),
        ("SyncBN", "bn_param { momentum: 0.75 }", "", averages(0.25)),
        ("BN", "bn_param { moving_average: true decay: 0.75 }", "", averages(0.75)),
        (
            "BatchNorm",
            "batch_norm_param { moving_average_fraction: 0.75 }",
            "nvcaffe",
            averages(0.25, first_copies=True),
        ),
    ],
)
def test_averages_move(type, fields, dialect, want):
    norm = layer(type, fields, dialect=dialect)
    start = [np.zeros(s.shape) if s.value is None else s.value for s in norm.state]
    after = passes(norm, start)
    for got, expected in zip(after[:2], want, strict=True):
        np.testing.assert_allclose(got.ravel(), expected, rtol=1e-5)
    assert len(after) == 2 or after[2] == 1


SEEN = [np.array(v, np.float32) for v in ([4.0, -8.0, 1], [2.0, 8.0, 1])]


@pytest.mark.parametrize(
    ("type", "fields", "phase", "dialect"),
    [
        ("BN", "bn_param { eps: 0.5 slope_filler { } }", "TEST", ""),
        ("BN", "bn_param { var_eps: 0.5 moving_average: true }", "TEST", ""),
        ("BatchNorm", "batch_norm_param { eps: 0.5 scale_bias: true }", "TEST", ""),
        ("BatchNorm", "batch_norm_param { eps: 0.5 use_global_stats: false }", "TEST", "nvcaffe"),
    ],
)
def test_the_past_counts_and_stays(type, fields, phase, dialect):
    norm = layer(type, fields, phase, dialect=dialect)
    state = [jnp.asarray(v.reshape(s.shape)) for v, s in zip(SEEN, norm.state, strict=False)]
    state += [jnp.ones(s.shape) for s in norm.state[2:]]
    x = draw(*X)
    (y,), after = norm.apply(tuple(jnp.full(b.shape, 2.0) for b in norm.blobs), state, None, x)
    mean, variance = (v.reshape(1, 3, 1, 1) for v in SEEN)
    want = (x - mean) / np.sqrt(variance + 0.5)
    np.testing.assert_allclose(y, 2 * want + 2 if norm.blobs else want, rtol=1e-5, atol=1e-6)
    assert all((a == b).all() for a, b in zip(after, state, strict=True))


def test_frozen_nothing_moves_and_all_four_blobs_are_in_the_file():
    norm = layer("BN", "bn_param { frozen: true slope_filler { value: 1 } }")
    assert norm.blobs == () and [s.shape for s in norm.state] == [(1, 3, 1, 1)] * 4
    state = [jnp.asarray(np.reshape(v, (1, 3, 1, 1))) for v in ([1.0, 2, 3], [0.5, 0, 1], *SEEN)]
    x = draw(*X)
    (y,), after = norm.apply((), state, None, x)
    slope, bias, mean, variance = state
    want = slope * (x - mean) / np.sqrt(variance + np.float32(1e-5)) + bias
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)
    assert all((a == b).all() for a, b in zip(after, state, strict=True))


def test_deeplab_goes_on_averaging_what_it_does_not_use():
    fields = "batch_norm_param { use_global_stats: true update_global_stats: true }"
    plain = layer("BatchNorm", "batch_norm_param { use_global_stats: false }")
    zeros = [np.zeros(s.shape) for s in plain.state]
    for got, want in zip(
        passes(layer("BatchNorm", fields), zeros), passes(plain, zeros), strict=True
    ):
        np.testing.assert_array_equal(got, want)
    test = layer("BatchNorm", fields, "TEST")
    assert not any(s.any() for s in passes(test, zeros))


def stored(*blobs):
    return LayerWeights("op", "BatchNorm", blobs, (None,) * len(blobs), (False,) * len(blobs))


def test_files_of_other_programs_become_nvcaffe_s():
    mean, variance, scale, bias = (draw(3, seed=i) for i in range(4))
    four, one, other = (np.full(1, v, np.float32) for v in (4, 1, 9))
    sums = _as_nvcaffe(stored(4 * mean, 4 * variance, four))
    for got, want in zip(sums.blobs, (mean, variance, one), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)
    old = _as_nvcaffe(stored(scale, bias, mean, variance, other))
    for got, want in zip(old.blobs, (mean, variance, one, scale, bias), strict=True):
        np.testing.assert_array_equal(got, want)
    new = stored(mean, variance, one, scale, bias)
    assert _as_nvcaffe(new).blobs == new.blobs
    empty = _as_nvcaffe(stored(mean, variance, np.zeros(1, np.float32)))
    assert not empty.blobs[0].any() and not empty.blobs[1].any()


@pytest.mark.parametrize("dialect", ["nvcaffe", "intel"])
def test_statistics_come_before_factor_and_summand(dialect, tmp_path):
    fields = "batch_norm_param { bias_filler { value: 5 } }"
    case = LayerCase("BatchNorm", fields, [X], [X], dialect=dialect)
    program = compiled(net_text(case))
    graph = program.graph
    blobs, state = program.init(0)
    shapes = {k: v.shape for k, v in {**state, **blobs}.items()}
    assert shapes == {"op/0": (3,), "op/1": (3,), "op/2": (1,), "op/3": (3,), "op/4": (3,)}
    assert (
        set(blobs) == {"op/3", "op/4"} and (blobs["op/3"] == 1).all() and (blobs["op/4"] == 5).all()
    )
    write_weights(
        tmp_path / "w.caffemodel", file_message(graph), by_layer(graph, {**blobs, **state})
    )
    held = read_weights(tmp_path / "w.caffemodel")
    assert [b.shape for b in held.layers[-1].blobs] == list(shapes.values())
    assert by_key(graph, match(targets(graph), held)).keys() == shapes.keys()


def test_a_file_of_another_fork_is_told_from_a_wrong_one():
    graph = compiled(net_text(LayerCase("BN", "", [X], [X]))).graph
    two = replace(stored(draw(1, 3, 1, 1), draw(1, 3, 1, 1)), type="BN")
    with pytest.raises(WeightsError, match="2 blobs in the file, 4 in the net") as caught:
        match(targets(graph), WeightFile("m.caffemodel", "n", (two,)))
    assert (
        caught.value.hint
        == "in segnet, enet, parsenet BN is another layer: --dialect segnet takes it so"
    )
