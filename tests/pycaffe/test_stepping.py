"""Solvers that scripts take a hand in: callbacks, fields written, updates from hand-set diffs."""

import logging

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.errors import NetcError
from tests.pycaffe import nets
from tests.pycaffe.test_hooks import CHAIN, close
from tests.train import tiny

STEEP = nets.SOLVER + "weight_decay: 0.01 iter_size: 2 clip_gradients: 1"


@pytest.fixture
def make(folder, inputs):
    """A solver from its text and the text of its net, whose inputs are filled."""

    def solver(text=nets.SOLVER, net=nets.PLAIN, kind=caffe.get_solver):
        (folder / "net.prototxt").write_text(net)
        (folder / "solver.prototxt").write_text(text)
        made = kind("solver.prototxt")
        for name, value in inputs.items():
            made.net.blobs[name].data[...] = value
        return made

    return solver


def blobs(solver):
    return {
        f"{k}/{i}": b.data.copy() for k, v in solver.net.params.items() for i, b in enumerate(v)
    }


@pytest.mark.parametrize("net", [nets.PLAIN, CHAIN])
def test_iterations_by_hand_are_those_that_are_compiled(make, net):
    straight, called, updated = (make(STEEP, net) for _ in range(3))
    straight.step(4)
    seen = []
    called.add_callback(lambda: seen.append("start"), lambda: seen.append("ready"))
    called.step(4)
    assert seen == ["start", "ready"] * 4
    close(straight.net, called.net)
    for _ in range(4):
        updated.net.clear_param_diffs()
        for _ in range(2):
            updated.net.forward()
            updated.net.backward()
        updated.apply_update()
    assert updated.iter == 4
    close(straight.net, updated.net)


def test_hooks_of_the_net_are_called_in_a_step(make):
    solver, seen = make(), []
    solver.net.before_forward(seen.append)
    solver.step(2)
    assert seen == [*range(len(solver.net.layers))] * 2


def test_a_callback_may_change_the_gradients(make):
    solver = make(tiny.changed(nets.SOLVER, momentum=None))
    before = blobs(solver)

    def only_ip2():
        for blob in solver.net.params["ip1"]:
            blob.diff[...] = 0
        solver.net.params["ip2"][1].diff[...] = 1, 2, 3

    solver.add_callback(lambda: None, only_ip2)
    solver.step(1)
    after = blobs(solver)
    np.testing.assert_array_equal(after["ip1/0"], before["ip1/0"])
    np.testing.assert_allclose(before["ip2/1"] - after["ip2/1"], [0.1, 0.2, 0.3], rtol=1e-5)
    np.testing.assert_allclose(solver.net.params["ip2"][1].diff, [0.1, 0.2, 0.3], rtol=1e-5)


def test_an_update_from_diffs_that_were_set(make, caplog):
    solver = make(tiny.changed(nets.SOLVER, momentum=None) + "display: 1")
    before = blobs(solver)
    solver.net.clear_param_diffs()
    solver.net.params["ip1"][0].diff[...] = 2
    with caplog.at_level(logging.INFO, "netc.pycaffe"):
        solver.apply_update()
    told = [r.message for r in caplog.records if r.name == "netc.pycaffe.solver"]
    assert solver.iter == 1 and told == ["Iteration 0, lr = 0.1"]
    np.testing.assert_allclose(blobs(solver)["ip1/0"], before["ip1/0"] - 0.2, rtol=1e-5)
    np.testing.assert_array_equal(blobs(solver)["ip2/0"], before["ip2/0"])


def test_a_step_after_an_update_goes_on(make):
    """The history is that of both."""
    one, two = make(), make()
    one.step(3)
    two.step(1)
    two.net.clear_param_diffs()
    two.net.forward()
    two.net.backward()
    two.apply_update()
    two.step(1)
    close(one.net, two.net)


def test_base_lr_may_be_written_between_steps(make):
    """The rate of the next iteration, without compiling anew; the history keeps the old one."""
    text = tiny.changed(nets.SOLVER, momentum=None)
    solver, other = make(text), make(text.replace("base_lr: 0.1", "base_lr: 0.025"))
    before = blobs(solver)
    solver.param.base_lr = 0.025
    assert solver.lr == pytest.approx(0.025)
    for s in (solver, other):
        s.step(1)
    for key, value in blobs(solver).items():
        np.testing.assert_allclose(value, blobs(other)[key], rtol=1e-6)
    made = solver._session._step_of.cache_info().currsize
    solver.param.base_lr = 0
    before = blobs(solver)
    solver.step(1)
    assert all((v == before[k]).all() for k, v in blobs(solver).items())
    assert solver._session._step_of.cache_info().currsize == made == 1


def test_other_fields_too(make, inputs):
    solver = make()
    solver.step(1)
    solver.param.momentum = 0
    solver.param.max_iter = 3
    before = blobs(solver)
    plain = caffe.Net("net.prototxt", caffe.TRAIN)
    for name, values in plain.params.items():
        for i, blob in enumerate(values):
            blob.data[...] = before[f"{name}/{i}"]
    plain.forward(**inputs)
    plain.backward()
    solver.step(1)
    step = 0.1 * plain.params["ip2"][0].diff
    np.testing.assert_allclose(blobs(solver)["ip2/0"], before["ip2/0"] - step, rtol=1e-4, atol=1e-6)
    solver.solve()
    assert solver.iter == 3
    solver.param.snapshot_prefix = "q"
    solver.snapshot()
    assert caffe.Net("net.prototxt", caffe.TEST, weights="q_iter_3.caffemodel")
    solver.param.momentum = 1
    solver.param.lr_policy = "nothing"
    with pytest.raises(NetcError, match="Unknown learning rate policy: nothing"):
        solver.step(1)


def test_the_class_decides_what_the_file_leaves_open(make, caplog):
    made = make(nets.SOLVER, kind=caffe.AdamSolver)
    asked = make(nets.SOLVER + 'type: "Adam"')
    assert type(asked) is caffe.AdamSolver
    for solver in (made, asked):
        solver.step(2)
    for key, value in blobs(made).items():
        np.testing.assert_array_equal(value, blobs(asked)[key])
    assert [r for r in caplog.records if r.name == "netc.pycaffe.solver"] == []
    other = make(nets.SOLVER + 'type: "Adam"', kind=caffe.SGDSolver)
    assert "type Adam, trained by SGDSolver; get_solver picks the class" in caplog.text
    other.step(1)
    with pytest.raises(NetcError, match="Momentum cannot be used with AdaGrad"):
        make(nets.SOLVER, kind=caffe.AdaGradSolver)


def test_a_solver_without_max_iter_steps_as_long_as_it_is_asked_to(make):
    endless = tiny.changed(nets.SOLVER, max_iter=None)
    one, two = make(endless), make()
    for solver in (one, two):
        solver.step(3)
    close(two.net, one.net)
    one.solve()
    assert one.iter == 3
    with pytest.raises(NetcError, match="max_iter is missing"):
        make(endless.replace('"step"', '"poly" power: 1'))


def test_share_weights(make):
    solver = make()
    net = caffe.Net("net.prototxt", caffe.TEST)
    solver.share_weights(net)
    solver.step(1)
    assert net.params["ip1"][0] is solver.net.params["ip1"][0]


def test_shapes_are_those_of_the_last_pass_when_asked_for(folder, make, inputs):
    solver = make()
    for name, value in inputs.items():
        solver.net.blobs[name].reshape(2, *value.shape[1:])
        solver.net.blobs[name].data[...] = value[:2]
    solver.step(1)
    assert solver.net.blobs["ip2"].shape == (2, 3)
