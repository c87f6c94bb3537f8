"""YOLO beyond the rows of the case table: gradients, time, maps of classes, rows that are there."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.errors import DataError

from ..cases import LayerCase
from ..layer_cases import yolo
from .running import compiled, net_text, run
from .test_detection import sized


def case(fields="", labels=yolo.LABELS):
    fields = f"region_loss_param {{ side: 3 num_class: 4 num: 2 {yolo.BIASES} {fields} }}"
    return LayerCase("RegionLoss", fields, [yolo.X, labels], [()])


def as_bottom(d):
    """D (N, S, S, A, K) in the order of the bottom."""
    return d.transpose(0, 3, 4, 1, 2).reshape(yolo.X)


@pytest.mark.parametrize(("passes", "warm"), [(0, True), (6399, True), (6400, False), (9e6, False)])
def test_the_gradient_is_the_difference_and_anchors_draw_for_12800_images(passes, warm):
    running = run(case(), "TRAIN")
    _, (x, label) = running.arrays()

    def loss(x):
        (value,), (after,) = running.layer.apply((), (jnp.float32(passes),), None, x, label)
        assert after.shape == ()
        return 3 * value

    value, dx = jax.jit(jax.value_and_grad(loss))(x)
    want = yolo.region(running.bottoms[0], yolo.LABELS, warm=warm)
    np.testing.assert_allclose(value, 3 * (want**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(dx, 3 * as_bottom(want) / 2, rtol=1e-4, atol=1e-6)


def test_a_map_of_classes(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("3 first\n1\n0\n2\n")
    running = run(case(f"class_map: '{path}'"), "TEST")
    value = running.tops([], running.arrays()[1])[0]
    want = yolo.region_loss(*running.bottoms, names=[3, 1, 0, 2])
    np.testing.assert_allclose(value, want, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n4\n", "classes.txt:2: expected a class below 4, got '4'"),
        ("one\n", "classes.txt:1: expected a class below 4, got 'one'"),
        ("\n", "classes.txt: the list is empty"),
    ],
)
def test_maps_that_are_wrong(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(DataError) as caught:
        compiled(net_text(case("class_map: 'classes.txt'")))
    assert message in str(caught.value)


@pytest.mark.parametrize("limit", [0.3, 0.999])
def test_as_many_rows_as_are_found(limit):
    fields = f"yolov3_detection_output_param {{ {yolo.OUTPUT} confidence_threshold: {limit} }}"
    (rows,) = sized("Yolov3DetectionOutput", fields, [yolo.COARSE, yolo.FINE])
    want = np.array(yolo.detected((yolo.COARSE, yolo.FINE), yolo.OWN, limit=limit))
    if not len(want):
        want = np.array([[i, *[-1] * 6] for i in range(2)])
    np.testing.assert_allclose(rows[0, 0], want, rtol=1e-4, atol=1e-6)
