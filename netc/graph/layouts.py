"""Channels first or last: in which order of axes the layers of a net run."""

from __future__ import annotations

from netc.graph.ir import Graph, Node


def channels_last(graph: Graph) -> frozenset[str]:
    """The keys of the nodes that run on (N, H, W, C) arrays where XLA leaves the order to us.

    These are the layers that are quicker so and those that follow them, but for one that would be
    alone: what it gains is less than what it costs to turn its bottoms and tops.
    """
    regions: dict[str, list[Node]] = {}  # by value, one object for all values that hang together
    for node in graph.nodes:
        met = {id(r): r for b in node.bottoms if (r := regions.get(b))}
        if _able(graph, node) and (node.set_up.prefers_last or met):
            region = [node, *(n for r in met.values() for n in r)]
            values = [v for v, r in regions.items() if id(r) in met]
            images = [t for t in node.tops if len(graph.shapes[t]) == 4]
            regions.update(dict.fromkeys([*values, *images], region))
    return frozenset(
        n.key
        for region in {id(r): r for r in regions.values()}.values()
        if sum(n.set_up.prefers_last for n in region) > 1
        for n in region
    )


def _able(graph: Graph, node: Node) -> bool:
    images = all(len(graph.shapes[b]) == 4 for b in node.bottoms)
    return images and node.set_up.channels_last is not None and node.set_up.external is None
