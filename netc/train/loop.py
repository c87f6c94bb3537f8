"""The loop: test, iterate, report, snapshot, in Caffe's order.

Caffe: solver.cpp, Solve and Step.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from typing import Any, NamedTuple

import jax
import numpy as np

from netc import snapshot
from netc.compile import Arrays, Program
from netc.errors import DataError, SnapshotError
from netc.prototxt import to_text
from netc.schema import SolverParameter
from netc.train import debug, health
from netc.train.log import number, output_lines
from netc.train.monitors import Track
from netc.train.progress import Progress
from netc.train.recall import Position, go_to
from netc.train.record import Record
from netc.train.saving import current_step, save
from netc.train.session import Session
from netc.train.signals import Signals
from netc.train.step import GOOD, Metrics

log = logging.getLogger(__name__)
BAR_EVERY = 16  # iterations between two looks at the bar
AHEAD = 2  # reports that may wait for the device before the loop waits for them


class Due(NamedTuple):
    """A report of an iteration whose numbers are not read yet."""

    iteration: int
    metrics: Metrics
    display: bool
    at: float


class Loop:
    """Runs a session to max_iter and tells about it.

    prefix: where snapshots go. record: the run folder, or None.
    Raises RunError when the loss stops being finite, DataError from the data.
    """

    def __init__(
        self,
        session: Session,
        prefix: str,
        signals: Signals | None = None,
        record: Record | None = None,
        progress: bool | None = None,
    ) -> None:
        self.session, self.p = session, session.p
        self.prefix, self.record = prefix, record
        self.signals = signals or Signals("none", "none")
        self.stopping = session.watch.stopped(self.p)
        self.saved_at = -1
        self._due: deque[Due] = deque()
        self._bar, self._bar_enabled = Progress(0, 0, 0, enabled=False), progress
        self._debug: Any = None
        self._debugged: Program | None = None  # the program that _debug is made of
        self._shown = (0.0, session.iteration)
        self._tests_from: list[Position] | None = None  # where tests that run now began

    def solve(self) -> None:
        """From where the session is to max_iter, with tests, snapshots and a last report."""
        session, p = self.session, self.p
        log.info("Solving %s", session.train.graph.name)
        log.info("Learning Rate Policy: %s", p.lr_policy)
        self._shown = (time.perf_counter(), session.iteration)
        shapes = [session.train.graph.shapes[v] for v in session.train.graph.inputs]
        batch = shapes[0][0] * session.passes if shapes and shapes[0] else 0
        bar = Progress(p.max_iter, session.iteration, batch, self._bar_enabled)
        with bar, self.signals:
            self._bar = bar
            try:
                while session.iteration < p.max_iter and not self.stopping:
                    self.one()
            except DataError:
                self.flush()
                raise
            self.flush()
            self.finish()
        log.info("Optimization stopped early." if self.stopping else "Optimization Done.")

    @property
    def unsaved(self) -> bool:
        """Whether the end of the run is in no snapshot, though it should be."""
        return self.p.snapshot_after_train and self.saved_at != self.session.iteration

    def one(self) -> None:
        """One iteration with what is due around it."""
        session, p = self.session, self.p
        it = session.iteration
        if p.test_interval and it % p.test_interval == 0 and (it > 0 or p.test_initialization):
            self.test_all()
            if self.stopping:
                return
        display = bool(p.display) and it % p.display == 0
        if display and p.debug_info:
            self.tell_debug(it)
        metrics = session.step()
        self._due.append(Due(it, metrics, display, time.perf_counter()))
        self.report(AHEAD)
        done = session.iteration
        asked = self.signals.take()
        if asked == "snapshot" or (p.snapshot and done % p.snapshot == 0):
            self.save()
        if asked == "stop":
            self.stopping = True

    def report(self, wait_beyond: int) -> None:
        """Tell what is ready, in order; wait while more than `wait_beyond` reports are due."""
        while self._due and (len(self._due) > wait_beyond or self._due[0].metrics.loss.is_ready()):
            self.tell(self._due.popleft())

    def flush(self) -> None:
        """Wait for everything that is due."""
        self.report(0)

    def tell(self, due: Due) -> None:
        metrics = due.metrics
        if int(metrics.bad) != GOOD:
            self._due.clear()
            raise health.diagnosis(self.session, int(metrics.bad))
        if self._bar.shown and (due.display or due.iteration % BAR_EVERY == 0):
            facts = float(metrics.smoothed), float(metrics.rate)
            self._bar.update(due.iteration + 1, *facts, self.speed(due))
        rate = self.tell_outputs(due) if due.display else None
        self.tell_multistep(due.iteration)
        if rate is not None:
            log.info("Iteration %d, lr = %s", due.iteration, number(rate))
        if self.p.clip_gradients >= 0 and float(metrics.norm) > self.p.clip_gradients:
            self.tell_clipping(float(metrics.norm))

    def speed(self, due: Due) -> float:
        """Iterations per second since the last display."""
        then, at = self._shown
        return (due.iteration - at) / max(due.at - then, 1e-9)

    def tell_outputs(self, due: Due) -> float:
        """Tell the loss and the outputs of a displayed iteration; its learning rate."""
        graph, metrics = self.session.train.graph, due.metrics
        loss, rate = float(metrics.smoothed), float(metrics.rate)
        then, at = self._shown
        log.info(
            "Iteration %d (%s iter/s, %ss/%d iters), loss = %s",
            due.iteration,
            number(self.speed(due)),
            number((due.at - then) if due.iteration > at else 0),
            self.p.display,
            number(loss),
        )
        outputs = jax.device_get(metrics.outputs)
        for line in output_lines("Train", outputs, graph.blobs, graph.weights):
            log.info("%s", line)
        self._shown = (due.at, due.iteration)
        if self.record:
            named = {graph.blobs[k]: v for k, v in outputs.items()}
            self.record.write("train", due.iteration, {**named, "loss": loss, "lr": rate})
        return rate

    def tell_multistep(self, iteration: int) -> None:
        step = current_step(self.p, iteration + 1)
        if self.p.lr_policy == "multistep" and step != current_step(self.p, iteration):
            log.info("MultiStep Status: Iteration %d, step = %d", iteration, step)

    def tell_clipping(self, norm: float) -> None:
        limit = self.p.clip_gradients
        log.info(
            "Gradient clipping: scaling down gradients (L2 norm %s > %s) by scale factor %s",
            number(norm),
            number(limit),
            number(limit / norm),
        )

    def tell_debug(self, iteration: int) -> None:
        session = self.session
        k = iteration * session.passes
        inputs = session.batches.at(k)
        program = session.program(k, inputs)
        if self._debugged is not program:
            self._debugged, self._debug = program, debug.gradients(program)
        told = debug.lines(program, self._debug, session.blobs(), session.pass_key(k), inputs)
        for line in told[:-1]:
            log.info("%s", line)
        log.error("%s", told[-1])

    def test_all(self) -> None:
        """Test every test net and tell the means of its outputs.

        A test that is cut short leaves the test data where they were: a run that goes on from
        here does it again.
        """
        if self.session.iteration == self.session.watch.shown:
            return  # the run goes on from a snapshot that was taken for what this test told
        self.flush()
        began, tests = time.perf_counter(), self.session.tests
        self._tests_from = self.session.test_positions()
        means: list[Arrays] = []
        for index in range(len(tests)):
            means.append(self.test(index))
            if self.stopping:
                for net, start in zip(tests, self._tests_from, strict=True):
                    go_to(net.program.graph, net.batches, start)
                break
        self._tests_from = None
        if self.session.monitors and not self.stopping:
            self.observe(means)
        then, at = self._shown
        self._shown = (then + time.perf_counter() - began, at)  # the speed is that of training

    def observe(self, tests: list[Arrays]) -> None:
        """Show the tests to the monitors, tell what has come of it, and do it."""
        told = self.session.observe(tests)
        for use, text in told.items():
            log.info("Iteration %d, %s: %s", self.session.iteration, use, text)
        if "keep_best" in told:
            self.save(best=True)
        self.stopping = self.session.watch.stopped(self.p)

    def test(self, index: int) -> Arrays:
        """Test one net and tell the means of its outputs, which are also returned."""
        net, it = self.session.tests[index], self.session.iteration
        log.info("Iteration %d, Testing net (#%d)", it, index)
        means = self.session.test(index, self._may_go_on)
        if means is None:
            log.info("Test interrupted.")
            return {}
        loss = means.pop("", math.nan)
        if self.p.test_compute_loss:
            log.info("Test loss: %s", number(float(loss)))
        graph = net.program.graph
        for line in output_lines("Test", means, graph.blobs, graph.weights):
            log.info("%s", line)
        if self.record:
            named = {graph.blobs[k]: v for k, v in means.items()}
            self.record.write(f"test {index}", it, {**named, "loss_sum": loss})
        return means

    def _may_go_on(self) -> bool:
        while (asked := self.signals.take()) != "none":
            if asked == "snapshot":
                self.save()
            elif asked == "stop":
                self.stopping = True
        return not self.stopping

    def save(self, best: bool = False) -> None:
        """Write a snapshot, and remove old ones; one that fails is only a warning."""
        self.flush()
        try:
            where = save(self.session, self.prefix, self._tests_from, best)
        except SnapshotError as error:
            log.warning("%s; training goes on", error.message)
            return
        self.saved_at = self.session.iteration
        kind = "HDF5" if where.model.endswith(".h5") else "binary proto"
        log.info("Snapshotting to %s file %s", kind, where.model)
        log.info("Snapshotting solver state to %s file %s", kind, where.state)
        if best:
            path = snapshot.best_path(self.prefix, where.model.endswith(".h5"))
            log.info("Snapshotting the best weights to %s", path)
        if self.p.keep_last:
            self.prune()

    def prune(self) -> None:
        """Remove the snapshots that keep_last leaves no room for."""
        best = self.session.watch.tracks.get("keep_best", Track()).at
        try:
            for it in snapshot.prune(self.prefix, self.saved_at, self.p.keep_last, best):
                log.info("Removing the snapshot of iteration %d", it)
        except SnapshotError as error:
            log.warning("%s; training goes on", error.message)

    def finish(self) -> None:
        """The last snapshot, the last loss, the last test."""
        session, p = self.session, self.p
        it = session.iteration
        if self.unsaved:
            self.save()
        if self.stopping:
            return
        if p.display and it % p.display == 0:
            loss = self.last_loss()
            log.info("Iteration %d, loss = %s", it, number(loss))
        if p.test_interval and it % p.test_interval == 0:
            self.test_all()

    def last_loss(self) -> float:
        """The smoothed loss with one more forward pass counted in."""
        window = np.array(self.session.carry.losses)
        window[self.session.iteration % self.p.average_loss] = self.session.next_loss()
        return float(np.nanmean(window))


def announce(p: SolverParameter) -> None:
    """Log the solver as it is about to run."""
    log.info("Initializing solver from parameters: \n%s", to_text(p).rstrip())
