import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from netc.lowering.plan import Plan, table
from netc.lowering.reduce import channel_dot, channel_sum

from .layouts import LAYOUTS, to

PLANS = [Plan("cpu", {"channel_sum": row.implementation}) for row in table("channel_sum")]
DOT_PLANS = [Plan("cpu", {"channel_dot": row.implementation}) for row in table("channel_dot")]


@pytest.mark.parametrize(
    "shape", [(4, 3), (2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 2, 2), (0, 3, 2, 2), (2, 3, 0, 2)], ids=str
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_channel_sum(x64, shape, layout):
    x = np.random.default_rng(0).normal(size=shape)
    weights = np.arange(shape[1]) + 1.0
    for plan in PLANS:
        total, pull = jax.vjp(lambda x: channel_sum(plan, x, layout), to(layout, x))  # noqa: B023
        np.testing.assert_allclose(total, x.sum((0, *range(2, x.ndim))), rtol=1e-12)
        want = np.broadcast_to(weights.reshape(1, -1, *(1,) * (x.ndim - 2)), x.shape)
        np.testing.assert_array_equal(pull(jnp.asarray(weights))[0], to(layout, want))


@pytest.mark.parametrize(
    "shape", [(4, 3), (9, 3, 5), (11, 3, 4, 5), (1, 2, 3, 2, 2), (0, 3)], ids=str
)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", DOT_PLANS, ids=str)
def test_channel_dot(x64, plan, shape, layout):
    a, b = np.random.default_rng(0).normal(size=(2, *shape))
    f = jax.jit(lambda a, b: channel_dot(plan, a, b, layout))
    total = f(to(layout, a), to(layout, b))
    np.testing.assert_allclose(total, (a * b).sum((0, *range(2, a.ndim))), rtol=1e-12)
    check_grads(f, (to(layout, a), to(layout, b)), order=1, modes=["rev"])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_narrow_types_are_summed_in_a_wide_one(plan, layout):
    x = jnp.ones((2, 3, 40, 40), "bfloat16")
    total = channel_sum(plan, jnp.asarray(to(layout, np.asarray(x))), layout)
    assert total.dtype == x.dtype
    np.testing.assert_array_equal(np.asarray(total, np.float32), np.full(3, 3200.0))
    for dot_plan in DOT_PLANS:
        total = channel_dot(dot_plan, x, x, layout)
        assert total.dtype == x.dtype
        np.testing.assert_array_equal(total.sum(dtype="float32"), x.size)
