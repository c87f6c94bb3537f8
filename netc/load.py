"""The one door for messages in files: found, read as text or binary, checked, upgraded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from netc.errors import NetcError, ParseError, did_you_mean, raise_all
from netc.prototxt import Parsed, SourceMap, parse
from netc.schema import BlobProto, NetParameter, SolverParameter
from netc.upgrade import upgrade_net, upgrade_solver

M = TypeVar("M", bound=Message)
PathLike = str | os.PathLike[str]
MAX_BYTES = 2**31 - 1  # of a binary message
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


class Loaded(NamedTuple, Generic[M]):
    """A message in the current format, where its fields stood, and what was passed over."""

    message: M
    source: SourceMap
    warnings: tuple[NetcError, ...] = ()


def read_net(path: PathLike, *, allow_unknown: bool = False) -> Loaded[NetParameter]:
    """A net, text or binary, upgraded. Raises ParseError and UpgradeError."""
    loaded = read_as_written(path, NetParameter, allow_unknown)
    return _upgraded(loaded, upgrade_net)


def parse_net(text: str, name: str = "<text>") -> Loaded[NetParameter]:
    """A net from prototxt text, upgraded. Raises ParseError and UpgradeError."""
    loaded = _parse(text, NetParameter, name, False)
    return _upgraded(loaded, upgrade_net)


def read_solver(path: PathLike, *, allow_unknown: bool = False) -> Loaded[SolverParameter]:
    """A solver, text or binary, upgraded. Raises ParseError and UpgradeError."""
    loaded = read_as_written(path, SolverParameter, allow_unknown)
    return _upgraded(loaded, upgrade_solver)


def parse_solver(text: str, name: str = "<text>") -> Loaded[SolverParameter]:
    """A solver from prototxt text, upgraded. Raises ParseError and UpgradeError."""
    loaded = _parse(text, SolverParameter, name, False)
    return _upgraded(loaded, upgrade_solver)


def read_blob_proto(path: PathLike) -> BlobProto:
    """A BlobProto, such as a mean file. Raises ParseError."""
    return read_as_written(path, BlobProto).message


def _upgraded(loaded: Loaded[M], upgrade: Callable[[M, SourceMap], Parsed]) -> Loaded[M]:
    message, source, warnings = upgrade(loaded.message, loaded.source)
    return Loaded(message, source, (*loaded.warnings, *warnings))


def is_text(data: bytes) -> bool:
    """Whether bytes are a text file: no control characters, of which a binary net has many."""
    return not _CONTROL.search(data)


def text_of(data: bytes) -> str:
    """The text of a file. Bytes that are not UTF-8, in comments as a rule, become escapes."""
    return data.decode("utf-8-sig", "backslashreplace")


def read_as_written(path: PathLike, kind: type[M], allow_unknown: bool = False) -> Loaded[M]:
    """A message of the class `kind`, text or binary, not upgraded. Raises ParseError."""
    name = os.fspath(path)
    data = read_bytes(path)
    if is_text(data):
        return _parse(text_of(data), kind, name, allow_unknown)
    return _complete(Loaded(_parse_binary(data, kind, name), SourceMap()), name)


def _parse_binary(data: bytes, kind: type[M], name: str) -> M:
    if len(data) > MAX_BYTES:
        raise ParseError(
            f"Failed to parse {kind.DESCRIPTOR.name} file: it has {len(data)} bytes, and protobuf "
            f"reads at most {MAX_BYTES}.",
            name,
            "netc convert reads files of weights of any size",
        )
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        message.Clear()
    if message.ListFields():
        return message
    raise ParseError(
        f"Failed to parse {kind.DESCRIPTOR.name} file: {len(data)} bytes that are neither "
        f"prototxt nor a binary {kind.DESCRIPTOR.name}.",
        name,
    )


def _parse(text: str, kind: type[M], name: str, allow_unknown: bool) -> Loaded[M]:
    message, source, warnings = parse(text, kind, name, allow_unknown=allow_unknown)
    return _complete(Loaded(message, source, tuple(warnings)), name)


def _complete(loaded: Loaded[M], name: str) -> Loaded[M]:
    """What was read, its required fields checked."""
    message: Any = loaded.message
    missing = [
        ParseError(f"Missing required field: {path}.", loaded.source.at(*_steps(path)) or name)
        for path in message.FindInitializationErrors()
    ]
    raise_all(missing)
    return loaded


def _steps(path: str) -> list[str | int]:
    """The path "layer[2].clip_param.min" as the steps of a source map."""
    steps: list[str | int] = []
    for part in path.split("."):
        name, _, index = part.partition("[")
        steps += [name, int(index[:-1])] if index else [name]
    return steps


def read_bytes(path: PathLike) -> bytes:
    """The bytes of a file. Raises ParseError with a suggestion when there is no such file."""
    if not os.fspath(path):
        raise ParseError("Failed to open file: no name is given.")
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise ParseError(
            f"Failed to open file: {e.strerror or e}.", os.fspath(path), nearby(path)
        ) from None


def nearby(path: PathLike) -> str | None:
    """A hint naming the file that was probably meant."""
    wanted = Path(path)
    try:
        names = [p.name for p in wanted.parent.iterdir() if p != wanted]
    except OSError:
        return f"there is no folder {wanted.parent}"
    return did_you_mean(wanted.name, names)
