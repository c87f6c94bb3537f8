"""What a user points at: a net, or a solver with its nets, told apart by what is in the file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from google.protobuf.message import Message

from netc.errors import Errors, NetcError, UsageError, WeightsError, did_you_mean
from netc.load import Loaded, PathLike, is_text, read_bytes, read_net, read_solver, text_of
from netc.phase import state_of
from netc.prototxt import parse
from netc.schema import NetParameter, Phase, SolverParameter
from netc.train.nets import NetInState, resolve
from netc.weights.wire import Message as WireMessage

Shapes = Mapping[str, tuple[int, ...]]


def is_solver(path: PathLike) -> bool:
    """Whether a file is a solver: its text has fewer mistakes as one than as a net, or a field of
    its message is no net's. Raises ParseError when there is no such file.
    """
    data = read_bytes(path)
    if not is_text(data):
        return _has_a_field_of_no_net(data)
    text = text_of(data)
    return _mistakes(text, SolverParameter) < _mistakes(text, NetParameter)


def _mistakes(text: str, kind: type[Message]) -> int:
    try:
        parse(text, kind)
    except NetcError as error:
        return len(each(error))
    return 0


def _has_a_field_of_no_net(data: bytes) -> bool:
    known = NetParameter.DESCRIPTOR.fields_by_number
    with suppress(WeightsError):
        return any(field.number not in known for field in WireMessage.whole(data, ""))
    return False


def each(error: NetcError) -> tuple[NetcError, ...]:
    """The mistakes that an error reports."""
    return error.errors if isinstance(error, Errors) else (error,)


def open_nets(
    path: PathLike,
    phase: Phase | None = None,
    level: int | None = None,
    stages: tuple[str, ...] = (),
    shapes: Shapes | None = None,
) -> list[NetInState]:
    """The net of a file in `phase` (TRAIN if it is None), or the nets of a solver in that phase
    (all of them if it is None).

    level, stages: as Caffe's flags; for a solver they go to the train state.
    shapes: see `stand_in`.
    Raises ParseError, UpgradeError, SolverError and UsageError.
    """
    if is_solver(path):
        train, tests = resolve(read_solver(path), level, stages)
        found = [n for n in (train, *tests) if phase in (None, n.state.phase)]
        if not found:
            raise UsageError(f"{path}: the solver has no test net")
    else:
        net = read_net(path)
        found = [in_state(net, Phase.TRAIN if phase is None else phase, level, stages, str(path))]
    return [n._replace(net=stand_in(n.net, shapes or {})) for n in found]


def in_state(
    net: Loaded[NetParameter],
    phase: Phase,
    level: int | None = None,
    stages: tuple[str, ...] = (),
    origin: str = "",
) -> NetInState:
    """A net in a phase: a level replaces the net's own, stages are added. Caffe: net.cpp, Net."""
    return NetInState(net, state_of(net.message, phase, level, stages), origin)


def stand_in(net: Loaded[NetParameter], shapes: Shapes) -> Loaded[NetParameter]:
    """The net with Input layers in place of the data layers whose tops have a shape in `shapes`.

    Further tops of such a layer, labels as a rule, get (N,). Raises UsageError for a name that no
    layer without bottoms produces.
    """
    tops = {top for layer in net.message.layer if not layer.bottom for top in layer.top}
    for name in shapes:
        if name not in tops:
            raise UsageError(
                f"no data or input layer has a top '{name}'; there are {', '.join(sorted(tops))}",
                hint=did_you_mean(name, tops),
            )
    message = NetParameter()
    message.CopyFrom(net.message)
    for layer in message.layer:
        named = [shapes[top] for top in layer.top if top in shapes]
        if layer.bottom or not named:
            continue
        layer.type = "Input"
        layer.ClearField("input_param")
        for top in layer.top:
            layer.input_param.shape.add(dim=shapes.get(top, named[0][:1]))
    return net._replace(message=message)
