"""A session to and from snapshots."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import jax.numpy as jnp
import numpy as np

from netc import snapshot
from netc.errors import WeightsError
from netc.layers.base import Shape
from netc.schema import SolverParameter
from netc.snapshot import Paths, Snapshot
from netc.solvers import SOLVERS
from netc.solvers.policies import steps
from netc.train.monitors import Track, Watch
from netc.train.recall import Position, draw_on, draws, remembered, remind
from netc.train.session import Session
from netc.transfer import by_key, by_layer, file_message, targets
from netc.weights import read_weights
from netc.weights.match import Row, match, render


def save(
    session: Session,
    prefix: str,
    tests: Sequence[Position] | None = None,
    best: bool = False,
) -> Paths:
    """Write a snapshot of the session. Raises SnapshotError.

    tests: where each test net goes on, by default where it is.
    best: its weights are the best so far, which have a name of their own.
    """
    p, graph = session.p, session.train.graph
    hdf5 = p.snapshot_format == SolverParameter.HDF5
    where = snapshot.paths(prefix, session.iteration, hdf5)
    tests = session.test_positions() if tests is None else tests
    run = {
        "seed": session.seed,
        "solver": p.type,
        "losses": [float(x).hex() for x in np.asarray(session.carry.losses)],
        "test_batches": [test.batch for test in tests],
        "memory": {k: _packed(session.carry.state[k]) for k in graph.memory},
    }
    kept = [remembered(graph), *(test.kept for test in tests)]
    if any(kept):
        run["python"] = {"nets": kept, "draws": draws()}
    if session.monitors:
        run["monitors"] = {
            "tracks": {m.key: _stored(session.watch.tracks[m.use]) for m in session.monitors},
            "shown": session.watch.shown,
            "since": session.watch.since,
            "sums": {k: float(x).hex() for k, x in session.carry.sums.items()},
        }
    return snapshot.write(
        where,
        file_message(graph),
        by_layer(graph, session.blobs(), owners_only=hdf5),
        session.iteration,
        session.history(),
        current_step(p, session.iteration),
        run,
        by_layer(graph, session.tested(), owners_only=hdf5) if session.carry.average else None,
        snapshot.best_path(prefix, hdf5) if best else "",
    )


def current_step(p: SolverParameter, iteration: int) -> int:
    """What Caffe stores as current_step after this many iterations."""
    last = iteration - 1
    if p.lr_policy == "multistep":
        return bisect_right(steps(p), last)
    return last // p.stepsize if p.lr_policy == "step" and last >= 0 else 0


def restore(session: Session, found: Snapshot) -> None:
    """Go on from a snapshot; what its sidecar holds is restored to the bit.

    Raises WeightsError when the snapshot is of another net or solver.
    """
    written = found.run.get("solver", session.p.type)
    if written != session.p.type:
        raise WeightsError(
            f"the state was written by solver type {written}, this solver is {session.p.type}",
            found.paths.state,
            f'type: "{written}"',
        )
    graph, files = session.train.graph, found.paths
    # Everything is read before anything is replaced: a net is never half of one snapshot.
    fitting = {p: match(targets(graph), read_weights(p)) for p in (files.model, files.average) if p}
    _check_history(session, found.state.history, files.state)
    if files.model:
        session.load_weights(files.model)
    if files.average:
        session.replace_average(by_key(graph, fitting[files.average]))
    session.restore_history(found.state.iter, found.state.history)
    _restore_run(session, found.run)


def _check_history(session: Session, arrays: Sequence[np.ndarray], path: str) -> None:
    """Whether a stored history is one of this solver type on this net.

    Raises WeightsError with a table of what does not fit.
    """
    solver = SOLVERS[session.p.type]
    wanted = [
        (p.layer, p.index, p.spec.shape, name)
        for name in solver.history
        for p in session.train.graph.params
    ]
    rows = []
    for at, array in zip_longest(wanted, arrays):
        layer, index, shape, name = at or ("-", None, None, "")
        source = None if array is None else array.shape
        if source is None or shape is None or math.prod(source) != math.prod(shape):
            rows.append(Row(layer, index, "mismatch", source, shape, name))
    if not rows:
        return
    if len(arrays) != len(wanted):
        message = (
            f"Incorrect length of history blobs: {len(arrays)} stored, {solver.name} on this "
            f"net has {len(wanted)}."
        )
    else:
        message = f"{len(rows)} of {len(wanted)} history blobs have another shape in this net"
    error = WeightsError(message, path, "the state is of another net or another solver type")
    error.add_note(render(rows))
    raise error


def _restore_run(session: Session, run: dict[str, Any]) -> None:
    losses = [float.fromhex(x) for x in run.get("losses", ())]
    if len(losses) == session.p.average_loss:
        session.put(losses=jnp.array(losses, jnp.float32))
    for net, k in zip(session.tests, run.get("test_batches", ()), strict=False):
        net.batches.seek(k)
    if held := run.get("python"):
        graphs = [session.train.graph, *(net.program.graph for net in session.tests)]
        for graph, kept in zip(graphs, held["nets"], strict=False):
            remind(graph, kept)
        draw_on(held["draws"])
    memory, held = run.get("memory", {}), session.carry.state
    session.replace_blobs({k: _unpacked(v, held[k].shape) for k, v in memory.items() if k in held})
    if seen := run.get("monitors"):
        _restore_watch(session, seen)


def _restore_watch(session: Session, seen: dict[str, Any]) -> None:
    """What the monitors have seen; one that was not there, or watched otherwise, begins anew."""
    tracks = {
        m.use: Track(**{**track, "best": float.fromhex(track["best"])})
        for m in session.monitors
        if (track := seen["tracks"].get(m.key))
    }
    tracks = {**session.watch.tracks, **tracks}
    if session.carry.sums.keys() == seen["sums"].keys():
        watch = Watch(tracks, seen["shown"], seen["since"])
        session.set_watch(watch, {k: float.fromhex(x) for k, x in seen["sums"].items()})
    else:
        watch = Watch(tracks, seen["shown"], session.iteration)
        session.set_watch(watch, dict.fromkeys(session.carry.sums, 0.0))


def _stored(track: Track) -> dict[str, Any]:
    """A track as JSON, which knows no infinity."""
    return {**track._asdict(), "best": track.best.hex()}


def _packed(array: Any) -> str:
    return b64encode(np.asarray(array, "<f4").tobytes()).decode()


def _unpacked(text: str, shape: Shape) -> np.ndarray:
    """The array that was packed; zeros if it was of another shape: the batch size may change."""
    array = np.frombuffer(b64decode(text), "<f4")
    return array.reshape(shape) if array.size == math.prod(shape) else np.zeros(shape, "<f4")
