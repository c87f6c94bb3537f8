"""How a net classifies: confusion matrix, per-class measures and top-k, counted batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from netc.errors import DataError
from netc.graph.ir import Graph, Node

TOP_K = (1, 5)


class Head(NamedTuple):
    """Scores and labels that layers of a net compare.

    layers: their names. scores, labels: values of the graph. axis: of the classes, from the front.
    ignore: the label that does not count. top_k: the k of the top-k accuracies, in order.
    """

    layers: tuple[str, ...]
    scores: str
    labels: str
    axis: int
    classes: int
    ignore: int | None
    top_k: tuple[int, ...]


class Counts(NamedTuple):
    """What was counted. confusion: [true class, predicted class]. right: k -> positions."""

    confusion: np.ndarray
    right: dict[int, int]

    @property
    def total(self) -> int:
        return int(self.confusion.sum())


class ClassRow(NamedTuple):
    """Measures of one class, None where they are 0 / 0. count: how often it is the label."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    count: int


class Confusion(NamedTuple):
    """So many positions of the one class that are taken for the other."""

    true: str
    predicted: str
    count: int


def heads(graph: Graph) -> tuple[Head, ...]:
    """What the SoftmaxWithLoss and Accuracy layers compare, each pair of blobs once."""
    found: dict[Head, tuple[list[str], set[int]]] = {}
    for node in graph.nodes:
        if node.kind.name in ("SoftmaxWithLoss", "Accuracy"):
            key, top_k = _head(graph, node)
            names, ks = found.setdefault(key, ([], set()))
            names.append(node.name)
            ks |= top_k
    return tuple(
        key._replace(layers=tuple(names), top_k=tuple(sorted(ks)))
        for key, (names, ks) in found.items()
    )


def _head(graph: Graph, node: Node) -> tuple[Head, set[int]]:
    accuracy = node.kind.name == "Accuracy"
    own = node.param.accuracy_param if accuracy else node.param.softmax_param
    ignoring = node.param.accuracy_param if accuracy else node.param.loss_param
    scores, labels = node.bottoms[:2]
    shape = graph.shapes[scores]
    axis = own.axis % len(shape)
    ignore = ignoring.ignore_label if ignoring.HasField("ignore_label") else None
    top_k = {k for k in TOP_K if k <= shape[axis]}
    if accuracy:
        top_k.add(node.param.accuracy_param.top_k)
    return Head((), scores, labels, axis, shape[axis], ignore, ()), top_k


def nothing(head: Head) -> Counts:
    """The counts before the first batch."""
    empty = np.zeros((head.classes, head.classes), np.int64)
    return Counts(empty, dict.fromkeys(head.top_k, 0))


def count(head: Head, scores: np.ndarray, labels: np.ndarray) -> Counts:
    """The counts of one batch: scores with `head.classes` on `head.axis`, a label per position.

    The predicted class is the first with the greatest score. Among the top k is a label that fewer
    than k other classes score as high as; ties count against it. Caffe: accuracy_layer.cpp.

    Raises DataError for a label that is no class.
    """
    by_class = np.moveaxis(scores, head.axis, -1).reshape(-1, head.classes)
    true = np.ravel(labels).astype(np.int64)
    if head.ignore is not None:
        kept = true != head.ignore
        by_class, true = by_class[kept], true[kept]
    if len(wrong := true[(true < 0) | (true >= head.classes)]):
        raise DataError(
            f"label {wrong[0]} in blob '{head.labels}' is no class: "
            f"'{head.scores}' has {head.classes}, from 0 on"
        )
    pairs = true * head.classes + by_class.argmax(1)
    confusion = np.bincount(pairs, minlength=head.classes**2)
    own = np.take_along_axis(by_class, true[:, None], 1)
    rivals = (by_class >= own).sum(1) - (own[:, 0] == own[:, 0])
    right = {k: int((rivals < k).sum()) for k in head.top_k}
    return Counts(confusion.reshape(head.classes, head.classes), right)


def add(a: Counts, b: Counts) -> Counts:
    """The counts of two batches together."""
    return Counts(a.confusion + b.confusion, {k: n + b.right[k] for k, n in a.right.items()})


def class_rows(confusion: np.ndarray, names: Sequence[str]) -> tuple[ClassRow, ...]:
    """Per class: precision TP / (TP + FP), recall TP / (TP + FN), F1 2 TP / (2 TP + FP + FN)."""
    hits, labels, guesses = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    return tuple(
        ClassRow(
            name,
            ratio(hits[i], guesses[i]),
            ratio(hits[i], labels[i]),
            ratio(2 * hits[i], guesses[i] + labels[i]),
            int(labels[i]),
        )
        for i, name in enumerate(names)
    )


def mean_row(rows: Sequence[ClassRow]) -> ClassRow:
    """The means over the classes that have the measure, and the number of all positions."""
    precision, recall, f1 = (
        float(np.mean(known)) if (known := [v for v in column if v is not None]) else None
        for column in zip(*(r[1:4] for r in rows), strict=True)
    )
    return ClassRow("mean", precision, recall, f1, sum(r.count for r in rows))


def most_confused(
    confusion: np.ndarray, names: Sequence[str], most: int = 20
) -> tuple[Confusion, ...]:
    """The pairs of classes that are confused most often, at most so many."""
    wrong = confusion * (1 - np.eye(len(confusion), dtype=confusion.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = (divmod(int(i), len(confusion)) for i in order)
    return tuple(Confusion(names[a], names[b], int(wrong[a, b])) for a, b in pairs if wrong[a, b])


def ratio(part: float, whole: float) -> float | None:
    """part / whole, None where whole is 0."""
    return float(part / whole) if whole else None
