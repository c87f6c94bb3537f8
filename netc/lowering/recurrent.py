"""Recurrences over time: one compiled step, whatever the number of steps."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from netc.lowering.dense import product
from netc.lowering.plan import Plan

States = tuple[Array, ...]
# (pre-activations (N, G), cont (N, 1), states before) -> states after; all states are (N, H)
Cell = Callable[[Array, Array, States], States]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def recur(plan: Plan, cell: Cell, x: Array, w: Array, cont: Array, first: States) -> States:
    """Every state at every time, (T, N, H) each: s_t = cell(x_t + (cont_t h_{t-1}) W^T, cont_t,
    s_{t-1}), where h is the first state and s_0 is `first`.

    x: (T, N, G). w: (G, H). cont: (T, N, 1), which gets no gradient. Going back, the steps only
    pass the gradients of the states on; that of W is one product over all of time.
    """
    return _forward(plan, cell, x, w, cont, first)[0]


def _forward(plan: Plan, cell: Cell, x: Array, w: Array, cont: Array, first: States):
    def step(states: States, now: tuple[Array, Array]):
        z = now[0] + product(plan, states[0] * now[1], w)
        states = cell(z, now[1], states)
        return states, (states, z)

    _, (states, z) = lax.scan(step, first, (x, cont))
    return states, (z, w, cont, first, states)


def _backward(plan: Plan, cell: Cell, saved, d_states: States):
    z, w, cont, first, states = saved
    across = w.T
    before = jax.tree.map(lambda f, s: jnp.concatenate([f[None], s[:-1]]), first, states)

    def step(d_after: States, now):
        d_out, z, cont, states = now
        _, back = jax.vjp(lambda z, states: cell(z, cont, states), z, states)
        d_z, d_before = back(jax.tree.map(jnp.add, d_after, d_out))
        d_h = d_before[0] + product(plan, d_z, across) * cont
        return (d_h, *d_before[1:]), d_z

    nothing = jax.tree.map(jnp.zeros_like, first)
    d_first, d_z = lax.scan(step, nothing, (d_states, z, cont, before), reverse=True)
    h = before[0] * cont
    d_w = jnp.einsum("tng,tnh->gh", d_z, h)
    return d_z, d_w, jnp.zeros_like(cont), d_first


recur.defvjp(_forward, _backward)
