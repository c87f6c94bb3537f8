"""`netc time`: every layer on its own, then the fused programs. Caffe: caffe.cpp, time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from netc.compile import Arrays, Program, compile_file
from netc.errors import UsageError
from netc.graph.ir import Node
from netc.lowering.plan import Plan, parse_overrides
from netc.lowering.platform import jit
from netc.schema import Phase
from netc.sizes import Sizes
from netc.train.batches import Batches
from netc.train.log import number
from netc.train.sinks import sink

log = logging.getLogger(__name__)


class LayerTime(NamedTuple):
    """Milliseconds of one layer by itself; backward is what going both ways takes more."""

    name: str
    forward: float
    backward: float


def time_net(
    model: str,
    phase: Phase,
    iterations: int,
    platform: str,
    level: int = 0,
    stages: tuple[str, ...] = (),
    lowering: tuple[str, ...] = (),
) -> int:
    """Log Caffe's table of times and the figures of the compiled programs; the exit status."""
    if iterations < 1:
        raise UsageError(f"-iterations must be at least 1, got {iterations}")
    plan = Plan(platform, parse_overrides(lowering))
    program = compile_file(model, phase, plan, level, stages)
    blobs, carried = jax.device_put(program.init(0))
    batches = Batches(program, provide=lambda k: noise(program))
    inputs = next(batches)
    batches.close()
    key = jax.random.key(0)
    program = Sizes(program).fit(blobs, carried, key, inputs)
    every = jit(lambda *a: program.apply(*a, keep=list(program.graph.blobs))[0])
    values = every(blobs, carried, key, inputs)
    sink(program.graph, 0, values)
    log.info("Performing Forward")
    log.info("Initial loss: %s", number(float(program.loss(values))))
    log.info("*** Benchmark begins ***")
    log.info("Testing for %d iterations.", iterations)
    times = [
        layer_time(program, n, blobs, carried, key, values, iterations) for n in program.graph.nodes
    ]
    log.info("Average time per layer: ")
    for t in times:
        log.info("%10s\tforward: %s ms.", t.name, number(t.forward))
        log.info("%10s\tbackward: %s ms.", t.name, number(t.backward))
    forward, backward = sum(t.forward for t in times), sum(t.backward for t in times)
    log.info("Average Forward pass: %s ms.", number(forward))
    log.info("Average Backward pass: %s ms.", number(backward))
    log.info("Average Forward-Backward: %s ms.", number(forward + backward))
    log.info("Total Time: %s ms.", number((forward + backward) * iterations))
    for line in fused(program, blobs, carried, key, inputs, iterations):
        log.info("%s", line)
    log.info("*** Benchmark ends ***")
    return 0


def noise(program: Program) -> Arrays:
    """Values for Input layers: normal numbers, or class labels where labels are read."""
    graph, draw = program.graph, np.random.default_rng(0)
    labels = {
        n.bottoms[rule.bottom]: rule.classes
        for n in graph.nodes
        if (rule := n.set_up.labels) is not None
    }
    made: Arrays = {}
    for value in graph.inputs:
        shape = graph.shapes[value]
        if value in labels:
            made[value] = jnp.array(draw.integers(0, labels[value], shape), jnp.float32)
        else:
            made[value] = jnp.array(draw.standard_normal(shape), jnp.float32)
    return made


def milliseconds(run: Callable[[], Any], iterations: int) -> float:
    """The mean time of a call, after one that is not counted."""
    jax.block_until_ready(run())
    began = time.perf_counter()
    for _ in range(iterations):
        jax.block_until_ready(run())
    return (time.perf_counter() - began) / iterations * 1e3


def layer_time(
    program: Program, node: Node, blobs: Arrays, state: Arrays, key: Any, values: Arrays, n: int
) -> LayerTime:
    """Time one layer, compiled by itself, on the values it has in the net."""
    layer = node.set_up
    if layer.external is not None:
        feed = layer.feed
        began = time.perf_counter()
        for k in range(n if feed else 0):
            feed.batch(k)  # type: ignore[union-attr]
        return LayerTime(node.name, (time.perf_counter() - began) / n * 1e3, 0.0)
    bottoms = tuple(values[b] for b in node.bottoms)
    own = tuple(blobs[k].reshape(b.shape) for k, b in zip(node.blobs, layer.blobs, strict=True))
    carried = tuple(state[k] for k in node.state)
    rng = key if layer.random else None

    def forward(own: Any, bottoms: Any) -> Any:
        return layer.apply(own, carried, rng, *bottoms)[0]

    def both(own: Any, bottoms: Any) -> Any:
        tops, back = jax.vjp(forward, own, bottoms)
        return tops, back(tops)

    one, two = jit(forward), jit(both)
    alone = milliseconds(lambda: one(own, bottoms), n)
    together = milliseconds(lambda: two(own, bottoms), n)
    return LayerTime(node.name, alone, max(together - alone, 0.0))


def fused(
    program: Program, blobs: Arrays, state: Arrays, key: Any, inputs: Arrays, n: int
) -> list[str]:
    """The whole net as one program: forward, and forward with the gradients of what moves."""
    graph = program.graph
    forward = jit(lambda b, x: program.apply(b, state, key, x)[0])
    told = [
        f"Compiled program, forward: {number(milliseconds(lambda: forward(blobs, inputs), n))} ms."
    ]
    if graph.trainable and graph.weights:
        moving = {k: v for k, v in blobs.items() if k in graph.trainable}
        frozen = {k: v for k, v in blobs.items() if k not in graph.trainable}

        def loss(moving: Arrays, x: Arrays) -> Any:
            return program.loss(program.apply({**frozen, **moving}, state, key, x)[0])

        both = jit(jax.value_and_grad(loss))
        spent = milliseconds(lambda: both(moving, inputs), n)
        told.append(f"Compiled program, forward-backward: {number(spent)} ms.")
    return told
