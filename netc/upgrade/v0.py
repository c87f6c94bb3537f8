"""Layers of 2013, `layers { layer { name: "c" type: "conv" kernelsize: 3 } }`, to those of 2014.

Caffe: upgrade_proto.cpp, UpgradeV0PaddingLayers and UpgradeV0LayerParameter.
"""

from __future__ import annotations

from netc.errors import NetcError, UpgradeError, did_you_mean
from netc.prototxt import Parsed, SourceMap
from netc.schema import NetParameter, V0LayerParameter, V1LayerParameter
from netc.upgrade.move import copied, put, put_nodes

_RENAMED = {
    "conv": "CONVOLUTION",
    "images": "IMAGE_DATA",
    "innerproduct": "INNER_PRODUCT",
    "pool": "POOLING",
}
_KEPT = (
    "accuracy bnll concat data dropout euclidean_loss flatten hdf5_data hdf5_output im2col "
    "infogain_loss lrn multinomial_logistic_loss relu sigmoid softmax softmax_loss split tanh "
    "window_data"
)
TYPES = _RENAMED | {name: name.upper() for name in _KEPT.split()}

_OF_THE_TYPE = (  # the old name, the name in the type's own parameters, the types that have it
    ("num_output", "num_output", "conv innerproduct"),
    ("biasterm", "bias_term", "conv innerproduct"),
    ("weight_filler", "weight_filler", "conv innerproduct"),
    ("bias_filler", "bias_filler", "conv innerproduct"),
    ("pad", "pad", "conv pool"),
    ("kernelsize", "kernel_size", "conv pool"),
    ("stride", "stride", "conv pool"),
    ("group", "group", "conv"),
    ("pool", "pool", "pool"),
    ("dropout_ratio", "dropout_ratio", "dropout"),
    ("local_size", "local_size", "lrn"),
    ("alpha", "alpha", "lrn"),
    ("beta", "beta", "lrn"),
    ("k", "k", "lrn"),
    ("source", "source", "data hdf5_data images window_data infogain_loss"),
    ("batchsize", "batch_size", "data hdf5_data images window_data"),
    ("rand_skip", "rand_skip", "data images"),
    ("shuffle_images", "shuffle", "images"),
    ("new_height", "new_height", "images"),
    ("new_width", "new_width", "images"),
    ("concat_dim", "concat_dim", "concat"),
    ("det_fg_threshold", "fg_threshold", "window_data"),
    ("det_bg_threshold", "bg_threshold", "window_data"),
    ("det_fg_fraction", "fg_fraction", "window_data"),
    ("det_context_pad", "context_pad", "window_data"),
    ("det_crop_mode", "crop_mode", "window_data"),
)
_OF_ANY_TYPE = {
    **{name: (name,) for name in ("name", "blobs", "blobs_lr", "weight_decay")},
    "scale": ("transform_param", "scale"),
    "meanfile": ("transform_param", "mean_file"),
    "cropsize": ("transform_param", "crop_size"),
    "mirror": ("transform_param", "mirror"),
}
_PATHS = {
    **{(kind, old): path for kind in TYPES for old, path in _OF_ANY_TYPE.items()},
    **{
        (kind, old): (f"{TYPES[kind].lower()}_param", new)
        for old, new, kinds in _OF_THE_TYPE
        for kind in kinds.split()
    },
    ("hdf5_output", "hdf5_output_param"): ("hdf5_output_param",),
}


def padding(net: NetParameter, source: SourceMap) -> Parsed:
    """Layers of type "padding" become the `pad` of the convolutions and poolings that read them."""
    pads = [i for i, y in enumerate(net.layers) if y.layer.type == "padding"]
    if not pads:
        return Parsed(net, source)
    upgraded = NetParameter()
    upgraded.CopyFrom(net)
    nodes = SourceMap(source.span, dict(source.fields))
    layers = [SourceMap(n.span, dict(n.fields)) for n in source.get("layers")]
    producers: dict[str, int] = {}
    for i, layer in enumerate(upgraded.layers):
        for j, bottom in enumerate(layer.bottom):
            if (at := producers.get(bottom)) in pads:
                pad = net.layers[at]
                _check_padding(layer, pad, source.node("layers", i))
                layer.layer.pad = pad.layer.pad
                layer.bottom[j] = pad.bottom[0]
        producers |= dict.fromkeys(layer.top, i)
    for i in reversed(pads):
        del upgraded.layers[i]
        del layers[i : i + 1]
    nodes.fields["layers"] = layers
    return Parsed(upgraded, nodes)


def _check_padding(layer: V1LayerParameter, pad: V1LayerParameter, node: SourceMap) -> None:
    if layer.layer.type not in ("conv", "pool"):
        raise UpgradeError(
            f"Padding layer input to non-convolutional / non-pooling layer type {layer.layer.type}",
            node.at("layer", 0, "type"),
            f"the padding layer '{pad.layer.name}' can only be read by conv and pool",
        )
    counts = {
        "Conv Layer takes a single blob as input.": len(layer.bottom),
        "Padding Layer takes a single blob as input.": len(pad.bottom),
        "Padding Layer produces a single blob as output.": len(pad.top),
    }
    for sentence, count in counts.items():
        if count != 1:
            raise UpgradeError(
                f"{sentence} Here it is {count} (layer '{layer.layer.name}', "
                f"padding layer '{pad.layer.name}')",
                node.span,
            )


def v0_layers(net: NetParameter, source: SourceMap) -> Parsed:
    """A `layer` in `layers` gives its fields to it, save those that its type does not have."""
    if not any(y.HasField("layer") for y in net.layers):
        return Parsed(net, source)
    upgraded = NetParameter()
    upgraded.CopyFrom(net)
    nodes = SourceMap(source.span, dict(source.fields))
    nodes.fields["layers"] = []
    warnings: list[NetcError] = []
    for i, layer in enumerate(net.layers):
        node = source.node("layers", i)
        if layer.HasField("layer"):
            outer = copied(node)
            outer.fields.pop("layer", None)
            upgraded.layers[i].ClearField("layer")
            warnings += _unfold(layer.layer, node.node("layer", 0), upgraded.layers[i], outer)
            node = outer
        nodes.fields["layers"].append(node)
    return Parsed(upgraded, nodes, warnings)


def _unfold(
    old: V0LayerParameter, node: SourceMap, layer: V1LayerParameter, outer: SourceMap
) -> list[NetcError]:
    """Move the fields of a V0 layer to the layer around it; the fields that have no place there."""
    if old.type not in TYPES:
        raise UpgradeError(
            f"Unknown layer name: {old.type}",
            node.at("type"),
            did_you_mean(old.type, TYPES) or f"the types of 2013 were {', '.join(sorted(TYPES))}",
        )
    put(layer, ("type",), V1LayerParameter.LayerType.Value(TYPES[old.type]))
    put_nodes(outer, ("type",), node.get("type"))
    left_out: list[NetcError] = []
    for field, value in old.ListFields():
        if field.name == "type":
            continue
        path = _PATHS.get((old.type, field.name))
        if path:
            put(layer, path, value)
            put_nodes(outer, path, node.get(field.name))
        else:
            left_out.append(
                UpgradeError(
                    f"Unknown parameter {field.name} for layer type {old.type}",
                    node.at(field.name),
                    "it is left out",
                )
            )
    return left_out
