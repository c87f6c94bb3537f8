"""Gradients of losses that are not the derivative of what the forward pass gives: Caffe's own."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netc.errors import DataError, ShapeError
from netc.weights.blob import blob_pieces

from ..cases import LayerCase
from ..layer_cases.loss_reference import infogain_loss
from .running import compiled, run
from .test_kinks import gradients

SIGMOID = 1 / (1 + math.exp(-2))


# fmt: off
GRADIENTS = [
    # Of targets that lie between 0 and 1 there is no gradient, of scores sigmoid(x) - t.
    ("SigmoidCrossEntropyLoss", "", [[[0, 2]], [[0.25, 0.75]]],
        [[[0.25, SIGMOID - 0.75]], [[0, 0]]]),
    ("SigmoidCrossEntropyLoss", "loss_param { ignore_label: 0 }", [[[0, 2]], [[0.25, 1]]],
        [[[0, SIGMOID - 1]], [[0, 0]]]),
    # -1 / max(p, 1e-20), below the bound as well.
    ("MultinomialLogisticLoss", "", [[[0.5, 0.5]], [1]], [[[0, -2]], [0]]),
    ("MultinomialLogisticLoss", "", [[[0.0, 1.0]], [0]], [[[-1e20, 0]], [0]]),
    # The kink of a margin has no gradient.
    ("HingeLoss", "", [[[1, -1, 0]], [0]], [[[0, 0, 1]], [0]]),
    ("HingeLoss", "hinge_loss_param { norm: L2 }", [[[0, 2]], [0]], [[[-2, 6]], [0]]),
    # The log is bounded, the gradient is not: p sum H[label] - H[label].
    ("InfogainLoss", "", [[[0, 200]], [0], [[3, 1], [0, 1]]],
        [[[-3, 4 - 1]], [0], [[0, 0], [0, 0]]]),
    # The slope of 1 / D is bounded by 1e4.
    ("ContrastiveLoss", "", [[[0.3, 0]], [[0, 0.4]], [0]],
        [[[-0.5 / 0.5001 * 0.3, 0.5 / 0.5001 * 0.4]],
         [[0.5 / 0.5001 * 0.3, -0.5 / 0.5001 * 0.4]], [0]]),
    ("ContrastiveLoss", "", [[[1, 2]], [[1, 2]], [0]], [[[0, 0]], [[0, 0]], [0]]),
    ("ContrastiveLoss", "", [[[3, 0]], [[0, 0]], [0]], [[[0, 0]], [[0, 0]], [0]]),
    ("ContrastiveLoss", "", [[[3, 0]], [[1, 0]], [1]], [[[2, 0]], [[-2, 0]], [0]]),
    ("ContrastiveLoss", "contrastive_loss_param { legacy_version: true margin: 4 }",
        [[[1, 1]], [[0, 0]], [0]], [[[-1, -1]], [[1, 1]], [0]]),
    ("ContrastiveLoss", "contrastive_loss_param { legacy_version: true margin: 4 }",
        [[[2, 0]], [[0, 0]], [0]], [[[0, 0]], [[0, 0]], [0]]),
    # Weights have no gradient; the inner one counts twice in the gradient.
    ("SmoothL1Loss", "", [[[0.25]], [[0]], [[2]]], [[[1]], [[-1]], [[0]]]),
    ("SmoothL1Loss", "", [[[3, 0]], [[0, 0]], [[2, 2]], [[5, 5]]],
        [[[10, 0]], [[-10, 0]], [[0, 0]], [[0, 0]]]),
    ("L1Loss", "", [[[1, 0, -2]], [[0, 0, math.nan]]], [[[1, 0, 0]], [[-1, 0, 0]]]),
    ("L1Loss", "l1_loss_param { l2_per_location: true epsilon: 0 plateau: 1 }",
        [[[3, 0.1]], [[0, 0]]], [[[3 / math.hypot(3, 0.1), 0.1 / math.hypot(3, 0.1)]],
         [[-3 / math.hypot(3, 0.1), -0.1 / math.hypot(3, 0.1)]]]),
    # A right answer that is certain has no focal loss and no gradient.
    ("SoftmaxWithLoss", "loss_param { focal_gamma: 0.5 }", [[[200, 0]], [0]], [[[0, 0]], [0]]),
    ("SoftmaxWithLoss", "", [[[0, 0]], [1], [2.5]], [[[0.5, -0.5]], [0], [0]]),
    ("Reduction", "reduction_param { operation: ASUM }", [[-2, 0, 3]], [[-1, 0, 1]]),
    ("ArgMax", "argmax_param { out_max_val: true axis: 1 }", [[[1, 2]]], [[[0, 0]]]),
]
# fmt: on


@pytest.mark.parametrize(("type", "fields", "bottoms", "want"), GRADIENTS)
def test_gradient(type, fields, bottoms, want):
    for got, expected in zip(gradients(type, fields, *bottoms), want, strict=True):
        np.testing.assert_allclose(got, np.array(expected, np.float32), rtol=1e-5)


def test_items_picked_twice_add_their_gradients():
    got, index = gradients("BatchReindex", "", [[1.0], [2.0], [3.0]], [2, 0, 2])
    np.testing.assert_array_equal(got, [[1], [0], [2]])
    assert not index.any()


@pytest.mark.parametrize("type", ["BatchReindex", "Embed"])
@pytest.mark.parametrize("index", [-1, 3, 1000])
def test_an_index_outside_gives_nan(type, index):
    fields = "embed_param { input_dim: 3 num_output: 2 }" if type == "Embed" else ""
    picks = np.array([1, index])
    bottoms = [picks] if type == "Embed" else [np.ones((3, 2)), picks]
    running = run(LayerCase(type, fields, bottoms, [(2, 2)]), "TRAIN")
    (y,) = running.tops(*running.arrays())
    assert np.isfinite(y[0]).all() and np.isnan(y[1]).all()


NET = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 4 dim: 3 }} }} }}
layer {{ name: "y" type: "Input" top: "y" input_param {{ shape {{ dim: 4 }} }} }}
layer {{ name: "op" type: "InfogainLoss" bottom: "x" bottom: "y" top: "loss"
  infogain_loss_param {{ source: "{}" }} }}
"""


@pytest.mark.parametrize("shape", [(3, 3), (1, 1, 3, 3), (9,)])
def test_gains_from_a_file(shape, tmp_path):
    gains = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    path = tmp_path / "gains.binaryproto"
    path.write_bytes(b"".join(map(bytes, blob_pieces(gains.reshape(shape)))))
    program = compiled(NET.format(path))
    x, y = np.arange(12).reshape(4, 3) / 8, np.array([0, 2, 1, 2])
    inputs = {"x": x.astype(np.float32), "y": y.astype(np.float32)}
    values, _ = program.apply({}, {}, None, inputs)
    want = infogain_loss(x, y, gains.astype(float))
    assert float(values["loss"]) == pytest.approx(float(want), rel=1e-5)


def test_gains_of_the_wrong_size_or_from_no_file(tmp_path):
    path = tmp_path / "gains.binaryproto"
    path.write_bytes(b"".join(map(bytes, blob_pieces(np.ones((2, 2), np.float32)))))
    with pytest.raises(ShapeError, match=r"5:\d+: the infogain matrix must be 3 x 3 .* got 2 x 2"):
        compiled(NET.format(path))
    with pytest.raises(DataError, match=r"5:\d+: .*Failed to open file.*InfogainLoss") as caught:
        compiled(NET.format(tmp_path / "gain.binaryproto"))
    assert caught.value.hint == "did you mean 'gains.binaryproto'?"
