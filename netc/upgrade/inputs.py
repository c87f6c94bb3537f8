"""Inputs of the net to a layer of type Input. Caffe: upgrade_proto.cpp, UpgradeNetInput."""

from __future__ import annotations

from netc.errors import UpgradeError
from netc.prototxt import Parsed, SourceMap
from netc.schema import NetParameter


def inputs(net: NetParameter, source: SourceMap) -> Parsed:
    """Net-level `input` fields become one layer of type Input that comes first."""
    if not net.input:
        return Parsed(net, source)
    shaped = bool(net.input_shape)
    given = len(net.input_shape) if shaped else len(net.input_dim)
    needed = len(net.input) * (1 if shaped else 4)
    if given not in (0, needed):
        field = "input_shape" if shaped else "input_dim"
        raise UpgradeError(
            f"{len(net.input)} inputs need {needed} {field} entries, got {given}.",
            source.at(field, 0),
            "give one input_shape { dim: ... } per input" if shaped else "give four per input",
        )
    upgraded = NetParameter()
    nodes = SourceMap(source.span, dict(source.fields))
    if given:
        layer = upgraded.layer.add(name="input", type="Input", top=net.input)
        for i in range(len(net.input)):
            dims = net.input_shape[i].dim if shaped else net.input_dim[4 * i : 4 * i + 4]
            layer.input_param.shape.add(dim=dims)
        param = SourceMap(source.at("input_shape" if shaped else "input_dim", 0))
        param.fields["shape"] = source.get("input_shape")
        node = SourceMap(source.at("input", 0))
        node.fields = {"top": source.get("input"), "input_param": [param]}
        nodes.fields["layer"] = [node, *source.get("layer")]
    upgraded.MergeFrom(net)
    for field in ("input", "input_dim", "input_shape"):
        upgraded.ClearField(field)
        nodes.fields.pop(field, None)
    return Parsed(upgraded, nodes)
