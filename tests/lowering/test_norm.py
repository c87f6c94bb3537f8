import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from netc.lowering.norm import batch_norm
from netc.lowering.plan import Plan

from .layouts import LAYOUTS, back, to


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5, 2), (2, 2, 3, 2, 4)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_batch_norm(x64, platform, layout, shape):
    x = np.random.default_rng(0).normal(3, 2, shape)
    axes = (0, *range(2, x.ndim))
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    f = jax.jit(functools.partial(batch_norm, Plan(platform), eps=1e-3, layout=layout))
    y, m, v = f(to(layout, x))
    want = (x - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(back(layout, y), want, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(m, mean.ravel())
    np.testing.assert_allclose(v, variance.ravel())
    check_grads(lambda x: f(x)[0], (to(layout, x),), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)


def test_the_statistics_have_no_gradient():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), "float32")
    gradient = jax.grad(lambda x: sum(s.sum() for s in batch_norm(Plan("cpu"), x, eps=0.1)[1:]))
    np.testing.assert_array_equal(gradient(x), np.zeros(x.shape))


def test_statistics_of_a_narrow_type_are_wide():
    x = jnp.full((8, 2, 30, 30), 3.0, "bfloat16").at[:, :, 0].set(4)
    y, mean, variance = batch_norm(Plan("cpu"), x, eps=1e-5)
    assert (y.dtype, mean.dtype, variance.dtype) == (x.dtype, jnp.float32, jnp.float32)
    np.testing.assert_allclose(mean, [3 + 1 / 30] * 2, rtol=1e-6)
    np.testing.assert_allclose(variance, [29 / 900] * 2, rtol=1e-5)
