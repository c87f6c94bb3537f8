"""Gradients that training would need and no layer has."""

from __future__ import annotations

from netc.errors import GraphError, NetcError, raise_all
from netc.graph.ir import Graph, Node


def check_gradients(graph: Graph) -> None:
    """Where a loss asks for a gradient through a bottom, the layer must have one.

    Raises GraphError, or Errors holding several. Caffe: it aborts in the first backward pass.
    """
    learned = {p.key for p in graph.params if p.lr_mult and not p.carried}
    moving: set[str] = set()
    errors: list[NetcError] = []
    for node in graph.nodes:
        uncut = {b for i, b in enumerate(node.bottoms) if b in moving and not node.cut(i)}
        if node.kind.separate:
            pairs = zip(node.bottoms, node.tops, strict=False)
            moving.update(top for bottom, top in pairs if bottom in uncut)
        elif uncut or learned.intersection(node.blobs):
            moving.update(node.tops)
        if not graph.contributing.isdisjoint(node.tops):
            errors += [_refusal(node, i) for i in node.closed if node.bottoms[i] in uncut]
    raise_all(errors)


def _refusal(node: Node, bottom: int) -> GraphError:
    what = "label inputs" if node.kind.loss else f"bottom[{bottom}]"
    return GraphError(
        f"{node.param.type} Layer cannot backpropagate to {what}: '{node.param.bottom[bottom]}' "
        f"depends on blobs that are trained (layer '{node.name}')",
        node.source.at("bottom", bottom),
        "propagate_down: false for this bottom trains on without its gradient",
    )
