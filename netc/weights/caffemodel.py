"""`.caffemodel`: a NetParameter whose layers carry their blobs.

Read over a memory map: opening costs the walk over the fields, and values are read from the disk
when they are used. Written layer by layer, never whole in memory.
Caffe: net.cpp, CopyTrainedLayersFrom and ToProto; upgrade_proto.cpp for the two old formats.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from netc.errors import WeightsError
from netc.files import atomic
from netc.schema import LayerParameter, NetParameter, V1LayerParameter
from netc.weights.blob import Blob, blob_pieces, blob_size, read_blob
from netc.weights.content import Blobs, LayerWeights, WeightFile
from netc.weights.kinds import writing
from netc.weights.wire import LENGTH, VARINT, Field, Message, header

MAX_BYTES = 2**31 - 1  # Caffe reads no longer message (io.cpp, kProtoReadBytesLimit)
MAX_ENTRIES = 100_000  # layers and their blobs: more are no net, and would fill the memory
NAME, LAYERS, LAYER = 1, 2, 100  # of NetParameter


class _Numbers(NamedTuple):
    """Field numbers of a layer message."""

    name: int
    type: int
    blobs: int


_V0, _V1, _V2 = _Numbers(1, 2, 50), _Numbers(4, 5, 6), _Numbers(1, 2, 7)
_V0_IN_V1 = 1
_V1_TYPES = V1LayerParameter.DESCRIPTOR.enum_types_by_name["LayerType"].values_by_number


def parse(buffer: bytes | memoryview, path: str) -> WeightFile:
    """The weights in the bytes of a NetParameter; `path` is for messages.

    Packed float32 arrays are views of the buffer.
    Raises WeightsError where the bytes are damaged.
    """
    name = ""
    layers: dict[int, list[LayerWeights]] = {LAYER: [], LAYERS: []}
    message, entries = Message.whole(buffer, path), 0
    for field in message:
        if field.kind != LENGTH:
            continue
        if field.number == NAME:
            name = message.text(field)
        elif field.number in layers:
            inside = message.inside(field)
            layer = _layer(inside, _V2) if field.number == LAYER else _v1_layer(inside)
            layers[field.number].append(layer)
            entries += 1 + len(layer.blobs)
            _check_entries(entries, message, field)
    if layers[LAYER] and layers[LAYERS]:
        raise WeightsError(
            "Refusing to upgrade inconsistent NetParameter input; the definition includes both "
            "'layer' and 'layers' fields.",
            where=path,
        )
    return WeightFile(path, name, tuple(layers[LAYER] or layers[LAYERS]))


def _v1_layer(message: Message) -> LayerWeights:
    for field in message:
        if field.number == _V0_IN_V1 and field.kind == LENGTH:
            return _layer(message.inside(field), _V0)
    return _layer(message, _V1)


def _layer(message: Message, numbers: _Numbers) -> LayerWeights:
    name, kind, blobs = "", "", []
    for field in message:
        if field.number == numbers.name and field.kind == LENGTH:
            name = message.text(field)
        elif field.number == numbers.type and field.kind == LENGTH:
            kind = message.text(field)
        elif field.number == numbers.type and field.kind == VARINT:
            known = _V1_TYPES.get(field.value)
            kind = known.name if known else str(field.value)
        elif field.number == numbers.blobs and field.kind == LENGTH:
            blobs.append(message.inside(field))
            _check_entries(len(blobs), message, field)
    return _with_blobs(name, kind, [_blob(name, i, blob) for i, blob in enumerate(blobs)])


def _check_entries(count: int, message: Message, field: Field) -> None:
    if count > MAX_ENTRIES:
        message.fail(f"there are more than {MAX_ENTRIES} layers and blobs", field.at)


def _with_blobs(name: str, kind: str, blobs: Sequence[Blob]) -> LayerWeights:
    data, diffs, legacy = zip(*blobs, strict=True) if blobs else ((), (), ())
    return LayerWeights(name, kind, data, diffs, legacy)


def _blob(layer: str, index: int, message: Message) -> Blob:
    try:
        return read_blob(message)
    except WeightsError as error:
        error.add_note(f"in blob {index} of layer '{layer}'")
        raise


def write(
    target: str | os.PathLike[str] | IO[bytes],
    net: NetParameter,
    blobs: Blobs,
    diffs: Blobs | None = None,
) -> None:
    """Write a net and its blobs as Caffe would, to a path (atomically) or an open file.

    net: the layers as they are to appear, Split layers included; blobs in it are left out.
    blobs, diffs: by layer name, arrays of NumPy or JAX; they are fetched one at a time.

    Raises WeightsError beyond 2 GiB, which Caffe cannot read, or when the file cannot be written.
    """
    known = {layer.name for layer in net.layer}
    for name in blobs:
        if name not in known:
            raise WeightsError(f"the net has no layer '{name}' to write blobs for")
    parts = [_Part.of_head(net)]
    grads = diffs or {}
    parts += [_Part.of_layer(x, blobs.get(x.name, ()), grads.get(x.name)) for x in net.layer]
    total = sum(part.size for part in parts)
    if total > MAX_BYTES:
        raise WeightsError(
            f"the weights need {total} bytes, and a binary .caffemodel has at most {MAX_BYTES}",
            where=os.fspath(target) if isinstance(target, str | os.PathLike) else None,
            hint="write HDF5 (.caffemodel.h5) or .safetensors; in a solver, snapshot_format: HDF5",
        )
    if isinstance(target, str | os.PathLike):
        with writing(target), atomic(target) as file:
            _write_parts(file, parts)
    else:
        _write_parts(target, parts)


class _Part(NamedTuple):
    """A stretch of the file: its size, known beforehand, and its bytes, made when written."""

    size: int
    pieces: Iterator[bytes | memoryview]

    @classmethod
    def of_head(cls, net: NetParameter) -> _Part:
        head = NetParameter()
        head.CopyFrom(net)
        head.ClearField("layer")
        content = head.SerializeToString()
        return cls(len(content), iter([content]))

    @classmethod
    def of_layer(cls, layer: LayerParameter, arrays: Sequence, diffs: Sequence | None) -> _Part:
        fields = Message.whole(layer.SerializeToString(), layer.name)
        before = b"".join(fields.raw(f) for f in fields if f.number < _V2.blobs)
        after = b"".join(fields.raw(f) for f in fields if f.number > _V2.blobs)
        sizes = [blob_size(array.shape, diffs is not None) for array in arrays]
        length = len(before) + sum(len(header(_V2.blobs, n)) + n for n in sizes) + len(after)

        def pieces() -> Iterator[bytes | memoryview]:
            yield header(LAYER, length) + before
            grads = [None] * len(arrays) if diffs is None else diffs
            pairs = zip(arrays, grads, strict=True)
            for size, (array, diff) in zip(sizes, pairs, strict=True):
                yield header(_V2.blobs, size)
                yield from blob_pieces(array, diff)
            yield after

        return cls(len(header(LAYER, length)) + length, pieces())


def _write_parts(file: IO[bytes], parts: Sequence[_Part]) -> None:
    for part in parts:
        for piece in part.pieces:
            file.write(piece)
