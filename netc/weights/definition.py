"""The net that a `.caffemodel` was written for: its layers without their blobs."""

from __future__ import annotations

import os
from typing import Any

from google.protobuf.message import DecodeError

from netc.prototxt import SourceMap
from netc.schema import NetParameter
from netc.upgrade import upgrade_net
from netc.weights.kinds import Kind, kind_of, map_file
from netc.weights.wire import LENGTH, Message, header

# Fields of NetParameter that hold blobs, by number, and the blobs themselves: layers of now, of V1,
# and of V0 inside of those.
BLOBS: dict[int, Any] = {100: {7: None}, 2: {6: None, 1: {50: None}}}


def read_definition(path: str | os.PathLike[str]) -> NetParameter:
    """The net in a file of weights, upgraded; one without layers where the format holds none.

    Raises WeightsError for a file that is missing or damaged, UpgradeError.
    """
    view = map_file(path)
    if kind_of(view) is not Kind.WEIGHTS:
        return NetParameter()
    try:
        net = NetParameter.FromString(_without(Message.whole(view, os.fspath(path)), BLOBS))
    except DecodeError:
        return NetParameter()
    return upgrade_net(net, SourceMap()).message


def _without(message: Message, holders: dict[int, Any]) -> bytes:
    """The bytes of a message less the blobs in it."""
    parts: list[bytes | memoryview] = []
    for field in message:
        if field.kind != LENGTH or field.number not in holders:
            parts.append(message.raw(field))
        elif inner := holders[field.number]:
            content = _without(message.inside(field), inner)
            parts += [header(field.number, len(content)), content]
    return b"".join(parts)
