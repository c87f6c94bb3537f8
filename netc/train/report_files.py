"""The report of `netc test --report`: report.md and report.json, filled batch by batch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netc.errors import DataError, UsageError
from netc.files import atomic
from netc.graph.ir import Graph
from netc.load import read_bytes
from netc.train.report import (
    Counts,
    Head,
    add,
    class_rows,
    count,
    heads,
    mean_row,
    most_confused,
    nothing,
    ratio,
)

WIDEST = 20  # classes up to which the whole matrix is shown


class Report:
    """What the classifying layers of a net get right, over the batches of a run.

    folder: where the files go; it is made. names: a file with a class in each line, or None.

    Raises UsageError when there is nothing to report on, when the names fit no layer, and when the
    folder cannot be written to.
    """

    def __init__(self, graph: Graph, folder: str, names: str | None = None) -> None:
        self.heads = heads(graph)
        if not self.heads:
            raise UsageError(
                f"-report: net '{graph.name}' has no SoftmaxWithLoss or Accuracy layer in TEST"
            )
        given = read_names(names) if names else ()
        if names:
            _check_names(self.heads, given, names)
        self.names = [_names_of(head, given) for head in self.heads]
        self.folder = _make_folder(folder)
        self.counts = [nothing(head) for head in self.heads]

    @property
    def values(self) -> tuple[str, ...]:
        """The values of the graph that it needs of every batch."""
        return tuple(dict.fromkeys(v for h in self.heads for v in (h.scores, h.labels)))

    def add(self, values: Mapping[str, np.ndarray]) -> None:
        """Count a batch. Raises DataError for a label that is no class."""
        self.counts = [
            add(counts, count(head, values[head.scores], values[head.labels]))
            for head, counts in zip(self.heads, self.counts, strict=True)
        ]

    def write(self, model: str, weights: str, iterations: int) -> str:
        """Write both files; the text of report.md."""
        each = list(zip(self.heads, self.counts, self.names, strict=True))
        data = {
            "model": model,
            "weights": weights,
            "iterations": iterations,
            "heads": [as_data(*one) for one in each],
        }
        lead = f"# {model}\n\nWeights {weights}, {iterations} batches.\n\n"
        text = lead + "\n".join(as_text(*one) for one in each)
        for name, content in (
            ("report.json", json.dumps(data, indent=1) + "\n"),
            ("report.md", text),
        ):
            with atomic(self.folder / name, "w") as file:
                file.write(content)
        return text


def read_names(path: str) -> tuple[str, ...]:
    """The names of classes, one a line. Raises ParseError or DataError for a file that is none."""
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"the names of classes are not UTF-8 text: {error}", path) from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _names_of(head: Head, given: Sequence[str]) -> tuple[str, ...]:
    return tuple(given) if len(given) == head.classes else tuple(map(str, range(head.classes)))


def _check_names(heads: Sequence[Head], given: Sequence[str], path: str) -> None:
    if all(head.classes != len(given) for head in heads):
        have = ", ".join(f"'{h.scores}' has {h.classes} classes" for h in heads)
        raise UsageError(f"-names {path}: {len(given)} names, but {have}")


def _make_folder(path: str) -> Path:
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"-report {path}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise UsageError(f"-report {path}: the folder cannot be written to")
    return folder


def as_data(head: Head, counts: Counts, names: Sequence[str]) -> dict[str, Any]:
    """A head's report for other programs; measures that are 0 / 0 are null."""
    rows = class_rows(counts.confusion, names)
    mean = mean_row(rows)
    return {
        "layers": list(head.layers),
        "scores": head.scores,
        "labels": head.labels,
        "count": counts.total,
        "top_k": {str(k): ratio(n, counts.total) for k, n in counts.right.items()},
        "mean": {"precision": mean.precision, "recall": mean.recall, "f1": mean.f1},
        "classes": [row._asdict() for row in rows],
        "confusion": counts.confusion.tolist(),
    }


def as_text(head: Head, counts: Counts, names: Sequence[str]) -> str:
    """A head's report in Markdown, its tables aligned."""
    rows = class_rows(counts.confusion, names)
    top = (f"top {k}: {_share(ratio(n, counts.total))}" for k, n in counts.right.items())
    told = [
        (r.name, _share(r.precision), _share(r.recall), _share(r.f1), str(r.count))
        for r in (*rows, mean_row(rows))
    ]
    parts = [
        f"## {', '.join(head.layers)}",
        f"{counts.total} positions; {', '.join(top)}",
        aligned_table(("class", "precision", "recall", "F1", "count"), told),
    ]
    if head.classes <= WIDEST:
        cells = zip(names, counts.confusion.tolist(), strict=True)
        matrix = [(name, *map(str, row)) for name, row in cells]
        parts += ["Labels down, predictions across:", aligned_table(("", *names), matrix)]
    elif pairs := most_confused(counts.confusion, names):
        rest = [(p.true, p.predicted, str(p.count)) for p in pairs]
        parts += ["Most often confused:", aligned_table(("label", "predicted", "count"), rest)]
    return "\n\n".join(parts) + "\n"


def aligned_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table in columns of even width, numbers to the right."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    right = [_numbers(column[1:]) for column in zip(*cells, strict=True)]
    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    lines = [
        [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        for row in cells
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _numbers(column: Sequence[str]) -> bool:
    return all(cell == "-" or cell.replace(".", "").isdigit() for cell in column)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
