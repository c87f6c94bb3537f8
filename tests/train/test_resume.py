"""Stopped anywhere and gone on with, a run ends as if it had never stopped: to the bit."""

import os
import shutil

import jax
import pytest

from netc import snapshot
from netc.cli import main
from netc.errors import WeightsError
from netc.load import parse_solver
from netc.train.saving import restore
from tests.train import tiny

RESULTS = (", loss = ", "net output", "lr = ")
# Every batch is one sequence, which goes on where the one before ended.
MEMORY = """
layer { name: "steps" type: "Reshape" bottom: "data" top: "steps"
  reshape_param { shape { dim: 0 dim: 1 dim: -1 } } }
layer { name: "cont" type: "Power" bottom: "label" top: "cont" power_param { scale: 0 shift: 1 } }
layer { name: "flags" type: "Reshape" bottom: "cont" top: "flags"
  reshape_param { shape { dim: 0 dim: 1 } } }
layer { name: "lstm" type: "LSTM" bottom: "steps" bottom: "flags" top: "lstm"
  recurrent_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "states" type: "Reshape" bottom: "lstm" top: "states"
  reshape_param { shape { dim: 0 dim: -1 } } }
"""
NETS = {
    "lmdb": tiny.LMDB + tiny.HEAD,
    "hdf5": tiny.HDF5 + tiny.HEAD,
    "memory": tiny.LMDB + MEMORY + tiny.HEAD.replace('bottom: "data"', 'bottom: "states"'),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    tiny.write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def enter(folder, monkeypatch, net=NETS["lmdb"], solver=tiny.SOLVER):
    monkeypatch.chdir(tiny.write_files(folder, net, solver))
    return folder


@pytest.mark.parametrize("net", NETS.values(), ids=list(NETS))
def test_37_and_63_iterations_are_100(tmp_path, monkeypatch, capfd, net):
    straight = enter(tmp_path / "straight", monkeypatch, net)
    tiny.run()
    whole = tiny.told(capfd.readouterr().err, *RESULTS)
    parts = enter(tmp_path / "parts", monkeypatch, net)
    tiny.run("-iterations", "37")
    first = tiny.told(capfd.readouterr().err, *RESULTS)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    tiny.run("--resume", "auto")
    assert tiny.kept(parts, 100) == tiny.kept(straight, 100)
    assert first + tiny.told(capfd.readouterr().err, *RESULTS) == whole
    assert len([t for t in whole if t.startswith("    Test net output #0")]) == 6


def test_hdf5_snapshots_go_on_the_same(tmp_path, monkeypatch):
    solver = tiny.SOLVER + "snapshot_format: HDF5"
    straight = enter(tmp_path / "straight", monkeypatch, solver=solver)
    tiny.run("-iterations", "30")
    parts = enter(tmp_path / "parts", monkeypatch, solver=solver)
    tiny.run("-iterations", "13")
    tiny.run("-snapshot", "tiny_iter_13.solverstate.h5", "-iterations", "30")
    assert tiny.kept(parts, 30, ".h5") == tiny.kept(straight, 30, ".h5")


def test_a_run_without_a_seed_goes_on_with_its_own(tmp_path, monkeypatch):
    solver = tiny.changed(tiny.SOLVER, random_seed=None)
    enter(tmp_path, monkeypatch, solver=solver)
    tiny.run("-iterations", "9")
    first = tiny.kept(tmp_path, 9).run["seed"]
    tiny.run("--resume", "auto", "-iterations", "12")
    assert tiny.kept(tmp_path, 12).run["seed"] == first


def test_resume_auto_starts_where_there_is_nothing(folder, capfd):
    tiny.run("--resume", "auto", "-iterations", "2")
    assert "No complete snapshot under tiny: starting from the beginning" in capfd.readouterr().err
    assert (folder / "tiny_iter_2.solverstate").exists()


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """A folder with snapshots of iterations 2, 4 and 6."""
    folder = tmp_path_factory.mktemp("snapshots")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny.write_files(folder, solver=tiny.SOLVER + "snapshot: 2"))
        tiny.run("-iterations", "6")
    return folder


def damaged(snapshots, tmp_path, monkeypatch):
    shutil.copytree(snapshots, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tiny_iter_6"


def without_model(base):
    base.with_suffix(".caffemodel").unlink()


def truncated_state(base):
    state = base.with_suffix(".solverstate")
    state.write_bytes(state.read_bytes()[:-40])


def truncated_model(base):
    model = base.with_suffix(".caffemodel")
    model.write_bytes(model.read_bytes()[:-40])


def model_of_another_state(base):
    shutil.copy("tiny_iter_4.caffemodel", base.with_suffix(".caffemodel"))


def sidecar_of_another_state(base):
    shutil.copy("tiny_iter_4.run.json", base.with_suffix(".run.json"))


def changed_sidecar(base):
    run = base.with_suffix(".run.json")
    run.write_text(run.read_text().replace('"seed": 7', '"seed": 8'))


def changed_state(base):
    state = base.with_suffix(".solverstate")
    content = bytearray(state.read_bytes())
    content[-9] ^= 1  # in the last value of the history
    state.write_bytes(content)


def unreadable_sidecar(base):
    base.with_suffix(".run.json").write_text('{"seed": ')


DAMAGE = {
    without_model: "the weights of this state are missing: tiny_iter_6.caffemodel",
    truncated_state: "tiny_iter_6.solverstate",
    truncated_model: "tiny_iter_6.caffemodel is not the file that was written with this state",
    model_of_another_state: "tiny_iter_6.caffemodel is not the file that was written with",
    changed_sidecar: "the sidecar tiny_iter_6.run.json cannot be read: its content is not",
    changed_state: "is not the state that was written with tiny_iter_6.caffemodel: it is damaged",
    unreadable_sidecar: "the sidecar tiny_iter_6.run.json cannot be read: Expecting value",
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda f: f.__name__)
def test_a_damaged_snapshot_is_passed_over_or_refused(
    damage, snapshots, tmp_path, monkeypatch, capfd
):
    damage(damaged(snapshots, tmp_path, monkeypatch))
    tiny.run("--resume", "auto", "-iterations", "5")
    log = capfd.readouterr().err
    assert "tiny_iter_6.solverstate is passed over: " in log
    assert "Resuming from tiny_iter_4.solverstate" in log
    assert main(["train", "solver.prototxt", "-snapshot", "tiny_iter_6.solverstate"]) == 1
    assert DAMAGE[damage] in capfd.readouterr().err


def test_a_sidecar_of_another_state_is_left_out(snapshots, tmp_path, monkeypatch, capfd):
    sidecar_of_another_state(damaged(snapshots, tmp_path, monkeypatch))
    found = snapshot.newest("tiny")
    assert found and found.state.iter == 4
    tiny.run("-snapshot", "tiny_iter_6.solverstate", "-iterations", "7")
    log = capfd.readouterr().err
    assert "tiny_iter_6.run.json was written with another state and is left out" in log
    assert "Restored iteration 6" in log


def test_a_snapshot_of_caffe_has_no_sidecar(snapshots, tmp_path, monkeypatch):
    damaged(snapshots, tmp_path, monkeypatch).with_suffix(".run.json").unlink()
    found = snapshot.newest("tiny")
    assert found and found.state.iter == 6 and found.run == {}
    tiny.run("--resume", "auto", "-iterations", "7")


def test_a_state_of_another_solver_type_is_refused(snapshots, tmp_path, monkeypatch):
    damaged(snapshots, tmp_path, monkeypatch)
    found = snapshot.newest("tiny")
    assert found
    of_adam = found._replace(run={**found.run, "solver": "Adam"})
    session = tiny.session(tiny.SOLVER)
    with pytest.raises(WeightsError, match="written by solver type Adam, this solver is SGD"):
        restore(session, of_adam)
    session.close()


TABLE = "layer  blob  status    in the file  in the net  reason\n"
HISTORIES = {
    "more": (
        lambda h: (*h, *h[:2]),
        "Incorrect length of history blobs: 6 stored, SGD on this net has 4.\n"
        f"{TABLE}-      all   mismatch  6 x 16       -\n-      all   mismatch  6            -\n",
    ),
    "fewer": (
        lambda h: h[:3],
        "Incorrect length of history blobs: 3 stored, SGD on this net has 4.\n"
        f"{TABLE}ip2    1     mismatch  -            3           trace\n",
    ),
    "another": (
        lambda h: (*h[:3], h[1]),
        "1 of 4 history blobs have another shape in this net\n"
        f"{TABLE}ip2    1     mismatch  6            3           trace\n",
    ),
}


@pytest.mark.parametrize(("change", "said"), HISTORIES.values(), ids=list(HISTORIES))
def test_a_history_that_does_not_fit(snapshots, tmp_path, monkeypatch, change, said):
    """It is compared blob by blob, and nothing is restored, not even the weights that fit."""
    damaged(snapshots, tmp_path, monkeypatch)
    found = snapshot.newest("tiny")
    assert found
    session = tiny.session(tiny.SOLVER)
    before = jax.device_get(session.blobs())
    with pytest.raises(WeightsError) as caught:
        state = found.state._replace(history=change(found.state.history))
        restore(session, found._replace(state=state))
    hint = "hint: the state is of another net or another solver type"
    assert caught.value.render() == f"tiny_iter_6.solverstate: {said}{hint}"
    assert session.iteration == 0
    assert all((before[k] == x).all() for k, x in jax.device_get(session.blobs()).items())
    session.close()


def test_a_snapshot_of_a_foreign_net_is_refused(snapshots, tmp_path, monkeypatch, capfd):
    damaged(snapshots, tmp_path, monkeypatch)
    text = (tmp_path / "net.prototxt").read_text()
    (tmp_path / "net.prototxt").write_text(text.replace("num_output: 6", "num_output: 7"))
    assert main(["train", "solver.prototxt", "--resume", "auto"]) == 1
    error = capfd.readouterr().err
    assert "Cannot copy param 0 weights from layer 'ip1'; shape mismatch." in error
    assert "Source param shape is 6 16" in error and "target param shape is 7 16" in error


def test_a_moved_folder_goes_on(snapshots, tmp_path, monkeypatch):
    shutil.copytree(snapshots, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    found = snapshot.read("moved/tiny_iter_6.solverstate")
    assert found.paths.model == os.path.join("moved", "tiny_iter_6.caffemodel")


MIDDLE = {
    "stop": [*["none"] * 5, "stop"],
    "snapshot and stop": [*["none"] * 5, "snapshot", "none", "none", "stop"],
}


@pytest.mark.parametrize("asks", MIDDLE.values(), ids=list(MIDDLE))
def test_a_test_that_was_cut_short_is_done_again(tmp_path, monkeypatch, asks):
    solver = tiny.SOLVER.replace("test_iter: 3", "test_iter: 3 test_iter: 4")
    straight = enter(tmp_path / "straight", monkeypatch, solver=solver)
    tiny.run("-iterations", "50")
    parts = enter(tmp_path / "parts", monkeypatch, solver=solver)
    loop = tiny.loop(solver, signals := _Ask(20, list(asks)))
    signals.session = loop.session
    loop.solve()
    assert loop.session.iteration == 20 and signals.asks == []
    tiny.run("--resume", "auto", "-iterations", "50")
    assert tiny.kept(parts, 50) == tiny.kept(straight, 50)


class _Ask:
    """Signals that come after an iteration and before each batch of the tests then due."""

    def __init__(self, iteration, asks):
        self.iteration, self.asks, self.session = iteration, asks, None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def take(self):
        here = self.session and self.session.iteration == self.iteration
        return self.asks.pop(0) if here and self.asks else "none"


def test_the_solver_of_these_tests_has_what_must_survive():
    p = parse_solver(tiny.SOLVER).message
    assert (p.iter_size, p.average_loss, len(p.test_iter)) == (2, 5, 1) and p.momentum > 0
