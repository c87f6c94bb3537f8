"""How a net's images were made when it was trained, as nets and files of weights tell it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from netc.data.feeds import FEEDS
from netc.load import read_net
from netc.schema import LayerParameter, NetParameter, Phase, TransformationParameter
from netc.weights.definition import read_definition


class Stored(NamedTuple):
    """A transform_param, the (height, width) that images were resized to before it, and in which
    file it stands ("" for none)."""

    param: TransformationParameter
    size: tuple[int, int] | None = None
    origin: str = ""


def read_stored(model: str, weights: str, other: str | None = None) -> Stored:
    """The transform of a data or Input layer of the net `other`, or else of `model`, or else of the
    net that the weights were written for; one for TEST before one for TRAIN.

    Raises ParseError, UpgradeError and WeightsError.
    """
    for path in (other,) if other else (model, weights):
        net = read_definition(path) if path == weights else read_net(path).message
        if found := _stored(net, path):
            return found
    return Stored(TransformationParameter())


def _stored(net: NetParameter, origin: str) -> Stored | None:
    layers = [layer for layer in net.layer if layer.HasField("transform_param")]
    if not layers:
        return None
    layer = min(layers, key=lambda x: Phase.TRAIN in _phases(x))
    p = layer.transform_param
    resize = p.resize_param[0] if p.resize_param else None
    sizes = [(resize.height, resize.width)] if resize else _resized(layer)
    return Stored(p, next((s for s in sizes if all(s)), None), origin)


def _phases(layer: LayerParameter) -> Iterable[int]:
    """The phases that a layer is bound to."""
    rules = [rule.phase for rule in layer.include if rule.HasField("phase")]
    return rules + ([layer.phase] if layer.HasField("phase") else [])


def _resized(layer: LayerParameter) -> list[tuple[int, int]]:
    """new_height and new_width of a layer that reads image files."""
    if layer.type not in FEEDS:
        return []
    own = [value for field, value in layer.ListFields() if "new_height" in _fields(field)]
    return [(value.new_height, value.new_width) for value in own]


def _fields(field) -> Iterable[str]:
    return field.message_type.fields_by_name if field.message_type else ()
