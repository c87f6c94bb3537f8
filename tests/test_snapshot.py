"""Snapshots: Caffe's two files with Caffe's structure, a sidecar, and nothing half-written."""

import builtins
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from netc import snapshot
from netc.errors import SnapshotError, WeightsError
from netc.schema import NetParameter, SolverState
from netc.train.loop import Loop
from netc.train.saving import current_step, restore, save
from tests.train import tiny

FILLED = 'weight_filler { type: "gaussian" std: 1 }'
# Two layers share a blob, one blob stands still, and the data feed two layers.
NET = f"""
layer {{ name: "data" type: "HDF5Data" top: "data" top: "label"
  hdf5_data_param {{ source: "files.txt" batch_size: 4 }} }}
layer {{ name: "one" type: "InnerProduct" bottom: "data" top: "one" param {{ name: "w" }}
  inner_product_param {{ num_output: 4 {FILLED} }} }}
layer {{ name: "two" type: "InnerProduct" bottom: "one" top: "two" param {{ name: "w" }}
  inner_product_param {{ num_output: 4 {FILLED} }} }}
layer {{ name: "skip" type: "Eltwise" bottom: "data" bottom: "two" top: "skip" }}
layer {{ name: "a/b" type: "InnerProduct" bottom: "skip" top: "ip" param {{ lr_mult: 0 }}
  inner_product_param {{ num_output: 3 {FILLED} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.1 momentum: 0.9 lr_policy: "step" gamma: 0.5 stepsize: 2
max_iter: 5 random_seed: 1
"""
HDF5 = "snapshot_format: HDF5"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.write_files(tmp_path, NET, SOLVER))
    return tmp_path


def trained(solver=SOLVER, iterations=3):
    session = tiny.session(solver)
    for _ in range(iterations):
        session.step()
    session.close()
    return session


def test_names():
    assert snapshot.paths("p", 12) == (
        "p_iter_12.caffemodel",
        "p_iter_12.solverstate",
        "p_iter_12.run.json",
        "p_iter_12.ema.caffemodel",
    )
    assert snapshot.paths("p", 12, hdf5=True) == (
        "p_iter_12.caffemodel.h5",
        "p_iter_12.solverstate.h5",
        "p_iter_12.run.json",
        "p_iter_12.ema.caffemodel.h5",
    )


def test_prefix(tmp_path):
    assert snapshot.prefix_of("", "nets/lenet.solver.prototxt") == "nets/lenet.solver"
    assert snapshot.prefix_of("runs/x", "lenet.prototxt") == "runs/x"
    assert snapshot.prefix_of(str(tmp_path), "nets/lenet.prototxt") == str(tmp_path / "lenet")


def test_binary_files_are_caffes(folder):
    session = trained()
    where = save(session, "p")
    blobs = {k: np.asarray(v) for k, v in session.blobs().items()}
    net = NetParameter.FromString((folder / where.model).read_bytes())
    assert net.name == "tiny"
    names = [layer.name for layer in net.layer]
    assert names == ["data", "data_data_0_split", "one", "two", "skip", "a/b", "loss"]
    assert {layer.phase for layer in net.layer} == {0}
    layers = {layer.name: layer for layer in net.layer}
    assert list(layers["one"].bottom) == ["data_data_0_split_0"]
    for name, keys in (("one", ("one/0", "one/1")), ("two", ("one/0", "two/1"))):
        for blob, key in zip(layers[name].blobs, keys, strict=True):
            assert tuple(blob.shape.dim) == blobs[key].shape
            np.testing.assert_array_equal(np.float32(blob.data), blobs[key].ravel())
    state = SolverState.FromString((folder / where.state).read_bytes())
    assert (state.iter, state.learned_net, state.current_step) == (3, where.model, 1)
    shapes = [tuple(b.shape.dim) for b in state.history]
    assert shapes == [(4, 4), (4,), (4,), (3, 4), (3,)]
    still = np.float32(state.history[3].data)
    assert (still == 0).all()
    assert all(np.any(np.float32(b.data)) for i, b in enumerate(state.history) if i != 3)


def test_hdf5_files_are_caffes(folder):
    session = trained(SOLVER + HDF5)
    where = save(session, "p")
    blobs = session.blobs()
    with h5py.File(where.model) as file:
        assert set(file["data"]) >= {"data", "one", "two", "skip", "loss"}
        assert list(file["data/one"]) == ["0", "1"]
        assert list(file["data/two"]) == ["1"]  # the other one is kept with its owner
        np.testing.assert_array_equal(file["data/one/0"], blobs["one/0"])
        np.testing.assert_array_equal(file["data/two/1"], blobs["two/1"])
    with h5py.File(where.state) as file:
        assert int(file["iter"][0]) == 3 and int(file["current_step"][0]) == 1
        assert bytes(file["learned_net"][()]).rstrip(b"\0") == where.model.encode()
        assert sorted(file["history"]) == list("01234")
        assert file["history/3"].shape == (3, 4) and not np.any(file["history/3"])


@pytest.mark.parametrize("solver", [SOLVER, SOLVER + HDF5], ids=["binary", "hdf5"])
def test_what_is_written_comes_back(folder, solver):
    session = trained(solver)
    where = save(session, "runs/p")
    found = snapshot.read(where.state)
    assert found.paths == where and found.state.iter == 3
    other = tiny.session(solver + "")
    restore(other, found)
    assert other.iteration == 3
    for key, value in session.blobs().items():
        np.testing.assert_array_equal(other.blobs()[key], value)
    for mine, theirs in zip(other.history(), session.history(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    other.close()


STEPS = {
    'lr_policy: "fixed"': [0, 0, 0, 0, 0, 0],
    'lr_policy: "step" stepsize: 2': [0, 0, 0, 1, 1, 2],
    'lr_policy: "multistep" stepvalue: 1 stepvalue: 3': [0, 0, 1, 1, 2, 2],
}


@pytest.mark.parametrize("policy", STEPS)
def test_current_step(policy):
    from netc.load import parse_solver

    p = parse_solver(policy).message
    assert [current_step(p, n) for n in range(6)] == STEPS[policy]


def test_a_missing_model(folder):
    where = save(trained(iterations=1), "p")
    os.unlink(where.model)
    with pytest.raises(SnapshotError, match=r"weights of this state are missing: p_iter_1\.caffem"):
        snapshot.read(where.state)


def test_weights_given_as_a_state_are_told(folder):
    where = save(trained(iterations=1), "p")
    with pytest.raises(WeightsError, match=r"a file of weights \(.caffemodel\)"):
        snapshot.read(where.model)


def test_the_newest_is_by_number_and_of_this_prefix_only(folder):
    session = trained(iterations=9)
    for prefix, iteration in (("p", 9), ("p", 10), ("pp", 12), ("p_b", 13)):
        session._iteration = iteration
        save(session, prefix)
    found = snapshot.newest("p")
    assert found and found.paths.state == "p_iter_10.solverstate"
    assert snapshot.newest("q") is None and snapshot.newest("nowhere/q") is None


def test_a_probe_leaves_nothing(tmp_path):
    snapshot.probe(str(tmp_path / "new" / "deep" / "p"))
    assert list(tmp_path.iterdir()) == []


def test_a_probe_says_what_is_wrong(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotError, match=r"Cannot write to snapshot prefix '.*file/p': Not a d"):
        snapshot.probe(str(tmp_path / "file" / "p"))
    read_only = OSError(errno.EROFS, os.strerror(errno.EROFS))
    with pytest.raises(SnapshotError, match="Read-only file system") as caught:
        failing(monkeypatch, "open", read_only)
        snapshot.probe(str(tmp_path / "p"))
    assert caught.value.hint == "make sure that the folder exists and may be written"


class failing:
    """From now on, writing files in this way raises an error; `off` mends it."""

    def __init__(self, monkeypatch, way, error):
        self.calls = 0
        real_open, real_fsync = builtins.open, os.fsync

        def broken_open(path, mode="r", *arguments, **options):
            if set(mode) & set("wxa") and str(path).endswith((".tmp", ".tempfile")):
                self.calls += 1
                raise error
            return real_open(path, mode, *arguments, **options)

        def broken_fsync(handle):
            self.calls += 1
            raise error

        self._patch = monkeypatch
        if way == "open":
            monkeypatch.setattr(builtins, "open", broken_open)
        else:
            monkeypatch.setattr(os, "fsync", broken_fsync)
        self.off = lambda: (
            monkeypatch.setattr(builtins, "open", real_open),
            monkeypatch.setattr(os, "fsync", real_fsync),
        )


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
ENDS = {"binary": "", "hdf5": HDF5}


@pytest.mark.parametrize("way", ["open", "fsync"])
@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
def test_a_full_disk_costs_a_warning(folder, logger, monkeypatch, way, end, capfd):
    """Every time; training goes on, the snapshot before stays, nothing half-written is left."""
    from netc.train.log import to_stderr

    loop = tiny.loop(SOLVER + "snapshot: 1 " + end)
    to_stderr()
    loop.one()
    before = sorted(os.listdir())
    broken = failing(monkeypatch, way, FULL)
    loop.one()
    loop.one()
    assert broken.calls == 2
    assert sorted(os.listdir()) == before
    broken.off()
    loop.one()
    warnings = [t for t in capfd.readouterr().err.splitlines() if t.startswith("W")]
    assert len(warnings) == 2
    assert all("the snapshot was not written: " in w for w in warnings)
    assert all("No space left on device" in w and "training goes on" in w for w in warnings)
    assert [snapshot.newest("tiny").state.iter, loop.session.iteration] == [4, 4]
    loop.session.close()


def test_a_disk_that_fills_up_on_the_way_has_no_part_of_a_snapshot(folder, monkeypatch):
    def full(*_):
        raise FULL

    monkeypatch.setattr(snapshot, "write_state", full)
    before = sorted(os.listdir())
    with pytest.raises(SnapshotError, match="No space left on device"):
        save(trained(tiny.changed(SOLVER, ema_decay=0.5), 1), "p")
    assert sorted(os.listdir()) == before


def test_a_folder_that_is_gone_is_made_again(folder, logger, capfd):
    from netc.train.log import to_stderr

    loop = Loop(tiny.session(SOLVER + "snapshot: 1"), "runs/now/tiny", progress=False)
    to_stderr()
    loop.one()
    shutil.rmtree("runs")
    loop.one()
    assert snapshot.newest("runs/now/tiny").state.iter == 2
    shutil.rmtree("runs")
    Path("runs").touch()
    loop.one()
    warnings = [t for t in capfd.readouterr().err.splitlines() if t.startswith("W")]
    assert len(warnings) == 1 and "Not a directory; training goes on" in warnings[0]
    loop.session.close()


def test_a_snapshot_that_was_there_stays_when_writing_it_again_fails(folder, monkeypatch):
    session = trained(iterations=2)
    where = save(session, "p")
    failing(monkeypatch, "fsync", FULL)
    with pytest.raises(SnapshotError, match="No space left on device"):
        save(session, "p")
    assert snapshot.read(where.state).state.iter == 2


@pytest.mark.parametrize("written", [0, 1, 2])
def test_cut_off_between_the_files(folder, monkeypatch, written):
    """Another run writes over a snapshot and is stopped after none, one or two of three files."""
    first = trained(iterations=1)
    save(first, "p")
    first.step()
    save(first, "p")
    other = trained(tiny.changed(SOLVER, random_seed=2), 2)
    replace, done = os.replace, []

    def stopped(source, target):
        if len(done) == written:
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        save(other, "p")
    first.close()
    found = snapshot.newest("p")
    assert found and found.state.iter == (1 if written else 2)
    assert not list(folder.glob(".*tmp"))


LIMIT = 16000


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_limit_on_files_is_survived(tmp_path):
    """The limit is met in the middle of the weights, and by the run folder's metrics as well."""
    net = NET.replace("num_output: 4", "num_output: 3000", 1).replace(
        'name: "two" type: "InnerProduct" bottom: "one" top: "two" param { name: "w" }',
        'name: "two" type: "InnerProduct" bottom: "one" top: "two"',
    )
    folder = tiny.write_files(
        tmp_path, net, tiny.changed(SOLVER, snapshot=50, display=1, max_iter=200)
    )
    code = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT}))
from netc.cli import main
sys.exit(main(["train", "solver.prototxt"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr  # the last one is missing as well
    warnings = [t for t in done.stderr.splitlines() if "the snapshot was not written" in t]
    assert len(warnings) == 5 and all("File too large" in w for w in warnings)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("metrics are not written: File too large") == 1
    assert not list(folder.glob("solver_iter_*")) and not list(folder.glob(".*tmp"))
