"""What monitors and averages hold survives a stop anywhere, to the bit."""

import pytest

from netc import snapshot
from netc.train.saving import restore
from tests.train import tiny

WORSE = 'monitor: "loss" mode: MAX'  # a loss that falls is never better
RUN = tiny.changed(tiny.SOLVER, test_interval=6, max_iter=40, lr_policy='"fixed"')
STATES = {
    "plateau": f"plateau {{ {WORSE} patience: 1 cooldown: 1 factor: 0.5 }}",
    "plateau of training": f"plateau {{ {WORSE} phase: TRAIN patience: 1 }}",
    "decay": 'decay_plateau { monitor: "loss" patience: 1 }',
    "average in HDF5": "ema_decay: 0.9 snapshot_format: HDF5",
    "epochs": "stepvalue_epoch: 10 warmup_epoch: 2",
    "everything": f"""ema_decay: 0.9 plateau {{ {WORSE} patience: 1 }} keep_last: 3
      keep_best {{ monitor: "loss" }} early_stop {{ monitor: "loss" patience: 50 }}
      decay_plateau {{ monitor: "loss" patience: 1 }}""",
}
RESULTS = (", loss = ", "net output", "lr = ", "plateau: ", "keep_best: ", "early_stop: ")


def enter(folder, monkeypatch, solver):
    monkeypatch.chdir(tiny.write_files(folder, solver=solver))
    return folder


def averages(folder, end):
    path = folder / f"tiny_iter_40.ema.caffemodel{end}"
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("text", STATES.values(), ids=list(STATES))
def test_parts_are_the_whole(tmp_path, monkeypatch, capfd, text):
    """Stopped right before a test that sets something off, and right after it."""
    solver = RUN + text
    end = ".h5" if "HDF5" in text else ""
    straight = enter(tmp_path / "straight", monkeypatch, solver)
    tiny.run()
    whole = tiny.told(capfd.readouterr().err, *RESULTS)
    parts = enter(tmp_path / "parts", monkeypatch, solver)
    told = []
    for stop in ("12", "13", "40"):
        tiny.run("--resume", "auto", "-iterations", stop)
        told += tiny.told(capfd.readouterr().err, *RESULTS)
    assert tiny.kept(parts, 40, end) == tiny.kept(straight, 40, end)
    assert averages(parts, end) == averages(straight, end)
    assert set(told) >= set(whole)
    best = "tiny_best.caffemodel"
    assert (parts / best).exists() == ("keep_best" in text)
    assert (
        not (parts / best).exists() or (parts / best).read_bytes() == (straight / best).read_bytes()
    )


def test_something_happens_on_both_sides(tmp_path, monkeypatch, capfd):
    """The runs above prove little if no monitor has anything to say."""
    enter(tmp_path, monkeypatch, RUN + STATES["everything"])
    tiny.run()
    told = tiny.told(capfd.readouterr().err, "plateau: ")
    when = [int(t.split()[1][:-1]) for t in told if " plateau: " in t]
    assert when[0] < 12 in when and when[-1] > 13
    assert any(" decay_plateau: " in t for t in told)


def test_a_monitor_of_another_output_begins_anew(tmp_path, monkeypatch):
    enter(tmp_path, monkeypatch, RUN + f"plateau {{ {WORSE} patience: 1 }}")
    tiny.run("-iterations", "14")
    found = snapshot.newest("tiny")
    assert found
    for text, scale in (
        (f"plateau {{ {WORSE} patience: 7 }}", pytest.approx(0.01)),
        ('plateau { monitor: "accuracy" }', 1.0),
        ('plateau { monitor: "loss" phase: TRAIN }', 1.0),
        ('early_stop { monitor: "loss" }', 1.0),
    ):
        session = tiny.session(RUN + text)
        restore(session, found)
        assert [t.scale for t in session.watch.tracks.values()] == [scale]
        session.step()
        session.close()


def test_a_snapshot_of_caffe_begins_anew(tmp_path, monkeypatch):
    text = RUN + STATES["everything"]
    enter(tmp_path, monkeypatch, text)
    tiny.run("-iterations", "14")
    (tmp_path / "tiny_iter_14.run.json").unlink()
    (tmp_path / "tiny_iter_14.ema.caffemodel").unlink()
    session = tiny.session(text)
    restore(session, snapshot.read("tiny_iter_14.solverstate"))
    assert session.watch.since == 14 and session.watch.shown == -1
    for k, v in session.carry.blobs.items():
        assert (session.carry.average[k] == v).all()
    session.close()
