"""Average precision, from what DetectionEvaluate says of each detection. SSD: ComputeAP."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from netc.graph.ir import Graph
from netc.schema import SolverParameter

VERSION = SolverParameter().ap_version
VERSIONS = ("Integral", "MaxIntegral", "11point")


def evaluated(graph: Graph) -> set[str]:
    """The outputs of a net that DetectionEvaluate layers make."""
    made = {t for n in graph.nodes if n.param.type == "DetectionEvaluate" for t in n.tops}
    return made.intersection(graph.outputs)


def mean_precision(batches: Iterable[np.ndarray], version: str) -> np.float32:
    """The mean of the average precisions of all classes, of the rows (1, 1, R, 5) of all batches.

    version: "Integral", the area under precision over recall; "MaxIntegral", where a precision is
    the greatest at this recall or a higher one; "11point", the mean of those at 0, 0.1 ... 1. A
    class without boxes or detections has 0.
    """
    rows = np.concatenate([np.asarray(b, np.float64).reshape(-1, 5) for b in batches])
    heads, found = rows[rows[:, 0] == -1], rows[rows[:, 3:].any(1) & (rows[:, 0] != -1)]
    classes = np.unique(heads[:, 1])
    each = [
        average_precision(found[found[:, 1] == c], heads[heads[:, 1] == c, 2].sum(), version)
        for c in classes
    ]
    return np.float32(np.mean(each) if each else 0)


def average_precision(found: np.ndarray, positives: float, version: str) -> float:
    """Of one class: found are rows of -, -, score, right, wrong."""
    if not len(found) or not positives:
        return 0.0
    right = found[np.argsort(-found[:, 2], kind="stable"), 3].cumsum()
    precision, recall = right / np.arange(1, len(found) + 1), right / positives
    if version == "Integral":
        return float(precision @ np.diff(recall, prepend=0))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    if version == "MaxIntegral":
        return float(precision @ np.diff(recall, prepend=0))
    at = np.searchsorted(recall, np.arange(11) / 10)
    return float(np.append(precision, 0)[at].mean())
