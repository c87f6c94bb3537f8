"""What recurrent layers carry from forward to forward."""

import numpy as np
import pytest

import netc.pycaffe as caffe


def text(steps, exposed=False, extra=""):
    """A net of one LSTM, with its states as blobs if exposed."""
    shapes = {"x": f"dim: {steps} dim: 2 dim: 4", "cont": f"dim: {steps} dim: 2"}
    if exposed:
        shapes |= {"h": "dim: 1 dim: 2 dim: 3", "c": "dim: 1 dim: 2 dim: 3"}
    inputs = "".join(
        f'layer {{ name: "{n}" type: "Input" top: "{n}" input_param {{ shape {{ {s} }} }} }}\n'
        for n, s in shapes.items()
    )
    bottoms = " ".join(f'bottom: "{n}"' for n in shapes)
    tops = 'top: "y"' + (' top: "hT" top: "cT"' if exposed else "")
    return (
        f'name: "r" force_backward: true {inputs}'
        f'layer {{ name: "l" type: "LSTM" {bottoms} {tops} {extra} '
        'recurrent_param { num_output: 3 weight_filler { type: "xavier" } '
        f"expose_hidden: {str(exposed).lower()} }} }}"
    )


X = np.random.RandomState(2).standard_normal((4, 2, 4)).astype(np.float32)
ONES = np.ones((4, 2), np.float32)


@pytest.fixture
def halves(make):
    """A net of 2 steps and one of 4 with the same weights."""
    whole, half = make(text(4)), make(text(2), name="half.prototxt")
    half.share_with(whole)
    return whole, half


def test_forward_goes_on(halves):
    whole, half = halves
    want = whole.forward(x=X, cont=ONES)["y"].copy()
    for at in (0, 2):
        got = half.forward(x=X[at : at + 2], cont=ONES[:2])["y"]
        np.testing.assert_allclose(got, want[at : at + 2], rtol=1e-6)
    assert len(half.params["l"]) == 3


def test_backward_starts_from_what_the_forward_started_from(halves, make):
    _, half = halves
    half.forward(x=X[:2], cont=ONES[:2])
    half.forward(x=X[2:], cont=ONES[:2])
    half.blobs["y"].diff[...] = 1
    half.backward()
    same = make(text(2, exposed=True), name="exposed.prototxt")
    same.share_with(half)
    states = {"h": np.zeros((1, 2, 3)), "c": np.zeros((1, 2, 3))}
    same.forward(x=X[:2], cont=ONES[:2], **states)
    states = {"h": same.blobs["hT"].data.copy(), "c": same.blobs["cT"].data.copy()}
    same.forward(x=X[2:], cont=ONES[:2], **states)
    same.blobs["y"].diff[...] = 1
    same.blobs["hT"].diff[...] = same.blobs["cT"].diff[...] = 0
    before = half.params["l"][0].diff.copy()
    half.clear_param_diffs()
    same.backward()
    np.testing.assert_allclose(same.blobs["x"].diff, half.blobs["x"].diff, rtol=1e-5)
    np.testing.assert_allclose(same.params["l"][0].diff, before, rtol=1e-5, atol=1e-6)


def test_another_number_of_streams_starts_anew(halves):
    whole, half = halves
    half.forward(x=X[:2], cont=ONES[:2])
    half.blobs["x"].reshape(2, 1, 4)
    half.blobs["cont"].reshape(2, 1)
    half.reshape()
    got = half.forward(x=X[:2, :1], cont=ONES[:2, :1])["y"]
    np.testing.assert_allclose(got, whole.forward(x=X, cont=ONES)["y"][:2, :1], rtol=1e-5)


def test_saved_weights_hold_no_memory(make, halves, folder):
    whole, _ = halves
    want = whole.forward(x=X, cont=ONES)["y"].copy()
    whole.save("w.caffemodel")
    again = make(text(4), weights="w.caffemodel")
    np.testing.assert_allclose(again.forward(x=X, cont=ONES)["y"], want, rtol=1e-6)


SOLVER = """
net: "net.prototxt" base_lr: 0 lr_policy: "fixed" max_iter: 9 random_seed: 3 snapshot_prefix: "p"
iter_size: {iter_size} snapshot_after_train: false
"""


@pytest.mark.parametrize("iter_size", [1, 3])
def test_a_solvers_net_shares_its_memory(folder, make, iter_size):
    (folder / "net.prototxt").write_text(text(2, extra="loss_weight: 1"))
    (folder / "solver.prototxt").write_text(SOLVER.format(iter_size=iter_size))
    solver = caffe.get_solver("solver.prototxt")
    solver.net.blobs["x"].data[...] = X[:2]
    solver.net.blobs["cont"].data[...] = 1
    plain = make(text(2), name="plain.prototxt")
    plain.share_with(solver.net)
    for _ in range(2):
        solver.step(1)
        for _ in range(iter_size):
            want = plain.forward(x=X[:2], cont=ONES[:2])["y"]
        np.testing.assert_allclose(solver.net.blobs["y"].data, want, rtol=1e-5)
    want = plain.forward(x=X[:2], cont=ONES[:2])["y"].copy()
    np.testing.assert_allclose(solver.net.forward()["y"], want, rtol=1e-5)
    solver.step(1)
    for _ in range(iter_size):
        want = plain.forward(x=X[:2], cont=ONES[:2])["y"]
    np.testing.assert_allclose(solver.net.blobs["y"].data, want, rtol=1e-5)
