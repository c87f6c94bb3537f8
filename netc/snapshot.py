"""Snapshots: weights, solver state and a sidecar, each written whole, the state last.

`PREFIX_iter_N.caffemodel` and `PREFIX_iter_N.solverstate` are Caffe's. `PREFIX_iter_N.run.json`
holds what Caffe does not keep: seed, data positions, the window of losses, what monitors have seen,
and the digests of the others, so that a pair that does not belong together is noticed.
`PREFIX_iter_N.ema.caffemodel` has the averaged weights of a solver with ema_decay.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netc.errors import NetcError, SnapshotError
from netc.files import atomic
from netc.schema import NetParameter
from netc.weights import SolverStateFile, read_state, write_state, write_weights
from netc.weights.content import Blobs

log = logging.getLogger(__name__)
STATE_NAME = re.compile(r"_iter_(\d+)\.solverstate(\.h5)?$")


class Paths(NamedTuple):
    """The files of a snapshot; average is "" where it has none."""

    model: str
    state: str
    run: str
    average: str = ""


class Snapshot(NamedTuple):
    """A snapshot read back: where it is, the solver's state, and the sidecar, {} if it has none."""

    paths: Paths
    state: SolverStateFile
    run: dict[str, Any]


def paths(prefix: str, iteration: int, hdf5: bool = False) -> Paths:
    """The names of the snapshot of an iteration."""
    base, end = f"{prefix}_iter_{iteration}", ".h5" if hdf5 else ""
    return Paths(
        f"{base}.caffemodel{end}",
        f"{base}.solverstate{end}",
        f"{base}.run.json",
        f"{base}.ema.caffemodel{end}",
    )


def best_path(prefix: str, hdf5: bool = False) -> str:
    """The name of the best weights of a run, whatever their iteration."""
    return f"{prefix}_best.caffemodel{'.h5' if hdf5 else ''}"


def prefix_of(snapshot_prefix: str, solver_file: str) -> str:
    """Where snapshots go: unset is the solver file without its extension, a folder takes its stem.

    Caffe: upgrade_proto.cpp, UpgradeSnapshotPrefixProperty.
    """
    if not snapshot_prefix:
        return os.path.splitext(solver_file)[0]
    if os.path.isdir(snapshot_prefix):
        return os.path.join(snapshot_prefix, Path(solver_file).stem)
    return snapshot_prefix


def write(
    where: Paths,
    net: NetParameter,
    blobs: Blobs,
    iteration: int,
    history: Sequence[Any],
    current_step: int,
    run: dict[str, Any],
    average: Blobs | None = None,
    best: str = "",
) -> Paths:
    """Write the files, model first and state last, each whole or not at all; those written.

    best: takes a copy of the weights that are tested, the averages where there are any.

    Raises SnapshotError when one cannot be written; those that were not there before are then gone.
    """
    new = [Path(path) for path in where if path and not os.path.exists(path)]
    state = SolverStateFile(iteration, where.model, tuple(history), current_step)
    try:
        write_weights(where.model, net, blobs)
        digest = {"model": _digest(where.model), "state": _state_digest(state)}
        if average is not None:
            write_weights(where.average, net, average)
            digest["average"] = _digest(where.average)
        if best:
            tested = where.model if average is None else where.average
            with open(tested, "rb") as source, atomic(best) as file:
                shutil.copyfileobj(source, file)
        content = {**run, "iteration": iteration, "sha256": digest}
        digest["run"] = _run_digest(content)
        with atomic(where.run, "w") as file:
            json.dump(content, file, indent=1)
        write_state(where.state, state)
    except (NetcError, OSError) as error:
        for path in new:
            with suppress(OSError):
                path.unlink()
        reason = error.message if isinstance(error, NetcError) else error.strerror or str(error)
        raise SnapshotError(f"the snapshot was not written: {reason}", where.state) from error
    return where if average is not None else where._replace(average="")


def prune(prefix: str, newest: int, keep: int, best: int) -> list[int]:
    """Remove the snapshots before iteration `newest`, save the last `keep` with it and `best`.

    The iterations removed. Later ones are of another run and stay. The state goes first, so that
    what a crash leaves behind is no snapshot. Raises SnapshotError.
    """
    older = sorted((it, path) for it, path in _states(prefix) if it < newest)
    removed = [(it, path) for it, path in older[: max(len(older) - keep + 1, 0)] if it != best]
    for iteration, path in removed:
        model, state, run, average = paths(prefix, iteration, path.endswith(".h5"))
        for file in (state, run, average, model):
            try:
                Path(file).unlink(missing_ok=True)
            except OSError as error:
                raise SnapshotError(
                    f"an old snapshot was not removed: {error.strerror}", file
                ) from error
    return [iteration for iteration, _ in removed]


def read(state_path: str) -> Snapshot:
    """Read a snapshot by its state file, and find its model.

    The model is looked for beside the state file, then where the state says. A sidecar that was
    written with other files is left out. Raises SnapshotError when the model is not there or not
    the one that was written with the state, or the sidecar is damaged; WeightsError for bad files.
    """
    state = read_state(state_path)
    base, dot, end = state_path.rpartition(".solverstate")
    base, end = (base, end) if dot else (state_path, "")
    files = Paths(f"{base}.caffemodel{end}", state_path, f"{base}.run.json", "")
    run = _read_run(files.run, state_path)
    digests = run.get("sha256", {})
    if run and digests["state"] != _state_digest(state):
        if _is(files.model, digests["model"]):
            raise SnapshotError(
                f"this is not the state that was written with {files.model}: it is damaged, or of "
                "another run",
                state_path,
            )
        log.warning("%s was written with another state and is left out", files.run)
        run, digests = {}, {}
    files = files._replace(model=_model(state, state_path, digests.get("model")))
    if "average" in digests:
        files = files._replace(average=f"{base}.ema.caffemodel{end}")
        if not _is(files.average, digests["average"]):
            raise SnapshotError(
                "the averaged weights that were written with this state are missing: "
                f"{files.average}",
                state_path,
                "they belong beside it",
            )
    return Snapshot(files, state, run)


def _model(state: SolverStateFile, state_path: str, digest: str | None) -> str:
    """The weights that belong to a state, "" if it names none. Raises SnapshotError."""
    if not state.learned_net:
        return ""
    beside = os.path.join(os.path.dirname(state_path), os.path.basename(state.learned_net))
    there = [p for p in dict.fromkeys((beside, state.learned_net)) if os.path.exists(p)]
    if not there:
        raise SnapshotError(
            f"the weights of this state are missing: {state.learned_net}",
            state_path,
            "they belong beside it",
        )
    for path in there:
        if digest is None or _is(path, digest):
            return path
    raise SnapshotError(f"{there[0]} is not the file that was written with this state", state_path)


def newest(prefix: str) -> Snapshot | None:
    """The newest complete snapshot under a prefix, or None."""
    for _, path in sorted(_states(prefix), reverse=True):
        try:
            found = read(path)
        except NetcError as error:
            log.warning("%s is passed over: %s", path, error.message)
            continue
        if found.run or not os.path.exists(found.paths.run):
            return found
    return None


def _states(prefix: str) -> list[tuple[int, str]]:
    """The state files under a prefix, with their iterations."""
    folder, stem = os.path.split(prefix)
    found = []
    for name in os.listdir(folder or ".") if os.path.isdir(folder or ".") else ():
        match = STATE_NAME.search(name)
        if match and name[: match.start()] == stem:
            found.append((int(match[1]), os.path.join(folder, name)))
    return found


def probe(prefix: str) -> Path:
    """Check that snapshots can be written under a prefix; nothing is left behind.

    A folder that is not there yet is made with the first snapshot: the nearest one that is there
    is tried, and returned. Raises SnapshotError.
    """
    path = Path(f"{prefix}_iter_0.tempfile").absolute()
    folder = next(p for p in path.parents if p.exists())
    try:
        with open(folder / path.name, "wb"):
            pass
        os.unlink(folder / path.name)
    except OSError as error:
        raise SnapshotError(
            f"Cannot write to snapshot prefix '{prefix}': {error.strerror}.",
            hint="make sure that the folder exists and may be written",
        ) from None
    return folder


def _read_run(path: str, state_path: str) -> dict[str, Any]:
    """The content of a sidecar, {} if there is none. Raises SnapshotError for a damaged one."""
    try:
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
        if run["sha256"]["run"] != _run_digest(run):
            raise ValueError("its content is not what was written")
        return run
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"the sidecar {path} cannot be read: {error}", state_path) from None


def _run_digest(run: dict[str, Any]) -> str:
    """Of a sidecar without this digest."""
    others = {k: v for k, v in run["sha256"].items() if k != "run"}
    text = json.dumps({**run, "sha256": others}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _state_digest(state: SolverStateFile) -> str:
    """Of all that a state holds."""
    shapes = [np.shape(array) for array in state.history]
    facts = (state.iter, state.learned_net, state.current_step, shapes)
    digest = hashlib.sha256(repr(facts).encode())
    for array in state.history:
        digest.update(np.ascontiguousarray(array, np.float32).data)
    return digest.hexdigest()


def _is(path: str, digest: str) -> bool:
    """Whether a file is there and has this digest."""
    return os.path.exists(path) and _digest(path) == digest


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
