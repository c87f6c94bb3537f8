"""Solvers as pycaffe has them: step, solve, snapshot, restore. Caffe: _caffe.cpp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from netc import snapshot
from netc.compile import Arrays
from netc.errors import SolverError
from netc.load import Loaded, read_solver
from netc.overrides import override_solver
from netc.pycaffe import mode
from netc.pycaffe.blob import Blob
from netc.pycaffe.net import Net
from netc.pycaffe.segment import Segment
from netc.schema import SolverParameter
from netc.solvers import schedule
from netc.train.loop import Loop
from netc.train.nets import NetInState
from netc.train.saving import restore, save
from netc.train.session import Session
from netc.train.signals import Signals
from netc.usercode import naming_user_code


class _SolverNet(Net):
    """A net of a solver: its batches are the session's."""

    _batches: Any = None

    @property
    def _next_pass(self) -> int:
        return self._batches.k

    def _next_batch(self, segment: Segment) -> Arrays:
        self._pass = self._sunk = self._batches.k
        batch = next(self._batches)
        return {k: v for k, v in batch.items() if k in segment.fed}


def _written(net: Net) -> Arrays:
    """The arrays that the caller wrote into the blobs of Input layers."""
    layers = (n for n in net._graph.nodes if n.param.type == "Input")
    return {t: net.blobs[net._graph.blobs[t]]._data.value() for n in layers for t in n.tops}


def _inputs(net: Net, k: int) -> Arrays:
    """What fills the layers that read nothing."""
    return _written(net) | net._served(net._graph, k)


class _Loop(Loop):
    """A loop that keeps what its last iteration began with: the blobs and the pass."""

    began: tuple[Arrays, int] | None = None

    def one(self) -> None:
        self.began = self.session.blobs(), self.session.batches.k
        super().one()


class Solver:
    """A solver read from a file, one iteration at a time or to the end.

    freeze: layers to leave as they are, regular expressions separated by commas, as --freeze.
    net: the training net. test_nets: the nets it is tested on. All share blobs by layer name.
    """

    def __init__(self, solver_file: str, freeze: str = "") -> None:
        loaded = read_solver(solver_file)
        if freeze:
            loaded = override_solver(loaded, (), [freeze])
        if loaded.message.random_seed < 0 and mode._settings.seed is not None:
            loaded.message.random_seed = mode._settings.seed
        self._prefix = snapshot.prefix_of(loaded.message.snapshot_prefix, solver_file)
        self._session = Session(
            loaded,
            mode.plan(),
            provide=lambda k: _inputs(self.net, k),
            test_provide=lambda i: lambda k: _inputs(self.test_nets[i], k),
            donate=False,
        )
        nets = self._session.nets
        self.net = self._view(nets.train, None)
        self.net._batches = self._session.batches
        self.test_nets: list[Net] = []
        for net, test in zip(nets.tests, self._session.tests, strict=True):
            shared = {k: self.net._blob_by_key[t] for k, t in test.shared.items()}
            view = self._view(net, shared)
            view._batches = test.batches
            self.test_nets.append(view)
        self._publish()

    def _view(self, net: NetInState, params: dict[str, Blob] | None) -> _SolverNet:
        view = _SolverNet._of(net.net, net.state, self._session.plan, self._session.seed, params)
        assert isinstance(view, _SolverNet)
        return view

    def _publish(self) -> None:
        """Show the session's blobs in the nets."""
        found = self._session.blobs()
        self.net._memory.now = {key: found[key] for key in self.net._memory.now}
        for key, blob in self.net._blob_by_key.items():
            blob._data.set(found[key])

    def _collect(self) -> None:
        """Take over what the caller wrote into the nets' blobs."""
        held = {k: b._data for k, b in self.net._blob_by_key.items() if b._data.written}
        written = {k: c.value() for k, c in held.items()}
        self._session.replace_blobs(written | self.net._memory.now)

    @property
    def iter(self) -> int:
        """How many iterations are done."""
        return self._session.iteration

    @property
    def param(self) -> SolverParameter:
        """The solver's message."""
        return self._session.p

    @property
    def lr(self) -> float:
        """The learning rate of the next iteration."""
        factor = self._session.carry.scales.get("plateau")
        return float(schedule(self._session.p)(self.iter, factor))

    def step(self, n: int) -> None:
        """Run n iterations, with tests, log lines and snapshots as the solver says."""
        carry = self._session.carry
        fresh = jax.numpy.full_like(carry.losses, np.nan)  # Caffe: each call has its own window
        self._session.carry = carry._replace(losses=fresh)

        def steps(loop: Loop) -> None:
            for _ in range(n):
                loop.one()
            loop.flush()

        self._run(steps)

    @naming_user_code()
    def _run(self, go: Callable[[Loop], None]) -> None:
        """Iterations between what the caller wrote and what the nets show."""
        self._collect()
        self.net._behind, written = None, _written(self.net)
        loop = _Loop(self._session, self._prefix, Signals("none", "none"), progress=False)
        try:
            go(loop)
        finally:
            self._publish()
            if loop.began:
                self._leave_behind(*loop.began, written)
        shown = (c for b in self.net.blobs.values() for c in (b._data, b._diff))
        diffs = (b._diff for b in self.net._blob_by_key.values())
        if any(cell.written for cell in (*shown, *diffs)):
            self.net._catch_up()

    def _leave_behind(self, before: Arrays, k: int, written: Arrays) -> None:
        """When somebody looks, show the blobs and gradients of the last pass of the iteration."""
        net, session = self.net, self._session
        after = session.blobs()
        last = k + session.p.iter_size - 1

        def inputs(i: int) -> Arrays:
            return session.batches.batch(i) | written | net._served(net._graph, i)

        def catch_up() -> None:
            values = inputs(last)
            net._show(values)
            whole = 0, len(net._graph.nodes) - 1
            carried = set(net._graph.carried)
            blobs = {key: v for key, v in before.items() if key not in carried}
            state = {key: v for key, v in before.items() if key in carried}
            for i in range(k if net._graph.memory else last, last):
                arguments = (blobs, state, session.pass_key(i), inputs(i))
                state = net._fit(*whole, arguments).forward(*arguments)[2]
            net._memory.before = {key: state[key] for key in net._graph.memory}
            arguments = (blobs, state, session.pass_key(last), values)
            segment = net._fit(*whole, arguments)
            made, _, _ = segment.forward(*arguments)
            seeds = {v: net.blobs[net._graph.blobs[v]]._diff.value() for v in segment.open}
            d_values, _ = segment.backward(*arguments, seeds)
            for name, value in made.items():
                net.blobs[name]._data.set(value)
            for name, value in d_values.items():
                net.blobs[name]._diff.set(value)
            for key, blob in net._blob_by_key.items():
                blob._diff.set(before[key] - after[key])  # Caffe leaves the update in diff

        net._behind = catch_up

    def solve(self, state_file: str | None = None) -> None:
        """Run to max_iter, from a snapshot if one is named."""
        if state_file:
            self.restore(state_file)
        self._run(Loop.solve)

    def snapshot(self) -> None:
        """Write the weights and the state of this iteration."""
        self._collect()
        save(self._session, self._prefix)

    def restore(self, state_file: str) -> None:
        """Go on from a .solverstate file."""
        restore(self._session, snapshot.read(state_file))
        self._publish()


def get_solver(solver_file: str, freeze: str = "") -> Solver:
    """The solver that a file describes, of the class its type names."""
    return _CLASSES.get(read_solver(solver_file).message.type, Solver)(solver_file, freeze)


def _typed(name: str) -> type[Solver]:
    def __init__(self: Solver, solver_file: str, freeze: str = "") -> None:
        loaded: Loaded[SolverParameter] = read_solver(solver_file)
        if loaded.message.type != name:
            raise SolverError(
                f"{name}Solver on a solver of type {loaded.message.type}",
                loaded.source.at("type") or solver_file,
                "get_solver picks the class by the type",
            )
        Solver.__init__(self, solver_file, freeze)

    return type(f"{name}Solver", (Solver,), {"__init__": __init__, "__doc__": f"A {name} solver."})


TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
_CLASSES = {name: _typed(name) for name in TYPES}
SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver = (
    _CLASSES[name] for name in TYPES
)
