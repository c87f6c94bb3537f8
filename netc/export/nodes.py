"""The nodes of an ONNX model that grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from netc.layers.base import Shape

OPSET, IR_VERSION = 18, 8


class Writer:
    """The nodes and the constants of a model that grows, each named after the layer at hand.

    shapes: of blobs by name, of which the first number may be another in a pass.
    """

    def __init__(self, shapes: dict[str, Shape]) -> None:
        self.shapes = shapes
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.names: dict[int, str] = {}  # of blobs, by their identity
        self.layer, self.count = "", 0

    def begin(self, layer: str) -> None:
        """What follows belongs to that layer."""
        self.layer, self.count = layer, 0

    def fresh(self) -> str:
        """A name that nothing has."""
        self.count += 1
        return f"{self.layer}//{self.count}"

    def constant(self, value: Any) -> str:
        """The name of a tensor with these values: float32, or int64 for whole numbers."""
        array = np.asarray(value)
        kind = np.int64 if array.dtype.kind == "i" else np.float32
        name = self.names.get(id(value)) or self.fresh()
        self.constants[name] = array.astype(kind, copy=False)
        return name

    def node(self, operator: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; the name of its output, or a tuple of them."""
        from onnx import helper

        given = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        made = [self.fresh() for _ in range(outputs)]
        self.nodes.append(
            helper.make_node(operator, given, made, name=f"{made[0]}:{operator}", **attributes)
        )
        return made[0] if outputs == 1 else tuple(made)

    def body(self, f: Callable[..., tuple[str, ...]], inputs: Sequence[str]) -> Any:
        """A graph for Scan, made of the nodes that `f` adds for these inputs."""
        from onnx import TensorProto, helper

        outside, self.nodes = self.nodes, []
        names = [f"{self.layer}/{name}" for name in inputs]
        outputs = [self.node("Identity", name) for name in f(*names)]
        inside, self.nodes = self.nodes, outside

        def typed(names: Sequence[str]) -> list[Any]:
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names]

        return helper.make_graph(inside, f"{self.layer}/step", typed(names), typed(outputs))


def per_axis(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)


def edges(pad: Any, rank: int) -> list[int]:
    """Zeros before every axis, then those after every axis."""
    pairs = [(pad, pad)] * rank if isinstance(pad, int) else pad
    return [before for before, _ in pairs] + [after for _, after in pairs]
