"""Whether what was written computes the same as netc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netc.compile import Arrays, Program
from netc.errors import RunError
from netc.export.net import Net
from netc.graph.ir import Graph
from netc.layers.base import dims
from netc.lazy import jax

TOLERANCE = 1e-4


def samples(graph: Graph) -> Arrays:
    """Numbers to try a net on, by input value: normal ones, or labels where labels are read."""
    rng = np.random.default_rng(0)
    found = {v: rng.standard_normal(graph.shapes[v]).astype(np.float32) for v in graph.inputs}
    for node in graph.nodes:
        rule = node.set_up.labels
        read = node.bottoms[rule.bottom] if rule else None
        if rule and read in found:
            whole = rng.integers(0, rule.classes, graph.shapes[read])
            found[read] = whole.astype(np.float32)
    return found


def computed(net: Net, program: Program, inputs: Arrays) -> Arrays:
    """Every value of the net, by netc."""
    from netc.lowering.platform import jit

    values = tuple(t for n in program.graph.nodes if n.set_up.external is None for t in n.tops)

    def run(blobs: Any, state: Any, inputs: Any) -> Any:
        return program.apply(blobs, state, jax.random.key(0), inputs, keep=values)[0]

    found = jit(run)(net.blobs, net.state, inputs)
    return {v: np.asarray(x) for v, x in found.items()}


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

    values: which are compared, and their names. At one size of the batch, or at two.
    Raises RunError where one is further away than TOLERANCE.
    """
    rows = []
    for program in filter(None, (net.program, net.larger)):
        inputs = samples(program.graph)
        want = computed(net, program, inputs)
        got = run({net.inputs[v]: x for v, x in inputs.items()})
        rows += [(difference(got[name], want[v]), name, v) for v, name in values.items()]
    if not rows:
        return f"{what} has nothing to compare"
    wrong = [row for row in rows if row[0] > TOLERANCE]
    if wrong:
        makers = {t: n for n in net.graph.nodes for t in n.tops}
        apart, name, value = wrong[0]
        node = makers[value]
        raise RunError(
            f"{what} computes '{name}' {dims(net.graph.shapes[value])} otherwise than netc: "
            f"{apart:.2g} apart, where {TOLERANCE:g} is allowed "
            f"(layer '{node.name}', {node.param.type}; {len(wrong)} of {len(rows)} blobs differ)",
            node.source.span,
        )
    apart, name, _ = max(rows)
    sizes = "one size" if net.larger is None else "two sizes"
    blobs = "1 blob" if len(values) == 1 else f"{len(values)} blobs"
    return (
        f"{what} computes the same as netc: {blobs} at {sizes} of the batch, "
        f"{apart:.1e} apart at most ({name})"
    )
