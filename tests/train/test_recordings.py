"""Runs that Caffe made: its weights, its snapshots, and going on from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from netc import snapshot
from netc.load import parse_solver
from netc.lowering.plan import Plan
from netc.train.saving import restore, save
from netc.train.session import Session
from tests.conftest import GOLDEN

FOLDER = GOLDEN / "solvers"
NAMES = sorted(path.stem for path in FOLDER.glob("*.npz"))
QUICK = ("_half_frozen", "_step_iter_size_clip", "sgd_frozen")
# The next layer takes these biases out again, so their gradients are 0 but for rounding, and what
# Caffe recorded of them, AdaGrad above all, is how its sums were rounded.
NOISE = {"shared": ("a/1", "a_p/1"), "batchnorm": ("conv/1",)}

pytestmark = pytest.mark.skipif(
    not NAMES, reason="the recordings tests/golden/solvers are not here"
)


class Recording(NamedTuple):
    """weights: iteration -> blob, such as "ip1/0" -> what it then was."""

    arrays: dict[str, np.ndarray]
    weights: dict[int, dict[str, np.ndarray]]
    noise: tuple[str, ...]

    def session(self) -> Session:
        """The solver with the weights that it began with, in the current folder."""
        Path("net.prototxt").write_bytes(bytes(self.arrays["net"]))
        text = bytes(self.arrays["solver"]).decode()
        session = Session(parse_solver(text), Plan("cpu"), provide=self.inputs)
        session.replace_blobs(
            {k: self.arrays[f"init/{k}"] for k in session.blobs() if f"init/{k}" in self.arrays}
        )
        return session

    def inputs(self, k: int) -> dict[str, Any]:
        """The batch of pass k; the stream is read again and again."""
        streams = {n[5:]: v for n, v in self.arrays.items() if n.startswith("data/")}
        return {n: v[k % len(v)] for n, v in streams.items()}

    @property
    def last(self) -> int:
        return len(self.arrays["loss"])

    def check(self, got: dict[str, Any], want: dict[str, Any], tolerance: float = 2e-4) -> None:
        for key in set(want) & set(got):
            if key not in self.noise:
                scale = np.abs(want[key]).max() + 1e-6
                worst = np.abs(np.asarray(got[key]) - want[key]).max() / scale
                assert worst <= tolerance, key


def recording(name: str) -> Recording:
    with np.load(FOLDER / f"{name}.npz") as file:
        arrays = dict(file)
    weights: dict[int, dict[str, np.ndarray]] = {}
    for key in (k for k in arrays if k.startswith("at/")):
        _, iteration, blob = key.split("/", 2)
        weights.setdefault(int(iteration), {})[blob] = arrays[key]
    return Recording(arrays, weights, next((v for k, v in NOISE.items() if k in name), ()))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [n if n.endswith(QUICK) else pytest.param(n, marks=pytest.mark.slow) for n in NAMES],
)
def test_a_run_of_caffe(name):
    run = recording(name)
    session = run.session()
    for iteration in range(1, run.last + 1):
        session.step()
        if iteration in run.weights:
            run.check(session.blobs(), run.weights[iteration])
    _has_the_files_of_caffe(run, session)
    _goes_on_from_the_files_of_caffe(run, session)
    session.close()


def _has_the_files_of_caffe(run: Recording, session: Session) -> None:
    """The state that it writes has Caffe's history: as many blobs, of these shapes and numbers."""
    caffe = snapshot.read_state(_caffe_files(run))
    ours = snapshot.read_state(save(session, "ours").state)
    assert (ours.iter, ours.current_step) == (caffe.iter, caffe.current_step)
    assert [a.shape for a in ours.history] == [a.shape for a in caffe.history]
    keys = [p.key for p in session.train.graph.params]
    for i in range(0, len(caffe.history), len(keys)):
        want, got = (dict(zip(keys, s.history[i:], strict=False)) for s in (caffe, ours))
        # Caffe: the decay of a blob that stands still enters the history, and nothing comes of it.
        still = {key: got.pop(key) for key in session.frozen}
        run.check(got, want, 1e-3)
        assert not any(array.any() for array in still.values())


def _goes_on_from_the_files_of_caffe(run: Recording, session: Session) -> None:
    again = run.session()
    restore(again, snapshot.read(_caffe_files(run)))
    assert again.iteration == run.last
    run.check(again.blobs(), run.weights[run.last], 0)
    for _ in range(4):
        session.step()
        again.step()
    run.check(again.blobs(), session.blobs(), 1e-3)
    again.close()


def _caffe_files(run: Recording) -> str:
    for kind in ("caffemodel", "solverstate"):
        Path(f"snap_iter_{run.last}.{kind}").write_bytes(bytes(run.arrays[kind]))
    return f"snap_iter_{run.last}.solverstate"
