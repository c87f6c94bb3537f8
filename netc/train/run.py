"""`netc train`: a solver file, its options, and everything around the loop."""

from __future__ import annotations

import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc import snapshot
from netc.compile import Arrays
from netc.errors import SnapshotError, SolverError
from netc.graph.ir import Graph
from netc.load import Loaded
from netc.lowering.plan import Plan, parse_overrides
from netc.schema import Phase, SolverParameter
from netc.snapshot import Snapshot
from netc.solvers import SOLVERS
from netc.summary import summarize
from netc.summary.text import savings
from netc.train.health import diagnosis
from netc.train.log import log_match
from netc.train.loop import Loop, announce
from netc.train.record import Record
from netc.train.saving import restore, save
from netc.train.session import Session
from netc.train.signals import Signals
from netc.train.step import GOOD, followed
from netc.transfer import by_key, targets
from netc.weights import read_weights
from netc.weights.match import EXACT, Rules, match

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What the command line adds to a solver file.

    run_dir: the run folder, "" for the usual place, None for none.
    workers: how many processes make training batches; 0: threads do.
    devices: those that train together, the root first; none for the one that JAX uses.
    """

    path: str
    platform: str
    snapshot: str | None = None
    weights: tuple[str, ...] = ()
    rules: Rules = EXACT
    resume: bool = False
    level: int | None = None
    stages: tuple[str, ...] = ()
    sigint: str = "stop"
    sighup: str = "snapshot"
    lowering: tuple[str, ...] = ()
    run_dir: str | None = ""
    dry_run: bool = False
    profile: bool = False
    workers: int = 0
    devices: tuple[Any, ...] = ()


def train(solver: Loaded[SolverParameter], options: Options) -> int:
    """Train from fillers, weights or a snapshot to max_iter; the exit status.

    It is 1 where the last snapshot could not be written.

    Raises NetcError of every kind for what is wrong with the files or goes wrong on the way.
    """
    log.info("Use %s.", options.platform.upper())
    if len(options.devices) > 1:
        log.info("Using devices %s", ", ".join(str(device.id) for device in options.devices))
    announce(solver.message)
    prefix = snapshot.prefix_of(solver.message.snapshot_prefix, options.path)
    found = _snapshot(options, prefix)
    solver = _with_seed(solver, found)
    p = solver.message
    if p.snapshot or p.snapshot_epoch or p.snapshot_after_train or p.HasField("keep_best"):
        _probe(solver, prefix)
    plan = Plan(options.platform, parse_overrides(options.lowering))
    given = from_files([] if found else options.weights or named_weights(p), options.rules)
    session = Session(
        solver,
        plan,
        options.level,
        options.stages,
        workers=options.workers,
        given=given,
        devices=options.devices,
    )
    try:
        if found:
            restore(session, found)
            log.info("Restored iteration %d", session.iteration)
        tell_frozen(session)
        if options.dry_run:
            return _dry_run(session, _probe(solver, prefix))
        record = _record(session, options, prefix)
        loop = Loop(session, prefix, Signals(options.sigint, options.sighup), record)
        log.info("Starting Optimization")
        began = time.perf_counter()
        loop.solve()
        if options.profile:
            tell_profile(session, time.perf_counter() - began)
    finally:
        session.close()
    return int(loop.unsaved)


def _snapshot(options: Options, prefix: str) -> Snapshot | None:
    if options.snapshot:
        log.info("Resuming from %s", options.snapshot)
        return snapshot.read(options.snapshot)
    if not options.resume:
        return None
    found = snapshot.newest(prefix)
    if found:
        log.info("Resuming from %s", found.paths.state)
    else:
        log.info("No complete snapshot under %s: starting from the beginning", prefix)
    return found


def _with_seed(solver: Loaded[SolverParameter], found: Snapshot | None) -> Loaded[SolverParameter]:
    """A run without a random_seed goes on with the seed it was started with."""
    seed = found.run.get("seed") if found else None
    if seed is None:
        return solver
    given = solver.message.random_seed
    if given >= 0 and given != seed:
        log.warning("random_seed is %d, the snapshot was written with %d", given, seed)
        return solver
    message = SolverParameter()
    message.CopyFrom(solver.message)
    message.random_seed = seed
    return Loaded(message, solver.source, solver.warnings)


def _probe(solver: Loaded[SolverParameter], prefix: str) -> Path:
    """The folder in which snapshots can be written. Raises SolverError."""
    try:
        return snapshot.probe(prefix)
    except SnapshotError as error:
        raise SolverError(
            error.message,
            solver.source.at("snapshot_prefix") or solver.source.span,
            error.hint,
        ) from None


def named_weights(p: SolverParameter) -> list[str]:
    """The files of weights that a solver names."""
    return [w.strip() for entry in p.weights for w in entry.split(",") if w.strip()]


def from_files(files: Sequence[str], rules: Rules = EXACT) -> Callable[[Graph], Arrays]:
    """The blobs that a net takes from files of weights, by key; later files win.

    What becomes of those of the training net is told. What is returned raises WeightsError.
    """

    def given(graph: Graph) -> Arrays:
        values: Arrays = {}
        for path in files:
            found = match(targets(graph), read_weights(path), rules)
            if graph.phase == Phase.TRAIN:
                log.info("Finetuning from %s", path)
                log_match(found)
            values |= by_key(graph, found)
        return values

    return given


def tell_frozen(session: Session) -> None:
    """Say how much of the net stands still."""
    graph = session.train.graph
    if not graph.weights:
        log.warning("no layer of the net has a loss: nothing is learnt")
    sizes = {p.key: math.prod(p.spec.shape) for p in graph.params if not p.carried}
    still = {k: n for k, n in sizes.items() if k not in followed(graph, session.p)}
    if still:
        layers = list(dict.fromkeys(graph.param_by_key[k].layer for k in still))
        log.info(
            "%d of %d parameters are frozen, in layers %s: no gradient is computed for them, "
            "which saves %s",
            sum(still.values()),
            sum(sizes.values()),
            ", ".join(layers),
            savings(summarize(graph), len(SOLVERS[session.p.type].history)),
        )


def _record(session: Session, options: Options, prefix: str) -> Record | None:
    if options.run_dir is None:
        return None
    graph = session.train.graph
    facts: dict[str, Any] = {
        "solver": options.path,
        "platform": options.platform,
        "devices": session.replicas.count,
        "seed": session.seed,
        "start": session.iteration,
        "working_folder": os.getcwd(),
    }
    folder = options.run_dir or f"{prefix}_run"
    return Record(folder, session.solver.message, graph.message, facts)


def _dry_run(session: Session, place: Path) -> int:
    """One iteration, one test batch per test net, one snapshot written in `place` and read back."""
    session.sinking = False
    it, metrics = session.iteration, session.step()
    if int(metrics.bad) != GOOD:
        raise diagnosis(session, it)
    log.info("Dry run: iteration %d, loss = %g", it, float(metrics.loss))
    for i, net in enumerate(session.tests):
        session.tests = (*session.tests[:i], net._replace(iterations=1), *session.tests[i + 1 :])
        means = session.test(i) or {}
        told = {k: v for k, v in means.items() if k}
        log.info("Dry run: test net #%d, %s", i, ", ".join(f"{k} = {v}" for k, v in told.items()))
    with tempfile.TemporaryDirectory(dir=place) as folder:
        where = save(session, os.path.join(folder, "dry"))
        restore(session, snapshot.read(where.state))
        size = sum(os.path.getsize(p) for p in where if p)
    log.info("Dry run: a snapshot of %d bytes was written and read back. All is well.", size)
    return 0


def tell_profile(session: Session, seconds: float) -> None:
    """Say how long the loop waited for data."""
    waited = session.batches.waited
    log.info(
        "Profile: %.2f s in all, %.2f s (%.1f %%) waiting for data",
        seconds,
        waited,
        100 * waited / max(seconds, 1e-9),
    )
