"""Fillers: their distributions, and that each blob is drawn by itself."""

from __future__ import annotations

import itertools
import math

import jax
import numpy as np
import pytest
from google.protobuf import text_format

from netc.fillers import FILLERS, fan, fill, host_draw, problem, traced_draw
from netc.schema import FillerParameter


def message(text):
    return text_format.Parse(text, FillerParameter())


def drawn(text, shape, seed=0, name="conv1/0"):
    filler = message(text)
    assert problem(filler, shape) is None
    value = fill(filler, shape, host_draw(seed, name))
    assert value.shape == shape and value.dtype == np.float32
    return value


def looks_uniform(x, low, high):
    """In the interval, and mean and spread within five of their standard deviations."""
    width = high - low
    assert low <= x.min() and x.max() <= high
    assert abs(x.mean() - (low + high) / 2) <= 5 * width / math.sqrt(12 * x.size)
    assert abs(x.var() - width**2 / 12) <= 5 * width**2 / math.sqrt(180 * x.size)


def looks_normal(x, mean, std):
    """Moments within five of their standard deviations, and a share of 68 % within one std."""
    assert abs(x.mean() - mean) < 5 * std / math.sqrt(x.size)
    assert abs(x.std() - std) < 5 * std / math.sqrt(2 * x.size)
    assert abs((abs(x - mean) < std).mean() - 0.6827) < 5 * math.sqrt(0.217 / x.size)


FANS = [
    ((20, 30, 5, 4), 600, 400),
    ((40, 300), 300, 40),
    ((5000,), 1, 5000),
    ((2, 3, 50, 4, 3), 1800, 1200),
]
NORMS = ("FAN_IN", "FAN_OUT", "AVERAGE")


def number(norm, fan_in, fan_out):
    return {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[norm]


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out", "norm"), [(*f, n) for f, n in itertools.product(FANS, NORMS)]
)
def test_fan(shape, fan_in, fan_out, norm):
    n = number(norm, fan_in, fan_out)
    assert fan(message(f"variance_norm: {norm}"), shape) == n
    looks_normal(drawn(f"type: 'msra' variance_norm: {norm}", shape), 0, math.sqrt(2 / n))
    bound = math.sqrt(3 / n)
    looks_uniform(drawn(f"type: 'xavier' variance_norm: {norm}", shape), -bound, bound * (1 + 1e-6))


def test_default_norm_is_fan_in():
    assert (
        drawn("type: 'xavier'", (9, 4)) == drawn("type: 'xavier' variance_norm: FAN_IN", (9, 4))
    ).all()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_constant(shape):
    assert (drawn("value: -1.5", shape) == -1.5).all()
    assert (drawn("", shape) == 0).all()
    assert (fill(None, shape) == 0).all()


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("", 0, 1), ("min: -3 max: -2", -3, -2), ("min: 0.25 max: 0.25", 0.25, 0.25)],
)
def test_uniform(text, low, high):
    looks_uniform(drawn(f"type: 'uniform' {text}", (100, 80)), low, high)


@pytest.mark.parametrize(("text", "mean", "std"), [("", 0, 1), ("mean: 3 std: 0.01", 3, 0.01)])
def test_gaussian(text, mean, std):
    looks_normal(drawn(f"type: 'gaussian' {text}", (100, 80)), mean, std)


@pytest.mark.parametrize("sparse", [0, 1, 15, 100])
def test_sparse_gaussian_keeps_sparse_of_the_outputs(sparse):
    x = drawn(f"type: 'gaussian' mean: 5 std: 0.5 sparse: {sparse}", (100, 300))
    share = sparse / 100
    assert abs((x != 0).mean() - share) <= 5 * math.sqrt(share * (1 - share) / x.size)
    if sparse:
        looks_normal(x[x != 0], 5, 0.5)


@pytest.mark.parametrize("shape", [(7, 40), (3, 2, 5, 6), (4,)])
def test_positive_unitball_rows_sum_to_one(shape):
    x = drawn("type: 'positive_unitball'", shape)
    assert x.min() > 0
    np.testing.assert_allclose(x.reshape(shape[0], -1).sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
def test_bilinear(size):
    factor = math.ceil(size / 2)
    centre = (size - 1) / (2 * factor)
    x = drawn("type: 'bilinear'", (3, 2, size, size))
    for o, c, i, j in np.ndindex(x.shape):
        want = (1 - abs(j / factor - centre)) * (1 - abs(i / factor - centre))
        assert x[o, c, i, j] == pytest.approx(want, rel=1e-6)


DRAWING = [t for t in FILLERS if t not in ("constant", "bilinear")]


@pytest.mark.parametrize("type", DRAWING)
def test_a_draw_depends_on_seed_and_name_only(type):
    text = f"type: '{type}'"
    first = drawn(text, (6, 5))
    drawn(text, (40, 2), name="conv0/0")
    assert (drawn(text, (6, 5)) == first).all()
    assert (drawn(text, (6, 5), seed=1) != first).any()
    assert (drawn(text, (6, 5), name="conv1/1") != first).any()


def test_seeds_may_be_negative():
    assert (drawn("type: 'uniform'", (4,), seed=-1) != drawn("type: 'uniform'", (4,))).any()


@pytest.mark.parametrize("type", FILLERS)
def test_inside_a_program(type):
    filler, shape = (
        message(f"type: '{type}' sparse: {6 if type == 'gaussian' else -1}"),
        (8, 5, 7, 7),
    )
    traced = jax.jit(lambda key: fill(filler, shape, traced_draw(key)))
    x = np.asarray(traced(jax.random.key(0)))
    assert x.shape == shape and x.dtype == np.float32
    assert (np.asarray(traced(jax.random.key(0))) == x).all()
    assert (np.asarray(traced(jax.random.key(1))) != x).any() == (type in DRAWING)
    host = fill(filler, shape, host_draw(0, ""))
    assert abs(x.mean() - host.mean()) < 10 * max(host.std(), 1e-9) / math.sqrt(x.size)
    assert abs(x.std() - host.std()) < 10 * max(host.std(), 1e-9) / math.sqrt(x.size)


@pytest.mark.parametrize(
    ("text", "shape", "sentence"),
    [
        ("type: 'Xavier'", (2, 3), "Unknown filler name: Xavier"),
        ("type: 'uniform' sparse: 2", (2, 3), "Sparsity not supported by this Filler. (uniform)"),
        ("sparse: 0", (2, 3), "Sparsity not supported by this Filler. (constant)"),
        ("type: 'gaussian' sparse: 3", (2, 3), "sparse must be between 0 and the 2 outputs"),
        ("type: 'gaussian' sparse: -2", (2, 3), "sparse must be between 0 and the 2 outputs"),
        ("type: 'gaussian' std: 0", (2, 3), "The gaussian filler needs std > 0, got 0"),
        ("type: 'gaussian' std: -1", (2, 3), "The gaussian filler needs std > 0, got -1"),
        ("type: 'uniform' min: 2", (2, 3), "The uniform filler needs min <= max, got 2 and 1"),
        ("type: 'xavier'", (2, 0), "The xavier filler cannot fill an empty blob (2, 0)"),
        ("type: 'msra'", (), "The msra filler needs at least one axis"),
        ("type: 'bilinear'", (3, 3), "Blob must be 4 dim. (bilinear filler on (3, 3))"),
        (
            "type: 'bilinear'",
            (1, 1, 3, 4),
            "Filter must be square (bilinear filler on (1, 1, 3, 4))",
        ),
    ],
)
def test_refused(text, shape, sentence):
    found = problem(message(text), shape)
    assert found is not None and found[0].startswith(sentence)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("type: 'Xavier'", "did you mean 'xavier'?"),
        ("type: 'xavier' sparse: 1", "drop sparse"),
        ("type: 'gaussian' mean: 2 std: 0", "a filler of one value is type: 'constant' value: 2"),
    ],
)
def test_hints(text, hint):
    found = problem(message(text), (2, 3))
    assert found is not None and found[1] == hint
