import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from netc.lowering.plan import Plan
from netc.lowering.recurrent import recur


def cell(z, cont, states):
    """A step with two states that both feed on each other."""
    h, c = states
    c = cont * jnp.sin(z) * c + h
    return jnp.tanh(z) + c * cont, c


def arrays(dtype=np.float64):
    draw = np.random.default_rng(4)
    x, w = draw.normal(size=(5, 3, 4)), draw.normal(size=(4, 4))
    cont = draw.integers(0, 2, (5, 3, 1))
    first = draw.normal(size=(2, 3, 4))
    return x.astype(dtype), w.astype(dtype), cont.astype(dtype), tuple(first.astype(dtype))


def step_by_step(x, w, cont, first):
    every, states = [], first
    for now, flag in zip(x, cont, strict=True):
        states = cell(now + (states[0] * flag) @ w.T, flag, states)
        every.append(states)
    return tuple(jnp.stack(s) for s in zip(*every, strict=True))


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_states_and_gradients(x64, platform):
    x, w, cont, first = arrays()
    f = jax.jit(lambda x, w, first: recur(Plan(platform), cell, x, w, cont, first))
    for got, want in zip(f(x, w, first), step_by_step(x, w, cont, first), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    check_grads(f, (x, w, first), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtype_is_kept(dtype):
    x, w, cont, first = jax.tree.map(lambda a: jnp.asarray(a, dtype), arrays())
    f = jax.jit(lambda x, w, first: recur(Plan("cpu"), cell, x, w, cont, first))
    y, pull = jax.vjp(f, x, w, first)
    assert {a.dtype for a in jax.tree.leaves((y, pull(y)))} == {jnp.dtype(dtype)}
