"""Images of several sizes in training and testing: a program for each size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from netc.errors import DataError, ShapeError
from netc.sizes import Sizes
from tests.layers.running import compiled
from tests.train import tiny

SIZES = [(6, 6), (5, 7), (6, 6), (8, 6)]
NET = f"""
layer {{ name: "data" type: "ImageData" top: "data" top: "label"
  image_data_param {{ source: "list.txt" is_color: false }} transform_param {{ scale: 0.01 }} }}
layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool"
  pooling_param {{ pool: AVE global_pooling: true }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param {{ num_output: 3 {tiny.FILLED} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.5 lr_policy: "fixed" max_iter: 100 random_seed: 7
test_iter: 4 test_interval: 100 test_initialization: false
"""


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.RandomState(0)
    images = [draw.randint(0, 256, size).astype(np.uint8) for size in SIZES]
    for i, image in enumerate(images):
        cv2.imwrite(f"{i}.png", image)
    (tmp_path / "list.txt").write_text("".join(f"{i}.png {i % 3}\n" for i in range(len(images))))
    (tmp_path / "net.prototxt").write_text(NET)
    return images


def test_training_on_them_is_training_on_their_means(pictures, lines):
    session = tiny.session(SOLVER)
    weight, bias = (np.array(session.blobs()[f"ip/{i}"], np.float64) for i in range(2))
    for i, image in enumerate(pictures * 2):
        metrics = session.step()
        x, label = image.mean() * 0.01, (i % 4) % 3
        score = weight[:, 0] * x + bias
        p = np.exp(score) / np.exp(score).sum()
        np.testing.assert_allclose(metrics.loss, -np.log(p[label]), rtol=1e-4)
        error = p - np.eye(3)[label]
        weight[:, 0] -= 0.5 * error * x
        bias -= 0.5 * error
    told = [text for text in lines if text.startswith("Compiling")]
    assert told == [f"Compiling for another size: 'data' 1 x 1 x {s}" for s in ("5 x 7", "8 x 6")]
    session.close()


def test_testing_on_them(pictures):
    session = tiny.session(SOLVER)
    weight, bias = (np.array(session.blobs()[f"ip/{i}"], np.float64) for i in range(2))
    losses = []
    for i, image in enumerate(pictures):
        score = weight[:, 0] * image.mean() * 0.01 + bias
        losses.append(np.log(np.exp(score).sum()) - score[i % 3])
    means = session.test(0)
    np.testing.assert_allclose(means["loss"], np.mean(losses), rtol=1e-5)
    session.close()


def test_a_net_whose_blobs_depend_on_the_size(pictures, tmp_path):
    (tmp_path / "net.prototxt").write_text(NET.replace("global_pooling: true", "kernel_size: 2"))
    session = tiny.session(SOLVER)
    session.step()
    message = r"6:1: a batch of another size changes a blob from 3 x 25 to 3 x 24 \(layer 'ip'.*\n"
    with pytest.raises(ShapeError, match=message + "(.*\n)*hint: images of several sizes need"):
        session.step()
    session.close()


def test_several_sizes_in_one_batch(pictures, tmp_path):
    (tmp_path / "net.prototxt").write_text(NET.replace("is_color", "batch_size: 2 is_color"))
    session = tiny.session(SOLVER)
    message = r"list.txt:2: Check failed: img_height == height \(5 vs. 6\)"
    with pytest.raises(DataError, match=message):
        session.step()
    session.close()


def test_the_number_of_programs_is_bounded(monkeypatch):
    monkeypatch.setattr("netc.sizes.KEPT", 3)
    program = compiled(
        "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 1 } } }"
        "layer { name: 'y' type: 'AbsVal' bottom: 'x' top: 'y' }"
    )
    sizes = Sizes(program)
    made = [sizes.fit({}, {}, None, {"x": np.zeros(n)}) for n in range(1, 7)]
    assert [p.graph.shapes["y"][0] for p in made] == list(range(1, 7))
    assert sizes.of.cache_info().currsize == 3
