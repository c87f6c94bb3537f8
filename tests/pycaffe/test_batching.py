"""More examples than a net has room for."""

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.errors import UsageError
from tests.pycaffe import nets

DATA = np.random.RandomState(1).standard_normal((10, 5)).astype(np.float32)


def test_forward_backward_all(make):
    net = make(nets.DEPLOY + "force_backward: true")
    diff = np.random.RandomState(2).standard_normal((10, 3)).astype(np.float32)
    made, back = net.forward_backward_all(["ip1"], ["ip2"], data=DATA, ip2=diff)
    assert {k: v.shape for k, v in made.items()} == {"ip2": (10, 3), "ip1": (10, 6)}
    assert {k: v.shape for k, v in back.items()} == {"data": (10, 5), "ip2": (10, 3)}
    np.testing.assert_array_equal(back["ip2"], diff)
    one, two = net.params["ip1"][0].data, net.params["ip2"][0].data
    wanted = ((diff @ two) * (made["ip1"] > 0)) @ one
    np.testing.assert_allclose(back["data"], wanted, rtol=1e-4, atol=1e-6)
    summed = diff.T @ made["ip1"]
    np.testing.assert_allclose(net.params["ip2"][0].diff, summed, rtol=1e-4, atol=1e-5)


def test_only_inputs_or_only_gradients(make):
    net = make(nets.PLAIN + "force_backward: true")
    labels = np.zeros(10)
    made, back = net.forward_backward_all(data=DATA, label=labels)
    assert made["loss"].shape == (3,) and back["data"].shape == (10, 5)
    net = make(nets.DEPLOY + "force_backward: true")
    net.forward(data=DATA[:4])
    made, back = net.forward_backward_all(ip2=np.ones((4, 3)))
    assert made["ip2"].shape == (4, 3) and back["data"].any()


def test_a_loss_has_a_value_for_each_batch(make):
    net = make()
    found = net.forward_all(data=DATA[:8], label=np.zeros(8))
    each = [net.forward(data=DATA[i : i + 4], label=np.zeros(4))["loss"].copy() for i in (0, 4)]
    np.testing.assert_array_equal(found["loss"], each)


def test_batches_are_those_of_pycaffe(make):
    net = make()
    parts = list(net._batch({"data": DATA, "label": np.ones(10)}))
    assert [p["data"].shape for p in parts] == [(4, 5)] * 3
    assert parts[2]["label"].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "there are no examples: give data"),
        ({"date": DATA}, "'date' is none of data.*\nhint: did you mean 'data'"),
    ],
)
def test_what_is_not_there(make, given, said):
    net = make(nets.DEPLOY, caffe.TEST)
    with pytest.raises(UsageError, match=said):
        net.forward_all(**given)
    with pytest.raises(UsageError, match=said):
        net.forward_backward_all(**given)
