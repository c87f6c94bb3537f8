"""Scores of images as classes with names. Caffe: classify.py, classification.cpp."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from netc.data.fail import dims
from netc.errors import GraphError, UsageError
from netc.graph.ir import Graph
from netc.predict.running import Done
from netc.train.report_files import read_names


class Guess(NamedTuple):
    """A class of an image."""

    index: int
    name: str
    score: float


COLUMNS = ("file", "rank", *Guess._fields)


class Classified(NamedTuple):
    """An image with its scores (K), and the classes of the greatest ones."""

    file: str
    scores: np.ndarray
    best: list[Guess]

    def text(self) -> str:
        """As Caffe's classification prints it."""
        lines = [f"---------- Prediction for {self.file} ----------"]
        return "\n".join([*lines, *(f'{g.score:.4f} - "{g.name}"' for g in self.best), ""])

    def data(self) -> dict[str, Any]:
        return {"file": self.file, "classes": [guess._asdict() for guess in self.best]}

    def rows(self) -> Iterator[tuple[Any, ...]]:
        return ((self.file, rank, *guess) for rank, guess in enumerate(self.best, 1))


def pick_scores(graph: Graph, size: int) -> str:
    """The first output, by name, that has a row for each image. Raises GraphError."""
    for value in graph.outputs:
        if len(graph.shapes[value]) > 1 and graph.shapes[value][0] == size:
            return value
    told = ", ".join(f"'{graph.blobs[v]}' {dims(graph.shapes[v])}" for v in graph.outputs)
    raise GraphError(
        f"no output has scores for each of {size} images: {told}",
        graph.name,
        "give the deploy net, which ends in the scores",
    )


def read_scores(value: np.ndarray, count: int) -> list[np.ndarray]:
    """The scores of each image."""
    return list(value.reshape(len(value), -1)[:count])


def class_names(path: str | None, shape: Sequence[int]) -> tuple[str, ...]:
    """A name for each class of an output (N, ...): of a file, or its number. Raises UsageError."""
    classes = math.prod(shape[1:])
    names = read_names(path) if path else tuple(map(str, range(classes)))
    if len(names) != classes:
        raise UsageError(
            "Number of labels is different from the output layer dimension: "
            f"{path} has {len(names)}, the output {classes}."
        )
    return names


def classified(done: Done[str], names: tuple[str, ...], top: int) -> Classified:
    """The best classes of an image, by the mean of its crops."""
    scores = np.mean(done.output, 0)
    best = np.argsort(-scores, kind="stable")[:top]
    return Classified(done.item, scores, [Guess(int(i), names[i], float(scores[i])) for i in best])


def write_npy(file: IO[bytes], found: Sequence[Classified]) -> None:
    """All scores, (images, classes). Caffe: classify.py."""
    np.save(file, np.array([f.scores for f in found]))
