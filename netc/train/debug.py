"""debug_info: mean absolute values and gradients of every blob.

Caffe: net.cpp, ForwardDebugInfo and BackwardDebugInfo.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from netc.compile import Arrays, Program
from netc.graph.ir import Graph
from netc.lowering.platform import jit
from netc.train.log import number


def gradients(program: Program) -> Any:
    """Jitted: (blobs, state, key, inputs) -> (values, their gradients, gradients of the blobs)."""
    graph = program.graph

    def run(blobs: Arrays, state: Arrays, key: Any, inputs: Arrays) -> Any:
        def objective(blobs: Arrays, probes: Arrays) -> Any:
            values, _ = program.apply(blobs, state, key, inputs, list(graph.blobs), probes)
            return program.loss(values), values

        probes = {v: jnp.zeros(s, graph.dtypes[v]) for v, s in graph.shapes.items()}
        (d_blobs, d_values), values = jax.grad(objective, (0, 1), has_aux=True)(blobs, probes)
        return values, d_values, d_blobs

    return jit(run)


def lines(program: Program, run: Any, blobs: Arrays, key: Any, inputs: Arrays) -> list[str]:
    """Caffe's lines for one pass over the net, forward then backward, then the norms."""
    graph = program.graph
    learned = {p.key: blobs[p.key] for p in graph.params if not p.carried}
    state = {k: blobs[k] for k in graph.carried}
    values, d_values, d_blobs = jax.device_get(run(learned, state, key, inputs))
    told = []
    for node in graph.nodes:
        told += [
            f"    [Forward] Layer {node.name}, top blob {graph.blobs[t]} data: {_mean(values[t])}"
            for t in node.tops
        ]
        told += [
            f"    [Forward] Layer {node.name}, param blob {i} data: {_mean(blobs[k])}"
            for i, k in enumerate(node.stored)
        ]
    flows = _gradients_flow(graph)
    for node in reversed(graph.nodes):
        told += [
            f"    [Backward] Layer {node.name}, bottom blob {graph.blobs[b]} diff: "
            f"{_mean(d_values[b])}"
            for i, b in enumerate(node.bottoms)
            if b in flows and not node.cut(i) and flows.intersection(node.tops)
        ]
        told += [
            f"    [Backward] Layer {node.name}, param blob {i} diff: {_mean(d_blobs[k])}"
            for i, k in enumerate(node.blobs)
            if k in graph.trainable
        ]
    moving = [k for k in graph.trainable]
    norms = [
        (sum(float(abs(t[k]).sum()) for k in moving), sum(float((t[k] ** 2).sum()) for k in moving))
        for t in (jax.device_get(learned), d_blobs)
    ]
    l1, l2 = zip(*norms, strict=True)
    told.append(
        "    [Backward] All net params (data, diff): "
        f"L1 norm = ({number(l1[0])}, {number(l1[1])}); "
        f"L2 norm = ({number(l2[0] ** 0.5)}, {number(l2[1] ** 0.5)})"
    )
    return told


def _gradients_flow(graph: Graph) -> set[str]:
    """The values between a blob that moves and a loss. Caffe: net.cpp, bottom_need_backward_."""
    below: set[str] = set()
    for node in graph.nodes:
        uncut = {b for i, b in enumerate(node.bottoms) if not node.cut(i)}
        if uncut & below or set(node.blobs).intersection(graph.trainable):
            below.update(node.tops)
    above = set(graph.weights)
    for node in reversed(graph.nodes):
        if above.intersection(node.tops):
            above.update(b for i, b in enumerate(node.bottoms) if not node.cut(i))
    return below & above


def _mean(array: Any) -> str:
    return number(float(abs(array).mean())) if array.size else "0"
