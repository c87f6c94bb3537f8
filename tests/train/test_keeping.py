"""Which weights are tested, which snapshots stay, and when a run ends early."""

import json

import numpy as np
import pytest

from netc import snapshot
from netc.errors import SnapshotError
from netc.weights import read_weights
from tests.train import tiny

PLAIN = tiny.changed(
    tiny.SOLVER, max_iter=12, test_interval=4, iter_size=1, display=0, test_initialization="false"
)
RISING = 'mode: MAX monitor: "loss"'  # with base_lr 0 the loss of a fixed test set stays as it is


def solve(text):
    loop = tiny.loop(text)
    loop.solve()
    loop.session.close()
    return loop.session


def states(folder):
    return sorted(int(p.stem.split("_")[-1]) for p in folder.glob("*.solverstate"))


def test_a_run_that_stalls_ends_early(folder, lines):
    session = solve(
        tiny.changed(PLAIN, base_lr=0, test_iter="auto", max_iter=100)
        + 'early_stop { monitor: "loss" patience: 3 }'
    )
    assert session.iteration == 16 and "Optimization stopped early." in lines
    best = session.watch.tracks["early_stop"].best
    told = f"loss has not been better than {best:.6g} (patience 3): stopping early"
    assert f"Iteration 16, early_stop: {told}" in lines
    assert states(folder) == [16]


def test_a_run_that_ended_early_does_not_go_on(folder):
    text = tiny.changed(PLAIN, base_lr=0, test_iter="auto", max_iter=100)
    stop = 'early_stop { monitor: "loss" patience: %d }'
    (folder / "solver.prototxt").write_text(text + stop % 1)
    tiny.run()
    assert states(folder) == [8]
    tiny.run("--resume", "auto")
    assert states(folder) == [8]
    (folder / "solver.prototxt").write_text(text + stop % 2)
    tiny.run("--resume", "auto")
    assert states(folder) == [8, 12]


def test_the_best_weights_have_a_name_of_their_own(folder, lines):
    session = solve(PLAIN + 'keep_best { monitor: "loss" }')
    at = session.watch.tracks["keep_best"].at
    best = (folder / "tiny_best.caffemodel").read_bytes()
    assert best == (folder / f"tiny_iter_{at}.caffemodel").read_bytes()
    told = [t for t in lines if "keep_best" in t]
    assert told[-1].startswith(f"Iteration {at}, keep_best: loss is better than ever: ")
    assert lines.count("Snapshotting the best weights to tiny_best.caffemodel") == len(told)


def test_the_best_of_hdf5(folder):
    session = solve(PLAIN + 'keep_best { monitor: "loss" } snapshot_format: HDF5')
    at = session.watch.tracks["keep_best"].at
    best = (folder / "tiny_best.caffemodel.h5").read_bytes()
    assert best == (folder / f"tiny_iter_{at}.caffemodel.h5").read_bytes()


def test_the_last_snapshots_and_the_best_stay(folder, lines):
    best = f"base_lr: 0 keep_best {{ {RISING} }}"
    text = tiny.changed(PLAIN, base_lr=None, test_iter="auto", snapshot=3) + best
    solve(text + " keep_last: 2")
    assert states(folder) == [4, 9, 12]
    files = {p.name.split("tiny_iter_")[1] for p in folder.glob("tiny_iter_*")}
    ends = ("caffemodel", "solverstate", "run.json")
    assert files == {f"{i}.{end}" for i in (4, 9, 12) for end in ends}
    removed = [t for t in lines if t.startswith("Removing")]
    assert removed == [f"Removing the snapshot of iteration {i}" for i in (3, 6)]


def test_all_snapshots_stay_by_default(folder):
    solve(tiny.changed(PLAIN, snapshot=3))
    assert states(folder) == [3, 6, 9, 12]


@pytest.mark.parametrize(
    ("keep", "left"), [(1, [7, 8, 20]), (2, [7, 8, 20]), (3, [5, 7, 8, 20]), (9, None)]
)
def test_pruning(folder, keep, left):
    every = [2, 4, 5, 7, 8, 20]
    for i in every:
        for end in ("caffemodel", "ema.caffemodel", "run.json", "solverstate"):
            (folder / f"p_iter_{i}.{end}").write_text("")
        (folder / f"other_p_iter_{i}.solverstate").write_text("")
    removed = snapshot.prune("p", 8, keep, best=7)
    kept = sorted(int(p.name[7:].split(".")[0]) for p in folder.glob("p_iter_*.solverstate"))
    assert kept == (left or every) and removed == [i for i in every if i not in kept]
    assert len(list(folder.glob("p_iter_*"))) == 4 * len(kept)
    assert len(list(folder.glob("other_p_iter_*"))) == len(every)


def test_what_cannot_be_removed_is_told(folder):
    (folder / "p_iter_1.solverstate").mkdir()
    with pytest.raises(SnapshotError, match="an old snapshot was not removed: "):
        snapshot.prune("p", 2, 1, best=-1)


def test_training_goes_on_when_the_best_cannot_be_kept(folder, lines, monkeypatch):
    monkeypatch.setattr(snapshot, "best_path", lambda *_: str(folder / "net.prototxt" / "best"))
    solve(PLAIN + 'keep_best { monitor: "loss" }')
    assert any("the snapshot was not written: " in t and "goes on" in t for t in lines)
    assert "Optimization Done." in lines and states(folder) == [12]


AVERAGED = PLAIN + " ema_decay: 0.75"


def test_averages_are_those_of_the_weights(folder):
    session = tiny.session(AVERAGED)
    average = {k: np.asarray(v, np.float64) for k, v in session.carry.blobs.items()}
    for _ in range(5):
        session.step()
        weights = session.carry.blobs
        average = {k: 0.75 * v + 0.25 * np.asarray(weights[k]) for k, v in average.items()}
    for k, v in average.items():
        np.testing.assert_allclose(session.carry.average[k], v, rtol=1e-5, atol=1e-7)
    session.close()


def test_averages_are_tested_and_change_no_weight(folder):
    plain, averaged = solve(PLAIN), solve(AVERAGED)
    for k, v in plain.carry.blobs.items():
        np.testing.assert_array_equal(averaged.carry.blobs[k], v)
    tested = averaged.test(0)
    averaged.tests[0].batches.seek(averaged.tests[0].batches.k - 3)
    averaged.carry = averaged.carry._replace(blobs=averaged.carry.average, average={})
    again = averaged.test(0)
    assert {k: float(v) for k, v in tested.items()} == {k: float(v) for k, v in again.items()}
    averaged.close()


def test_both_weights_are_stored_and_the_best_are_averages(folder):
    session = solve(AVERAGED + ' keep_best { monitor: "loss" }')
    for end, wanted in (("caffemodel", session.blobs()), ("ema.caffemodel", session.tested())):
        stored = read_weights(f"tiny_iter_12.{end}").layers
        found = {f"{w.name}/{i}": blob for w in stored for i, blob in enumerate(w.blobs)}
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            np.testing.assert_array_equal(found[key], value)
    at = session.watch.tracks["keep_best"].at
    best = (folder / "tiny_best.caffemodel").read_bytes()
    assert best == (folder / f"tiny_iter_{at}.ema.caffemodel").read_bytes()


def test_averages_begin_with_the_weights_that_are_loaded(folder):
    solve(PLAIN)
    session = tiny.session(AVERAGED)
    session.load_weights("tiny_iter_12.caffemodel")
    for k, v in session.carry.blobs.items():
        np.testing.assert_array_equal(session.carry.average[k], v)
    session.close()


def test_a_snapshot_without_its_averages_is_passed_over(folder, capfd):
    (folder / "solver.prototxt").write_text(tiny.changed(AVERAGED, snapshot=6))
    tiny.run()
    (folder / "tiny_iter_12.ema.caffemodel").unlink()
    found = snapshot.newest("tiny")
    assert found and found.state.iter == 6
    with pytest.raises(SnapshotError, match=r"averaged weights .* are missing: tiny_iter_12.ema"):
        snapshot.read("tiny_iter_12.solverstate")


def test_the_sidecar_is_json(folder):
    session = tiny.session(PLAIN + 'plateau { monitor: "loss" }')
    loop = tiny.loop(PLAIN + 'plateau { monitor: "loss" }')
    loop.save()
    text = (folder / "tiny_iter_0.run.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    session.close()
    loop.session.close()
