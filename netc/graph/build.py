"""A filtered net to a graph: connections, in-place values, loss weights. Caffe: net.cpp, Init."""

from __future__ import annotations

from netc.errors import GraphError, NetcError, did_you_mean, raise_all
from netc.graph.coords import align
from netc.graph.ir import Graph, Node
from netc.layers import dialects
from netc.layers.base import LayerType, count_error, unknown_type
from netc.layers.plugins import layer_type
from netc.prototxt import SourceMap
from netc.schema import LayerParameter, NetParameter, Phase

AUTOMATIC_TOP = "(automatic)"


def build(net: NetParameter, source: SourceMap) -> Graph:
    """The graph of a net whose layers are those of one phase (see `phase.filter_net`).

    Raises GraphError, or Errors holding several.
    """
    builder = _Builder(net, source)
    if wrong := dialects.problem(net.dialect):
        builder.fail(wrong[0], source, ("dialect",), wrong[1])
    for i, layer in enumerate(net.layer):
        builder.add(layer, source.node("layer", i) if source.get("layer") else SourceMap())
    raise_all(builder.errors)
    builder.nodes = align(builder.nodes)
    graph = builder.graph()
    graph.check()
    return graph


class _Builder:
    """Walks the layers once; `current` is the value that each blob holds at this point."""

    def __init__(self, net: NetParameter, source: SourceMap) -> None:
        self.net, self.source = net, source
        self.nodes: list[Node] = []
        self.blobs: dict[str, str] = {}
        self.current: dict[str, str] = {}
        self.producer: dict[str, str] = {}
        self.read: set[str] = set()
        self.unknown: set[str] = set()
        self.evident = dialects.evident(net)
        self.place = -1
        self.keys: set[str] = set()
        self.errors: list[NetcError] = []

    def add(self, layer: LayerParameter, node: SourceMap) -> None:
        self.place += 1
        kind = layer_type(layer.type)
        if kind is None:
            message, hint = unknown_type(layer.type)
            self.fail(message, node, ("type",), hint)
        else:
            kind = dialects.candidates(kind, layer, self.net.dialect, self.evident)[0]
        bottoms = tuple(self.bottom(layer, i, node) for i in range(len(layer.bottom)))
        self.read.update(bottoms)
        tops = [self.top(layer, i, name, node, kind) for i, name in enumerate(layer.top)]
        if kind is not None and kind.loss:
            # Caffe: nobody can read them, and they are no outputs.
            missing = kind.least_tops - len(tops)
            tops += [self.value(AUTOMATIC_TOP) for _ in range(missing)]
        if kind is not None:
            self.finish(layer, node, kind, bottoms, tuple(tops))

    def finish(
        self,
        layer: LayerParameter,
        node: SourceMap,
        kind: LayerType,
        bottoms: tuple[str, ...],
        tops: tuple[str, ...],
    ) -> None:
        if wrong := count_error(kind, len(bottoms), len(tops)):
            self.fail(f"{wrong} (layer '{layer.name}')", node)
        if layer.propagate_down and len(layer.propagate_down) != len(bottoms):
            self.fail(
                "propagate_down param must be specified either 0 or bottom_size times: "
                f"layer '{layer.name}' has {len(bottoms)} bottoms and "
                f"{len(layer.propagate_down)} entries",
                node,
                ("propagate_down",),
            )
        phase = layer.phase if layer.HasField("phase") else self.net.state.phase
        weights = self.loss_weights(layer, node, kind, len(tops))
        key, forced = self.key(layer), self.net.force_backward
        self.nodes.append(Node(key, layer, kind, node, phase, bottoms, tops, weights, forced))

    def key(self, layer: LayerParameter) -> str:
        base, n = layer.name or layer.type, 2
        key = base
        while key in self.keys:
            key, n = f"{base}#{n}", n + 1
        self.keys.add(key)
        return key

    def bottom(self, layer: LayerParameter, i: int, node: SourceMap) -> str:
        name = layer.bottom[i]
        if name not in self.current:
            self.fail(
                f"Unknown bottom blob '{name}' (layer '{layer.name}', bottom index {i})",
                node,
                ("bottom", i),
                self.later(name) or did_you_mean(name, self.current),
            )
            self.unknown.add(name)
            self.produce(name, layer)
        return self.current[name]

    def later(self, name: str) -> str | None:
        layers = self.net.layer[self.place + 1 :]
        makers = [layer.name for layer in layers if name in layer.top]
        if makers:
            return f"layer '{makers[0]}' produces it further down; layers run in file order"
        return None

    def top(
        self, layer: LayerParameter, i: int, name: str, node: SourceMap, kind: LayerType | None
    ) -> str:
        in_place = i < len(layer.bottom) and layer.bottom[i] == name
        taken = name in self.current and name not in self.unknown
        if in_place and kind is not None and not kind.in_place:
            self.fail(
                f"{layer.type} Layer does not allow in-place computation (layer '{layer.name}').",
                node,
                ("top", i),
                f"give the top a name of its own, such as '{layer.name}'",
            )
        elif taken and not in_place:
            self.fail(
                f"Top blob '{name}' produced by multiple sources.",
                node,
                ("top", i),
                f"layer '{self.producer[name]}' produces it already",
            )
        return self.produce(name, layer)

    def produce(self, blob: str, layer: LayerParameter) -> str:
        self.producer[blob] = layer.name
        self.current[blob] = self.value(blob)
        return self.current[blob]

    def value(self, blob: str) -> str:
        """A new value of a blob."""
        value, n = blob, 1
        while value in self.blobs:
            value, n = f"{blob}'{n}", n + 1
        self.blobs[value] = blob
        return value

    def loss_weights(
        self, layer: LayerParameter, node: SourceMap, kind: LayerType, tops: int
    ) -> tuple[float, ...]:
        given = tuple(layer.loss_weight)
        if given and len(given) != tops:
            self.fail(
                "loss_weight must be unspecified or specified once per top blob: layer "
                f"'{layer.name}' has {tops} tops and {len(given)} loss_weight entries",
                node,
                ("loss_weight",),
            )
        if len(given) == tops:
            return given
        return tuple(1.0 if kind.loss and i == 0 else 0.0 for i in range(tops))

    def fail(
        self,
        message: str,
        node: SourceMap,
        path: tuple[str | int, ...] = (),
        hint: str | None = None,
    ) -> None:
        self.errors.append(GraphError(message, node.at(*path), hint))

    def graph(self) -> Graph:
        unread = [blob for blob, value in self.current.items() if value not in self.read]
        outputs = [self.current[blob] for blob in sorted(unread)]
        phase = self.net.state.phase if self.net.state.HasField("phase") else Phase.TEST
        return Graph(self.net, phase, tuple(self.nodes), self.blobs, tuple(outputs), {}, {})
