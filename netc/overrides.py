"""Fields set from the command line: `base_lr=0.1`, `layer.conv1.lr_mult=0`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from netc.errors import NetcError, Source, Span, UsageError, did_you_mean
from netc.load import Loaded, read_net
from netc.prototxt import parse
from netc.schema import LayerParameter, NetParameter, SolverParameter, is_repeated

LAYER = "layer."
PARAM_FIELDS = ("lr_mult", "decay_mult")
NET_FIELDS = ("net", "train_net")


def override_solver(
    solver: Loaded[SolverParameter], settings: Sequence[str]
) -> Loaded[SolverParameter]:
    """The solver with fields replaced; `layer.NAME.FIELD=VALUE` goes into its nets.

    A net named by file is then read and put in its place. Raises UsageError and ParseError.
    """
    own = [s for s in settings if not s.startswith(LAYER)]
    for_layers = [s for s in settings if s.startswith(LAYER)]
    message = SolverParameter()
    message.CopyFrom(solver.message)
    source = solver.source
    for setting in own:
        path, value = _split(setting)
        _assign(message, path.split("."), value, setting)
    if for_layers:
        fields = dict(source.fields)
        for name in NET_FIELDS:
            if message.HasField(name):
                net = override_net(read_net(getattr(message, name)), for_layers)
                message.ClearField(name)
                inline = f"{name}_param"
                getattr(message, inline).CopyFrom(net.message)
                fields[inline] = [net.source]
        source = type(source)(source.span, fields)
    return Loaded(message, source, solver.warnings)


def override_net(net: Loaded[NetParameter], settings: Sequence[str]) -> Loaded[NetParameter]:
    """The net with fields of layers replaced, in every layer of that name.

    `layer.conv1.lr_mult=0` and `layer.conv1.decay_mult=0` set all of a layer's blobs.
    Raises UsageError.
    """
    message = NetParameter()
    message.CopyFrom(net.message)
    for setting in settings:
        path, value = _split(setting)
        layers, field = _find(message, path.removeprefix(LAYER), setting)
        for layer in layers:
            if field in PARAM_FIELDS:
                _set_all(layer, field, value, setting)
            else:
                _assign(layer, field.split("."), value, setting)
    return Loaded(message, net.source, net.warnings)


def _split(setting: str) -> tuple[str, str]:
    path, equals, value = setting.partition("=")
    if not equals or not path:
        raise UsageError(f"--set takes FIELD=VALUE, got '{setting}'")
    return path.strip(), value.strip()


def _find(net: NetParameter, path: str, setting: str) -> tuple[list[LayerParameter], str]:
    """The layers whose name `path` starts with, and the field after it: names may hold dots."""
    names = sorted({layer.name for layer in net.layer}, key=len, reverse=True)
    for name in names:
        if path.startswith(f"{name}."):
            return [x for x in net.layer if x.name == name], path[len(name) + 1 :]
    wanted = path.split(".")[0]
    raise UsageError(f"--set {setting}: no layer '{wanted}'", hint=did_you_mean(wanted, names))


def _set_all(layer: LayerParameter, field: str, value: str, setting: str) -> None:
    """Set a multiplier for every blob a layer may have: weights and bias at least."""
    while len(layer.param) < 2 and layer.type not in ("Bias", "Embed"):
        layer.param.add()
    for param in layer.param:
        _assign(param, [field], value, setting)


def _assign(message: Message, path: list[str], value: str, setting: str) -> None:
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
        _assign(getattr(message, name), path[1:], value, setting)
        return
    if len(path) > 1:
        raise UsageError(f"--set {setting}: {name} is a value and holds no '{path[1]}'")
    message.ClearField(name)
    message.MergeFrom(_parsed(message, field, value, setting))


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
    return Span(Source("--set", setting), setting.index("=") + 1)
