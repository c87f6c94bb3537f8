"""Where two files differ: nets by layer, solvers by field, weights by blob."""

from __future__ import annotations

from netc.diff import nets, weights
from netc.errors import UsageError
from netc.load import PathLike, read_net, read_solver
from netc.opening import is_solver
from netc.weights import read_weights
from netc.weights.kinds import Kind, kind_of, map_file


def diff(a: PathLike, b: PathLike) -> str:
    """How `b` differs from `a`, as text; "" if it does not.

    Nets and solvers are compared in the current format, weights whatever their formats.
    Raises UsageError for files of two kinds, and what reading them raises.
    """
    kinds = {_kind(path): path for path in (b, a)}
    if len(kinds) > 1:
        told = " and ".join(f"{path} is {kind}" for kind, path in reversed(kinds.items()))
        raise UsageError(f"{told}: only files of one kind can be compared")
    (kind,) = kinds
    if kind == "a file of weights":
        return weights.render(weights.drifts(read_weights(a), read_weights(b)))
    read = read_solver if kind == "a solver" else read_net
    return nets.render(nets.compare(read(a), read(b)))


def _kind(path: PathLike) -> str:
    if kind_of(map_file(path)) in (Kind.TEXT, Kind.PAGE, Kind.POINTER):
        return "a solver" if is_solver(path) else "a net"
    return "a file of weights"
