"""A net that is ready to be written: in TEST phase, with its weights, at two sizes of the batch."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from netc.compile import Arrays, Program, compile_net
from netc.errors import NetcError, WeightsError, raise_all
from netc.export.calls import Fixed, Unsupported, Written, freed, written
from netc.export.deploy import deployed
from netc.export.samples import regions
from netc.graph.infer import resize
from netc.graph.ir import Graph, Node
from netc.layers.base import Shape
from netc.load import Loaded
from netc.lowering.plan import Plan
from netc.schema import NetParameter, NetState
from netc.transfer import by_key, targets
from netc.weights import WeightFile
from netc.weights.match import Rules, match


class Net(NamedTuple):
    """A net to be written.

    given: with the batch that its prototxt has. program, larger: with one example and with two, or
    with that batch and one example more; where only that batch will do, for the reason in `fixed`,
    larger has more regions, or is None. blobs, state: NumPy, by key. exact: whether layers that
    keep some items put out no others. other: a program that differs from the first in every size
    that is not fixed; it is there for its shapes.
    """

    given: Program
    program: Program
    larger: Program | None
    fixed: str
    blobs: Arrays
    state: Arrays
    exact: bool = False
    other: Program | None = None

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
        """A value's shape, with "N" for the size of the batch and "" for what else is not fixed."""
        other = self.other or self.larger or self.program
        size = batch_size(self.graph) if not self.fixed else -1
        pairs = zip(self.graph.shapes[value], other.graph.shapes[value], strict=True)
        return tuple(a if a == b else "N" if a == size == b - 1 else "" for a, b in pairs)

    def held(self, reason: str) -> Net:
        """The net for the batch of its prototxt alone."""
        return self._replace(program=self.given, larger=None, other=None, fixed=reason)

    @property
    def batch(self) -> str:
        """A line about the batch."""
        if not self.fixed:
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


def in_calls(net: Net, exact: bool = False) -> tuple[Net, list[Written]]:
    """Every layer as calls, for a batch of any size and any number of regions where all can be, and
    the net that they are of.

    exact: layers that keep some items put out those alone, however many there are.
    Raises Unsupported, or Errors holding several.
    """
    net = net._replace(exact=exact)
    if net.larger is not None:
        try:
            return _freed(net)
        except Fixed as error:
            net = net.held(error.message)
    try:
        return _freed(net)
    except Fixed as error:
        if exact and counting(net.graph):
            message = f"cannot be exported: {error.message}"
            hint = "how many items a layer before it keeps depends on values"
            raise Unsupported(message, error.where, hint) from error
        return net, written(net.graph, net.given.plan, net.stored)


def _freed(net: Net) -> tuple[Net, list[Written]]:
    """The layers for every size that is not fixed, and the net. Raises Fixed."""
    if more := {v: _more(net.graph.shapes[v]) for v in regions(net.graph)}:
        net = net._replace(larger=_resized(net.larger or net.program, {}, more))
    other = net.larger or net.program
    if rows := {n.key: max(_more(other.graph.shapes[n.tops[0]])) for n in counting(other.graph)}:
        other = _resized(other, rows, {})
    first = written(net.graph, net.program.plan, net.stored)
    if other is net.program:
        return net, first
    second = written(other.graph, other.plan, net.stored)
    return net._replace(other=other), freed(first, second)


def _more(shape: Shape) -> Shape:
    return (shape[0] + 7, *shape[1:])


def _resized(program: Program, rows: dict[str, int], given: dict[str, Shape]) -> Program:
    try:
        return Program(resize(program.graph, program.plan, rows, given), program.plan)
    except NetcError as error:
        raise Fixed(error.message, error.where) from error


def counting(graph: Graph) -> tuple[Node, ...]:
    """The layers that keep as many items as values tell."""
    return tuple(n for n in graph.nodes if n.set_up.rows is not None)


def batch_size(graph: Graph) -> int:
    """The first number of the shape of the first input that holds a batch. Raises Fixed where there
    is none."""
    apart = regions(graph)
    first = next((graph.shapes[v] for v in graph.inputs if v not in apart), ())
    if not first:
        raise Fixed("its input has no axes")
    return first[0]


def batched(graph: Graph) -> tuple[str, ...]:
    """The inputs that hold a batch."""
    size, apart = batch_size(graph), regions(graph)
    return tuple(v for v in graph.inputs if graph.shapes[v][:1] == (size,) and v not in apart)


def of_size(program: Program, size: int) -> Program:
    """The program for batches of that size. Raises what a layer says to such a batch."""
    graph = program.graph
    given = {v: (size, *graph.shapes[v][1:]) for v in batched(graph)}
    return Program(resize(graph, program.plan, {}, given), program.plan)
