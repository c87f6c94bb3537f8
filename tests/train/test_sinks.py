"""HDF5Output: what passes leave in files, in every command that runs them."""

import h5py
import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.cli import main
from netc.errors import DataError, GraphError
from netc.train.sinks import sink
from tests.train import tiny

OUTPUT = """
layer {{ name: "out" type: "HDF5Output" bottom: "ip" bottom: "label" {0}
  hdf5_output_param {{ file_name: "{1}" }} }}
"""
OUT = OUTPUT.format("include { phase: TEST }", "out/test.h5")
SOLVER = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 6 random_seed: 1 iter_size: 2
snapshot_prefix: "tiny"
"""
TESTS = " test_iter: 3 test_interval: 2 snapshot: 2"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path):
    with h5py.File(path) as file:
        return {name: data[()] for name, data in file.items()}


def enter(net, solver=SOLVER):
    tiny.write_files(tiny.Path(), tiny.SMALL + net, solver)


def test_a_test_appends_every_batch(folder):
    enter(OUT)
    tiny.run()
    weights = ("-weights", "tiny_iter_6.caffemodel")
    for _ in range(2):  # a run starts the file anew
        assert main(["test", "-model", "net.prototxt", *weights, "-iterations", "5"]) == 0
    found = written("out/test.h5")
    assert found["data"].shape == (20, 3, 1, 1) and found["label"].shape == (20, 1, 1, 1)
    assert found["pass"].tolist() == np.repeat(range(5), 4).tolist()
    net = caffe.Net("net.prototxt", "tiny_iter_6.caffemodel", caffe.TEST)
    rows, labels = [], []
    for _ in range(5):
        net.forward()
        rows.append(net.blobs["ip"].data.copy())
        labels.append(net.blobs["label"].data.copy())
    assert np.array_equal(found["data"][..., 0, 0], np.concatenate(rows))
    assert np.array_equal(found["label"].ravel(), np.concatenate(labels))
    again = written("out/test.h5")  # of pycaffe's passes
    assert {k: v.tolist() for k, v in again.items()} == {k: v.tolist() for k, v in found.items()}


def test_training_writes_every_pass_and_goes_on_after_a_snapshot(folder):
    enter(OUTPUT.format("include { phase: TRAIN }", "train.h5") + OUT, SOLVER + TESTS)
    tiny.run()
    straight = written("train.h5"), written("out/test.h5")
    assert straight[0]["pass"].tolist() == np.repeat(range(12), 4).tolist()
    assert straight[1]["pass"].tolist() == np.repeat(range(12), 4).tolist()
    tiny.run("-snapshot", "tiny_iter_4.solverstate")
    resumed = written("train.h5"), written("out/test.h5")
    for before, after in zip(straight, resumed, strict=True):
        assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_dry_run_leaves_files_alone(folder):
    enter(OUT, SOLVER + TESTS)
    tiny.run("--dry-run")
    assert not (folder / "out").exists()


def test_time_writes_one_pass(folder):
    enter(OUT)
    assert main(["time", "-model", "net.prototxt", "-phase", "TEST", "-iterations", "1"]) == 0
    assert written("out/test.h5")["pass"].tolist() == [0] * 4


def test_one_file_for_two_phases(folder):
    enter(OUTPUT.format("", "out.h5"), SOLVER + TESTS)
    with pytest.raises(GraphError, match=r"net.prototxt:12:.*'out.h5' is written already by layer"):
        tiny.session(SOLVER + TESTS)
    assert main(["check", "solver.prototxt"]) == 1
    assert main(["check", "solver.prototxt", "--no-shapes"]) == 1


def test_one_file_for_two_layers(folder, capsys):
    enter(OUT + OUT.replace('"out"', '"again"'))
    assert main(["test", "-model", "net.prototxt", "-weights", "none"]) == 1
    assert (
        "'out/test.h5' is written already by layer 'out' (layer 'again'" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (b"text", r"out.h5: Failed to open HDF5 file: "),
        (None, r"out.h5: Failed to open HDF5 file: Is a directory"),
        ({"data": np.zeros((4, 7, 1, 1))}, r"out.h5: rows of 3 x 1 x 1 cannot .*'data' of 4 x 7"),
    ],
)
def test_files_that_cannot_be_gone_on_with(folder, before, message):
    enter(OUTPUT.format("include { phase: TRAIN }", "out.h5"))
    if before is None:
        (folder / "out.h5").mkdir()
    elif isinstance(before, bytes):
        (folder / "out.h5").write_bytes(before)
    else:
        with h5py.File("out.h5", "w") as file:
            file.create_dataset("data", data=before["data"], maxshape=(None, 7, 1, 1))
    graph = tiny.session(SOLVER).train.graph
    values = {"ip": np.zeros((4, 3)), "label": np.zeros(4)}
    with pytest.raises(DataError, match=message):
        sink(graph, 3, values)
