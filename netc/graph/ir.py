"""The net as values and nodes in static single assignment form.

A blob is what the prototxt names; a value is what one layer puts there. An in-place layer gives its
blob a new value: `conv1`, then `conv1'1`. Every value is produced once, so gradients are right
whatever is written in place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from netc.errors import GraphError
from netc.layers.base import BlobSpec, Layer, LayerType, Shape, dims
from netc.prototxt import SourceMap
from netc.schema import LayerParameter, NetParameter, Phase


class Param(NamedTuple):
    """A learnable or carried blob and the layer that owns it.

    key: its name in the parameter trees, "layer/index". carried: state, never differentiated.
    lr_mult, decay_mult: the solver's multipliers. name: the name it is shared under, or "".
    """

    key: str
    layer: str
    index: int
    spec: BlobSpec
    carried: bool
    lr_mult: float = 1.0
    decay_mult: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class Node:
    """One layer: its bottoms and tops are names of values.

    key: the layer's name, made unique. forced: whether the net has force_backward, which overrules
    propagate_down where there is a gradient. blobs, state: keys of the parameters it uses, in
    caffemodel order; memory: keys of what it carries besides. `layer` and these are there once
    shapes are inferred.
    """

    key: str
    param: LayerParameter
    kind: LayerType
    source: SourceMap
    phase: Phase
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    loss_weights: tuple[float, ...]
    forced: bool = False
    layer: Layer | None = None
    blobs: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.param.name

    @property
    def set_up(self) -> Layer:
        """The layer, which is there once shapes are inferred."""
        assert self.layer is not None, "infer comes before this"
        return self.layer

    @property
    def stored(self) -> tuple[str, ...]:
        """Keys of all that a file holds for it, in the order of files."""
        first, last = self.blobs, self.state
        return last + first if self.layer and self.layer.state_first else first + last

    def cut(self, bottom: int) -> bool:
        """Whether propagate_down keeps the gradient from this bottom. Caffe: net.cpp, Init."""
        given = self.param.propagate_down
        overruled = self.forced and bottom not in self.closed
        return bool(given) and not given[bottom] and not overruled

    @property
    def closed(self) -> list[int]:
        """The bottoms for which the layer has no gradient."""
        count = len(self.bottoms)
        return [i % count for i in self.kind.no_gradient if -count <= i < count]


@dataclass(frozen=True)
class Graph:
    """A net in one phase: nodes in the order of the file, which is the order of execution.

    blobs: value -> the blob it is put in. outputs: the values that no layer reads, by blob name.
    shapes, dtypes, params: there once shapes are inferred.
    """

    message: NetParameter
    phase: Phase
    nodes: tuple[Node, ...]
    blobs: dict[str, str]
    outputs: tuple[str, ...]
    shapes: dict[str, Shape]
    dtypes: dict[str, Any]
    params: tuple[Param, ...] = ()

    @property
    def name(self) -> str:
        return self.message.name

    def replace(self, **changes: Any) -> Graph:
        return replace(self, **changes)

    @cached_property
    def last_values(self) -> dict[str, str]:
        """Blob -> the value it holds after a whole pass, in order of first appearance."""
        last: dict[str, str] = {}
        for value, blob in self.blobs.items():
            last[blob] = value
        return last

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The values that come from outside: the tops of Input and data layers."""
        return tuple(t for n in self.nodes if n.set_up.external is not None for t in n.tops)

    @cached_property
    def sunk(self) -> tuple[str, ...]:
        """The values that sinks take: the bottoms of layers that write files."""
        return tuple(b for n in self.nodes if n.set_up.sink is not None for b in n.bottoms)

    @cached_property
    def weights(self) -> dict[str, float]:
        """Value -> its weight in the objective, where it is not zero."""
        return {t: w for n in self.nodes for t, w in zip(n.tops, n.loss_weights, strict=True) if w}

    @cached_property
    def param_by_key(self) -> dict[str, Param]:
        return {p.key: p for p in self.params}

    @cached_property
    def memory(self) -> dict[str, Shape]:
        """Key -> shape of what layers carry from pass to pass without storing it."""
        return {
            k: spec.shape
            for n in self.nodes
            for k, spec in zip(n.memory, n.set_up.memory, strict=True)
        }

    @cached_property
    def clocks(self) -> tuple[str, ...]:
        """Keys of the memory that holds the iteration of the training."""
        return tuple(n.memory[0] for n in self.nodes if n.set_up.clock)

    @cached_property
    def carried(self) -> tuple[str, ...]:
        """Keys of all that is carried from pass to pass: state and memory."""
        return (*(p.key for p in self.params if p.carried), *self.memory)

    @cached_property
    def contributing(self) -> frozenset[str]:
        """The values with an uncut path to the loss."""
        wanted = set(self.weights)
        for node in reversed(self.nodes):
            if wanted.intersection(node.tops):
                wanted.update(b for i, b in enumerate(node.bottoms) if not node.cut(i))
        return frozenset(wanted)

    @cached_property
    def differentiable(self) -> frozenset[str]:
        """The learnable blobs a gradient can reach: of nodes with an uncut path to the loss."""
        reached = (n.blobs for n in self.nodes if not self.contributing.isdisjoint(n.tops))
        return frozenset(key for blobs in reached for key in blobs)

    @cached_property
    def trainable(self) -> tuple[str, ...]:
        """Keys of the blobs a solver moves: learnable, lr_mult not 0.

        Where no gradient comes, weight decay still moves them. Caffe: sgd_solver.cpp, ApplyUpdate.
        """
        return tuple(p.key for p in self.params if not p.carried and p.lr_mult != 0)

    def check(self) -> None:
        """The form's own rules: values are produced once, before they are read.

        Raises GraphError; a pass that breaks them has a bug.
        """
        seen: set[str] = set()
        for node in self.nodes:
            for bottom in node.bottoms:
                if bottom not in seen:
                    raise GraphError(f"{node.key} reads {bottom} before it is produced")
            for top in node.tops:
                if top in seen or top not in self.blobs:
                    raise GraphError(f"{node.key} produces {top}, which is taken or unknown")
            if len(node.loss_weights) != len(node.tops):
                raise GraphError(f"{node.key} has {len(node.loss_weights)} loss weights")
            seen.update(node.tops)

    def to_text(self) -> str:
        """One line per node: `tops = Type name(bottoms)`, with shapes where they are known."""

        def value(name: str) -> str:
            return f"{name}: {dims(self.shapes[name])}" if name in self.shapes else name

        lines = [f"net '{self.name}' in phase {Phase.Name(self.phase)}"]
        for node in self.nodes:
            tops = ", ".join(map(value, node.tops)) or "-"
            used = "; ".join(f"{k}: {dims(self.param_by_key[k].spec.shape)}" for k in node.stored)
            text = f"  {tops} = {node.kind.label} '{node.key}'({', '.join(node.bottoms)})"
            weights = [f"{w:g}" for w in node.loss_weights if w]
            lines.append(
                text
                + (f" with {used}" if used else "")
                + (f" loss weight {', '.join(weights)}" if weights else "")
            )
        lines.append(f"  outputs: {', '.join(self.outputs) or '-'}")
        return "\n".join(lines)
