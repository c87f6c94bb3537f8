"""Products with a matrix of weights. Caffe: inner_product_layer.cpp."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

from netc.lowering.plan import Plan


def product_natively(x: Array, w: Array) -> Array:
    """XLA's own x wᵀ."""
    return lax.dot_general(x, w, (((1,), (1,)), ((), ())))


def product_by_blocks(x: Array, w: Array) -> Array:
    """x wᵀ as a batch of two products, each with half of the rows of w on the left.

    XLA's CPU product repacks a large right-hand side for every call; of a batch, the left-hand
    side is read in place.
    """
    halves = w.reshape(2, -1, w.shape[1])
    y = lax.dot_general(halves, jnp.broadcast_to(x, (2, *x.shape)), (((2,), (2,)), ((0,), (0,))))
    return y.reshape(w.shape[0], x.shape[0]).T


WAYS = {"blocks": product_by_blocks, "native": product_natively}


def product(plan: Plan, x: Array, w: Array) -> Array:
    """x wᵀ: (rows, inputs) and (outputs, inputs) -> (rows, outputs)."""
    return WAYS[plan.pick("dense", (*x.shape, w.shape[0]))](x, w)


def inner_product(plan: Plan, x: Array, w: Array, *, transpose: bool = False) -> Array:
    """(rows, inputs) -> (rows, outputs) by weights (outputs, inputs), or the other way round if
    transpose."""

    @jax.custom_vjp
    def f(x, w):
        return x @ w if transpose else product(plan, x, w)

    def backward(saved, dy):
        x, w = saved
        dx = product(plan, dy, w) if transpose else dy @ w
        return dx, x.T @ dy if transpose else dy.T @ x

    f.defvjp(lambda x, w: (f(x, w), (x, w)), backward)
    return f(x, w)
