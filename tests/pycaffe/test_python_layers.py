"""Layers in Python as scripts for Caffe have them: sources, losses, shapes of their own choice."""

import sys

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.cli import main
from netc.errors import DataError
from tests.pycaffe import nets

MODULE = """
import netc.pycaffe as caffe
import numpy as np

class Source(caffe.Layer):
    \"\"\"Images of 4 x 4, 5 x 5, ... that hold the number of their pass.\"\"\"
    def setup(self, bottom, top):
        self.passes, self.label, self.size = 0, 1, lambda k: 3 + k
    def reshape(self, bottom, top):
        side = self.size(self.passes + 1)
        top[0].reshape(1, 2, side, side)
        top[1].reshape(1)
    def forward(self, bottom, top):
        self.passes += 1
        top[0].data[...] = self.passes
        top[1].data[...] = self.label
    def backward(self, *ends):
        pass

class Scaled(caffe.Layer):
    def setup(self, bottom, top):
        self.calls = []
        self.blobs.add_blob(1)
        self.blobs[0].data[...] = float(self.param_str_)
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top):
        self.calls.append("forward")
        top[0].data[...] = bottom[0].data * self.blobs[0].data[0]
    def backward(self, top, propagate_down, bottom):
        self.calls.append("backward")
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff * self.blobs[0].data[0]
        self.blobs[0].diff[...] += (top[0].diff * bottom[0].data).sum()

class First(caffe.Layer):
    \"\"\"The first `count` items.\"\"\"
    def setup(self, bottom, top):
        self.count = 4
    def reshape(self, bottom, top):
        for b, t in zip(bottom, top):
            t.reshape(self.count, *b.data.shape[1:])
    def forward(self, bottom, top):
        for b, t in zip(bottom, top):
            t.data[...] = b.data[: self.count]
    def backward(self, top, propagate_down, bottom):
        for b, t, wanted in zip(bottom, top, propagate_down):
            if wanted:
                b.diff[...] = 0
                b.diff[: self.count] = t.diff

class Average(caffe.Layer):
    \"\"\"A mean over passes that it keeps in a blob.\"\"\"
    def setup(self, bottom, top):
        self.blobs.add_blob(3)
    def reshape(self, bottom, top):
        top[0].reshape(3)
    def forward(self, bottom, top):
        self.blobs[0].data[...] = 0.5 * self.blobs[0].data + 0.5 * bottom[0].data.mean(0)
        top[0].data[...] = self.blobs[0].data
    def backward(self, *ends):
        pass
"""


def python(layer, text=""):
    return f'python_param {{ module: "mine" layer: "{layer}" param_str: "{text}" }}'


FILL = 'weight_filler { type: "constant" value: 0.5 }'
SOURCE = f"""
layer {{ name: "data" type: "Python" top: "data" top: "label" {python("Source")} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 3 kernel_size: 1 {FILL} }} }}
layer {{ name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param {{ pool: AVE global_pooling: true }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "pool" bottom: "label" top: "loss" }}
"""
MIDDLE = f"""force_backward: true {nets.INPUT}{nets.BODY}
layer {{ name: "m" type: "Python" bottom: "ip2" top: "m" {python("Scaled", "2")} }}
layer {{ name: "first" type: "Python" bottom: "m" bottom: "label" top: "some" top: "labels"
  propagate_down: [true, false] {python("First")} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "some" bottom: "labels" top: "loss"
  propagate_down: [true, false] }}
"""


@pytest.fixture(autouse=True)
def module(folder, monkeypatch):
    """The layers above, as a module in the current folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / "mine.py").write_text(MODULE)
    yield
    sys.modules.pop("mine", None)


@pytest.fixture
def solver(folder):
    """A solver of one of the nets."""

    def make(text, more=""):
        (folder / "net.prototxt").write_text(text)
        (folder / "solver.prototxt").write_text(nets.SOLVER + more)
        return caffe.get_solver("solver.prototxt")

    return make


def test_a_source_chooses_the_shapes_of_every_pass(make):
    net = make(SOURCE)
    for k in (1, 2, 3):
        net.forward()
        side = 3 + k
        assert net.blobs["data"].shape == (1, 2, side, side)
        assert net.blobs["conv"].shape == (1, 3, side, side)
        assert (net.blobs["data"].data == k).all() and (net.blobs["pool"].data == k).all()
    net.backward()
    assert net.params["conv"][0].diff.any()
    net.forward(start="conv")
    assert net.layers[0].passes == 3


def test_a_solver_asks_a_source_once_in_every_pass(solver):
    made = solver(SOURCE, "iter_size: 2")
    data = made.net.layers[0]
    made.step(3)
    assert data.passes == 6
    assert made.net.blobs["data"].data[0, 0, 0, 0] == 6  # what is shown is what was trained on
    assert made.net.blobs["conv"].shape == (1, 3, 9, 9) and data.passes == 6
    made.net.forward()
    assert data.passes == 7


def test_what_a_script_sets_counts_from_the_next_pass_on(solver):
    """As training of Faster R-CNN gives its regions to the first layer of the net."""
    made = solver(SOURCE, "test_iter: 1 test_interval: 2 test_initialization: false")
    made.net.layers[0].label = 2
    made.step(1)
    assert made.net.blobs["label"].data == [2]
    made.net.layer_dict["data"].label = 0
    made.step(1)
    assert made.net.blobs["label"].data == [0]
    made.test_nets[0].layers[0].label = 2
    assert made.test_nets[0].forward()["loss"] > 0 and made.test_nets[0].layers[0].passes == 1
    made.step(1)
    assert made.test_nets[0].layers[0].passes == 2  # the solver's test


def test_labels_of_a_source_are_checked(solver):
    made = solver(SOURCE)
    made.net.layers[0].label = 3
    with pytest.raises(DataError, match=r"label 3 is outside the 3 classes 0\.\.2"):
        made.step(1)


def test_the_command_line_trains_and_tests_on_a_source(folder, monkeypatch, capfd):
    (folder / "net.prototxt").write_text(SOURCE)
    (folder / "solver.prototxt").write_text(nets.SOLVER + "snapshot: 6 display: 1")
    monkeypatch.setattr("netc.lowering.platform.persistent_cache", lambda: None)
    assert main(["train", "solver.prototxt", "--no-run-dir"]) == 0
    assert "Compiling for another size: 'data' 1 x 2 x 9 x 9" in capfd.readouterr().err
    weights = ["-weights", "p_iter_6.caffemodel", "-iterations", "2"]
    assert main(["test", "-model", "net.prototxt", *weights]) == 0
    assert "Batch 1, loss = " in capfd.readouterr().err


def test_layers_between_others_are_called_once_in_each_pass(make, inputs):
    net = make(MIDDLE)
    net.forward(**inputs)
    net.backward()
    assert net.layer_dict["m"].calls == ["forward", "backward"]
    np.testing.assert_allclose(net.blobs["m"].data, 2 * net.blobs["ip2"].data, rtol=1e-6)
    np.testing.assert_allclose(net.blobs["ip2"].diff, 2 * net.blobs["m"].diff, rtol=1e-6)
    assert net.blobs["data"].diff.any() and net.layers[0].type == "Input"
    wanted = (net.blobs["m"].diff * net.blobs["ip2"].data).sum()
    np.testing.assert_allclose(net.params["m"][0].diff, [wanted], rtol=1e-5)


def test_their_tops_take_the_shapes_that_they_choose(make, inputs):
    net = make(MIDDLE)
    for count in (4, 2, 3):
        net.layer_dict["first"].count = count
        net.forward(**inputs)
        net.clear_param_diffs()
        net.backward()
        assert net.blobs["some"].shape == (count, 3)
        assert net.blobs["m"].diff[:count].all() and not net.blobs["m"].diff[count:].any()
        assert net.params["ip1"][0].diff.any()


def test_a_solver_trains_through_them(solver, inputs):
    made = solver(MIDDLE, "display: 1")
    for name, value in inputs.items():
        made.net.blobs[name].data[...] = value
    made.step(1)
    assert made.net.layer_dict["m"].calls == ["forward", "backward"]
    made.net.layer_dict["first"].count = 2
    factor, loss = made.net.params["m"][0].data.copy(), float(made.net.blobs["loss"].data)
    made.solve()
    assert made.net.blobs["some"].data.shape == (2, 3)
    assert made.net.params["m"][0].data != factor and made.net.blobs["loss"].data < loss
    assert made.net.layer_dict["m"].calls == ["forward", "backward"] * 6 + ["forward"]


def test_a_net_without_loss_goes_back_where_it_is_forced_to(make, inputs):
    deploy = (
        nets.DEPLOY
        + f'layer {{ name: "m" type: "Python" bottom: "ip2" top: "m" {python("Scaled", "3")} }}'
    )
    plain, forced = make(deploy), make(deploy + "force_backward: true")
    for net, calls in ((plain, ["forward"]), (forced, ["forward", "backward"])):
        net.forward(data=inputs["data"])
        net.blobs["m"].diff[...] = 1
        net.backward()
        assert net.layer_dict["m"].calls == calls
    assert (forced.blobs["ip2"].diff == 3).all()


def test_what_they_write_into_their_blobs_is_kept(make, inputs):
    average = f'layer {{ name: "a" type: "Python" bottom: "ip2" top: "a" {python("Average")} }}'
    net = make(nets.DEPLOY + average)
    wanted = np.zeros(3)
    for scale in (1, 2, 3):
        net.forward(data=inputs["data"] * scale)
        wanted = 0.5 * wanted + 0.5 * net.blobs["ip2"].data.mean(0)
        np.testing.assert_allclose(net.params["a"][0].data, wanted, rtol=1e-5)
        np.testing.assert_allclose(net.blobs["a"].data, wanted, rtol=1e-5)


def test_reshape_asks_them_for_their_shapes(make):
    net = make(MIDDLE)
    layer = net.layer_dict["first"]
    net.blobs["data"].reshape(7, 5)
    net.blobs["label"].reshape(7)
    layer.count = 5
    net.reshape()
    assert net.layer_dict["first"] is layer
    assert net.blobs["m"].shape == (7, 3) and net.blobs["some"].shape == (5, 3)
