import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from netc.lowering.dense import inner_product
from netc.lowering.plan import Plan, table

PLANS = [Plan("gpu"), *(Plan("cpu", {"dense": row.implementation}) for row in table("dense"))]


@pytest.mark.parametrize("shape", [(3, 5, 8), (1, 4, 2), (2, 3, 7)], ids=str)
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_inner_product(x64, plan, transpose, shape):
    rows, inputs, outputs = shape
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(rows, inputs)), rng.normal(size=(outputs, inputs))
    w_given = w.T.copy() if transpose else w
    f = jax.jit(lambda x, w: inner_product(plan, x, w, transpose=transpose))
    np.testing.assert_allclose(f(x, w_given), x @ w.T, rtol=1e-12)
    check_grads(f, (x, w_given), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtype_is_kept(dtype):
    x, w = jnp.ones((2, 300), dtype), jnp.ones((8, 300), dtype)
    for plan in PLANS:
        y, pull = jax.vjp(lambda x, w: inner_product(plan, x, w), x, w)  # noqa: B023
        assert {a.dtype for a in (y, *pull(y))} == {jnp.dtype(dtype)}
        np.testing.assert_array_equal(np.asarray(y, np.float32), 300)


def test_large_weights_for_few_rows_are_cut():
    assert Plan("cpu").pick("dense", (16, 9216, 4096)) == "blocks"
    assert Plan("cpu").pick("dense", (4000, 64, 256)) == "native"
    assert Plan("gpu").pick("dense", (16, 9216, 4096)) == "native"
