"""What the source of a data layer holds: how many examples, of which shapes, with which labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from netc.data import annotated
from netc.data.boxes import rows_of
from netc.data.datum import layout, parse, pixels
from netc.data.fail import dims, located
from netc.data.hdf5 import read_column, read_paths, sizes_of
from netc.data.images import KINDS
from netc.data.sources import chunks, open_source
from netc.data.windows import read_windows
from netc.schema import DataParameter, Datum, LayerParameter

SAMPLE = 1000  # encoded images that are decoded for their shapes
CLASSES = 1000  # of more there is no table
SHAPES = 10  # told, the most frequent
BAR = 40


class Survey(NamedTuple):
    """source: a line about it. count: of examples. shapes: of images as text -> how many.
    labels: float32 (count,), or (count, L) of several; None where there are none.
    """

    source: str
    count: int
    shapes: Counter[str]
    labels: np.ndarray | None


def survey(param: LayerParameter) -> Survey:
    """Look at all examples of a data layer, before they are transformed. Raises DataError."""
    return SURVEYS[param.type](param)


def _records(param: LayerParameter) -> Survey:
    p = param.data_param
    source = open_source(p.backend, p.source)
    usual = layout(source.read([0])[0])
    shapes: Counter[str] = Counter()
    labels: list[np.ndarray] = []
    for start, records in chunks(source):
        stacked = usual.stack(records) if usual else None
        if stacked:
            shapes[f"{dims(stacked[0].shape[1:])}, uint8"] += len(records)
            labels.append(stacked[1])
            continue
        for position, record in enumerate(records, start):
            with located(lambda at=position: source.where(at)):
                message = parse(record)
                shapes[_shape(message, position)] += 1
            labels.append(np.array([message.labels or message.label], np.float32))
    told = f"{p.source}: {DataParameter.DB.Name(p.backend)} of {len(source)} records"
    return Survey(told, len(source), shapes, np.concatenate(labels))


def _shape(message: Datum, position: int) -> str:
    """The shape of the image of a record, as text."""
    if message.encoded and position >= SAMPLE:
        return "encoded, not decoded to look at"
    image = pixels(message)
    return f"{dims(image.shape)}, {'encoded' if message.encoded else image.dtype}"


def _annotated(param: LayerParameter) -> Survey:
    """The labels are those of the boxes."""
    p = param.data_param
    source = open_source(p.backend, p.source)
    shapes: Counter[str] = Counter()
    labels: list[np.ndarray] = []
    for start, records in chunks(source):
        for position, record in enumerate(records, start):
            with located(lambda at=position: source.where(at)):
                message = annotated.parse(record)
                shapes[_shape(message.datum, position)] += 1
            labels.append(rows_of(message)[:, 1])
    boxes, kind = np.concatenate(labels), DataParameter.DB.Name(p.backend)
    told = f"{p.source}: {kind} of {len(source)} records with {len(boxes)} boxes"
    return Survey(told, len(source), shapes, boxes if boxes.size else None)


def _hdf5(param: LayerParameter) -> Survey:
    source = param.hdf5_data_param.source
    paths = read_paths(source)
    rows, shapes = sizes_of(paths, param.top)
    told = f"{source}: HDF5 files of {', '.join(map(str, rows))} rows"
    each = [
        f"{top} {dims(shape) or 'scalar'}" for top, shape in zip(param.top, shapes, strict=True)
    ]
    labels = read_column(paths, "label") if "label" in param.top else None
    return Survey(told, sum(rows), Counter({", ".join(each): sum(rows)}), labels)


def _images(param: LayerParameter) -> Survey:
    kind = KINDS[param.type]
    p = getattr(param, kind.field)
    rows = kind.read(p)
    labels = np.array([row.numbers for row in rows], np.float32)
    labels = labels[:, 0] if labels.shape[1] == 1 else labels
    told = f"{p.source}: list of {len(rows)} examples"
    return Survey(told, len(rows), Counter(), labels if labels.size else None)


def _windows(param: LayerParameter) -> Survey:
    p = param.window_data_param
    windows = read_windows(p.source, p.root_folder)
    told = f"{p.source}: {len(windows.rows)} windows of {len(windows.paths)} images"
    return Survey(told, len(windows.rows), Counter(), windows.rows[:, 0])


SURVEYS: dict[str, Callable[[LayerParameter], Survey]] = {
    "AnnotatedData": _annotated,
    "Data": _records,
    "HDF5Data": _hdf5,
    "WindowData": _windows,
    **dict.fromkeys(KINDS, _images),
}


def class_weights(counts: np.ndarray) -> np.ndarray:
    """N / (K n_c): with these every class counts as much in a loss. 1 for a class of no examples.

    counts: n_c, int (K,).
    """
    balanced = counts.sum() / (len(counts) * np.maximum(counts, 1))
    return np.where(counts, balanced, 1.0)


def render(found: Survey) -> str:
    """A survey as text, with the weights of classes as a prototxt."""
    told = found.shapes.most_common(SHAPES)
    lines = [found.source, *(f"  {count} x ({shape})" for shape, count in told)]
    if len(told) < len(found.shapes):
        lines.append(f"  and {len(found.shapes) - len(told)} more shapes")
    return "\n".join([*lines, *_labels(found.labels)])


def _labels(labels: np.ndarray | None) -> Iterator[str]:
    if labels is None:
        yield "  no labels"
    elif labels.ndim > 1:
        for i, column in enumerate(labels.reshape(len(labels), -1).T):
            yield f"  label {i}: {column.min():g} to {column.max():g}, mean {column.mean():g}"
    elif (labels % 1).any() or labels.min() < 0 or labels.max() >= CLASSES:
        yield f"  labels {labels.min():g} to {labels.max():g}, mean {labels.mean():g}"
    else:
        yield from _classes(np.bincount(labels.astype(np.int64)))


def _classes(counts: np.ndarray) -> Iterator[str]:
    width = len(str(counts.max()))
    for label, count in enumerate(counts.tolist()):
        bar = "#" * round(BAR * count / counts.max())
        yield f"  label {label:>3} {count:>{width}} {count / counts.sum():6.1%} {bar}".rstrip()
    if absent := np.flatnonzero(counts == 0).tolist():
        yield f"  no example of {', '.join(map(str, absent))}"
    present = counts[counts > 0]
    if present.max() > present.min():
        yield f"  the largest class is {present.max() / present.min():.3g} times the smallest"
        yield "with these weights they count alike in a loss:"
        yield "loss_param {"
        yield from (f"  class_weight: {weight:.4g}" for weight in class_weights(counts))
        yield "}"
