"""Caffe's ApplyUpdate as a chain of optax transformations. Caffe: sgd_solver.cpp."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

if TYPE_CHECKING:
    from netc.schema import SolverParameter

Tree = Any
Rule = Callable[["SolverParameter", optax.GradientTransformation], optax.GradientTransformation]
Problem = tuple[Any, ...]
Check = Callable[["SolverParameter"], Iterable[Problem]]


class Solver(NamedTuple):
    """A solver type.

    rule: (solver message, local_rate) -> the transformation of regularised gradients to steps.
    history: names of the optax state fields that are Caffe's `history`, in file order.
    check: everything that is wrong with the message for this type, as (message, field), and an
        index where the field is repeated.
    decoupled: weight decay joins the step where the rate is applied, instead of the gradient.
    """

    name: str
    rule: Rule
    history: tuple[str, ...]
    check: Check = lambda p: ()
    decoupled: bool = False


def transformation(
    solver: Solver, p: SolverParameter, lr_mult: Tree, decay_mult: Tree
) -> optax.GradientTransformationExtraArgs:
    """Summed gradients to updates: clip, normalise, regularise, the solver's rule, descend.

    lr_mult, decay_mult: trees of floats shaped like the parameters. `update` takes the keyword
    arguments `rate` (this iteration's learning rate), `iteration` (counted from 0) and `decay`
    (the part of weight_decay that counts, 1 by default).
    """
    decay = regularize(p.regularization_type, p.weight_decay, decay_mult)
    rate = local_rate(lr_mult)
    return optax.with_extra_args_support(
        optax.chain(
            clip(p.clip_gradients),
            normalize(p.iter_size),
            optax.identity() if solver.decoupled else decay,
            solver.rule(p, optax.chain(decay, rate) if solver.decoupled else rate),
            optax.scale(-1.0),
        )
    )


def stateless(f: Callable[..., Tree]) -> optax.GradientTransformationExtraArgs:
    """A transformation f(updates, params, **extra) -> updates that keeps nothing."""

    def update(updates: Tree, state: Any, params: Tree = None, **extra: Any) -> tuple[Tree, Any]:
        return f(updates, params, **extra), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def clip(threshold: float) -> optax.GradientTransformation:
    """g threshold / n where the global norm n of the summed gradients exceeds the threshold.

    A negative threshold clips nothing. Caffe clips the sum, before dividing by iter_size.
    """
    if threshold < 0:
        return optax.identity()

    def f(updates: Tree, params: Tree, **extra: Any) -> Tree:
        norm = global_norm(updates)
        factor = jnp.where(norm > threshold, threshold / norm, jnp.ones_like(norm))
        return jax.tree.map(lambda g: g * factor, updates)

    return stateless(f)


def global_norm(tree: Tree) -> jax.Array:
    """The Euclidean norm over all leaves."""
    squares = [(g * g).sum() for g in jax.tree.leaves(tree)]
    return jnp.sqrt(sum(squares[1:], squares[0]) if squares else jnp.zeros(()))


def normalize(iter_size: int) -> optax.GradientTransformation:
    """g / iter_size."""
    if iter_size == 1:
        return optax.identity()
    return stateless(lambda g, _, **extra: jax.tree.map(lambda x: x * (1.0 / iter_size), g))


def regularize(kind: str, weight_decay: float, decay_mult: Tree) -> optax.GradientTransformation:
    """g + decay w (L2) or g + decay sign(w) (L1), decay = part weight_decay decay_mult."""
    penalty = {"L2": lambda w: w, "L1": jnp.sign}[kind]

    def f(updates: Tree, params: Tree, decay: Any = 1.0, **extra: Any) -> Tree:
        def one(g: jax.Array, w: jax.Array, mult: float) -> jax.Array:
            whole = weight_decay * mult
            return g + jnp.asarray(decay * whole, g.dtype) * penalty(w) if whole else g

        return jax.tree.map(one, updates, params, decay_mult)

    return stateless(f)


def local_rate(lr_mult: Tree) -> optax.GradientTransformation:
    """g rate lr_mult."""

    def f(updates: Tree, params: Tree, *, rate: jax.Array, **extra: Any) -> Tree:
        return jax.tree.map(lambda g, m: g * (rate * m).astype(g.dtype), updates, lr_mult)

    return stateless(f)


def mean(beta: float, old: jax.Array, new: jax.Array) -> jax.Array:
    """A moving mean: beta old + (1 - beta) new."""
    return beta * old + (1 - beta) * new


def no_momentum(p: SolverParameter) -> Iterator[Problem]:
    """The check of types that have no momentum."""
    if p.momentum:
        yield f"Momentum cannot be used with {p.type}, got {p.momentum:g}", "momentum"


def fractions(p: SolverParameter, *fields: str) -> Iterator[Problem]:
    """The check of fields that must be in [0, 1) for the history to stay finite."""
    for field in fields:
        value = getattr(p, field)
        if not 0 <= value < 1:
            yield f"{field} of {p.type} must be in [0, 1), got {value:g}", field


def get_history(solver: Solver, state: Any) -> list[Tree]:
    """Caffe's history, one tree per field, out of the state of `transformation`."""
    return [optax.tree.get(state, name) for name in solver.history]


def set_history(solver: Solver, state: Any, history: list[Tree]) -> Any:
    """The state with Caffe's history put in its place."""
    return optax.tree.set(state, **dict(zip(solver.history, history, strict=True)))
