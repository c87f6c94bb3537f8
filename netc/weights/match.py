"""Which blob of a file goes into which blob of a net. Caffe: net.cpp, CopyTrainedLayersFrom."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from netc.errors import MAX_REPORTED, Span, WeightsError, raise_all
from netc.tables import aligned
from netc.weights.blob import shape_text
from netc.weights.content import LayerWeights, WeightFile

Shape = tuple[int, ...]
Status = Literal["loaded", "reshaped", "mismatch", "skipped", "ignored", "kept"]


class TargetLayer(NamedTuple):
    """A layer of the net that is to receive blobs.

    shapes: of its blobs, in file order.
    shared: which of them another layer owns; empty for none.
    span: of the layer in its prototxt.
    rows: whether its first blob has a row of weights for each output, whose order is that of the
        values below: so InnerProduct and Convolution can take each other's.
    read: what the file holds for it as it would have it; None: as it stands.
    hint: why its blobs may be others than those of the file.
    """

    name: str
    type: str
    shapes: tuple[Shape, ...]
    shared: tuple[bool, ...] = ()
    span: Span | None = None
    rows: bool = False
    read: Callable[[LayerWeights], LayerWeights] | None = None
    hint: str | None = None

    def owns(self, index: int) -> bool:
        """Whether a blob is this layer's own."""
        return not (self.shared and self.shared[index])


class Rules(NamedTuple):
    """How far a file may differ from the net; by default, as in Caffe, not at all.

    rename: pairs of a pattern and a replacement for the layers whose whole name it matches.
    cast: blobs of other shapes that hold the same values in the same order are taken.
    skip: blobs that do not fit are left out.
    """

    rename: tuple[tuple[re.Pattern[str], str], ...] = ()
    cast: bool = False
    skip: bool = False


EXACT = Rules()


class Row(NamedTuple):
    """What becomes of a blob.

    index: None when the row is about all blobs of the layer.
    status: loaded; reshaped (loaded by a cast); mismatch; skipped (a mismatch that was left out);
        ignored (the net has no such layer); kept (stays as it was).
    source, target: its shape in the file and in the net.
    """

    layer: str
    index: int | None
    status: Status
    source: Shape | None = None
    target: Shape | None = None
    reason: str = ""


class Match(NamedTuple):
    """What becomes of every blob.

    values: by layer name and blob index, in the net's shapes.
    ignored: the layers of the file that the net has not, with or without blobs.
    """

    rows: tuple[Row, ...]
    values: dict[tuple[str, int], np.ndarray]
    ignored: tuple[str, ...]


def match(target: Sequence[TargetLayer], source: WeightFile, rules: Rules = EXACT) -> Match:
    """Pair the blobs of a file with those of a net, by layer name.

    A layer of the file goes into the first of its name in the net, which must have as many blobs,
    of the same shapes. Types are not compared. Later layers of the file win.

    Raises WeightsError with every mismatch (several as one Errors), and for a pattern that no
    layer's name matches.
    """
    result = compare(target, source, rules)
    first = {layer.name: layer for layer in reversed(target)}
    errors = [
        WeightsError(_sentence(row), first[row.layer].span or source.path, first[row.layer].hint)
        for row in result.rows
        if row.status == "mismatch"
    ]
    if errors:
        rest = [row for row in result.rows if row.status != "loaded"]
        errors[:MAX_REPORTED][-1].add_note(
            f"\n{source.path}: {summary(result.rows)}\n{render(rest)}"
        )
    raise_all(errors)
    return result


def compare(target: Sequence[TargetLayer], source: WeightFile, rules: Rules = EXACT) -> Match:
    """What `match` would load, mismatches included as rows."""
    source = renamed(source, rules)
    first = {layer.name: layer for layer in reversed(target)}
    given: dict[str, list[LayerWeights]] = {layer.name: [] for layer in source.layers}
    for layer in source.layers:
        given[layer.name].append(layer)
    rows: list[Row] = []
    values: dict[tuple[str, int], np.ndarray] = {}
    for layer in target:
        fitting = given.get(layer.name, []) if first[layer.name] is layer else []
        for weights in fitting:
            for row, value in _pair(layer, weights, source.shared_once, rules):
                rows.append(row)
                if value is not None:
                    values[layer.name, row.index or 0] = value
        if not fitting:
            reason = "" if first[layer.name] is layer else "an earlier layer has this name"
            rows += _all_kept(layer, reason)
    unknown = [layer for layer in source.layers if layer.name not in first]
    for weights in unknown:
        rows += [
            Row(weights.name, i, "ignored", blob.shape, reason="no layer of this name")
            for i, blob in enumerate(weights.blobs)
            if blob is not None
        ]
    return Match(tuple(rows), values, tuple(layer.name for layer in unknown))


def _all_kept(layer: TargetLayer, reason: str) -> list[Row]:
    reason = reason or "not in the file"
    return [Row(layer.name, i, "kept", None, s, reason) for i, s in enumerate(layer.shapes)]


def renamed(source: WeightFile, rules: Rules) -> WeightFile:
    """The file with its layers' new names. Raises WeightsError for a pattern without effect."""
    names = [layer.name for layer in source.layers]
    for pattern, replacement in rules.rename:
        found = [pattern.fullmatch(name) for name in names]
        if not any(found):
            raise WeightsError(
                f"no layer's whole name matches '{pattern.pattern}'",
                source.path,
                f"the layers are {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}",
            )
        pairs = zip(names, found, strict=True)
        names = [m.expand(replacement) if m else name for name, m in pairs]
    layers = [replace(x, name=name) for x, name in zip(source.layers, names, strict=True)]
    return replace(source, layers=tuple(layers))


def _pair(
    layer: TargetLayer, weights: LayerWeights, shared_once: bool, rules: Rules
) -> Iterator[tuple[Row, np.ndarray | None]]:
    unfit: Status = "skipped" if rules.skip else "mismatch"
    weights = layer.read(weights) if layer.read else weights
    given = dict(enumerate(weights.blobs))
    wanted = range(len(layer.shapes))
    left_out = [i for i in wanted if given.get(i) is None]
    if len(given) > len(wanted) or any(not shared_once or layer.owns(i) for i in left_out):
        held = sum(blob is not None for blob in given.values())
        reason = f"{held} blobs in the file, {len(wanted)} in the net"
        yield Row(layer.name, None, unfit, reason=reason), None
        return
    for i, shape in enumerate(layer.shapes):
        blob = given.get(i)
        if blob is None:
            yield Row(layer.name, i, "kept", None, shape, "shared: stored with its owner"), None
        elif blob.shape == (_padded(shape, blob.ndim) if weights.legacy[i] else shape):
            yield Row(layer.name, i, "loaded", blob.shape, shape), blob.reshape(shape)
        elif rules.cast and (reason := _cast(blob.shape, shape, layer.rows and i == 0)):
            yield Row(layer.name, i, "reshaped", blob.shape, shape, reason), blob.reshape(shape)
        else:
            yield Row(layer.name, i, unfit, blob.shape, shape, "shapes differ"), None


def _cast(given: Shape, wanted: Shape, rows: bool) -> str:
    """Why values of one shape can be taken as the other, "" if they cannot."""
    long, short = ([n for n in shape if n != 1] for shape in (given, wanted))
    if long == short:
        return "axes of size 1"
    outputs = given[:1] == wanted[:1] or long[:1] == short[:1]  # the second where 1, 1 come first
    fits = rows and outputs and math.prod(given) == math.prod(wanted)
    return "fully connected <-> convolution" if fits else ""


def _padded(shape: Shape, axes: int) -> Shape:
    """A shape as the old files gave it: four axes or five, ones in front."""
    return (1,) * (axes - len(shape)) + shape


def _sentence(row: Row) -> str:
    if row.source is None or row.target is None:
        return f"Incompatible number of blobs for layer {row.layer} ({row.reason})"
    return (
        f"Cannot copy param {row.index} weights from layer '{row.layer}'; shape mismatch.  "
        f"Source param shape is {shape_text(row.source)}; "
        f"target param shape is {shape_text(row.target)}. "
        "To learn this layer's parameters from scratch rather than copying from a saved net, "
        "rename the layer."
    )


def summary(rows: Sequence[Row]) -> str:
    """How many blobs had which fate: `8 loaded, 2 kept`."""
    counts = Counter(row.status for row in rows)
    order: tuple[Status, ...] = get_args(Status)
    return ", ".join(f"{counts[s]} {s}" for s in order if counts[s]) or "no blobs"


def render(rows: Sequence[Row]) -> str:
    """The rows as an aligned table of plain text."""
    table = [("layer", "blob", "status", "in the file", "in the net", "reason")]
    table += [
        (
            row.layer,
            "all" if row.index is None else str(row.index),
            row.status,
            _cell(row.source),
            _cell(row.target),
            row.reason,
        )
        for row in rows
    ]
    return aligned(table)


def _cell(shape: Shape | None) -> str:
    if shape is None:
        return "-"
    return " x ".join(map(str, shape)) or "scalar"
