"""A solver at work: its programs, what they carry, and one iteration at a time."""

from __future__ import annotations

import logging
import secrets
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from netc.compile import Arrays, Program, compile_net
from netc.errors import GraphError
from netc.graph.gradients import check_gradients
from netc.graph.ir import Graph
from netc.graph.sinks import check_sinks
from netc.load import Loaded
from netc.lowering.plan import Plan
from netc.lowering.platform import jit
from netc.parallel import SAME, Replicas
from netc.schema import SolverParameter
from netc.sizes import KEPT, Fit, Sizes
from netc.solvers import SOLVERS, get_history, set_history
from netc.train.batches import Batches, Provide
from netc.train.epochs import in_iterations, whole_test
from netc.train.monitors import Watch, find
from netc.train.nets import NetInState, Nets, check_solver, resolve
from netc.train.precision import evaluated, mean_precision
from netc.train.recall import Position, position
from netc.train.sinks import sink
from netc.train.step import (
    Metrics,
    Passes,
    Step,
    followed,
    make_step,
    make_test,
    make_update,
    owned,
    places,
    start,
)
from netc.train.tested import TestNet, with_own
from netc.transfer import by_key, shared_blobs, targets
from netc.weights import read_weights
from netc.weights.match import EXACT, Match, Rules, match

log = logging.getLogger(__name__)

HELD = 4  # iterations whose Python inputs are at hand until their loss is known to be finite


class Session:
    """The state of a run and the functions that move it on.

    provide: gives the inputs that no data layer reads, as (k) -> {top: array} for pass k.
    test_provide: (which test net) -> the same for that net.
    given: values of blobs of a net by key, in place of those that fillers draw.
    devices: those that train together, the root first, which must be JAX's default device.
    Raises SolverError, and whatever reading and compiling the nets raises.
    """

    def __init__(
        self,
        solver: Loaded[SolverParameter],
        plan: Plan,
        level: int | None = None,
        stages: tuple[str, ...] = (),
        provide: Provide | None = None,
        donate: bool = True,
        test_provide: Callable[[int], Provide] | None = None,
        workers: int = 0,
        given: Callable[[Graph], Arrays] = lambda graph: {},
        devices: Sequence[Any] = (),
    ) -> None:
        check_solver(solver)
        self.replicas = Replicas(tuple(devices))
        self.solver, self.p, self.plan = solver, solver.message, plan
        self.seed = self.p.random_seed if self.p.random_seed >= 0 else secrets.randbits(31)
        self.nets: Nets = resolve(solver, level, stages)
        log.info("Creating training net %s", self.nets.train.origin)
        self.train = self._compile(self.nets.train)
        check_gradients(self.train.graph)
        self.p = in_iterations(solver, self.train.graph, self.replicas.count)
        self.key = jax.random.key(self.seed)
        self._keys = self.replicas.put(self.key, SAME)
        self._sizes, self._donate, self._given = self._sized(), donate, given
        self.renew()
        shared: Any = {"replicas": self.replicas, "kept": HELD * self.passes}
        self.batches = Batches(self.train, 0, provide, workers, **shared)
        self.tests = tuple(
            self._test_net(i, net, test_provide and test_provide(i))
            for i, net in enumerate(self.nets.tests)
        )
        graphs = [net.program.graph for net in self.tests]
        check_sinks([self.train.graph, *graphs])
        self.monitors = find(solver, self.train.graph, graphs)
        self.set_blobs(*self.train.init(self.seed, given(self.train.graph)))
        self.sinking = True  # off: what layers write to files is left out
        log.info("Solver scaffolding done.")

    def _compile(self, net: NetInState) -> Program:
        return compile_net(net.net, net.state, self.plan, self.seed)

    def _sized(self) -> Sizes:
        sizes = Sizes(self.train)
        if sizes.layers and self.replicas.count > 1:
            node = sizes.layers[0]
            raise GraphError(
                f"how many items the top of layer '{node.name}' ({node.param.type}) has depends on "
                f"values: it may differ between {self.replicas.count} devices",
                node.source.span,
                "train on one device",
            )
        return sizes

    def _test_net(self, index: int, net: NetInState, provide: Provide | None) -> TestNet:
        log.info("Creating test net (#%d) %s", index, net.origin)
        program = self._compile(net)
        shared = shared_blobs(self.train.graph, program.graph)
        blobs, state = program.init(self.seed, self._given(program.graph))
        own = {k: v for k, v in {**blobs, **state}.items() if k not in shared}
        key = jax.random.fold_in(self.key, zlib.crc32(f"test {index}".encode()))
        iterations, whole = self.p.test_iter[index], None
        if iterations < 0:
            at = self.solver.source.at("test_iter", index)
            whole = whole_test(program.graph, self.plan, at)
            iterations = -(-whole.examples // whole.batch)
        return TestNet(
            program,
            make_test(program),
            Batches(program, provide=provide),
            shared,
            jax.device_put(own),
            iterations,
            key,
            whole,
        )

    @property
    def iteration(self) -> int:
        """How many iterations are done."""
        return self._iteration

    @property
    def passes(self) -> int:
        """How many passes an iteration takes, on all devices."""
        return self.p.iter_size * self.replicas.count

    def set_blobs(self, blobs: Arrays, state: Arrays) -> None:
        """Start from these blobs at iteration 0 with an empty history."""
        moving = set(followed(self.train.graph, self.p))
        # Donated buffers must be JAX's own, never the caller's memory.
        ours = jax.tree.map(lambda x: jnp.array(x, jnp.float32), (blobs, state))
        for k in owned(self.train.graph):
            ours[1][k] = jnp.concatenate([ours[1][k]] * self.replicas.count)
        self.frozen = self.replicas.put({k: v for k, v in ours[0].items() if k not in moving}, SAME)
        self.watch = Watch({m.use: m.start() for m in self.monitors})
        carry = start(
            self.train,
            self.p,
            {k: v for k, v in ours[0].items() if k in moving},
            ours[1],
            {m.use: self.watch.tracks[m.use].scale for m in self.monitors},
            [m.train for m in self.monitors if m.train is not None],
        )
        self.carry = self.replicas.put(carry, places(self.train.graph))
        self._iteration = 0

    def put(self, **parts: Any) -> None:
        """Replace parts of the carry, on the devices where they belong."""
        where = places(self.train.graph)._asdict()
        where = {name: where[name] for name in parts}
        self.carry = self.carry._replace(**self.replicas.put(parts, where))

    def blobs(self) -> Arrays:
        """All blobs, learnable and carried, by key, on the device."""
        return self.replicas.at_root({**self.frozen, **self.carry.blobs, **self.carry.state})

    def tested(self) -> Arrays:
        """All blobs as they are tested: those that ema_decay averages are their averages."""
        return {**self.blobs(), **self.replicas.at_root(self.carry.average)}

    def replace_blobs(self, values: Arrays) -> None:
        """Put new values into some blobs, whose averages begin with them; keeps the rest."""
        self.replace_average(values)
        own = {k: jnp.array(v, jnp.float32) for k, v in values.items()}
        self.frozen = self.replicas.put({k: own.get(k, v) for k, v in self.frozen.items()}, SAME)
        self.put(
            blobs={k: own.get(k, v) for k, v in self.carry.blobs.items()},
            state={k: own.get(k, v) for k, v in self.carry.state.items()},
        )

    def replace_average(self, values: Arrays) -> None:
        """Put new values into some of the averages of ema_decay, if there are any."""
        own = {k: jnp.array(v, jnp.float32) for k, v in values.items()}
        self.put(average={k: own.get(k, v) for k, v in self.carry.average.items()})

    def step(self) -> Metrics:
        """Dispatch one iteration; what it reports is read when it is due."""
        each = [next(self.batches) for _ in range(self.passes)]
        n = self.replicas.count
        groups = [
            self.replicas.even(each[i : i + n], self.batches.boxes) for i in range(0, len(each), n)
        ]
        step = self._step_of(self._measure([group[0] for group in groups]))
        passes = tuple(map(self.replicas.join, groups))
        self.carry, metrics = step(self.carry, self.frozen, passes, self._keys)
        for i, values in enumerate(metrics.sunk if self.sinking else ()):
            sink(self.train.graph, self._iteration * self.p.iter_size + i, values)
        self._iteration += 1
        return metrics

    def update(self, passes: Passes) -> Metrics:
        """Make an iteration of passes that were made elsewhere."""
        self.carry, metrics = self._update(self.carry, passes)
        self._iteration += 1
        return metrics

    def renew(self) -> None:
        """Compile anew, since fields of the solver have changed."""
        self._step_of = lru_cache(KEPT)(self._make_step)
        self._update = make_update(self.train, self.p)

    def _make_step(self, fits: tuple[Fit, ...]) -> Step:
        """The iteration compiled for passes of these sizes: `self._step_of`, which remembers it."""
        sized = [self._sizes.of(fit) for fit in fits]
        return make_step(self.train, self.p, self._donate, sized, self.replicas)

    def _measure(self, passes: Sequence[Arrays]) -> tuple[Fit, ...]:
        """The sizes of each pass of an iteration."""
        sizes, first = self._sizes, self._iteration * self.p.iter_size
        if not sizes.layers:
            return tuple(sizes.measure({}, {}, None, inputs) for inputs in passes)
        learned, state = {**self.frozen, **self.carry.blobs}, self.carry.state
        fits: list[Fit] = []
        for i, inputs in enumerate(passes):
            key = self.pass_key(first + i)
            fits.append(sizes.measure(learned, state, key, inputs))
            if self.train.graph.memory and i + 1 < len(passes):
                _, state = jit(sizes.of(fits[-1]).apply)(learned, state, key, inputs)
        return tuple(fits)

    def next_loss(self) -> float:
        """The loss of one more forward pass; each device takes a batch."""
        k = self.batches.k
        inputs, *_ = [next(self.batches) for _ in range(self.replicas.count)]
        program = self.program(k, inputs)
        values, _ = jit(program.apply)(*self.arguments(), self.pass_key(k), inputs)
        return float(program.loss(values))

    def test_positions(self) -> list[Position]:
        """Where the test nets are."""
        return [position(net.program.graph, net.batches) for net in self.tests]

    def program(self, k: int, inputs: Arrays) -> Program:
        """The training net in the sizes that the inputs of pass k lead to."""
        return self._sizes.fit(*self.arguments(), self.pass_key(k), inputs)

    def arguments(self) -> tuple[Arrays, Arrays]:
        """The blobs that the training net takes, learnable and carried, as the root has them."""
        blobs = self.blobs()
        state = {k: blobs.pop(k) for k in self.train.graph.carried}
        return blobs, state

    def pass_key(self, k: int) -> Any:
        """The key that pass k of the training net draws from."""
        return jax.random.fold_in(self.key, k)

    def test(self, index: int, go_on: Callable[[], bool] = lambda: True) -> Arrays | None:
        """The mean of every output of test net `index` over its test_iter batches, NumPy.

        Where a test is every example once, it begins at the first one, and the last batch counts as
        the part of a batch that it is. Of what DetectionEvaluate gives, it is the mean average
        precision instead. The loss is under ''. Memory starts at zero. Empty where
        test_iter is 0. None if `go_on`, asked before every batch, says no.
        """
        net = self.tests[index]
        if net.whole:
            net.batches.seek(0)
        trained = self.tested()
        blobs = {**net.own, **{k: trained[t] for k, t in net.shared.items()}}
        learned = {p.key: blobs[p.key] for p in net.program.graph.params if not p.carried}
        state = {k: blobs[k] for k in net.program.graph.carried}
        total: Arrays = {}
        found: dict[str, list[Any]] = {v: [] for v in evaluated(net.program.graph)}
        batches = 0.0
        for i in range(net.iterations):
            if not go_on():
                return None
            k = net.batches.k
            inputs, part = net.cut(i, next(net.batches))
            values, memory = net.run(learned, state, net.key, jnp.int32(k), inputs)
            state |= memory
            if self.sinking:
                sink(net.program.graph, k, values)
            for v, rows in found.items():
                rows.append(values[v])
            values = {v: values[v] for v in ("", *net.program.graph.outputs) if v not in found}
            if part < 1:
                values = {v: x * part for v, x in values.items()}
            total = jax.tree.map(jnp.add, total, values) if total else values
            batches += part
        precision = {v: mean_precision(r, self.p.ap_version) for v, r in found.items() if r}
        return {k: np.asarray(x) / batches for k, x in total.items()} | precision

    def observe(self, tests: Sequence[Arrays]) -> dict[str, str]:
        """Show the monitors what the test nets gave; what has come of it, by use.

        From then on the watch and the scales of the rate and the decay are new.
        """
        it, count = self._iteration, self._iteration - self.watch.since
        sums = jax.device_get(self.carry.sums)
        means = {k: float(x) / count / self.p.iter_size for k, x in sums.items()} if count else {}
        tracks, told = dict(self.watch.tracks), {}
        for m in self.monitors:
            value = m.value(tests, means)
            if value is not None:
                tracks[m.use], text = m.see(tracks[m.use], value, it, self.p)
                if text:
                    told[m.use] = text
        self.set_watch(Watch(tracks, it, it), {k: 0.0 for k in sums})
        return told

    def set_watch(self, watch: Watch, sums: Arrays) -> None:
        """Go on with what the monitors have seen, and with these sums of outputs."""
        self.watch = watch
        scales = {use: jnp.float32(t.scale) for use, t in watch.tracks.items()}
        self.put(
            scales={**self.carry.scales, **scales},
            sums={k: jnp.float32(sums[k]) for k in self.carry.sums},
        )

    def load_weights(self, path: str, rules: Rules = EXACT) -> Match:
        """Copy blobs from a file by layer name, also into the test nets' own.

        Raises WeightsError.
        """
        weights = read_weights(path)
        found = match(targets(self.train.graph), weights, rules)
        self.tests = tuple(with_own(net, weights, rules) for net in self.tests)
        self.replace_blobs(by_key(self.train.graph, found))
        return found

    def history(self) -> list[np.ndarray]:
        """The solver's history as Caffe stores it: zeros for blobs that do not move."""
        arrays = []
        for tree in get_history(SOLVERS[self.p.type], self.carry.history):
            for p in self.train.graph.params:
                array = tree.get(p.key)
                arrays.append(
                    np.zeros(p.spec.shape, np.float32) if array is None else np.asarray(array)
                )
        return arrays

    def restore_history(self, iteration: int, arrays: Sequence[np.ndarray]) -> None:
        """Go on from an iteration with a history that is one of this solver type on this net."""
        solver, params = SOLVERS[self.p.type], self.train.graph.params
        trees: list[Arrays] = []
        for i in range(len(solver.history)):
            part = arrays[i * len(params) : (i + 1) * len(params)]
            trees.append(
                {
                    p.key: jnp.array(array, jnp.float32).reshape(p.spec.shape)
                    for p, array in zip(params, part, strict=True)
                    if p.key in self.carry.blobs
                }
            )
        self.put(
            history=set_history(solver, self.carry.history, trees),
            iteration=jnp.int32(iteration),
        )
        self._iteration = iteration
        self.watch = self.watch._replace(since=iteration)
        self.batches.seek(iteration * self.passes)

    def close(self) -> None:
        """Stop the threads that load batches."""
        for batches in (self.batches, *(t.batches for t in self.tests)):
            batches.close()
