"""Every solver type against a transcription of Caffe's equations, in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import pytest
from google.protobuf import text_format
from netc.solvers import SOLVERS, get_history, global_norm, mean, set_history, transformation

from netc.schema import SolverParameter

from . import reference as ref
from .cases import SOLVER_CASES

OPTIONS = [
    "",
    "weight_decay: 0.1",
    "weight_decay: 0.1 regularization_type: 'L1'",
    "clip_gradients: 0.5",
    "clip_gradients: 100",
    "clip_gradients: 0",
    "iter_size: 3",
    "weight_decay: 0.05 regularization_type: 'L2' clip_gradients: 4 iter_size: 3",
    "weight_decay: 0.05 regularization_type: 'L1' clip_gradients: 4 iter_size: 2",
]
SHAPES = {"conv/0": (3, 2, 2), "conv/1": (3,), "scale/0": (), "ip/0": (2, 5)}
LR_MULT = {"conv/0": 1.0, "conv/1": 2.0, "scale/0": 0.1, "ip/0": 1.0}
DECAY_MULT = {"conv/0": 1.0, "conv/1": 0.0, "scale/0": 3.0, "ip/0": 0.5}
EVERYTHING = OPTIONS[-2:]
EMA_DECAY = 0.9


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


class Run(NamedTuple):
    """A solver on a few blobs."""

    p: Any
    solver: Any
    tx: Any
    update: Any
    start: dict[str, np.ndarray]

    def gradient(self, w, iteration):
        """Sums over iter_size passes that depend on the weights and the iteration."""
        rng = np.random.default_rng(iteration)
        return {k: rng.normal(size=s) + 0.1 * np.asarray(w[k]) for k, s in SHAPES.items()}

    def rate(self, iteration):
        return 0.1 if iteration < 20 else 0.01

    def decay(self, iteration):
        """The part of weight_decay that counts, as decay_plateau changes it."""
        return (0.0, 0.5, 1.0)[iteration // 10 % 3]

    def step(self, w, state, iteration):
        gradient, rate = self.gradient(w, iteration), self.rate(iteration)
        return self.update(w, state, gradient, rate, iteration, self.decay(iteration))


def solver(case, options=""):
    p = text_format.Parse(f"type: '{case.type}' {case.fields} {options}", SolverParameter())
    tx = transformation(SOLVERS[case.type], p, LR_MULT, DECAY_MULT)

    @jax.jit
    def update(w, state, g, rate, iteration, decay):
        updates, state = tx.update(g, state, w, rate=rate, iteration=iteration, decay=decay)
        return optax.apply_updates(w, updates), state

    rng = np.random.default_rng(0)
    start = {k: rng.normal(size=s) for k, s in SHAPES.items()}
    start["conv/1"][1] = 0  # L1 does not move a weight of 0
    return Run(p, SOLVERS[case.type], tx, update, start)


def by_case(test):
    return pytest.mark.parametrize("case", SOLVER_CASES, ids=lambda c: f"{c.type} {c.fields}")(test)


def test_every_solver_type_has_a_row():
    assert SOLVERS.keys() == {c.type for c in SOLVER_CASES}


RUNS = [(case, o) for case in SOLVER_CASES for o in (OPTIONS if case.type == "SGD" else EVERYTHING)]


@pytest.mark.parametrize(
    ("case", "options"), RUNS, ids=[f"{case.type} {case.fields} {o}" for case, o in RUNS]
)
def test_fifty_iterations(case, options):
    run = solver(case, options)
    w, state = run.start, run.tx.init(run.start)
    want = run.start
    history = {k: [np.zeros_like(v)] * case.history for k, v in want.items()}
    want_average, average = want, w
    for iteration in range(50):
        want, history = ref.update(
            case.rule,
            run.p,
            want,
            run.gradient(want, iteration),
            history,
            lr_mult=LR_MULT,
            decay_mult=DECAY_MULT,
            rate=run.rate(iteration),
            iteration=iteration,
            decoupled=case.decoupled,
            part=run.decay(iteration),
        )
        w, state = run.step(w, state, iteration)
        want_average = ref.average(EMA_DECAY, want_average, want)
        average = {k: mean(EMA_DECAY, v, w[k]) for k, v in average.items()}
    for k in want:
        np.testing.assert_allclose(average[k], want_average[k], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(w[k], want[k], rtol=1e-12, atol=1e-12)
    found = get_history(run.solver, state)
    assert len(found) == case.history
    for i, tree in enumerate(found):
        for k in want:
            np.testing.assert_allclose(tree[k], history[k][i], rtol=1e-12, atol=1e-12)


def test_clipping_clips():
    """The options above clip some iterations and leave others, or they would prove little."""
    run = solver(SOLVER_CASES[0], EVERYTHING[0])
    norms = [float(global_norm(run.gradient(run.start, i))) for i in range(50)]
    assert min(norms) < run.p.clip_gradients < max(norms)


@by_case
def test_history_is_the_whole_state(case):
    """A state rebuilt from a file's history goes on bit for bit."""
    run = solver(case, EVERYTHING[0])
    w, state = run.start, run.tx.init(run.start)
    for iteration in range(10):
        w, state = run.step(w, state, iteration)
    stored = jax.tree.map(np.array, get_history(run.solver, state))
    rebuilt = set_history(run.solver, run.tx.init(w), stored)
    assert jax.tree.structure(rebuilt) == jax.tree.structure(state)
    assert all(map(np.array_equal, jax.tree.leaves(rebuilt), jax.tree.leaves(state)))
    for iteration in range(10, 20):
        again, rebuilt = run.step(w, rebuilt, iteration)
        w, state = run.step(w, state, iteration)
        assert all(np.array_equal(again[k], w[k]) for k in w)


@by_case
def test_dtype_is_kept(case):
    run = solver(case, EVERYTHING[0])
    for dtype in (np.float32, np.float64):
        w = {k: v.astype(dtype) for k, v in run.start.items()}
        g = {k: v.astype(dtype) for k, v in run.gradient(w, 0).items()}
        w, state = run.update(w, run.tx.init(w), g, np.float32(0.1), np.int32(0), np.float32(1))
        kept = [*jax.tree.leaves(w), *jax.tree.leaves(get_history(run.solver, state))]
        assert {leaf.dtype for leaf in kept} == {np.dtype(dtype)}


def test_global_norm():
    assert float(global_norm({"a": np.array([3.0, 0.0]), "b": np.array(4.0)})) == 5
    assert float(global_norm({})) == 0


@pytest.mark.parametrize("zero", ["weight", "gradient"])
def test_lars_with_a_norm_of_zero_is_momentum(zero):
    case = next(c for c in SOLVER_CASES if c.type == "LARS")
    run = solver(case)
    w = {k: v * (zero != "weight") for k, v in run.start.items()}
    g = {k: np.ones_like(v) * (zero != "gradient") for k, v in w.items()}
    moved, _ = run.update(w, run.tx.init(w), g, 0.1, 0, 1.0)
    for k in w:
        np.testing.assert_allclose(moved[k], w[k] - 0.1 * LR_MULT[k] * g[k], rtol=1e-12)


@pytest.mark.parametrize(
    ("fields", "sentences"),
    [
        ("type: 'SGD' momentum: 1.5", []),
        ("type: 'AdaGrad' momentum: 0.5", ["Momentum cannot be used with AdaGrad, got 0.5"]),
        (
            "type: 'RMSProp' momentum: -1 rms_decay: 1",
            [
                "Momentum cannot be used with RMSProp, got -1",
                "rms_decay should lie between 0 and 1, got 1",
            ],
        ),
        ("type: 'RMSProp' rms_decay: -0.1", ["rms_decay should lie between 0 and 1, got -0.1"]),
        ("type: 'RMSProp' rms_decay: 0", []),
        ("type: 'AdaDelta' momentum: 1", ["momentum of AdaDelta must be in [0, 1), got 1"]),
        (
            "type: 'Adam' momentum: -0.5 momentum2: 1",
            [
                "momentum of Adam must be in [0, 1), got -0.5",
                "momentum2 of Adam must be in [0, 1), got 1",
            ],
        ),
        ("type: 'AdamW' momentum2: 2", ["momentum2 of AdamW must be in [0, 1), got 2"]),
        ("type: 'Lion' momentum: 1", ["momentum of Lion must be in [0, 1), got 1"]),
    ],
)
def test_checks(fields, sentences):
    p = text_format.Parse(fields, SolverParameter())
    found = list(SOLVERS[p.type].check(p))
    assert [sentence for sentence, _ in found] == sentences
    assert all(field in sentence.lower() for sentence, field in found)
