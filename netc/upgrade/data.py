"""Transformations in the parameters of data layers. Caffe: UpgradeNetDataTransformation."""

from __future__ import annotations

from netc.prototxt import Parsed, SourceMap
from netc.schema import NetParameter, V1LayerParameter
from netc.upgrade.move import copied, put, put_nodes

_V1 = V1LayerParameter
_PARAMS = {
    _V1.DATA: "data_param",
    _V1.IMAGE_DATA: "image_data_param",
    _V1.WINDOW_DATA: "window_data_param",
}
_MOVED = ("scale", "mean_file", "crop_size", "mirror")


def transform(net: NetParameter, source: SourceMap) -> Parsed:
    """Fields of V1 data layers that say how to transform images go to `transform_param`."""
    found = [
        (i, _PARAMS[y.type], field)
        for i, y in enumerate(net.layers)
        if y.type in _PARAMS
        for field in _MOVED
        if getattr(y, _PARAMS[y.type]).HasField(field)
    ]
    if not found:
        return Parsed(net, source)
    upgraded = NetParameter()
    upgraded.CopyFrom(net)
    nodes = SourceMap(source.span, dict(source.fields))
    layers = {i: copied(source.node("layers", i)) for i, _, _ in found}
    for i, param, field in found:
        old = getattr(upgraded.layers[i], param)
        put(upgraded.layers[i], ("transform_param", field), getattr(old, field))
        old.ClearField(field)
        moved = layers[i].node(param, 0).fields.pop(field, [])
        put_nodes(layers[i], ("transform_param", field), moved)
    nodes.fields["layers"] = [layers.get(i, n) for i, n in enumerate(source.get("layers"))]
    return Parsed(upgraded, nodes)
