"""Normalization against formulas in float64, in both layouts and by every implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.lowering.affine import multiply
from netc.lowering.norm import center, normalize, standardize
from netc.lowering.plan import Plan

from .layouts import LAYOUTS, back, to

PLANS = [Plan("cpu"), Plan("cpu", {"channel_sum": "native", "channel_dot": "native"})]
SHAPES = [(4, 3), (9, 2, 5), (3, 4, 5, 2), (2, 3, 2, 2, 3)]
EPS = 0.25


def root(v):
    return 1 / jnp.sqrt(v + EPS)


def written_out(x):
    """The same in plain JAX, channels first."""
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) * root(variance)


@pytest.fixture(params=SHAPES, ids=str)
def arrays(request):
    return np.random.default_rng(0).normal(3, 2, (2, *request.param))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_standardize(x64, arrays, layout, plan):
    x, dy = arrays
    f = jax.jit(lambda x: standardize(plan, x, root, layout=layout))
    (y, mean, variance), pull = jax.vjp(f, to(layout, x))
    want, pull_back = jax.vjp(written_out, x)
    axes = (0, *range(2, x.ndim))
    np.testing.assert_allclose(back(layout, y), want, atol=1e-12)
    np.testing.assert_allclose(mean, x.mean(axes), rtol=1e-12)
    np.testing.assert_allclose(variance, x.var(axes), rtol=1e-12)
    zero = jnp.zeros_like(mean)
    (dx,) = pull((to(layout, dy), zero, zero))
    np.testing.assert_allclose(back(layout, dx), pull_back(dy)[0], atol=1e-12)
    given = normalize(jnp.asarray(to(layout, x)), mean, variance, EPS, layout=layout)
    np.testing.assert_allclose(back(layout, given), want, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_center(x64, arrays, layout, plan):
    x, dy = arrays
    axes = (0, *range(2, x.ndim))
    y, pull = jax.vjp(lambda x: center(plan, x, layout=layout), to(layout, x))
    np.testing.assert_allclose(back(layout, y), x - x.mean(axes, keepdims=True), atol=1e-12)
    (dx,) = pull(to(layout, dy))
    np.testing.assert_allclose(back(layout, dx), dy - dy.mean(axes, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("shared", [False, True])
def test_multiply(x64, arrays, layout, plan, shared):
    x, dy = arrays
    factor = np.array(0.5) if shared else np.arange(x.shape[1]) - 0.5
    column = factor.reshape(-1, *(1,) * (x.ndim - 2)) if factor.ndim else factor
    f = jax.jit(lambda x, factor: multiply(plan, x, factor, layout=layout))
    y, pull = jax.vjp(f, to(layout, x), factor)
    np.testing.assert_allclose(back(layout, y), x * column, rtol=1e-12)
    dx, dfactor = pull(to(layout, dy))
    np.testing.assert_allclose(back(layout, dx), dy * column, rtol=1e-12)
    axes = None if shared else (0, *range(2, x.ndim))
    np.testing.assert_allclose(dfactor, (x * dy).sum(axes), rtol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mean_far_from_zero_costs_no_digits(layout):
    x = 1e4 + np.random.default_rng(0).normal(size=(8, 3, 16, 16)).astype(np.float32)
    y, _, variance = standardize(Plan("cpu"), to(layout, x), root, layout=layout)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(variance, wide.var((0, 2, 3)), rtol=1e-3)
    np.testing.assert_allclose(back(layout, y), written_out(wide), atol=1e-2)


def test_a_constant_channel_has_finite_numbers():
    x = jnp.full((4, 2, 3), 7.0)
    f = lambda x: standardize(Plan("cpu"), x, lambda v: 1 / (jnp.sqrt(v) + 1e-9))[0]  # noqa: E731
    y, pull = jax.vjp(f, x)
    assert not y.any() and jnp.isfinite(pull(jnp.ones_like(y))[0]).all()


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_narrow_types_have_wide_statistics(kind):
    x = jnp.asarray(np.random.default_rng(0).normal(20, 1, (16, 3, 32, 32)), kind)
    (y, mean, variance), pull = jax.vjp(lambda x: standardize(Plan("cpu"), x, root), x)
    assert (y.dtype, mean.dtype, variance.dtype) == (x.dtype, jnp.float32, jnp.float32)
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(variance, exact.var((0, 2, 3)), rtol=1e-4)
    assert pull((y, mean, variance))[0].dtype == x.dtype
