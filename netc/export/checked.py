"""Whether what was written computes the same as netc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netc.compile import Arrays, Program
from netc.errors import RunError
from netc.export.net import Net
from netc.export.samples import samples
from netc.graph.infer import resize
from netc.graph.ir import Node
from netc.layers.base import dims
from netc.lazy import jax
from netc.lowering.platform import jit

TOLERANCE = 1e-4


# Layers whose tops jump where a bottom moves a little. What netc computes for them is compared for
# the bottoms that the other program has found, so that rounding before them is not held against it.
JUMPING = ("ArgMax", "FlowWarp", "PSROIPooling", "ROIPooling", "Threshold")


def _jumps(node: Node) -> bool:
    places = node.param.type == "Pooling" and len(node.tops) > 1
    return node.param.type in JUMPING or node.set_up.rows is not None or places


def computed(net: Net, program: Program, inputs: Arrays, found: Arrays | None = None) -> Arrays:
    """Every value of the net, by netc.

    found: values that another program has computed, which are the bottoms of layers that jump.
    """
    graph, rows, first = program.graph, dict[str, int](), 0
    known: Arrays = dict(inputs)  # what layers read
    made: Arrays = {}

    def add(values: Arrays) -> None:
        known.update(values)
        made.update(values)

    for end in (*(i for i, node in enumerate(graph.nodes) if _jumps(node)), len(graph.nodes)):
        add(_run(net, program, graph.nodes[first:end], known))
        first = end
        for node in graph.nodes[end : end + 1]:
            theirs = {b: found[b] for b in node.bottoms if found and b in found}
            known.update((b, x) for b, x in theirs.items() if x.shape == known[b].shape)
            if net.exact and node.set_up.rows:
                tops, rows[node.key] = _counted(node, known)
                graph = resize(program.graph, program.plan, rows)
                add({t: x[tuple(map(slice, graph.shapes[t]))] for t, x in tops.items()})
                first = end + 1
    return {v: np.asarray(x) for v, x in made.items()}


def _counted(node: Node, known: Arrays) -> tuple[Arrays, int]:
    """The tops of a layer with room for all items, those that are kept first, and how many are."""
    layer = node.set_up

    def run(*bottoms: Any) -> Any:
        return layer.apply((), (), None, *bottoms)[0], layer.rows and layer.rows(*bottoms)

    tops, count = jit(run)(*(known[b] for b in node.bottoms))
    return dict(zip(node.tops, tops, strict=True)), int(count)


def _run(net: Net, program: Program, nodes: tuple[Node, ...], known: Arrays) -> Arrays:
    """What some layers compute of what is known."""
    nodes = tuple(n for n in nodes if n.set_up.external is None)
    if not nodes:
        return {}
    part = Program(program.graph.replace(nodes=nodes), program.plan)
    tops = tuple(t for n in nodes for t in n.tops)
    read = {b: known[b] for n in nodes for b in n.bottoms if b in known}

    def run(blobs: Any, state: Any, inputs: Any) -> Any:
        return part.apply(blobs, state, jax.random.key(0), inputs, keep=tops)[0]

    return jit(run)(net.blobs, net.state, read)


def difference(got: Any, want: np.ndarray) -> float:
    """The greatest difference, as a share of the greatest number where that is above 1."""
    got = np.asarray(got)
    if got.shape != want.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        apart = np.where((got == want) | (np.isnan(got) & np.isnan(want)), 0, np.abs(got - want))
    apart = np.where(np.isnan(apart), np.inf, apart)
    scale = np.abs(np.where(np.isfinite(want), want, 0)).max(initial=1)
    return float(apart.max(initial=0) / scale)


def verified(net: Net, run: Any, values: Mapping[str, str], what: str) -> str:
    """A line on how near `run`, a function from inputs to values by name, comes to netc.

    values: which are compared, and their names. At one size, or at two.
    Raises RunError where one is further away than TOLERANCE.
    """
    rows = []
    for program in filter(None, (net.program, net.larger)):
        inputs = samples(program.graph)
        got = run({net.inputs[v]: x for v, x in inputs.items()})
        found = {v: got[name] for v, name in values.items()}
        want = computed(net, program, inputs, found)
        rows += [(difference(got[n], want[v]), n, v, got[n], want[v]) for v, n in values.items()]
    if not rows:
        return f"{what} has nothing to compare"
    wrong = [row for row in rows if row[0] > TOLERANCE]
    if wrong:
        makers = {t: n for n in net.graph.nodes for t in n.tops}
        apart, name, value, ours, theirs = wrong[0]
        node, told = makers[value], f"{apart:.2g} apart, where {TOLERANCE:g} is allowed"
        if np.shape(ours) != theirs.shape:
            told = f"it is {dims(np.shape(ours))}"
        raise RunError(
            f"{what} computes '{name}' {dims(theirs.shape)} otherwise than netc: {told} "
            f"(layer '{node.name}', {node.param.type}; {len(wrong)} of {len(rows)} blobs differ)",
            node.source.span,
        )
    apart, name = max(row[:2] for row in rows)
    sizes = "one size of the batch" if net.larger is None else "two sizes of the batch"
    if net.larger is not None and net.fixed:
        sizes = "two numbers of regions"
    blobs = "1 blob" if len(values) == 1 else f"{len(values)} blobs"
    return (
        f"{what} computes the same as netc: {blobs} at {sizes}, {apart:.1e} apart at most ({name})"
    )
