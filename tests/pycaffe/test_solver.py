"""Solvers, as pycaffe has them."""

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.pycaffe.fitting import Fitting
from tests.pycaffe import nets
from tests.train import tiny


@pytest.fixture
def make(folder):
    """A solver from its text and the text of its net."""

    def solver(text=nets.SOLVER, net=nets.PLAIN):
        (folder / "net.prototxt").write_text(net)
        (folder / "solver.prototxt").write_text(text)
        return caffe.get_solver("solver.prototxt")

    return solver


@pytest.fixture
def fed(folder, make):
    """A solver with test net whose batches come from HDF5 files."""
    tiny.write_files(folder)
    return make(nets.SOLVER + "test_iter: 2 test_interval: 100", tiny.SMALL)


def fill(net, inputs):
    for name, value in inputs.items():
        net.blobs[name].data[...] = value


def blobs(net):
    return {(k, i): b.data.copy() for k, v in net.params.items() for i, b in enumerate(v)}


def same(one, two):
    assert one.keys() == two.keys()
    for key, value in one.items():
        np.testing.assert_array_equal(value, two[key])


def test_the_class_is_that_of_the_type(make):
    assert type(make()) is caffe.SGDSolver
    assert type(caffe.SGDSolver("solver.prototxt")) is caffe.SGDSolver


def test_frozen_layers_stay(make, inputs):
    make()
    for solver in (
        caffe.SGDSolver("solver.prototxt", "ip1"),
        caffe.get_solver("solver.prototxt", freeze="ip1"),
    ):
        fill(solver.net, inputs)
        before = blobs(solver.net)
        solver.step(1)
        moved = {k for k, v in blobs(solver.net).items() if (v != before[k]).any()}
        assert moved == {("ip2", 0), ("ip2", 1)}


def test_a_step_on_inputs_is_sgd(make, inputs):
    """V = 0.9 V + rate g; W = W - V; the diff left behind is V."""
    solver = make()
    reference = caffe.Net("net.prototxt", caffe.TRAIN)
    fill(solver.net, inputs)
    weight, velocity = blobs(solver.net), {}
    for rate in (0.1, 0.1, 0.05):
        assert solver.lr == pytest.approx(rate) == pytest.approx(solver.lr)
        for (name, i), value in weight.items():
            reference.params[name][i].data[...] = value
        reference.clear_param_diffs()
        reference.forward(**inputs)
        reference.backward()
        for name, i in weight:
            v = 0.9 * velocity.get((name, i), 0) + rate * reference.params[name][i].diff
            velocity[name, i] = v
            weight[name, i] = weight[name, i] - v
        solver.step(1)
        for (name, i), value in weight.items():
            blob = solver.net.params[name][i]
            np.testing.assert_allclose(blob.data, value, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(blob.diff, velocity[name, i], rtol=1e-3, atol=1e-6)
    assert solver.iter == 3


@pytest.mark.parametrize("forced", [False, True])
def test_the_norm_that_is_clipped_is_of_all_gradients_that_are_computed(make, inputs, forced):
    cold = nets.PLAIN.replace('top: "ip1"', 'top: "ip1" param { lr_mult: 0 }', 1)
    solver = make(
        nets.SOLVER + "clip_gradients: 0.1", cold + f"force_backward: {str(forced).lower()}"
    )
    net = solver.net
    fill(net, inputs)
    before = blobs(net)
    net.forward()
    net.backward()
    diffs = {(k, i): b.diff.copy() for k, v in net.params.items() for i, b in enumerate(v)}
    assert diffs["ip1", 0].any() == forced
    norm = np.sqrt(sum((d**2).sum() for d in diffs.values()))
    solver.step(1)
    np.testing.assert_array_equal(net.params["ip1"][0].data, before["ip1", 0])
    moved = before["ip2", 0] - 0.1 * diffs["ip2", 0] * 0.1 / norm
    np.testing.assert_allclose(net.params["ip2"][0].data, moved, rtol=1e-5)


def test_blobs_after_a_step_are_those_of_its_pass(make, inputs):
    solver = make()
    fill(solver.net, inputs)
    before = blobs(solver.net)
    solver.step(1)
    ip1 = inputs["data"] @ before["ip1", 0].T + before["ip1", 1]
    np.testing.assert_allclose(solver.net.blobs["ip1"].data, np.maximum(ip1, 0), rtol=1e-4)
    assert solver.net.blobs["ip2"].diff.any()
    loss = float(solver.net.blobs["loss"].data)
    solver.step(1)
    assert float(solver.net.blobs["loss"].data) < loss


def test_held_arrays_follow_and_lead(make, inputs):
    solver = make()
    fill(solver.net, inputs)
    held = solver.net.params["ip2"][1].data
    data = solver.net.blobs["data"].data
    before = held.copy()
    solver.step(1)
    assert not np.array_equal(held, before)
    held[...] = 40, 0, 0
    data[...] = 0
    solver.step(1)
    assert solver.net.blobs["ip2"].data[0, 0] > 30
    assert held[0] == pytest.approx(40, abs=1)


def test_held_blobs_are_those_of_the_last_pass(make, inputs):
    """Looked at before, or only now: the same as after a step."""
    solver = make()
    fill(solver.net, inputs)
    alone = solver.net.params["ip2"][1].diff
    solver.step(1)
    assert alone.any()
    held = solver.net.blobs["ip2"].data, alone
    solver.step(1)
    copies = [a.copy() for a in held]
    assert all(a.any() for a in copies)
    np.testing.assert_array_equal(copies[0], solver.net.blobs["ip2"].data)
    np.testing.assert_array_equal(copies[1], solver.net.params["ip2"][1].diff)
    assert all(
        np.shares_memory(a, b)
        for a, b in zip(
            held, [solver.net.blobs["ip2"].data, solver.net.params["ip2"][1].diff], strict=True
        )
    )


def test_after_solve_the_nets_show_its_last_pass(make, inputs):
    one, two = make(), make()
    for solver in (one, two):
        fill(solver.net, inputs)
    one.step(6)
    two.step(1)
    assert two.net.blobs["loss"].data > 0
    two.solve()
    same(blobs(one.net), blobs(two.net))
    for name in ("loss", "ip1"):
        np.testing.assert_array_equal(one.net.blobs[name].data, two.net.blobs[name].data)
    np.testing.assert_array_equal(one.net.params["ip1"][0].diff, two.net.params["ip1"][0].diff)


def test_a_step_computes_its_blobs_once(make, inputs, monkeypatch):
    """Those of passes that nobody looked at are never computed."""
    solver = make()
    fill(solver.net, inputs)
    runs = []
    fit = Fitting.fit
    monkeypatch.setattr(Fitting, "fit", lambda self, *a: runs.append(0) or fit(self, *a))
    solver.step(5)
    assert runs == []
    _ = solver.net.blobs["ip1"].data, solver.net.params["ip1"][0].diff
    assert len(runs) == 1


def test_steps_one_by_one_are_one_long_run(make, folder):
    tiny.write_files(folder)
    one, two = (make(nets.SOLVER, tiny.SMALL) for _ in range(2))
    one.step(5)
    for _ in range(5):
        two.step(1)
        _ = two.net.blobs["ip"].data, two.lr
    same(blobs(one.net), blobs(two.net))


def test_a_step_takes_the_next_batch_and_so_does_forward(fed):
    fed.step(1)
    first = fed.net.blobs["data"].data.copy()
    fed.net.forward()
    second = fed.net.blobs["data"].data.copy()
    fed.step(1)
    third = fed.net.blobs["data"].data.copy()
    for a, b in ((first, second), (second, third), (first, third)):
        assert not np.array_equal(a, b)


def test_test_nets_share_weights(fed):
    (net,) = fed.test_nets
    assert net.params["ip"][0] is fed.net.params["ip"][0]
    fed.step(2)
    np.testing.assert_array_equal(net.params["ip"][0].data, fed.net.params["ip"][0].data)
    fed.net.params["ip"][0].data[...] = 0
    fed.net.params["ip"][1].data[...] = 0
    assert net.forward()["loss"] == pytest.approx(np.log(3), 1e-6)
    assert set(net.forward()) == {"accuracy", "loss"}


def test_solve_runs_to_the_end(fed):
    fed.step(2)
    fed.solve()
    assert fed.iter == fed.param.max_iter == 6
    assert fed.net.params["ip"][0].data.any()


def test_snapshot_and_restore(make, folder):
    tiny.write_files(folder)
    straight, parts = (make(nets.SOLVER, tiny.SMALL) for _ in range(2))
    straight.step(6)
    parts.step(3)
    parts.snapshot()
    caffe.set_random_seed(9)
    other = make(nets.SOLVER, tiny.SMALL)
    other.step(1)
    held = other.net.params["ip"][0].data
    other.restore("p_iter_3.solverstate")
    assert other.iter == 3
    np.testing.assert_array_equal(held, parts.net.params["ip"][0].data)
    other.step(3)
    same(blobs(other.net), blobs(straight.net))
    again = make(nets.SOLVER, tiny.SMALL)
    again.solve("p_iter_3.solverstate")
    same(blobs(again.net), blobs(straight.net))


def test_what_the_caller_wrote_is_in_the_snapshot(make, inputs):
    solver = make()
    solver.net.params["ip2"][1].data[...] = 1, 2, 3
    solver.snapshot()
    net = caffe.Net("net.prototxt", caffe.TEST, weights="p_iter_0.caffemodel")
    assert net.params["ip2"][1].data.tolist() == [1, 2, 3]


def test_the_seed_decides(make):
    text = tiny.changed(nets.SOLVER, random_seed=None)
    caffe.set_random_seed(4)
    one, two = make(text), make(text)
    same(blobs(one.net), blobs(two.net))
    caffe.set_random_seed(5)
    assert not np.array_equal(blobs(make(text).net)["ip1", 0], blobs(one.net)["ip1", 0])


def test_copy_from_into_a_solvers_net(make, inputs):
    solver = make()
    caffe.Net("net.prototxt", caffe.TRAIN).save("w.caffemodel")
    solver.net.copy_from("w.caffemodel")
    start = blobs(caffe.Net("net.prototxt", caffe.TRAIN, weights="w.caffemodel"))
    same(blobs(solver.net), start)
    fill(solver.net, inputs)
    solver.step(1)
    for key, blob in blobs(solver.net).items():
        diff = solver.net.params[key[0]][key[1]].diff
        np.testing.assert_allclose(blob, start[key] - diff, rtol=1e-5, atol=1e-7)


def test_weights_copied_into_the_net_are_trained(make, inputs):
    solver = make()
    other = caffe.Net("net.prototxt", caffe.TRAIN)
    for values in other.params.values():
        values[0].data[...] += 1
    other.save("other.caffemodel")
    solver.net.copy_from("other.caffemodel")
    fill(solver.net, inputs)
    solver.step(1)
    loss = other.forward(**inputs)["loss"]
    np.testing.assert_allclose(solver.net.blobs["loss"].data, loss, rtol=1e-5)
