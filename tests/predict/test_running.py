"""Many images through a net, in batches of one size."""

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.compile import Program
from netc.errors import DataError, GraphError, UsageError
from netc.lowering.plan import Plan
from netc.predict.classes import pick_scores, read_scores
from netc.predict.preprocess import Prepared
from netc.predict.running import Predictor, predictions, read_deploy
from netc.weights.match import EXACT
from tests.predict.conftest import DEPLOY

FIXED = DEPLOY.replace('bottom: "ip" top: "prob"', 'bottom: "fixed" top: "prob"').replace(
    'layer { name: "prob"',
    'layer { name: "r" type: "Reshape" bottom: "ip" top: "fixed" '
    'reshape_param { shape { dim: 1 dim: 4 } } } layer { name: "prob"',
)


def rows(item, crops=1):
    if item < 0:
        raise DataError(f"{item} is not there")
    return Prepared(np.random.RandomState(item).rand(crops, 3, 6, 6).astype(np.float32), (item, 1))


def open_net(wanted, path="deploy.prototxt"):
    return Predictor(read_deploy(path), "w.caffemodel", Plan("cpu"), wanted, pick_scores, EXACT)


def expected(items, crops=1):
    net = caffe.Net("deploy.prototxt", caffe.TEST, weights="w.caffemodel")
    return [net.forward_all(data=rows(item, crops).rows)["prob"] for item in items]


@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("wanted", [1, 4, 7])
def test_items_in_order_whatever_the_batch(folder, wanted, crops):
    net = open_net(wanted)
    found = list(predictions(net, range(9), lambda i: rows(i, crops), read_scores, crops))
    assert net.size == wanted
    assert [(done.item, done.size, done.error) for done in found] == [
        (i, (i, 1), None) for i in range(9)
    ]
    np.testing.assert_allclose([d.output for d in found], expected(range(9), crops), rtol=1e-5)


def test_what_cannot_be_prepared_is_left_out(folder):
    items = [3, -1, 4, -2, -3, -4, 5]
    found = list(predictions(open_net(2), items, rows, read_scores))
    assert [done.item for done in found] == items
    assert [str(done.error) for done in found if done.error] == [
        f"{i} is not there" for i in (-1, -2, -3, -4)
    ]
    good = [done for done in found if done.error is None]
    np.testing.assert_allclose([d.output for d in good], expected([3, 4, 5]), rtol=1e-5)


def test_all_batches_run_in_one_program(folder, monkeypatch):
    traced, apply = [], Program.apply
    monkeypatch.setattr(Program, "apply", lambda *args: traced.append(1) or apply(*args))
    list(predictions(open_net(4), [*range(9), -1], rows, read_scores))
    assert len(traced) == 1


def test_a_net_that_works_with_its_own_number_only(folder):
    (folder / "fixed.prototxt").write_text(FIXED)
    net = open_net(4, "fixed.prototxt")
    assert net.size == 1
    found = list(predictions(net, range(3), rows, read_scores))
    np.testing.assert_allclose([d.output for d in found], expected(range(3)), rtol=1e-5)


INPUT = 'layer { name: "i" type: "Input" top: "%s" input_param { shape { %s } } }'


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (
            'layer { name: "d" type: "DummyData" top: "x" }',
            r"has 0 inputs\nhint: give a deploy",
        ),
        (INPUT % ("x", "dim: 1") + INPUT % ("y", "dim: 1"), "the net has 2 inputs: x, y"),
        (INPUT % ("x", "dim: 1 dim: 3"), "images are N x C x H x W, input 'x' is 1 x 3"),
        (INPUT % ("x", "dim: 1 dim: 3 dim: 0 dim: 2"), "input 'x' is 1 x 3 x 0 x 2"),
    ],
)
def test_nets_that_are_not_fed_images(folder, net, message):
    (folder / "net.prototxt").write_text(net)
    with pytest.raises(UsageError, match=message):
        read_deploy("net.prototxt")


def test_a_net_without_scores(folder):
    (folder / "net.prototxt").write_text(
        DEPLOY + 'layer { name: "s" type: "Reduction" bottom: "prob" top: "sum" }'
    )
    with pytest.raises(GraphError, match="no output has scores for each of 1 images: 'sum' "):
        open_net(2, "net.prototxt")
