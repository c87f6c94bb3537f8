"""Python layers in a net: they run on the host, on the net's blobs, in the shapes they choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from netc.graph.ir import Node

if TYPE_CHECKING:
    from netc.pycaffe.running import Running


def forward(net: Running, layer: int) -> float:
    """Run a Python layer; its part of the loss. Raises RunError where the class fails."""
    node = net._graph.nodes[layer]
    host = node.set_up.host
    given = [np.asarray(cell.value()) for cell in _cells(net, node)]
    made = host.run(*given)
    for top, value in zip(node.tops, made, strict=True):
        net.blobs[net._graph.blobs[top]].put(value)
    for key, before, blob in zip(node.blobs, given, host.blobs, strict=False):
        if not np.array_equal(before, blob.data):
            net._blob_by_key[key]._data.write(blob.data)
    return sum(w * float(x.sum()) for w, x in zip(node.loss_weights, made, strict=True) if w)


def backward(net: Running, layer: int) -> None:
    """Go back through a Python layer. Caffe does where a loss depends on it and a gradient is
    wanted."""
    node, graph = net._graph.nodes[layer], net._graph
    host = node.set_up.host
    reached = graph.message.force_backward or not graph.contributing.isdisjoint(node.tops)
    if not reached or not (any(host.needs) or node.blobs):
        return
    tops = [net.blobs[graph.blobs[t]] for t in node.tops]
    cells = [*_cells(net, node), *(b._data for b in tops), *(b._diff for b in tops)]
    given = [np.asarray(cell.value()) for cell in cells]
    found = iter(host.backward(host.needs, np.dtype(np.float32), host.passes, *given))
    for key in node.blobs:
        net._add_diff(key, next(found))
    for bottom, needed, value in zip(node.bottoms, host.needs, found, strict=True):
        if needed:
            net.blobs[graph.blobs[bottom]]._diff.set(value)


def _cells(net: Running, node: Node) -> list[Any]:
    """The data of its blobs and bottoms."""
    blobs = [net._blob_by_key[k] for k in node.blobs]
    return [b._data for b in (*blobs, *(net.blobs[net._graph.blobs[v]] for v in node.bottoms))]
