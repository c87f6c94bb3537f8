"""Which layers a NetState keeps, and why each other was dropped. Caffe: net.cpp, FilterNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from netc.errors import PhaseError
from netc.load import Loaded
from netc.prototxt import SourceMap
from netc.schema import LayerParameter, NetParameter, NetState, NetStateRule, Phase


@dataclass(frozen=True)
class Dropped:
    """A layer that the state does not keep, and Caffe's sentence for the reason."""

    name: str
    reason: str


class Filtered(NamedTuple):
    """A net of only the layers kept, its source map, and the layers dropped."""

    message: NetParameter
    source: SourceMap
    dropped: tuple[Dropped, ...]


def filter_net(net: Loaded[NetParameter], state: NetState) -> Filtered:
    """The layers that `state` keeps, with `state` written into the net.

    A layer without rules is kept; with include rules if any matches; with exclude rules if none.
    Raises PhaseError for a layer with both.
    """
    source = net.source
    message = NetParameter()
    message.CopyFrom(net.message)
    del message.layer[:]
    message.state.CopyFrom(state)
    nodes = SourceMap(source.span, dict(source.fields))
    nodes.fields["layer"] = []
    dropped = []
    for i, layer in enumerate(net.message.layer):
        node = source.node("layer", i) if source.get("layer") else SourceMap()
        if reason := why_dropped(layer, node, state):
            dropped.append(Dropped(layer.name, reason))
        else:
            message.layer.add().CopyFrom(layer)
            nodes.fields["layer"].append(node)
    return Filtered(message, nodes, tuple(dropped))


def why_dropped(layer: LayerParameter, node: SourceMap, state: NetState) -> str | None:
    """Why `state` drops the layer, in Caffe's words; None if it keeps it. Raises PhaseError."""
    if layer.include and layer.exclude:
        raise PhaseError(
            f"Specify either include rules or exclude rules; not both (layer '{layer.name}').",
            node.at("exclude", 0),
            "keep the one that says what you mean; an empty rule matches every state",
        )
    if layer.exclude:
        if any(not mismatch(rule, state, layer.name) for rule in layer.exclude):
            return f"An exclude rule of layer {layer.name} matches the NetState."
        return None
    reasons = [mismatch(rule, state, layer.name) for rule in layer.include]
    return reasons[0] if reasons and all(reasons) else None


def mismatch(rule: NetStateRule, state: NetState, layer: str) -> str | None:
    """How a rule differs from the state, in Caffe's words; None if all of its parts match."""
    where = f"by a rule in layer {layer}"
    if rule.HasField("phase") and rule.phase != state.phase:
        return (
            f"The NetState phase ({state.phase}) differed from the phase ({rule.phase}) "
            f"specified {where}"
        )
    if rule.HasField("min_level") and state.level < rule.min_level:
        return (
            f"The NetState level ({state.level}) is below the min_level ({rule.min_level}) "
            f"specified {where}"
        )
    if rule.HasField("max_level") and state.level > rule.max_level:
        return (
            f"The NetState level ({state.level}) is above the max_level ({rule.max_level}) "
            f"specified {where}"
        )
    stages = set(state.stage)
    for stage in rule.stage:
        if stage not in stages:
            return f"The NetState did not contain stage '{stage}' specified {where}"
    for stage in rule.not_stage:
        if stage in stages:
            return f"The NetState contained a not_stage '{stage}' specified {where}"
    return None


def net_state(phase: Phase | int, level: int = 0, stages: tuple[str, ...] = ()) -> NetState:
    """A NetState from its parts."""
    return NetState(phase=Phase.Name(phase), level=level, stage=stages)


def state_of(
    net: NetParameter, phase: Phase | int, level: int | None = None, stages: tuple[str, ...] = ()
) -> NetState:
    """The net's own state, phase and level replaced, stages added. Caffe: net.cpp, Net."""
    state = NetState()
    state.MergeFrom(net.state)
    state.MergeFrom(net_state(phase, state.level if level is None else level, stages))
    return state
