"""Python layers in training: sizes that change, and a memory that snapshots hold."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.alias import call_it_caffe
from tests.train import tiny

call_it_caffe()
from tests.train import python_layers  # noqa: E402

MODULE = f"module: '{python_layers.__name__}'"
NET = f"""
layer {{ name: "data" type: "Python" top: "data" top: "label"
  python_param {{ {MODULE} layer: "Images" }} }}
layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool"
  pooling_param {{ pool: AVE kernel_h: 2 kernel_w: 1 stride_h: 9 stride_w: 1 }} }}
layer {{ name: "noise" type: "Python" bottom: "pool" top: "noise"
  python_param {{ {MODULE} layer: "Noise" }} }}
{tiny.HEAD.replace('bottom: "data"', 'bottom: "noise"', 1)}
"""
SOLVER = tiny.changed(tiny.SOLVER, max_iter=16, test_interval=8, iter_size=1)
VARYING = f"""
layer {{ name: "data" type: "HDF5Data" top: "data" top: "label"
  hdf5_data_param {{ source: "files.txt" batch_size: 4 }} }}
layer {{ name: "few" type: "Python" bottom: "data" top: "few"
  python_param {{ {MODULE} layer: "Positive" }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "few" top: "ip"
  inner_product_param {{ num_output: 3 {tiny.FILLED} }} }}
layer {{ name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1
  reduction_param {{ operation: SUMSQ }} }}
"""


def seed():
    np.random.seed(1)
    random.seed(1)


def test_a_run_that_goes_on_reads_and_draws_what_it_would_have(tmp_path, monkeypatch, capfd):
    runs = {"straight": [[]], "parts": [["-iterations", "11"], ["--resume", "auto"]]}
    for name, parts in runs.items():
        seed()
        monkeypatch.chdir(tiny.write_files(tmp_path / name, NET, SOLVER))
        for arguments in parts:
            tiny.run(*arguments)
            told = tiny.told(capfd.readouterr().err, "in no snapshot")
            assert len(told) == 2  # of the training net and of the test net
            assert "layer 'data' keeps in lock is in no snapshot: it is a _thread.lock" in told[0]
    a, b = (tiny.kept(tmp_path / name, 16) for name in ("straight", "parts"))
    assert (a.model, a.state) == (b.model, b.state)
    assert a.run["python"] == b.run["python"]
    train, test = a.run["python"]["nets"]
    assert (train["noise"]["passes"], test["noise"]["passes"]) == (16, 3 * 2)


def test_images_of_a_python_layer_have_several_sizes(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tiny.write_files(tmp_path, NET, SOLVER))
    tiny.run("-iterations", "6")
    sizes = {t.partition(": ")[2] for t in tiny.told(capfd.readouterr().err, "another size")}
    assert sizes == {"'data' 1 x 1 x 4 x 4"}


def test_reading_blobs_does_not_move_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.write_files(tmp_path, NET, tiny.changed(SOLVER, iter_size=2)))

    def train(look):
        seed()
        caffe.set_random_seed(1)
        solver = caffe.get_solver("solver.prototxt")
        for _ in range(2):
            solver.step(1)
            if look:
                layer = solver.net.layer_dict["noise"]
                assert solver.net.blobs["data"].data.shape[2] == solver.net.layers[0].height
                assert layer.passes == 2 * solver.iter
                assert np.abs(solver.net.blobs["noise"].diff).max() > 0
        return solver.net.params["ip1"][0].data.copy()

    np.testing.assert_array_equal(train(True), train(False))


def test_forward_runs_once_for_a_pass_forward_and_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.write_files(tmp_path, VARYING))
    net = caffe.Net("net.prototxt", caffe.TRAIN)
    sizes = set()
    for _ in range(6):
        calls = python_layers.Positive.calls
        net.forward()
        net.clear_param_diffs()
        net.backward()
        assert python_layers.Positive.calls == calls + 1
        x = net.blobs["data"].data
        kept = x[:, 0] >= x[:, 0].mean()
        few, slope = net.blobs["few"].data, net.blobs["few"].diff
        sizes.add(len(few))
        np.testing.assert_allclose(few, 2 * x[kept], rtol=1e-6)
        np.testing.assert_allclose(net.params["few"][0].diff, [(x[kept] * slope).sum()], rtol=1e-5)
    assert len(sizes) > 1


@pytest.mark.parametrize("iter_size", [1, 3])
def test_shapes_that_values_tell_train(tmp_path, monkeypatch, iter_size):
    """The gradient is that of the rows that were kept, also of several passes."""
    solver = "net: 'net.prototxt' base_lr: 0.01 lr_policy: 'fixed' max_iter: 4 iter_size: "
    monkeypatch.chdir(tiny.write_files(tmp_path, VARYING))
    session = tiny.session(solver + str(iter_size))
    w, b = (np.array(session.blobs()[f"ip/{i}"], "d") for i in range(2))
    factor = 2.0
    with tiny.h5py.File("a.h5") as one, tiny.h5py.File("b.h5") as two:
        rows = np.concatenate([one["data"], two["data"]])
    at = 0
    for _ in range(4):
        dw, db, df = np.zeros_like(w), np.zeros_like(b), 0.0
        for _ in range(iter_size):
            x = rows.take(range(at, at + 4), 0, mode="wrap").astype("d")
            at += 4
            x = x[x[:, 0] >= x[:, 0].mean()]
            dy = 2 * (factor * x @ w.T + b)
            dw, db = dw + dy.T @ (factor * x), db + dy.sum(0)
            df += ((dy @ w) * x).sum()
        w, b = w - 0.01 * dw / iter_size, b - 0.01 * db / iter_size
        factor -= 0.01 * df / iter_size
    calls = python_layers.Positive.calls
    for _ in range(4):
        session.step()
    found = session.blobs()
    np.testing.assert_allclose(found["ip/0"], w, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["few/0"], [factor], rtol=1e-4)
    if iter_size == 1:  # else passes are made again, whose gradient is due after others
        assert python_layers.Positive.calls - calls == 4
    session.close()


def test_a_test_that_is_cut_short_begins_where_it_began(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.write_files(tmp_path, NET, SOLVER))
    loop = tiny.loop(SOLVER)
    answers = iter([True, False])

    def may_go_on():
        loop.stopping = not next(answers)
        return not loop.stopping

    monkeypatch.setattr(loop, "_may_go_on", may_go_on)
    (before,) = loop.session.test_positions()
    loop.test_all()
    (after,) = loop.session.test_positions()
    assert json.dumps(before) == json.dumps(after)
