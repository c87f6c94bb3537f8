"""MemoryData: arrays that the caller gives with set_input_arrays."""

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.errors import NetcError, UsageError
from tests.pycaffe import nets

MEMORY = """
layer { name: "memory" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 1 height: 1 width: 3 } }
"""
NET = f'name: "m" {MEMORY} {nets.BODY} {nets.LOSS}'
DATA = np.arange(18, dtype=np.float32).reshape(6, 1, 1, 3) / 10
LABELS = np.array([0, 1, 2, 0, 1, 2], np.float32)


def test_batches_follow_each_other_and_begin_again(make):
    net = make(NET)
    net.set_input_arrays(DATA, LABELS)
    for k in (0, 1, 2, 0, 1):
        net.forward()
        np.testing.assert_array_equal(net.blobs["data"].data, DATA[2 * k : 2 * k + 2])
        np.testing.assert_array_equal(net.blobs["label"].data, LABELS[2 * k : 2 * k + 2])


def test_new_arrays_begin_at_their_start(make):
    net = make(NET)
    net.set_input_arrays(DATA, LABELS)
    net.forward()
    net._set_input_arrays(DATA[:2] + 7, LABELS[:2].reshape(2, 1, 1, 1))
    for _ in range(2):
        net.forward()
        np.testing.assert_array_equal(net.blobs["data"].data, DATA[:2] + 7)


def test_the_arrays_are_not_copied(make):
    net, data = make(NET), DATA.copy()
    net.set_input_arrays(data, LABELS)
    net.forward()
    kept = net.blobs["data"].data.copy()
    data[...] = 5
    np.testing.assert_array_equal(net.blobs["data"].data, kept)
    assert (net.forward() and net.blobs["data"].data == 5).all()


def test_without_arrays(make):
    with pytest.raises(UsageError, match=r"needs to be initialized by calling Reset \(layer 'mem"):
        make(NET).forward()


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        (DATA.astype(np.float64), LABELS, "data array must be float32, got float64"),
        (DATA, LABELS.astype(int), "labels array must be float32, got int64"),
        (DATA[:, 0], LABELS, r"data array must be 4-d, got shape \(6, 1, 3\)"),
        (DATA, LABELS[:, None], r"labels array must be 4-d, got shape \(6, 1\)"),
        (DATA[::2], LABELS[::2], "data array must be C contiguous\nhint: np.ascontiguousarray"),
        (np.zeros((6, 2, 1, 3), "f"), LABELS, "wrong number of channels: 2, the layer takes 1"),
        (np.zeros((6, 1, 2, 3), "f"), LABELS, "data array has wrong height: 2, the layer takes 1"),
        (np.zeros((6, 1, 1, 4), "f"), LABELS, "data array has wrong width: 4, the layer takes 3"),
        (DATA, LABELS[:4], "must have the same first dimension, got 6 and 4"),
        (DATA[:3], LABELS[:3], "must be a multiple of batch size: 3 examples, batch_size 2"),
        (DATA[:0], LABELS[:0], "must be a multiple of batch size: 0 examples, batch_size 2"),
        (DATA.tolist(), LABELS, "data array must be a NumPy array, got list"),
    ],
)
def test_arrays_that_do_not_fit(make, data, labels, message):
    with pytest.raises(UsageError, match=message):
        make(NET).set_input_arrays(data, labels)


def test_a_net_that_begins_with_another_layer(make):
    message = "only be called if the first layer is a MemoryDataLayer, got 'in' \\(Input\\)"
    with pytest.raises(UsageError, match=message):
        make(nets.PLAIN).set_input_arrays(DATA, LABELS)


def test_a_transform_is_not_done(make, caplog):
    net = make(NET.replace("width: 3 }", "width: 3 } transform_param { scale: 2 }"))
    net.set_input_arrays(DATA, LABELS)
    net.forward()
    np.testing.assert_array_equal(net.blobs["data"].data, DATA[:2])
    assert "MemoryData does not transform array data on Reset()" in caplog.messages


@pytest.fixture
def solver(folder):
    (folder / "net.prototxt").write_text(
        f'name: "m" {MEMORY} {nets.BODY} {nets.ACCURACY}{nets.LOSS}'
    )
    text = nets.SOLVER + "test_iter: 3 test_interval: 2 test_initialization: false iter_size: 2"
    (folder / "solver.prototxt").write_text(text)
    return caffe.get_solver("solver.prototxt")


def test_a_solver_trains_and_tests_on_arrays(solver):
    solver.net.set_input_arrays(DATA, LABELS)
    (test_net,) = solver.test_nets
    test_net.set_input_arrays(DATA[:2] + 1, LABELS[:2])
    solver.step(2)
    # Two iterations of two passes: the last is pass 3, of the first two examples again.
    np.testing.assert_array_equal(solver.net.blobs["data"].data, DATA[:2])
    solver.step(1)
    np.testing.assert_array_equal(solver.net.blobs["data"].data, DATA[4:])
    solver.net.set_input_arrays(DATA[2:], LABELS[2:])
    solver.step(1)
    np.testing.assert_array_equal(solver.net.blobs["data"].data, DATA[4:])
    test_net.forward()
    np.testing.assert_array_equal(test_net.blobs["data"].data, DATA[:2] + 1)


def test_a_solver_without_arrays(solver):
    with pytest.raises(NetcError, match="MemoryDataLayer needs to be initialized"):
        solver.step(1)
