"""The Split layers that Caffe inserts, for those who look at names: pycaffe and .caffemodel files.

Programs do not need them. Caffe: insert_splits.cpp.
"""

from __future__ import annotations

from collections import Counter

from netc.prototxt import SourceMap
from netc.schema import LayerParameter, NetParameter

Top = tuple[int, int]


def split_layer_name(layer: str, blob: str, index: int) -> str:
    """The name of the Split layer behind top `index` of a layer."""
    return f"{blob}_{layer}_{index}_split"


def insert_splits(net: NetParameter, source: SourceMap) -> tuple[NetParameter, SourceMap]:
    """The net with a Split layer behind every top that has more than one reader.

    A non-zero loss_weight counts as a reader. The weight stays with the layer that gave it; Caffe
    moves it to the Split, and then counts a default weight of 1 besides.
    """
    sources, readers = _readers(net)
    split = NetParameter()
    split.CopyFrom(net)
    del split.layer[:]
    nodes: list[SourceMap] = []
    next_copy = {
        top: int(_weighs(net.layer[top[0]], top[1])) for top, n in readers.items() if n > 1
    }
    for i, layer in enumerate(net.layer):
        added = split.layer.add()
        added.CopyFrom(layer)
        node = source.node("layer", i) if source.get("layer") else SourceMap()
        nodes.append(node)
        for j in range(len(layer.bottom)):
            top = sources.get((i, j))
            if top in next_copy:
                name = net.layer[top[0]].name
                base = split_layer_name(name, layer.bottom[j], top[1])
                added.bottom[j] = f"{base}_{next_copy[top]}"
                next_copy[top] += 1
        for j, blob in enumerate(layer.top):
            if (count := readers[i, j]) > 1:
                name = split_layer_name(layer.name, blob, j)
                tops = [f"{name}_{k}" for k in range(count)]
                split.layer.add(name=name, type="Split", bottom=[blob], top=tops)
                nodes.append(SourceMap(node.span))
    return split, SourceMap(source.span, {**source.fields, "layer": nodes})


def _readers(net: NetParameter) -> tuple[dict[Top, Top], Counter[Top]]:
    """For each bottom (layer, index) the top it reads, and for each top how many read it."""
    latest: dict[str, Top] = {}
    sources: dict[Top, Top] = {}
    readers: Counter[Top] = Counter()
    for i, layer in enumerate(net.layer):
        for j, blob in enumerate(layer.bottom):
            if blob in latest:
                sources[i, j] = latest[blob]
                readers[latest[blob]] += 1
        for j, blob in enumerate(layer.top):
            latest[blob] = (i, j)
            readers[i, j] += _weighs(layer, j)
    return sources, readers


def _weighs(layer: LayerParameter, top: int) -> bool:
    return top < len(layer.loss_weight) and layer.loss_weight[top] != 0
