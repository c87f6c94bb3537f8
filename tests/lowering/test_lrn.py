from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from netc.lowering import lrn
from netc.lowering.plan import Plan, table

from . import reference
from .layouts import LAYOUTS, back, to

PLANS = [Plan("gpu"), *(Plan("cpu", {"lrn": row.implementation}) for row in table("lrn"))]
ACROSS = [
    {"size": 5, "alpha": 0.5, "beta": 0.75, "k": 1.0},
    {"size": 3, "alpha": 1.0, "beta": 0.5, "k": 2.0},
    {"size": 9, "alpha": 2.0, "beta": 1.0, "k": 1.5},
    {"size": 1, "alpha": 0.1, "beta": 0.6, "k": 1.0},
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("how", ACROSS, ids=str)
def test_across_channels(x64, how, layout):
    x = np.random.default_rng(0).normal(size=(2, 7, 4, 3))
    for plan in PLANS:
        f = functools.partial(lrn.across_channels, plan, **how, layout=layout)
        y = back(layout, f(to(layout, x)))
        np.testing.assert_allclose(y, reference.lrn_across(x, **how), rtol=1e-12)
        check_grads(f, (to(layout, x),), order=1, modes=["rev"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(2, 3, 6, 7), (1, 2, 8), (1, 2, 4, 3, 5)], ids=str)
@pytest.mark.parametrize("size", [3, 5])
def test_within_channel(x64, size, shape, layout):
    x = np.random.default_rng(0).normal(size=shape)
    how = {"size": size, "alpha": 1.2, "beta": 0.75}
    for plan in (Plan("cpu"), Plan("gpu")):
        f = functools.partial(lrn.within_channel, plan, **how, layout=layout)
        y = back(layout, f(to(layout, x)))
        np.testing.assert_allclose(y, reference.lrn_within(x, **how), rtol=1e-12)
        check_grads(f, (to(layout, x),), order=1, modes=["rev"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0])
def test_roots_are_exact_to_rounding(beta):
    x = np.float32(np.geomspace(1e-3, 1e6, 4000))
    exact = x.astype(np.float64) ** -beta
    np.testing.assert_allclose(jax.jit(lrn.power, static_argnums=1)(x, beta), exact, rtol=3e-7)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtype_is_kept(dtype):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 4, 4)), dtype)
    across = functools.partial(lrn.across_channels, k=1.0)
    for op in (across, lrn.within_channel):
        for plan in PLANS:
            f = functools.partial(op, plan, size=3, alpha=0.5, beta=0.75)
            y, pull = jax.vjp(jax.jit(f), x)
            assert {y.dtype, pull(y)[0].dtype} == {jnp.dtype(dtype)}
