"""Hooks around layers, and passes in pieces: the same numbers as in one."""

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.errors import UsageError
from tests.pycaffe import nets

# Layers written over their bottoms whose gradients need what was there before.
CHAIN = f"""name: "chain" force_backward: true {nets.INPUT}
layer {{ name: "ip1" type: "InnerProduct" bottom: "data" top: "x"
  inner_product_param {{ num_output: 6 {nets.FILLED} }} }}
layer {{ name: "bn" type: "BatchNorm" bottom: "x" top: "x" }}
layer {{ name: "scale" type: "Scale" bottom: "x" top: "x" scale_param {{ bias_term: true }} }}
layer {{ name: "elu" type: "ELU" bottom: "x" top: "x" }}
layer {{ name: "drop" type: "Dropout" bottom: "x" top: "x" }}
layer {{ name: "a" type: "InnerProduct" bottom: "x" top: "a"
  inner_product_param {{ num_output: 3 {nets.FILLED} }} }}
layer {{ name: "b" type: "InnerProduct" bottom: "x" top: "b"
  inner_product_param {{ num_output: 3 {nets.FILLED} }} }}
layer {{ name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "ip2" }}
{nets.LOSS}
"""


def close(one, two):
    """All blobs and gradients of two nets."""
    for name, blob in one.blobs.items():
        for kind in ("data", "diff"):
            got, want = getattr(two.blobs[name], kind), getattr(blob, kind)
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=f"{name} {kind}")
    for name, blobs in one.params.items():
        for i, (a, b) in enumerate(zip(blobs, two.params[name], strict=True)):
            np.testing.assert_allclose(b.data, a.data, rtol=1e-4, atol=1e-5, err_msg=f"{name} {i}")
            np.testing.assert_allclose(b.diff, a.diff, rtol=1e-4, atol=1e-5, err_msg=f"{name} {i}")


@pytest.fixture
def pair(make, inputs):
    """The same net twice; the first has gone forward and back."""
    both = []
    for _ in range(2):
        caffe.set_random_seed(1)
        both.append(make(CHAIN))
    both[0].forward(**inputs)
    both[0].backward()
    return both


def test_hooks_are_called_around_every_layer(pair, inputs):
    whole, net = pair
    seen = []
    for when in ("before_forward", "after_forward", "before_backward", "after_backward"):
        getattr(net, when)(lambda i, when=when: seen.append((when, i)))
    net.forward(**inputs)
    net.backward()
    layers = range(len(net.layers))
    there = [(when, i) for i in layers for when in ("before_forward", "after_forward")]
    back = [(when, i) for i in reversed(layers) for when in ("before_backward", "after_backward")]
    assert seen == there + back
    close(whole, net)


def test_a_hook_may_change_what_the_next_layer_reads(make, inputs):
    net = make()
    at = net._layer_names.index("ip2")

    def blank(layer):
        if layer == at:
            net.blobs["ip1"].data[...] = 0

    net.before_forward(blank)
    assert net.forward(**inputs)["loss"] == pytest.approx(np.log(3), 1e-6)


def test_every_layer_by_itself_goes_back_as_all_do_together(pair, inputs):
    whole, net = pair
    net.forward(**inputs)
    for name in reversed(net._layer_names):
        net.backward(start=name, end=name)
    close(whole, net)


def test_what_was_written_over_is_made_once_more(pair, inputs):
    whole, net = pair
    net.forward(**inputs)
    net.backward(end="elu")
    net.backward(start="scale")
    close(whole, net)


def test_a_failing_hook_fails(make, inputs):
    net = make()
    net.after_forward(lambda i: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        net.forward(**inputs)


def test_callbacks_are_functions(folder):
    (folder / "net.prototxt").write_text(nets.PLAIN)
    (folder / "solver.prototxt").write_text(nets.SOLVER)
    solver = caffe.get_solver("solver.prototxt")
    with pytest.raises(UsageError, match="add_callback takes two functions"):
        solver.add_callback(lambda: None)
