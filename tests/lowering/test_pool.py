from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from netc.lowering import pool
from netc.lowering.plan import Plan, table

from . import reference
from .layouts import LAYOUTS, back, to


class Case(NamedTuple):
    x: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    ceil: bool = True

    def how(self):
        return {k: getattr(self, k) for k in ("kernel", "stride", "pad", "ceil")}


CASES = {
    "ceil": Case((2, 3, 7, 8), (3, 3), (2, 2), (0, 0)),
    "floor": Case((2, 3, 8, 8), (3, 3), (2, 2), (0, 0), ceil=False),
    "pad": Case((2, 3, 6, 6), (3, 3), (2, 2), (1, 1)),
    "pad_unstrided": Case((1, 2, 5, 6), (3, 3), (1, 1), (1, 1)),
    "clipped": Case((1, 2, 5, 5), (2, 2), (3, 3), (1, 1)),
    "rectangular": Case((1, 2, 9, 8), (3, 4), (3, 1), (1, 0)),
    "stride_over_kernel": Case((1, 2, 8, 9), (2, 1), (3, 4), (0, 0)),
    "window_outside_dropped": Case((1, 1, 5, 4), (1, 1), (4, 4), (0, 0)),
    "wide_pad": Case((1, 2, 6, 7), (5, 4), (2, 3), (4, 2)),
    "whole": Case((2, 3, 5, 4), (5, 4), (1, 1), (0, 0)),
    "over_the_edge": Case((1, 2, 4, 4), (6, 5), (2, 2), (1, 1)),
    "line": Case((2, 3, 9), (3,), (2,), (1,)),
    "volume": Case((1, 2, 5, 4, 6), (2, 3, 2), (2, 1, 2), (1, 1, 0)),
}
MAX_PLANS = [Plan("cpu", {"max_pool": r.implementation}) for r in table("max_pool")]
AVE_PLANS = [Plan("cpu", {"ave_pool": r.implementation}) for r in table("ave_pool")]


def every_way(op, plans, case, layout):
    """A program giving (value, gradient) of an operation for every plan, channels first."""

    @jax.jit
    def run(x, dy):
        results = []
        for plan in plans:
            f = functools.partial(op, plan, **case.how(), layout=layout)
            y, pull = jax.vjp(f, x)
            results.append((y, pull(dy)[0]))
        return results

    def both(x, dy):
        results = run(to(layout, x), to(layout, dy))
        return [(back(layout, y), back(layout, dx)) for y, dx in results]

    return both


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_max_pool_with_ties(x64, name, layout):
    case = CASES[name]
    rng = np.random.default_rng(5)
    run = every_way(pool.max_pool, MAX_PLANS, case, layout)
    dy = rng.normal(size=reference.max_pool(np.zeros(case.x), None, **case.how())[0].shape)
    for levels in (1, 2, 1000):
        x = rng.integers(-levels, levels, case.x).astype(float)
        y, mask, dx = reference.max_pool(x, dy, **case.how())
        for got_y, got_dx in run(x, dy):
            np.testing.assert_array_equal(got_y, y)
            np.testing.assert_allclose(got_dx, dx, atol=1e-12)
    masked = functools.partial(pool.max_pool_with_mask, Plan("cpu"), **case.how(), layout=layout)
    got_y, got_mask = jax.jit(masked)(to(layout, x))
    np.testing.assert_array_equal(back(layout, got_y), y)
    np.testing.assert_array_equal(back(layout, got_mask), mask)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_ave_pool(x64, name, layout):
    case = CASES[name]
    rng = np.random.default_rng(1)
    x = rng.normal(size=case.x)
    dy = rng.normal(size=reference.ave_pool(x, None, **case.how())[0].shape)
    expected = reference.ave_pool(x, dy, **case.how())
    for got in every_way(pool.ave_pool, AVE_PLANS, case, layout)(x, dy):
        for want, have in zip(expected, got, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-12, atol=1e-12)


@settings(max_examples=300)
@given(
    size=st.integers(1, 30), kernel=st.integers(1, 9), stride=st.integers(1, 12),
    pad=st.integers(0, 8), ceil=st.booleans(),
)  # fmt: skip
def test_every_window_meets_the_image(size, kernel, stride, pad, ceil):
    assume(pad < kernel <= size + 2 * pad)
    out = pool.output_size(size, kernel, stride, pad, ceil)
    assert out == reference.pooled_size(size, kernel, stride, pad, ceil) >= 1
    for i in range(out):
        start = i * stride - pad
        assert max(start, 0) < min(start + kernel, size)


def test_lowest_values_and_not_a_number():
    lowest = float(np.finfo(np.float32).min)
    x = jnp.asarray([-jnp.inf, lowest, jnp.nan, 1.0, jnp.nan, -jnp.inf]).reshape(1, 1, 6)
    how = {"kernel": (2,), "stride": (2,), "pad": (0,), "ceil": True}
    y, mask = pool.max_pool_with_mask(Plan("cpu"), x, **how)
    np.testing.assert_array_equal(y.ravel(), np.float32([lowest, 1, lowest]))
    np.testing.assert_array_equal(mask.ravel(), [-1, 3, -1])
    dx = jax.grad(lambda x: pool.max_pool(Plan("cpu"), x, **how).sum())(x)
    np.testing.assert_array_equal(dx.ravel(), [0, 0, 0, 1, 0, 0])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtype_is_kept(dtype):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 6, 6)), dtype)
    how = CASES["pad"].how()
    for op in (pool.max_pool, pool.ave_pool):
        for platform in ("cpu", "gpu"):
            y, pull = jax.vjp(jax.jit(functools.partial(op, Plan(platform), **how)), x)
            assert {y.dtype, pull(y)[0].dtype} == {jnp.dtype(dtype)}
    wide = "float32" if dtype == "bfloat16" else dtype
    assert pool.max_pool_with_mask(Plan("cpu"), x, **how)[1].dtype == wide


def test_the_mask_has_no_gradient():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 1, 4, 4)), "float32")
    how = {"kernel": (2, 2), "stride": (2, 2), "pad": (0, 0), "ceil": True}

    def masks(x):
        return pool.max_pool_with_mask(Plan("cpu"), x, **how)[1].sum()

    np.testing.assert_array_equal(jax.grad(masks)(x), np.zeros(x.shape))


def test_gradients_of_distinct_values(x64):
    x = np.random.default_rng(0).permutation(2 * 3 * 6 * 7).reshape(2, 3, 6, 7) / 10.0
    for plan in (Plan("cpu"), Plan("gpu")):
        for op in (pool.max_pool, pool.ave_pool):
            f = functools.partial(op, plan, **CASES["pad"].how())
            check_grads(f, (x,), order=1, modes=["rev"], eps=1e-3)


def test_wide_windows_are_not_unrolled(x64):
    x = np.arange(300.0).reshape(1, 1, 300)
    how = {"kernel": (300,), "stride": (1,), "pad": (0,), "ceil": True}
    for op, at in ((pool.max_pool, [299]), (pool.ave_pool, [*range(300)])):
        gradient = jax.grad(lambda x: op(Plan("cpu"), x, **how).sum())  # noqa: B023
        assert np.flatnonzero(gradient(x)).tolist() == at
        assert len(jax.make_jaxpr(gradient)(x).eqns) < 40


@pytest.mark.parametrize("way", pool.UNPOOL_WAYS)
def test_unpooling_keeps_the_last_value_for_a_place(way):
    x, places = np.array([[1.0, 2, 3, 4]]), np.array([[5, 0, 5, 9]])
    got = pool.UNPOOL_WAYS[way](jnp.asarray(x, jnp.float32), jnp.asarray(places), 6)
    np.testing.assert_array_equal(got, [[2, 0, 0, 0, 0, 3]])
