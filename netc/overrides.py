"""What the command line changes in files: `--set base_lr=0.1`, `--freeze 'conv[1-3]'`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from netc.errors import NetcError, Source, Span, UsageError, did_you_mean
from netc.load import Loaded, read_net
from netc.prototxt import SourceMap, parse
from netc.schema import LayerParameter, NetParameter, SolverParameter, is_repeated

LAYER = "layer."
PARAM_FIELDS = ("lr_mult", "decay_mult")
NET_FIELDS = ("net", "train_net")
Net = Loaded[NetParameter]


def override_solver(
    solver: Loaded[SolverParameter], settings: Sequence[str], freeze: Sequence[str] = ()
) -> Loaded[SolverParameter]:
    """The solver with fields replaced; `layer.NAME.FIELD=VALUE` goes into its training net.

    freeze: as `freeze_net` takes it. A net named by file that changes is read and put in its place.
    Raises UsageError and ParseError.
    """
    message, source = SolverParameter(), solver.source
    message.CopyFrom(solver.message)
    for setting in settings:
        if not setting.startswith(LAYER):
            path, value = _split(setting)
            source = _assign(message, source, path.split("."), value, setting)
    changed = Loaded(message, source, solver.warnings)
    for_layers = [s for s in settings if s.startswith(LAYER)]
    if not (for_layers or freeze):
        return changed
    return in_training_net(changed, lambda net: freeze_net(override_net(net, for_layers), freeze))


def in_training_net(
    solver: Loaded[SolverParameter], change: Callable[[Net], Net]
) -> Loaded[SolverParameter]:
    """The solver with its training net changed and inline. Raises ParseError."""
    message, fields = SolverParameter(), dict(solver.source.fields)
    message.CopyFrom(solver.message)
    for name in NET_FIELDS:
        inline = f"{name}_param"
        if message.HasField(name):
            net = read_net(getattr(message, name))
            message.ClearField(name)
        elif message.HasField(inline):
            net = Loaded(getattr(message, inline), solver.source.node(inline))
        else:
            continue
        net = change(net)
        getattr(message, inline).CopyFrom(net.message)
        fields[inline] = [net.source]
    return solver._replace(message=message, source=SourceMap(solver.source.span, fields))


def override_net(net: Net, settings: Sequence[str]) -> Net:
    """The net with fields of layers replaced, in every layer of that name.

    `layer.conv1.lr_mult=0` and `layer.conv1.decay_mult=0` are for all of a layer's blobs.
    Raises UsageError.
    """
    message, fields = NetParameter(), dict(net.source.fields)
    message.CopyFrom(net.message)
    nodes = fields["layer"] = [net.source.node("layer", i) for i in range(len(message.layer))]
    for setting in settings:
        path, value = _split(setting)
        found, field = _find(message, path.removeprefix(LAYER), setting)
        for i in found:
            layer = message.layer[i]
            if field in PARAM_FIELDS:
                _set_all(layer, field)
            nodes[i] = _assign(layer, nodes[i], field.split("."), value, setting)
    return net._replace(message=message, source=SourceMap(net.source.span, fields))


def freeze_net(net: Net, patterns: Sequence[str]) -> Net:
    """The net with lr_mult 0 for all blobs of the layers whose names a pattern matches.

    patterns: regular expressions for whole names, several in one separated by commas.
    Raises UsageError for one that matches no layer.
    """
    message = NetParameter()
    message.CopyFrom(net.message)
    for pattern in (p.strip() for given in patterns for p in _apart(given)):
        found = [layer for layer in message.layer if _matches(pattern, layer.name)]
        if not found:
            names = dict.fromkeys(layer.name for layer in message.layer)
            raise UsageError(
                f"--freeze {pattern}: no layer has such a name",
                hint=did_you_mean(pattern, names)
                or "a pattern is for the whole name: conv.* for all that begin with conv",
            )
        for layer in found:
            _set_all(layer, "lr_mult")
            layer.lr_mult = 0
    return net._replace(message=message)


def _apart(patterns: str) -> list[str]:
    """Split at commas that stand outside of brackets and braces, as in `conv{1,2}` they do not."""
    return [p for p in re.findall(r"(?:\[[^]]*\]|\{[^}]*\}|[^,])+", patterns) if p.strip()]


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error as error:
        raise UsageError(f"--freeze {pattern}: not a regular expression: {error}") from None


def _split(setting: str) -> tuple[str, str]:
    path, equals, value = setting.partition("=")
    if not equals or not path:
        raise UsageError(f"--set takes FIELD=VALUE, got '{setting}'")
    return path.strip(), value.strip()


def _find(net: NetParameter, path: str, setting: str) -> tuple[list[int], str]:
    """The layers whose name `path` starts with, and the field after it: names may hold dots."""
    names = sorted({layer.name for layer in net.layer}, key=len, reverse=True)
    for name in names:
        if path.startswith(f"{name}."):
            found = [i for i, layer in enumerate(net.layer) if layer.name == name]
            return found, path[len(name) + 1 :]
    wanted = path.split(".")[0]
    raise UsageError(f"--set {setting}: no layer '{wanted}'", hint=did_you_mean(wanted, names))


def _set_all(layer: LayerParameter, field: str) -> None:
    """Leave a multiplier to the layer, for all of its blobs."""
    for param in layer.param:
        param.ClearField(field)


def _assign(
    message: Message, source: SourceMap, path: list[str], value: str, setting: str
) -> SourceMap:
    """Set a field of a message that stands at `source`; where it stands from then on."""
    kind, name = message.DESCRIPTOR, path[0]
    field: Any = kind.fields_by_name.get(name)
    if field is None:
        raise UsageError(
            f"--set {setting}: {kind.name} has no field '{name}'",
            hint=did_you_mean(name, kind.fields_by_name),
        )
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        if len(path) == 1 or is_repeated(field):
            raise UsageError(f"--set {setting}: name a single field inside {name}")
        inner = source.node(name) if source.get(name) else SourceMap(_at(setting))
        nodes = [_assign(getattr(message, name), inner, path[1:], value, setting)]
    else:
        if len(path) > 1:
            raise UsageError(f"--set {setting}: {name} is a value and holds no '{path[1]}'")
        message.ClearField(name)
        message.MergeFrom(_parsed(message, field, value, setting))
        count = len(getattr(message, name)) if is_repeated(field) else 1
        nodes = [SourceMap(_at(setting))] * count
    return SourceMap(source.span, {**source.fields, name: nodes})


def _parsed(message: Message, field: FieldDescriptor, value: str, setting: str) -> Message:
    """The value as prototxt reads it; a string needs no quotes."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and value[:1] not in "'\"[":
        value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if is_repeated(field) and not value.startswith("["):
        value = f"[{value}]"
    try:
        return parse(f"{field.name}: {value}", type(message), "--set").message
    except NetcError as error:
        raise UsageError(f"--set {setting}: {error.message}", _at(setting), error.hint) from None


def _at(setting: str) -> Span:
    at = setting.index("=") + 1
    return Span(Source("--set", setting), at, len(setting) - at)
