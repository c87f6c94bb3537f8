"""Files of old nets and solvers, in the current format. Caffe: upgrade_net_proto_text.cpp."""

from __future__ import annotations

from typing import Any, NamedTuple

from netc.comments import commented_text
from netc.errors import NetcError
from netc.load import PathLike, is_text, read_as_written, read_bytes
from netc.opening import is_solver
from netc.schema import NetParameter, SolverParameter
from netc.upgrade import upgrade_net, upgrade_solver

_NET: tuple[Any, Any] = NetParameter, upgrade_net
_SOLVER: tuple[Any, Any] = SolverParameter, upgrade_solver


class Rewritten(NamedTuple):
    """A file in the current format.

    content: prototxt with the comments of the old file, or a message where that was binary.
    is_text: which of the two.
    changed: whether the old file was in an old format; else `content` is what it held.
    warnings: of fields that are left out.
    """

    content: bytes
    is_text: bool
    changed: bool
    warnings: tuple[NetcError, ...]


def rewrite(path: PathLike) -> Rewritten:
    """The net or solver in a file, upgraded. Raises ParseError and UpgradeError."""
    kind, upgrade = _SOLVER if is_solver(path) else _NET
    written = read_as_written(path, kind)
    message, source, warnings = upgrade(written.message, written.source)
    content = read_bytes(path)
    text, changed = is_text(content), message != written.message
    if changed and text:
        content = commented_text(message, source).encode()
    elif changed:
        content = message.SerializeToString()
    return Rewritten(content, text, changed, tuple(warnings))
