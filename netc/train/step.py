"""One iteration as one compiled function: forward, backward, update. Caffe: solver.cpp, Step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from netc.compile import Arrays, Program
from netc.errors import GraphError
from netc.graph.ir import Graph
from netc.layers.base import dims
from netc.lowering.platform import jit
from netc.parallel import ALONE, OWN, SAME, Replicas
from netc.schema import SolverParameter
from netc.sizes import KEPT, Fit, Sizes
from netc.solvers import SOLVERS, global_norm, mean, schedule, transformation

GOOD = -1


class Carry(NamedTuple):
    """What an iteration changes; its buffers are donated to the next.

    blobs: the learnable blobs that are `followed`. state: carried blobs of layers. history: the
    optax state. iteration: how many are done, int32. losses: the window of average_loss. bad: the
    first iteration whose loss was not finite, or GOOD; from then on nothing moves.
    average: the mean weights of ema_decay. scales: what monitors make of the rate and the decay, by
    use; and where a script may change it, base_lr. sums: of outputs that are monitored, over
    iterations.
    """

    blobs: Arrays
    state: Arrays
    history: Any
    iteration: Any
    losses: Any
    bad: Any
    average: Arrays
    scales: Arrays
    sums: Arrays


class Metrics(NamedTuple):
    """What an iteration reports: device arrays, read when they are due.

    loss: the mean over the passes of the iteration. smoothed: over the window as well.
    outputs: of the last pass. Of several devices, these are the root's.
    norm: of the summed gradients, where they are clipped. sunk: what sinks take, pass by pass.
    """

    loss: Any
    smoothed: Any
    outputs: Arrays
    rate: Any
    norm: Any
    bad: Any
    sunk: tuple[Arrays, ...]


Step = Callable[[Carry, Arrays, Sequence[Mapping[str, Any]], Any], tuple[Carry, Metrics]]


def followed(graph: Graph, p: SolverParameter) -> tuple[str, ...]:
    """Keys of the blobs that an iteration takes the gradients of: those that move and, where
    clip_gradients bounds the norm of all, those besides that force_backward asks for.

    Caffe: net.cpp, Init; sgd_solver.cpp, ClipGradients.
    """
    if graph.message.force_backward and p.clip_gradients >= 0:
        return tuple(param.key for param in graph.params if not param.carried)
    return graph.trainable


def optimizer(program: Program, p: SolverParameter) -> optax.GradientTransformationExtraArgs:
    """The solver's update for the blobs of a program that it follows."""
    params = program.graph.param_by_key
    moving = followed(program.graph, p)
    return transformation(
        SOLVERS[p.type],
        p,
        {k: params[k].lr_mult for k in moving},
        {k: params[k].decay_mult for k in moving},
    )


def start(
    program: Program,
    p: SolverParameter,
    blobs: Arrays,
    state: Arrays,
    scales: Mapping[str, float] | None = None,
    summed: Collection[str] = (),
) -> Carry:
    """The carry before the first iteration: history zero, window empty, the average the blobs.

    scales: those to begin with. summed: the outputs whose sums are wanted.
    """
    return Carry(
        blobs,
        state,
        optimizer(program, p).init(blobs),
        jnp.zeros((), jnp.int32),
        jnp.full((p.average_loss,), jnp.nan, jnp.float32),
        jnp.full((), GOOD, jnp.int32),
        {k: jnp.copy(v) for k, v in blobs.items()} if p.ema_decay else {},
        {k: jnp.float32(v) for k, v in (scales or {}).items()},
        {k: jnp.zeros((), jnp.float32) for k in summed},
    )


def pass_loss(program: Program) -> Callable[..., tuple[Any, tuple[Arrays, Arrays]]]:
    """(moving, frozen, state, key, inputs) -> (loss, (values, state)) of one pass."""

    def f(moving: Arrays, frozen: Arrays, state: Arrays, key: Any, inputs: Arrays) -> Any:
        values, state = program.apply({**frozen, **moving}, state, key, inputs)
        return program.loss(values), (values, state)

    return f


def make_step(
    program: Program,
    p: SolverParameter,
    donate: bool = True,
    sized: Sequence[Program] = (),
    replicas: Replicas = ALONE,
) -> Step:
    """The jitted iteration: (carry, frozen blobs, inputs of each pass, key) -> (carry, metrics).

    The gradient is summed over iter_size passes, in a loop unrolled at compile time.
    sized: the program of each pass, where it is not the same for all.
    replicas: the devices, each of which makes these passes on inputs of its own; the sums are
    averaged over them. What layers carry from pass to pass is then the root's, memory each one's.
    """
    programs = sized or [program] * p.iter_size
    each = [jax.value_and_grad(pass_loss(q), has_aux=True) for q in programs]
    end, graph = _ending(program, p, replicas), program.graph

    def step(
        carry: Carry, frozen: Arrays, passes: Sequence[Mapping[str, Any]], key: Any
    ) -> tuple[Carry, Metrics]:
        state, loss, values = carry.state, jnp.zeros((), jnp.float32), {}
        state = state | {k: carry.iteration.astype(jnp.float32) for k in graph.clocks}
        sums, carry = carry.sums, carry._replace(blobs=rewritten(graph, carry.blobs))
        total: Any = None
        sunk: tuple[Arrays, ...] = ()
        for i, (gradient, inputs) in enumerate(zip(each, passes, strict=True)):
            k = replicas.number(carry.iteration * p.iter_size + i)
            pass_key = jax.random.fold_in(key, k)
            (one, (values, state)), grads = gradient(carry.blobs, frozen, state, pass_key, inputs)
            total = grads if total is None else jax.tree.map(jnp.add, total, grads)
            loss = loss + one
            sums = {k: s + jnp.mean(values[k], dtype=jnp.float32) for k, s in sums.items()}
            sunk += ({k: values[k] for k in graph.sunk},)
        outputs = {k: values[k] for k in graph.outputs}
        return end(carry, Passes(total, state, loss, outputs, sums), sunk)

    placed, told = places(graph), _same(Metrics, sunk=OWN)
    takes, gives = (placed, SAME, OWN, SAME), (placed, told)
    return replicas.jit(step, takes, gives, donate_argnums=(0,) if donate else ())


class Passes(NamedTuple):
    """What the passes of an iteration leave: the sums of their gradients and of their losses, the
    new state, the outputs of the last one, and the sums of what is monitored."""

    gradients: Arrays
    state: Arrays
    loss: Any
    outputs: Arrays
    sums: Arrays


def make_update(program: Program, p: SolverParameter) -> Callable[..., tuple[Carry, Metrics]]:
    """The jitted end of an iteration whose passes are made elsewhere: (carry, passes) -> (carry,
    metrics)."""
    return jit(_ending(program, p, ALONE))


def _ending(
    program: Program, p: SolverParameter, replicas: Replicas
) -> Callable[..., tuple[Carry, Metrics]]:
    """(carry, passes, what sinks take) -> (carry, metrics): the update, and what is reported."""
    update, rate_at, own = optimizer(program, p).update, schedule(p), owned(program.graph)

    def end(carry: Carry, passes: Passes, sunk: tuple[Arrays, ...] = ()) -> tuple[Carry, Metrics]:
        loss, state = passes.loss / p.iter_size, passes.state
        total, sums, everywhere = replicas.mean((passes.gradients, passes.sums, loss))
        carried = {k: v for k, v in state.items() if k not in own}
        (loss, told), carried = replicas.of_root(((loss, passes.outputs), carried))
        state = state | carried
        scales = carry.scales
        rate = rate_at(carry.iteration, scales.get("plateau"), scales.get("base_lr"))
        good = jnp.isfinite(everywhere) & (carry.bad == GOOD)

        def move() -> tuple[Any, ...]:
            decay = scales.get("decay_plateau", 1.0)
            updates, history = update(
                total, carry.history, carry.blobs, rate=rate, iteration=carry.iteration, decay=decay
            )
            blobs: Any = optax.apply_updates(carry.blobs, updates)
            average = {k: mean(p.ema_decay, v, blobs[k]) for k, v in carry.average.items()}
            return blobs, state, history, average

        stay = (carry.blobs, carry.state, carry.history, carry.average)
        blobs, state, history, average = _if(program.plan.platform, good, move, stay)
        losses = carry.losses.at[carry.iteration % p.average_loss].set(loss)
        bad = jnp.where((carry.bad == GOOD) & ~good, carry.iteration, carry.bad)
        norm = global_norm(total) if p.clip_gradients >= 0 else jnp.zeros(())
        metrics = Metrics(loss, jnp.nanmean(losses), told, rate, norm, bad, sunk)
        iteration = carry.iteration + 1
        moved = Carry(blobs, state, history, iteration, losses, bad, average, scales, sums)
        return moved, metrics

    return end


def rewritten(graph: Graph, blobs: Arrays) -> Arrays:
    """The blobs that move as the layers of a pass write them over."""
    blobs = dict(blobs)
    for node in graph.nodes:
        rewrite = node.set_up.rewrite
        if rewrite and blobs.keys() >= set(node.blobs):
            written = rewrite(tuple(blobs[k] for k in node.blobs))
            blobs.update(zip(node.blobs, written, strict=True))
    return blobs


def places(graph: Graph) -> Carry:
    """Which parts of a carry are the same on all devices, and which each device has for itself."""
    own = owned(graph)
    return _same(Carry, state={k: OWN if k in own else SAME for k in graph.carried})


def _same(kind: Any, **others: Any) -> Any:
    return kind(**dict.fromkeys(kind._fields, SAME) | others)


def owned(graph: Graph) -> set[str]:
    """The memory that each device has for itself; of a scalar, there is the root's alone."""
    return {k for k, shape in graph.memory.items() if shape}


def _if(platform: str, good: Any, move: Callable[[], Any], stay: Any) -> Any:
    """What `move` gives where `good`, else `stay`.

    On CPU a branch, so that blobs and history are updated in place: a selection reads both old
    arrays in both results, and XLA copies every one of them first. On an accelerator a selection:
    XLA fuses it, and a branch would wait for the device.
    """
    if platform == "cpu":
        return jax.lax.cond(good, move, lambda: stay)
    return jax.tree.map(lambda new, old: jnp.where(good, new, old), move(), stay)


def make_test(program: Program, keep: Collection[str] = ()) -> Callable[..., tuple[Arrays, Arrays]]:
    """The jitted test pass: (blobs, state, key, k, inputs) -> (outputs, new memory).

    The loss is among the outputs, under '', and so are the values named in `keep` and those that
    sinks take. Raises GraphError when an output has not the shape that it has for a whole batch, so
    that a mean over batches has no meaning.
    """
    sizes = Sizes(program)

    @lru_cache(KEPT)
    def fitted(fit: Fit) -> Callable[..., tuple[Arrays, Arrays]]:
        other = sizes.of(fit)
        check_outputs(program.graph, other.graph)
        return _test(other, keep)

    def test(blobs: Arrays, state: Arrays, key: Any, k: Any, inputs: Mapping[str, Any]) -> Any:
        rng = jax.random.fold_in(key, k) if sizes.layers else None
        return fitted(sizes.measure(blobs, state, rng, inputs))(blobs, state, key, k, inputs)

    return test


def check_outputs(whole: Graph, fitted: Graph) -> None:
    """Whether outputs have the shape that they have for a whole batch. Raises GraphError."""
    for value in whole.outputs:
        if whole.shapes[value] != fitted.shapes[value]:
            raise GraphError(
                f"output '{whole.blobs[value]}' is {dims(fitted.shapes[value])} in one batch and "
                f"{dims(whole.shapes[value])} in another: there is no mean of it",
                whole.name,
                "let a Silence layer read it",
            )


def _test(program: Program, keep: Collection[str]) -> Callable[..., tuple[Arrays, Arrays]]:
    graph = program.graph
    told = {*graph.outputs, *graph.sunk, *keep}

    def test(blobs: Arrays, state: Arrays, key: Any, k: Any, inputs: Mapping[str, Any]) -> Any:
        rng = jax.random.fold_in(key, k)
        values, state = program.apply(blobs, state, rng, inputs, told | set(graph.weights))
        outputs = {k: values[k] for k in told} | {"": program.loss(values)}
        return outputs, {k: state[k] for k in graph.memory}

    return jit(test)
