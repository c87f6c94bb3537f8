"""A loss that is not finite stops the run, names what went bad first, and keeps what was good."""

import re

import h5py
import numpy as np
import pytest

from netc import snapshot
from netc.cli import main
from netc.errors import RunError
from netc.weights import read_weights
from tests.train import tiny

SOLVER = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 20 display: 1 random_seed: 1
snapshot: 1 snapshot_prefix: "tiny"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.write_files(tmp_path, tiny.SMALL, SOLVER))
    return tmp_path


def spoil(folder, value):
    """Put a value in row 9 of the first file, which batch 2 reads."""
    with h5py.File(folder / "a.h5", "r+") as file:
        file["data"][9, 1] = value


def weights(folder, iteration):
    layers = read_weights(str(folder / f"tiny_iter_{iteration}.caffemodel")).layers
    return {layer.name: [np.array(b) for b in layer.blobs] for layer in layers if layer.blobs}


@pytest.mark.parametrize("value, word", [(np.inf, "1 infinite"), (np.nan, "1 NaN")])
def test_bad_data_are_named_and_the_weights_before_are_kept(folder, lines, value, word):
    spoil(folder, value)
    loop = tiny.loop(SOLVER)
    with pytest.raises(RunError) as caught:
        loop.solve()
    assert caught.value.message == (
        "Iteration 2: the loss is not finite; top blob 'data' of layer 'data' (HDF5Data) "
        f"holds {word} of 16 values; the data itself is bad."
    )
    assert caught.value.hint is None
    good = weights(folder, 2)
    held = loop.session.blobs()
    loop.session.close()
    for i, blob in enumerate(good["ip"]):
        np.testing.assert_array_equal(held[f"ip/{i}"], blob)
    assert np.isfinite(good["ip"][0]).all()


def test_the_last_good_snapshot_is_the_newest_and_the_status_is_1(folder, capfd):
    spoil(folder, np.inf)
    assert main(["train", "solver.prototxt", "--no-run-dir"]) == 1
    error = capfd.readouterr().err
    assert error.splitlines()[-1].startswith("Iteration 2: the loss is not finite; top blob 'data'")
    found = snapshot.newest("tiny")
    assert found and found.state.iter == 2
    assert not list(folder.glob("tiny_iter_3*"))


def fail(folder, **replaced):
    """The error of a run on the net with parts of its text replaced."""
    text = (folder / "net.prototxt").read_text()
    for old, new in replaced.values():
        assert old in text
        text = text.replace(old, new)
    (folder / "net.prototxt").write_text(text)
    loop = tiny.loop(tiny.changed(SOLVER, base_lr="3e38"))
    with pytest.raises(RunError) as caught:
        loop.solve()
    loop.session.close()
    return caught.value


def test_a_rate_that_is_too_large_names_the_blob_it_spoilt(folder, lines):
    error = fail(folder, loss=('top: "loss"', 'top: "loss" loss_weight: 100'))
    assert error.message.startswith(
        "Iteration 1: the loss is not finite; blob 0 of layer 'ip' holds 12 infinite of 12 values"
    )
    assert error.hint == "the update before went bad: lower base_lr, or set clip_gradients"


def test_blobs_that_are_too_large_are_shown(folder, lines):
    error = fail(folder)
    found = re.search(
        r"top blob 'ip' of layer 'ip' \(InnerProduct\) holds \d+ infinite of 12 values; it read "
        r"'data' 4 x 4 in \[\S+, \S+\], its blob 0 in \[\S+e\+3\d, \S+e\+3\d\]",
        error.message,
    )
    assert found and error.hint == "lower base_lr, or set clip_gradients"


def test_the_first_layer_that_goes_bad_is_named(folder, lines):
    """Not the loss, which only reads what is bad already."""
    twice = "eltwise_param { operation: SUM coeff: 3e38 coeff: 3e38 }"
    error = fail(
        folder,
        new=(
            'layer { name: "loss"',
            f"""
layer {{ name: "up" type: "Eltwise" bottom: "ip" bottom: "ip" top: "up" {twice} }}
layer {{ name: "loss\"""",
        ),
        loss=('"SoftmaxWithLoss" bottom: "ip"', '"SoftmaxWithLoss" bottom: "up"'),
    )
    assert "Iteration 0: the loss is not finite; top blob 'up' of layer 'up' (Eltwise) holds " in (
        error.message
    )
    assert "it read 'ip' 4 x 3 in [" in error.message


def test_with_iter_size_the_pass_that_went_bad_is_found(folder, lines):
    """Iteration 0 takes batches 0 to 2, and the last one is spoilt."""
    spoil(folder, np.nan)
    loop = tiny.loop(SOLVER + "iter_size: 3")
    with pytest.raises(RunError, match=r"Iteration 0: .* top blob 'data' of layer 'data'"):
        loop.solve()
    loop.session.close()
