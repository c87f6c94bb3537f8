"""A net, or the nets of a solver, as text after one of the compiler's passes."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError

from netc.errors import NetcError, ParseError, raise_all
from netc.graph.build import build
from netc.graph.infer import infer
from netc.load import PathLike, is_text, read_bytes, read_solver, text_of
from netc.load import read_net as read_upgraded_net
from netc.lowering.plan import Plan
from netc.opening import Shapes, is_solver, open_nets
from netc.phase import filter_net
from netc.prototxt import parse, to_text
from netc.schema import NetParameter, Phase, SolverParameter
from netc.train.nets import NetInState

WHOLE_FILE = ("parse", "upgrade")


def show(
    path: PathLike,
    after: str,
    phase: Phase | None = None,
    level: int | None = None,
    stages: tuple[str, ...] = (),
    shapes: Shapes | None = None,
) -> str:
    """The text after a pass: prototxt up to `phase`, the graph after `build` and `infer`.

    A solver is shown itself after `parse` and `upgrade`, and as its nets after the later passes.
    Raises what the passes up to that one raise.
    """
    if after in WHOLE_FILE:
        return _parsed(path) if after == "parse" else _upgraded(path)
    nets = open_nets(path, phase, level, stages, shapes)
    texts = [PER_NET[after](net) for net in nets]
    if not is_solver(path):
        return texts[0]
    titles = [f"# {Phase.Name(n.state.phase)} net of the solver, {n.origin}\n" for n in nets]
    return "\n".join(title + text for title, text in zip(titles, texts, strict=True))


def _parsed(path: PathLike) -> str:
    kind = SolverParameter if is_solver(path) else NetParameter
    data = read_bytes(path)
    if is_text(data):
        return to_text(parse(text_of(data), kind, str(path)).message)
    try:
        return to_text(kind.FromString(data))
    except DecodeError:
        raise ParseError(
            f"{len(data)} bytes that are no {kind.DESCRIPTOR.name}", str(path)
        ) from None


def _upgraded(path: PathLike) -> str:
    read = read_solver if is_solver(path) else read_upgraded_net
    return to_text(read(path).message)


def _filtered(net: NetInState) -> str:
    message, _, dropped = filter_net(net.net, net.state)
    comments = "".join(f"# dropped '{d.name}': {d.reason}\n" for d in dropped)
    return comments + to_text(message)


def _built(net: NetInState) -> str:
    message, source, _ = filter_net(net.net, net.state)
    return build(message, source).to_text() + "\n"


def _inferred(net: NetInState) -> str:
    message, source, _ = filter_net(net.net, net.state)
    missing: list[NetcError] = []  # where the net tells the shapes, no data are needed
    graph = infer(build(message, source), Plan("cpu"), missing=missing)
    raise_all(missing)
    return graph.to_text() + "\n"


PER_NET: dict[str, Callable[[NetInState], str]] = {
    "phase": _filtered,
    "build": _built,
    "infer": _inferred,
}
PASSES = (*WHOLE_FILE, *PER_NET)
