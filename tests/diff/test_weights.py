"""How far blobs have drifted."""

import math

import numpy as np
import pytest

from netc.diff.weights import drifts, render
from netc.weights.content import LayerWeights, WeightFile


def file(**layers) -> WeightFile:
    held = []
    for name, blobs in layers.items():
        arrays = tuple(None if b is None else np.asarray(b, np.float32) for b in blobs)
        count = len(arrays)
        held.append(LayerWeights(name, "", arrays, (None,) * count, (False,) * count))
    return WeightFile("f", "", tuple(held))


@pytest.mark.parametrize(
    ("a", "b", "largest", "relative"),
    [
        ([3, 4], [3, 4], 0, 0),
        ([3, 4], [3, 3], 1, 0.2),
        ([0, 0], [0, 2], 2, math.inf),
        ([np.nan, 1, np.inf], [np.nan, 1, np.inf], 0, 0),
        (np.ones((1, 1, 1, 3)), np.ones(3), 0, 0),
        (np.zeros(0), np.zeros(0), 0, 0),
    ],
    ids=["same", "drifted", "from zero", "not finite", "four axes of old files", "empty"],
)
def test_drift_of_a_blob(a, b, largest, relative):
    (drift,) = drifts(file(c=[a]), file(c=[b]))
    assert (drift.largest, drift.relative) == (largest, pytest.approx(relative))


def test_a_number_against_none_is_not_finite():
    (drift,) = drifts(file(c=[[1.0]]), file(c=[[np.nan]]))
    assert math.isnan(drift.largest) and not drift.same


def test_large_blobs_are_compared_in_parts(monkeypatch):
    monkeypatch.setattr("netc.diff.weights.STEP", 3)
    a, b = np.arange(8, dtype=np.float32), np.arange(8, dtype=np.float32)
    b[[1, 7]] += (3, 4)
    (drift,) = drifts(file(c=[a]), file(c=[b]))
    assert drift.largest == 4 and drift.relative == pytest.approx(5 / np.linalg.norm(a))


def test_blobs_that_only_one_file_has_and_other_shapes():
    a = file(same=[[1]], gone=[[1]], shape=[[1, 2]])
    b = file(same=[[1]], shape=[[1, 2, 3]], new=[[[1]]], owner=[None])
    assert render(drifts(a, b)) == (
        "layer  blob  shape           largest difference       relative difference\n"
        "gone   0     1 (1)           only in the first file\n"
        "shape  0     2 (2) -> 3 (3)  the shapes differ\n"
        "new    0     1 1 (1)         only in the second file\n\n"
        "3 of 4 blobs differ"
    )


def test_nothing_is_told_of_the_same():
    assert render(drifts(file(a=[[1]]), file(a=[[1]]))) == ""
