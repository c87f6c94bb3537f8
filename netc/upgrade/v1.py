"""Layers of 2014, `layers { type: INNER_PRODUCT blobs_lr: 1 }`, to `layer`.

Caffe: upgrade_proto.cpp, UpgradeV1Net and UpgradeV1LayerParameter.
"""

from __future__ import annotations

from netc.errors import UpgradeError
from netc.prototxt import Parsed, SourceMap
from netc.schema import LayerParameter, NetParameter, ParamSpec, V1LayerParameter
from netc.upgrade.move import put, put_nodes
from netc.upgrade.v0 import TYPES

_IRREGULAR = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BN": "BN",
    "BNLL": "BNLL",
    "CONVOLUTION3D": "Convolution3D",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "POOLING3D": "Pooling3D",
    "RELU": "ReLU",
    "ROIPOOLING": "ROIPooling",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
_NAMES = frozenset(V1LayerParameter.LayerType.keys())
_SPEC = {  # of each blob, one entry in every list; now one ParamSpec
    "param": "name",
    "blob_share_mode": "share_mode",
    "blobs_lr": "lr_mult",
    "weight_decay": "decay_mult",
}


def type_of(name: str) -> str:
    """The type that an enum name of V1 stands for: INNER_PRODUCT is InnerProduct."""
    return _IRREGULAR.get(name, "".join(map(str.capitalize, name.split("_"))))


def current_type(name: str) -> str:
    """The type for any of its names, conv, CONVOLUTION or Convolution; others as they are."""
    name = TYPES.get(name, name)
    return type_of(name) if name in _NAMES else name


def v1_layers(net: NetParameter, source: SourceMap) -> Parsed:
    """Every `layers` becomes a `layer`. Raises UpgradeError for a net that has both."""
    if not net.layers:
        return Parsed(net, source)
    if net.layer:
        raise UpgradeError(
            "Refusing to upgrade inconsistent NetParameter input; the definition includes both "
            "'layer' and 'layers' fields. The current format defines 'layer' fields with string "
            "type like layer { type: 'Layer' ... } and not layers { type: LAYER ... }. Manually "
            "switch the definition to 'layer' format to continue.",
            source.at("layers", 0),
            f"the first 'layer' is at {place}" if (place := source.at("layer", 0)) else None,
        )
    upgraded = NetParameter()
    upgraded.CopyFrom(net)
    upgraded.ClearField("layers")
    nodes = SourceMap(source.span, {k: v for k, v in source.fields.items() if k != "layers"})
    nodes.fields["layer"] = [
        _layer(layer, source.node("layers", i), upgraded.layer.add())
        for i, layer in enumerate(net.layers)
    ]
    return Parsed(upgraded, nodes)


def _layer(old: V1LayerParameter, node: SourceMap, layer: LayerParameter) -> SourceMap:
    """Fill a layer from one of V1; its source map."""
    nodes = SourceMap(node.span)
    for field, value in old.ListFields():
        if field.name in _SPEC:
            continue
        if field.name == "type":
            value = type_of(V1LayerParameter.LayerType.Name(value))
        put(layer, (field.name,), value)
        put_nodes(nodes, (field.name,), node.get(field.name))
    count = max(len(getattr(old, name)) for name in _SPEC)
    specs = [SourceMap() for _ in range(count)]
    layer.param.extend(ParamSpec() for _ in range(count))
    for name, new in _SPEC.items():
        for spec, value in zip(layer.param, getattr(old, name), strict=False):
            setattr(spec, new, value)
        for spec, place in zip(specs, node.get(name), strict=False):
            spec.span = spec.span or place.span
            put_nodes(spec, (new,), [place])
    put_nodes(nodes, ("param",), specs)
    return nodes
