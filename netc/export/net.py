"""A net that is ready to be written: in TEST phase, with its weights, at two sizes of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from netc.compile import Arrays, Program, compile_net
from netc.errors import NetcError, RunError, WeightsError, raise_all
from netc.export.calls import Fixed, Written, freed, written
from netc.export.deploy import deployed
from netc.graph.infer import resize
from netc.graph.ir import Graph
from netc.layers.base import dims
from netc.lazy import jax
from netc.load import Loaded
from netc.lowering.plan import Plan
from netc.schema import NetParameter, NetState
from netc.transfer import by_key, targets
from netc.weights import WeightFile
from netc.weights.match import Rules, match

TOLERANCE = 1e-4


class Net(NamedTuple):
    """A net to be written.

    given: with the batch that its prototxt has. program, larger: with one example and with two, or
    with that batch and one example more; larger is None where only that batch will do, for the
    reason in `fixed`. blobs, state: NumPy, by key.
    """

    given: Program
    program: Program
    larger: Program | None
    fixed: str
    blobs: Arrays
    state: Arrays

    @property
    def graph(self) -> Graph:
        return self.program.graph

    @property
    def stored(self) -> Arrays:
        """Every blob that files hold, by key."""
        return {**self.blobs, **self.state}

    @property
    def names(self) -> dict[str, str]:
        """What the values are called outside: their blobs, and the one of a layer that another
        writes over BLOB/LAYER."""
        graph, last = self.graph, set(self.graph.last_values.values())
        makers = {t: n.key for n in graph.nodes for t in n.tops}
        return {v: b if v in last else f"{b}/{makers[v]}" for v, b in graph.blobs.items()}

    @property
    def inputs(self) -> dict[str, str]:
        """Value -> blob of what the caller gives."""
        return {v: self.graph.blobs[v] for v in self.graph.inputs}

    @property
    def outputs(self) -> dict[str, str]:
        """Value -> blob of what the net is for."""
        return {v: self.graph.blobs[v] for v in self.graph.outputs}

    def shape(self, value: str) -> tuple[int | str, ...]:
        """A value's shape, with "N" for the size of the batch and "" for what depends on it."""
        here = self.graph.shapes[value]
        there = self.larger.graph.shapes[value] if self.larger else here
        size = self.graph.shapes[self.graph.inputs[0]][:1]
        pairs = zip(here, there, strict=True)
        return tuple(a if a == b else "N" if (a,) == size and b == a + 1 else "" for a, b in pairs)

    def held(self, reason: str) -> Net:
        """The net for the batch of its prototxt alone."""
        return self._replace(program=self.given, larger=None, fixed=reason)

    @property
    def batch(self) -> str:
        """A line about the batch."""
        if self.larger is not None:
            return "the batch is of any size"
        return f"the size of the batch is fixed: {self.fixed}"


def prepared(
    net: Loaded[NetParameter],
    state: NetState,
    plan: Plan,
    weights: WeightFile | None,
    rules: Rules,
    outputs: tuple[str, ...] = (),
) -> Net:
    """The net as `deployed` makes it, with these weights.

    Raises what compiling it raises, and WeightsError for blobs that are missing or do not fit.
    """
    missing: list[NetcError] = []  # where the net tells the shapes, no data are needed
    whole = compile_net(net, state, plan, missing=missing)
    raise_all(missing)
    program = compile_net(deployed(whole.graph, outputs), state, plan)
    given = by_key(program.graph, match(targets(program.graph), weights, rules)) if weights else {}
    absent = [n.name for n in program.graph.nodes if not {*n.blobs, *n.state} <= given.keys()]
    if absent:
        what = "the file has not all blobs" if weights else "there are no weights for the blobs"
        raise WeightsError(
            f"{what} of the layers {', '.join(absent)}",
            weights.path if weights else None,
            "--map gives its layers other names" if weights else "give them with -weights",
        )
    return ready(program, given)


def ready(program: Program, given: Arrays) -> Net:
    """A program in TEST phase with its blobs, and what it is for a larger batch."""
    blobs, carried = program.init(0, given)
    state = {key: carried[key] for key in carried if key not in program.graph.memory}
    net = Net(program, program, None, "", blobs, state)
    try:
        net = net._replace(larger=of_size(program, 1 + batch_size(program.graph)))
    except NetcError as error:
        return net.held(error.message)
    with suppress(NetcError):  # less to compare
        return net._replace(program=of_size(program, 1), larger=of_size(program, 2))
    return net


def in_calls(net: Net) -> tuple[Net, list[Written]]:
    """Every layer as calls, for a batch of any size where all can be, and the net that they are of.

    Raises Unsupported, or Errors holding several.
    """
    first = written(net.program.graph, net.program.plan)
    if net.larger is None:
        return net, first
    try:
        return net, freed(first, written(net.larger.graph, net.larger.plan))
    except Fixed as error:
        net = net.held(error.message)
        return net, written(net.graph, net.given.plan)


def batch_size(graph: Graph) -> int:
    """The first number of the first input's shape. Raises Fixed where there is none."""
    if not graph.inputs or not graph.shapes[graph.inputs[0]]:
        raise Fixed("its input has no axes")
    return graph.shapes[graph.inputs[0]][0]


def batched(graph: Graph) -> tuple[str, ...]:
    """The inputs that hold a batch."""
    size = batch_size(graph)
    return tuple(v for v in graph.inputs if graph.shapes[v][:1] == (size,))


def of_size(program: Program, size: int) -> Program:
    """The program for batches of that size. Raises what a layer says to such a batch."""
    graph = program.graph
    given = {v: (size, *graph.shapes[v][1:]) for v in batched(graph)}
    return Program(resize(graph, program.plan, {}, given), program.plan)


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
