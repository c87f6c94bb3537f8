"""Solvers as pycaffe has them: step, solve, snapshot, restore. Caffe: _caffe.cpp."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from netc import snapshot
from netc.compile import Arrays
from netc.graph.ir import Graph
from netc.load import Loaded, read_solver
from netc.overrides import override_solver
from netc.pycaffe import mode
from netc.pycaffe.blob import Blob
from netc.pycaffe.net import Net
from netc.pycaffe.segment import Segment
from netc.pycaffe.stepping import Callbacks, KeepingLoop, Stepping, runs_python
from netc.schema import SolverParameter
from netc.solvers import schedule
from netc.train.log import number
from netc.train.loop import Loop
from netc.train.nets import NetInState
from netc.train.saving import restore, save
from netc.train.signals import Signals
from netc.train.step import Metrics, Passes, followed
from netc.usercode import naming_user_code

log = logging.getLogger(__name__)

SPANNING = {"poly", "linear", "cosine", "one_cycle"}  # policies that go by max_iter


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


class Solver:
    """A solver read from a file, one iteration at a time or to the end.

    freeze: layers to leave as they are, regular expressions separated by commas, as --freeze.
    net: the training net. test_nets: the nets it is tested on. All share blobs by layer name.
    """

    _type = ""

    def __init__(self, solver_file: str, freeze: str = "") -> None:
        self._file, self._callbacks = solver_file, Callbacks()
        loaded = self._prepared(read_solver(solver_file))
        if freeze:
            loaded = override_solver(loaded, (), [freeze])
        if loaded.message.random_seed < 0 and mode._settings.seed is not None:
            loaded.message.random_seed = mode._settings.seed
        self._session = Stepping(
            loaded,
            mode.plan(),
            provide=lambda k: _inputs(self.net, k),
            test_provide=lambda i: lambda k: _inputs(self.test_nets[i], k),
            donate=False,
        )
        nets, trained = self._session.nets, self._session.train
        self.net = self._view(nets.train, trained.graph, None)
        self.net._batches = self._session.batches
        self.test_nets: list[Net] = []
        for net, test in zip(nets.tests, self._session.tests, strict=True):
            shared = {k: self.net._blob_by_key[t] for k, t in test.shared.items()}
            view = self._view(net, test.program.graph, shared)
            view._batches = test.batches
            self.test_nets.append(view)
        self._publish()

    def _prepared(self, loaded: Loaded[SolverParameter]) -> Loaded[SolverParameter]:
        """The solver with the type of this class, as in Caffe whatever the file says.

        One without max_iter takes as many steps as a script asks for, where its rate allows it.
        """
        p = loaded.message
        if not (p.HasField("max_iter") or p.HasField("max_epoch") or p.lr_policy in SPANNING):
            p.max_iter = 0
        if self._type and p.type != self._type:
            if p.HasField("type"):
                log.warning(
                    "%s: type %s, trained by %sSolver; get_solver picks the class by the type",
                    *(loaded.source.at("type") or self._file, p.type, self._type),
                )
            p.type = self._type
        return loaded

    def _view(self, net: NetInState, graph: Graph, params: dict[str, Blob] | None) -> _SolverNet:
        plan, seed = self._session.plan, self._session.seed
        view = _SolverNet._of(net.net, net.state, plan, seed, params, graph)
        assert isinstance(view, _SolverNet)
        return view

    @property
    def _prefix(self) -> str:
        return snapshot.prefix_of(self.param.snapshot_prefix, self._file)

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

    def add_callback(self, on_start: Any, on_gradients_ready: Any = None) -> None:
        """Call on_start() before the passes of every iteration, and on_gradients_ready() after
        them: what it makes of the nets' diffs is what the update sees. Raises UsageError.
        """
        self._callbacks.add(on_start, on_gradients_ready)

    @naming_user_code()
    def _run(self, go: Callable[[Loop], None]) -> None:
        """Iterations between what the caller wrote and what the nets show."""
        session, net = self._session, self.net
        session.heed()
        self._collect()
        net._behind, written = None, _written(net)
        by_hand = bool(self._callbacks or net._hooks) or runs_python(session)
        session.by_hand = self._by_hand if by_hand else None
        session.loss_by_hand = self._forward if by_hand else None
        loop = KeepingLoop(session, self._prefix, Signals("none", "none"), progress=False)
        try:
            go(loop)
        finally:
            self._publish()
            if loop.began and not by_hand:
                self._leave_behind(*loop.began, written)
        shown = (c for b in net.blobs.values() for c in (b._data, b._diff))
        diffs = (b._diff for b in net._blob_by_key.values())
        if any(cell.written for cell in (*shown, *diffs)):
            net._catch_up()

    def _forward(self) -> float:
        net = self.net
        net._memory.now |= {k: np.float32(self.iter) for k in net._graph.clocks}
        return net._forward(0, len(net._graph.nodes) - 1)

    def _by_hand(self) -> Metrics:
        """An iteration through the net, so that everything happens when Caffe lets it happen."""
        net, session = self.net, self._session
        net.clear_param_diffs()
        for call in self._callbacks.on_start:
            call()
        loss, sums = 0.0, dict(session.carry.sums)
        for _ in range(session.p.iter_size):
            loss += self._forward()
            net._backward(len(net._graph.nodes) - 1, 0)
            sums = {v: x + jnp.mean(self._shown(v)) for v, x in sums.items()}
        for call in self._callbacks.on_gradients_ready:
            call()
        return self._update(loss, sums)

    def _shown(self, value: str) -> Any:
        return self.net.blobs[self._session.train.graph.blobs[value]]._data.value()

    def _update(self, loss: float, sums: Arrays) -> Metrics:
        """Move the blobs by the gradients that are in the net."""
        self._collect()
        net, session = self.net, self._session
        graph, before, blobs = session.train.graph, session.blobs(), net._blob_by_key
        diffs = {k: blobs[k]._diff.value() for k in followed(graph, session.p)}
        carried = {p.key: blobs[p.key]._data.value() for p in graph.params if p.carried}
        outputs = {v: self._shown(v) for v in graph.outputs}
        state = carried | net._memory.now
        metrics = session.update(Passes(diffs, state, jnp.float32(loss), outputs, sums))
        self._publish()
        after = session.blobs()
        for key in diffs:
            blobs[key]._diff.set(before[key] - after[key])  # Caffe leaves the update in diff
        return metrics

    def apply_update(self) -> None:
        """Move the blobs by the diffs that are in the net, which counts as an iteration."""
        self.net._catch_up()
        self._session.heed()
        it, p = self.iter, self._session.p
        metrics = self._update(0.0, self._session.carry.sums)
        if p.display and it % p.display == 0:
            log.info("Iteration %d, lr = %s", it, number(float(metrics.rate)))

    def share_weights(self, net: Net) -> None:
        """Let another net have the blobs of the training net, by layer name."""
        net.share_with(self.net)

    def _leave_behind(self, before: Arrays, k: int, written: Arrays) -> None:
        """When somebody looks, show the blobs and gradients of the last pass of the iteration."""
        net, session = self.net, self._session
        after = session.blobs()
        last = k + session.p.iter_size - 1

        def inputs(i: int) -> Arrays:
            fed = session.batches.batch(i) | session.batches.hosted(i)
            return fed | written | net._served(net._graph, i)

        def catch_up() -> None:
            values = inputs(last)
            net._show(values)
            whole = 0, len(net._graph.nodes) - 1
            carried = set(net._graph.carried)
            blobs = {key: v for key, v in before.items() if key not in carried}
            state = {key: v for key, v in before.items() if key in carried}
            for i in range(k if net._graph.memory else last, last):
                arguments = (blobs, state, session.pass_key(i), inputs(i))
                state = net._fitting.fit(*whole, arguments).forward(*arguments)[2]
            net._memory.before = {key: state[key] for key in net._graph.memory}
            arguments = (blobs, state, session.pass_key(last), values)
            segment = net._fitting.fit(*whole, arguments)
            made, _, _ = segment.forward(*arguments)
            net._covered = segment.covered(values)
            seeds = {v: net.blobs[net._graph.blobs[v]]._diff.value() for v in segment.open}
            d_values, _ = segment.backward(*arguments, seeds)
            for name, value in made.items():
                net.blobs[name].put(value)
            for name, value in d_values.items():
                net.blobs[name]._diff.set(value)
            for key in session.train.graph.trainable:
                diff = before[key] - after[key]  # Caffe leaves the update in diff
                net._blob_by_key[key]._diff.set(diff)

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
    return type(f"{name}Solver", (Solver,), {"_type": name, "__doc__": f"A {name} solver."})


TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
_CLASSES = {name: _typed(name) for name in TYPES}
SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver = (
    _CLASSES[name] for name in TYPES
)
