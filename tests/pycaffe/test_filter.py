import numpy as np

import netc.pycaffe as caffe
from tests.pycaffe import nets

NET = f"""name: "filtered" {nets.INPUT} {nets.BODY}
layer {{ name: "s" type: "Input" top: "s" input_param {{ shape {{ dim: 4 dim: 1 }} }} }}
layer {{ name: "f" type: "Filter" bottom: "ip2" bottom: "label" bottom: "s"
  top: "some" top: "labels" }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "some" bottom: "labels" top: "loss" }}
"""


def forward(net, inputs, *kept):
    selector = np.zeros((4, 1), np.float32)
    selector[list(kept)] = 1
    return net.forward(s=selector, **inputs)


def test_blobs_take_the_size_of_what_is_kept(make, inputs):
    net = make(NET)
    some = net.blobs["some"]
    assert some.shape == (4, 3)
    for kept in ([0, 2], [1], [0, 1, 2, 3], [3, 0], []):
        forward(net, inputs, *kept)
        assert net.blobs["some"] is some and some.shape == (len(kept), 3)
        np.testing.assert_array_equal(some.data, net.blobs["ip2"].data[sorted(kept)])
        np.testing.assert_array_equal(net.blobs["labels"].data, inputs["label"][sorted(kept)])


def test_backward_reaches_the_kept_items_only(make, inputs):
    net, plain = make(NET), make(nets.PLAIN, name="plain.prototxt")
    plain.share_with(net)
    forward(net, inputs, 0, 3)
    net.backward()
    assert net.blobs["ip2"].diff[[0, 3]].all() and not net.blobs["ip2"].diff[[1, 2]].any()
    assert net.blobs["some"].diff.shape == (2, 3)
    plain.blobs["data"].reshape(2, 5)
    plain.blobs["label"].reshape(2)
    plain.reshape()
    loss = plain.forward(data=inputs["data"][[0, 3]], label=inputs["label"][[0, 3]])["loss"]
    np.testing.assert_allclose(net.blobs["loss"].data, loss, rtol=1e-6)
    net_diff = net.params["ip1"][0].diff.copy()
    plain.clear_param_diffs()
    plain.backward()
    np.testing.assert_allclose(net_diff, plain.params["ip1"][0].diff, rtol=1e-5, atol=1e-7)


def test_a_part_of_the_net(make, inputs):
    net = make(NET)
    forward(net, inputs, 1, 2)
    loss = net.blobs["loss"].data.copy()
    assert net.forward(start="loss")["loss"] == loss
    net.blobs["s"].data[...] = [[1], [0], [0], [0]]
    assert net.forward(start="f", end="f")["some"].shape == (1, 3)
    assert net.forward(start="loss")["loss"] != loss


def test_a_solver_shows_the_sizes_of_its_last_pass(folder, inputs):
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(nets.SOLVER)
    solver = caffe.get_solver("solver.prototxt")
    for name, value in inputs.items():
        solver.net.blobs[name].data[...] = value
    for kept in ([0, 2], [1, 2, 3]):
        solver.net.blobs["s"].data[...] = 0
        solver.net.blobs["s"].data[kept] = 1
        solver.step(1)
        assert solver.net.blobs["some"].data.shape == (len(kept), 3)
        assert np.isfinite(solver.net.blobs["loss"].data)
