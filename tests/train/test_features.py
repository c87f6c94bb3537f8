"""`netc extract_features`: each kind of output against the blobs of pycaffe."""

import h5py
import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.cli import main
from netc.data.datum import parse, pixels
from netc.data.sources import find_source
from tests.train import tiny

WEIGHTS, NET = "tiny_iter_2.caffemodel", "net.prototxt"
SOLVER = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2 random_seed: 1
snapshot_prefix: "tiny"
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tiny.write_files(tmp_path_factory.mktemp("features"), tiny.LMDB + tiny.HEAD, SOLVER)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny.run()
        net = caffe.Net(NET, WEIGHTS, caffe.TEST)
        found = {"data": [], "ip1": [], "ip2": []}
        for _ in range(3):
            net.forward()
            for blob, values in found.items():
                values.append(net.blobs[blob].data.copy())
    return folder, {blob: np.concatenate(values) for blob, values in found.items()}


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(trained[0])
    return tmp_path


def extract(blobs, names, batches="3", kind="lmdb", net=NET):
    return main(["extract_features", WEIGHTS, net, blobs, names, batches, kind, "CPU"])


@pytest.mark.parametrize("kind", ["lmdb", "leveldb"])
def test_datums(trained, folder, kind, capfd):
    names = {blob: str(folder / blob) for blob in trained[1]}
    assert extract(",".join(names), ",".join(names.values()), kind=kind) == 0
    for blob, path in names.items():
        want = trained[1][blob]
        source = find_source(path, kind)
        places = range(len(source))
        assert source.keys(places) == [b"%010d" % i for i in range(12)]
        datums = [parse(record) for record in source.read(places)]
        shape = (*want.shape[1:], 1, 1)[:3]
        assert {(d.channels, d.height, d.width) for d in datums} == {shape}
        assert not any(d.HasField(f) for d in datums for f in ("data", "label", "encoded"))
        assert np.array_equal(np.stack([pixels(d) for d in datums]).reshape(want.shape), want)
    log = [line.partition("] ")[2] for line in capfd.readouterr().err.splitlines()]
    assert [line for line in log if "Restarting" not in line] == [
        "Extracting Features",
        *(f"Extracted features of 12 query images for feature blob {blob}" for blob in names),
        "Successfully extracted the features!",
    ]


@pytest.mark.parametrize("kind", ["hdf5", "npz"])
def test_arrays(trained, folder, kind):
    path = str(folder / "ip2")
    assert extract("ip2", path, kind=kind) == 0
    with (h5py.File if kind == "hdf5" else np.load)(path) as file:
        assert list(file) == ["ip2"]
        assert np.array_equal(file["ip2"][()], trained[1]["ip2"])


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({"blobs": "ip1,ip2"}, 2, "the number of blob names and dataset names must be equal: 2 b"),
        ({"blobs": "ip1,ip2", "names": "a,a"}, 2, "two blobs cannot go to the same name 'a'"),
        ({"blobs": "ip3"}, 1, "Unknown feature blob name ip3 in the network net.prototxt\nhint: d"),
        ({"batches": "0"}, 2, "NUM_MINI_BATCHES must be at least 1, got 0"),
        ({"kind": "lmbd"}, 2, "Unknown db backend lmbd (known: lmdb, leveldb, hdf5, npz)\nhint: d"),
        ({"names": "images"}, 1, "images: the database exists already"),
        ({"net": "solver.prototxt"}, 1, "this is a solver, where a net is expected"),
    ],
)
def test_mistakes(folder, given, status, message, capfd):
    asked = {"blobs": "ip1", "names": str(folder / "a")} | given
    assert extract(**asked) == status
    assert message in capfd.readouterr().err
    assert not list(folder.iterdir())
