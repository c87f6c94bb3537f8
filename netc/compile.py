"""Graph to program: one pure function that walks the nodes, jitted once per phase."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.errors import NetcError
from netc.fillers import fill, host_draw
from netc.graph import doubts
from netc.graph.build import build
from netc.graph.infer import infer
from netc.graph.ir import Graph, Node
from netc.graph.layouts import channels_last
from netc.graph.sinks import check_sinks
from netc.lazy import jax, jnp
from netc.load import Loaded, read_net
from netc.lowering.plan import Plan
from netc.phase import filter_net, state_of
from netc.schema import NetParameter, NetState, Phase

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Program:
    """A net in one phase as pure functions over dictionaries of arrays.

    Learnable blobs and carried state are keyed "layer/index", values by their name in the graph.
    seed: what its data layers draw from.
    """

    graph: Graph
    plan: Plan
    seed: int = 0

    def init(self, seed: int, given: Arrays | None = None) -> tuple[Arrays, Arrays]:
        """Learnable blobs and state, NumPy float32: those that are given, the others from their
        fillers by (seed, key).
        """
        blobs: Arrays = {}
        state: Arrays = {}
        for p in self.graph.params:
            value = (given or {}).get(p.key, p.spec.value)
            if value is None:
                value = fill(p.spec.filler, p.spec.shape, host_draw(seed, p.key))
            (state if p.carried else blobs)[p.key] = np.asarray(value, np.float32, "C")
        state.update({k: np.zeros(shape, np.float32) for k, shape in self.graph.memory.items()})
        return blobs, state

    def apply(
        self,
        blobs: Mapping[str, Any],
        state: Mapping[str, Any],
        rng: Any,
        inputs: Mapping[str, Any],
        keep: Collection[str] | None = None,
        probes: Mapping[str, Any] | None = None,
    ) -> tuple[Arrays, Arrays]:
        """Run the net: (values, new state).

        inputs: the values named in `graph.inputs`. rng: the key of this pass.
        state: memory that is not in it starts at zero.
        keep: the values to return; by default the outputs, those with a loss weight and those that
        sinks take.
        probes: arrays added to the values they are named after; their gradients are the values'.
        """
        graph = self.graph
        wanted = {*graph.outputs, *graph.weights, *graph.sunk} if keep is None else set(keep)
        walk = _Walk(self, blobs, dict(state), rng, probes or {}, wanted)
        for name, value in inputs.items():
            walk.put(name, value, last=False)
        for node in self.graph.nodes:
            walk.run(node)
        return walk.kept, walk.state

    def loss(self, values: Mapping[str, Any]) -> Any:
        """The objective: the sum over values of their sum times their loss weight."""
        total = jnp.zeros((), jnp.float32)
        for name, weight in self.graph.weights.items():
            total = total + weight * values[name].sum().astype(jnp.float32)
        return total


class _Walk:
    """The values of one pass. `env` holds (array, whether its channels are last)."""

    def __init__(
        self,
        program: Program,
        blobs: Mapping[str, Any],
        state: Arrays,
        rng: Any,
        probes: Mapping[str, Any],
        wanted: Collection[str],
    ) -> None:
        self.graph, self.rng, self.probes, self.wanted = program.graph, rng, probes, wanted
        self.blobs, self.state = blobs, state
        for key, shape in program.graph.memory.items():
            self.state.setdefault(key, jnp.zeros(shape, jnp.float32))
        self.last: frozenset[str] = frozenset()
        if program.plan.platform == "cpu":  # XLA assigns layouts itself elsewhere
            self.last = channels_last(program.graph)
        self.env: dict[str, tuple[Any, bool]] = {}
        self.kept: Arrays = {}
        self.reads = {b: i for i, n in enumerate(program.graph.nodes) for b in n.bottoms}
        self.step = -1

    def put(self, name: str, value: Any, last: bool) -> None:
        if name in self.probes:
            value = _order(value, last, False) + self.probes[name]
            last = False
        if name in self.wanted:
            self.kept[name] = _order(value, last, False)
        if self.reads.get(name, -1) > self.step:
            self.env[name] = value, last

    def run(self, node: Node) -> None:
        self.step += 1
        layer = node.set_up
        if layer.external is not None:
            return
        read = [self.env[b] for b in node.bottoms]
        last = node.key in self.last
        bottoms = [
            jax.lax.stop_gradient(x) if node.cut(i) else x
            for i, x in enumerate(_order(x, is_last, last) for x, is_last in read)
        ]
        apply = layer.channels_last if last and layer.channels_last else layer.apply
        rng = None
        if layer.random:
            rng = jax.random.fold_in(self.rng, zlib.crc32(node.key.encode()))
        with jax.named_scope(node.key.replace("/", ".")):
            tops, state = apply(
                tuple(self.blob(node, i) for i in range(len(node.blobs))),
                tuple(self.state[k] for k in node.state + node.memory),
                rng,
                *bottoms,
            )
        self.state.update(zip(node.state + node.memory, state, strict=True))
        for name, value in zip(node.tops, tops, strict=True):
            self.put(name, value, last and value.ndim == 4)
        for name in node.bottoms:
            if self.reads[name] == self.step:
                self.env.pop(name, None)

    def blob(self, node: Node, index: int) -> Any:
        """A learnable blob in the shape this layer wants: PERMISSIVE sharing reshapes."""
        value, shape = self.blobs[node.blobs[index]], node.set_up.blobs[index].shape
        return value if value.shape == shape else value.reshape(shape)


def _order(x: Any, is_last: bool, last: bool) -> Any:
    """A 4-D array with its channels where they are wanted."""
    if is_last == last:
        return x
    return x.transpose(0, 2, 3, 1) if last else x.transpose(0, 3, 1, 2)


def compile_net(
    net: Loaded[NetParameter],
    state: NetState,
    plan: Plan,
    seed: int = 0,
    missing: list[NetcError] | None = None,
) -> Program:
    """Every pass from a loaded net to a program for one state.

    missing: takes errors of data sources that are not there, instead of raising them; sources
    that no shape depends on are then not opened.
    """
    message, source, _ = filter_net(net, state)
    graph = build(message, source)
    check_sinks([graph])
    doubts.tell(graph, net.warnings)
    return Program(infer(graph, plan, seed, missing), plan, seed)


def compile_file(
    path: str,
    phase: Phase | int,
    plan: Plan,
    level: int | None = None,
    stages: tuple[str, ...] = (),
) -> Program:
    """Every pass from a net's file to a program for its own state in this phase."""
    net = read_net(path)
    return compile_net(net, state_of(net.message, phase, level, stages), plan)
