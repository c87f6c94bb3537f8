"""The learning-rate policies and the warm-up against plain Python."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest
from google.protobuf import text_format
from netc.solvers import POLICIES, schedule
from netc.solvers.schedules import milestones, problems

from netc.schema import SolverParameter

ITERATIONS = (0, 1, 2, 4, 5, 6, 9, 10, 11, 29, 30, 31, 99, 100, 101, 999, 12345)


def message(text):
    return text_format.Parse(f"base_lr: 0.5 {text}", SolverParameter())


def caffe_multistep(steps, it):
    """How many entries are passed after the iterations 0 to it, at most one in each."""
    current = 0
    for i in range(it + 1):
        if current < len(steps) and i >= steps[current]:
            current += 1
    return current


def fall(t):
    return (1 + math.cos(math.pi * min(t, 1))) / 2


def restarted(it, period, mult):
    """How much of the period that holds an iteration is done."""
    begin, length = 0, period
    while it >= begin + round(length):
        begin, length = begin + round(length), length * mult
    return (it - begin) / round(length)


# Numbers that float32 holds exactly.
# fmt: off
CASES = [
    ("lr_policy: 'fixed'", lambda it: 1),
    ("lr_policy: 'step' gamma: 0.5 stepsize: 5", lambda it: 0.5 ** (it // 5)),
    ("lr_policy: 'step' gamma: 0 stepsize: 100", lambda it: 0.0 ** (it // 100)),
    ("lr_policy: 'exp' gamma: 0.9990234375", lambda it: 0.9990234375**it),
    ("lr_policy: 'exp' gamma: 0.5 stepsize: 128 stepsize_epoch: 3",
        lambda it: 0.5 ** (it / 128)),
    ("lr_policy: 'plateau' plateau { monitor: 'loss' }", lambda it: 1),
    ("lr_policy: 'inv' gamma: 0.015625 power: 0.75",
        lambda it: (1 + 0.015625 * it) ** -0.75),
    ("lr_policy: 'multistep' gamma: 0.5 stepvalue: 5 stepvalue: 10 stepvalue: 100",
        lambda it: 0.5 ** sum(it >= s for s in (5, 10, 100))),
    ("lr_policy: 'multistep' gamma: 0.5 stepvalue: 0 stepvalue: 30",
        lambda it: 0.5 ** sum(it >= s for s in (0, 30))),
    ("lr_policy: 'multistep' gamma: 0.5 stepvalue: 5 stepvalue: 5 stepvalue: 5 stepvalue: 30",
        lambda it: 0.5 ** caffe_multistep((5, 5, 5, 30), it)),
    ("lr_policy: 'poly' power: 0.5 max_iter: 16384", lambda it: (1 - it / 16384) ** 0.5),
    ("lr_policy: 'poly' power: 2 max_iter: 128", lambda it: (1 - it / 128) ** 2),
    ("lr_policy: 'sigmoid' gamma: 0.0625 stepsize: 100",
        lambda it: 1 / (1 + math.exp(-0.0625 * (it - 100)))),
    ("lr_policy: 'sigmoid' gamma: 50 stepsize: 10",
        lambda it: 1 / (1 + math.exp(min(-50.0 * (it - 10), 700)))),
    ("lr_policy: 'poly' power: 2 max_iter: 100 min_lr: 0.0625",
        lambda it: 0.125 + 0.875 * (1 - it / 100) ** 2),
    ("lr_policy: 'exp' gamma: 0.9990234375 min_lr: 0.125",
        lambda it: max(0.9990234375**it, 0.25)),
    ("lr_policy: 'linear' max_iter: 100", lambda it: 1 - min(it / 100, 1)),
    ("lr_policy: 'linear' max_iter: 100 min_lr: 0.25", lambda it: 1 - 0.5 * min(it / 100, 1)),
    ("lr_policy: 'cosine' max_iter: 100", lambda it: fall(it / 100)),
    ("lr_policy: 'cosine' max_iter: 1000 min_lr: 0.0625",
        lambda it: 0.125 + 0.875 * fall(it / 1000)),
    ("lr_policy: 'cosine_restarts' restart_period: 10", lambda it: fall(it % 10 / 10)),
    ("lr_policy: 'cosine_restarts' restart_period: 5 restart_mult: 2 min_lr: 0.0625",
        lambda it: 0.125 + 0.875 * fall(restarted(it, 5, 2))),
    ("lr_policy: 'cosine_restarts' restart_period: 3 restart_mult: 1.5",
        lambda it: fall(restarted(it, 3, 1.5))),
    ("lr_policy: 'one_cycle' max_lr: 4 max_iter: 96 min_lr: 0.0625 peak_at: 0.375",
        lambda it: 8 - 7 * fall(it / 36) if it < 36 else 0.125 + 7.875 * fall((it - 36) / 60)),
    ("lr_policy: 'one_cycle' max_lr: 1 max_iter: 100 peak_at: 0.5",
        lambda it: 2 - fall(it / 50) if it < 50 else 2 * fall((it - 50) / 50)),
]
# fmt: on


@pytest.mark.parametrize(("text", "factor"), CASES, ids=[text for text, _ in CASES])
def test_rate(text, factor):
    p = message(text)
    assert list(problems(p)) == []
    rate = jax.jit(schedule(p))
    for it in ITERATIONS:
        got = rate(np.int32(it))
        assert got.dtype == np.float32 and got.shape == ()
        assert float(got) == pytest.approx(0.5 * factor(it), rel=3e-6, abs=1e-30)


def test_every_policy_has_a_case():
    assert POLICIES.keys() == {message(text).lr_policy for text, _ in CASES}


def test_poly_ends_at_zero_and_has_no_fractional_power_beyond():
    rate = schedule(message("lr_policy: 'poly' power: 0.5 max_iter: 10"))
    assert float(rate(10)) == 0
    assert math.isnan(float(rate(11)))


@pytest.mark.parametrize(("text", "factor"), CASES, ids=[text for text, _ in CASES])
def test_many_iterations_at_once(text, factor):
    rate = schedule(message(text))
    many = rate(np.array(ITERATIONS))
    assert [float(r) for r in many] == [
        pytest.approx(float(rate(it)), rel=3e-6) for it in ITERATIONS
    ]


WARM_UP = "warmup_iter: 20 warmup_start_lr: 0.125"


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("lr_policy: 'fixed'", lambda it: 1),
        ("lr_policy: 'step' gamma: 0.5 stepsize: 30", lambda it: 0.5 ** (it // 30)),
        ("lr_policy: 'step' gamma: 0.5 stepsize: 20", lambda it: 0.5 ** (it // 20)),
        ("lr_policy: 'inv' gamma: 0.0625 power: 1", lambda it: 1 / (1 + 0.0625 * it)),
        ("lr_policy: 'cosine' max_iter: 100", lambda it: fall((it - 20) / 80)),
        ("lr_policy: 'linear' max_iter: 100", lambda it: 1 - min((it - 20) / 80, 1)),
        (
            "lr_policy: 'cosine_restarts' restart_period: 8 restart_mult: 2",
            lambda it: fall(restarted(it - 20, 8, 2)),
        ),
        ("lr_policy: 'cosine_restarts' restart_period: 8", lambda it: fall((it - 20) % 8 / 8)),
    ],
)
def test_warm_up_is_a_line_to_where_the_policy_then_is(text, factor):
    rate = jax.jit(schedule(message(f"{text} {WARM_UP}")))
    top = 0.5 * factor(20)
    for it in ITERATIONS:
        want = 0.125 + (top - 0.125) * it / 20 if it < 20 else 0.5 * factor(it)
        assert float(rate(it)) == pytest.approx(want, rel=3e-6, abs=1e-30)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [("Unknown learning rate policy: (none)", "lr_policy")]),
        ("lr_policy: 'Step'", [("Unknown learning rate policy: Step", "lr_policy")]),
        ("lr_policy: 'step'", [("lr_policy step needs stepsize and gamma", "lr_policy")]),
        ("lr_policy: 'exp'", [("lr_policy exp needs gamma", "lr_policy")]),
        ("lr_policy: 'inv'", [("lr_policy inv needs gamma and power", "lr_policy")]),
        ("lr_policy: 'poly'", [("lr_policy poly needs power", "lr_policy")]),
        ("lr_policy: 'plateau'", [("lr_policy plateau needs plateau", "lr_policy")]),
        (
            "lr_policy: 'multistep' gamma: 1 stepvalue_epoch: 2.5 stepvalue_epoch: 1",
            [("stepvalue_epoch must not fall, got 1 after 2.5", "stepvalue_epoch", 1)],
        ),
        (
            "lr_policy: 'multistep'",
            [("lr_policy multistep needs stepvalue and gamma", "lr_policy")],
        ),
        (
            "lr_policy: 'sigmoid' stepsize: -3",
            [
                ("lr_policy sigmoid needs gamma", "lr_policy"),
                ("stepsize must be greater than 0 for lr_policy sigmoid, got -3", "stepsize"),
            ],
        ),
        (
            "lr_policy: 'step' stepsize: 0 gamma: -1",
            [
                ("stepsize must be greater than 0 for lr_policy step, got 0", "stepsize"),
                ("gamma must be at least 0, got -1", "gamma"),
            ],
        ),
        (
            "lr_policy: 'multistep' gamma: 1 stepvalue: 30 stepvalue: 10 stepvalue: 31",
            [("stepvalue must not fall, got 10 after 30", "stepvalue", 1)],
        ),
        (
            "lr_policy: 'cosine_restarts' restart_mult: 0.5",
            [
                ("lr_policy cosine_restarts needs restart_period", "lr_policy"),
                ("restart_mult must be at least 1, got 0.5", "restart_mult"),
            ],
        ),
        (
            "lr_policy: 'cosine_restarts' restart_period: 0",
            [
                (
                    "restart_period must be greater than 0 for lr_policy cosine_restarts, got 0",
                    "restart_period",
                )
            ],
        ),
        (
            "lr_policy: 'one_cycle' peak_at: 1",
            [
                ("lr_policy one_cycle needs max_lr", "lr_policy"),
                ("peak_at must lie between 0 and 1, got 1", "peak_at"),
            ],
        ),
        (
            "lr_policy: 'fixed' min_lr: -1 max_lr: -2 warmup_start_lr: -3 warmup_iter: -4",
            [
                ("min_lr must not be negative, got -1", "min_lr"),
                ("max_lr must not be negative, got -2", "max_lr"),
                ("warmup_start_lr must not be negative, got -3", "warmup_start_lr"),
                ("warmup_iter must not be negative, got -4", "warmup_iter"),
            ],
        ),
    ],
)
def test_refused(text, found):
    assert list(problems(message(text))) == found


@pytest.mark.parametrize(
    ("text", "factor", "rate"),
    [
        ("lr_policy: 'fixed'", 1, 0.5),
        ("lr_policy: 'fixed'", 0.25, 0.125),
        ("lr_policy: 'fixed' plateau { minimum: 0.25 }", 0.125, 0.25),
        ("lr_policy: 'fixed' plateau { minimum: 2 }", 0.125, 0.5),
        ("lr_policy: 'linear' max_iter: 20 plateau { minimum: 0.125 }", 0.25, 0.125),
        ("lr_policy: 'fixed' warmup_iter: 20 plateau { minimum: 0.125 }", 1, 0.25),
    ],
)
def test_plateau_lowers_the_rate_to_its_minimum_at_most(text, factor, rate):
    assert float(schedule(message(text))(10, np.float32(factor))) == rate


def test_what_counts_in_epochs_is_given():
    fields = "lr_policy: 'multistep' gamma: 1 stepvalue_epoch: [1, 2]"
    assert list(problems(message(fields))) == []
    assert list(problems(message("lr_policy: 'step' gamma: 1 stepsize_epoch: 2"))) == []


def test_a_negative_base_lr_is_refused():
    p = SolverParameter(base_lr=-0.1, lr_policy="fixed")
    assert list(problems(p)) == [("base_lr must not be negative, got -0.1", "base_lr")]


def test_fixed_and_poly_do_not_read_gamma():
    for policy in ("fixed", "poly"):
        p = message(f"lr_policy: '{policy}' gamma: -1 power: 1 max_iter: 5")
        assert list(problems(p)) == []


@pytest.mark.parametrize(
    ("text", "iterations"),
    [
        ("lr_policy: 'fixed'", [0, 25, 50, 75, 99]),
        ("lr_policy: 'cosine' warmup_iter: 10", [0, 10, 25, 50, 75, 99]),
        ("lr_policy: 'step' gamma: 1 stepsize: 40", [0, 40, 80, 99]),
        ("lr_policy: 'multistep' gamma: 1 stepvalue: 5 stepvalue: 5 stepvalue: 200", [0, 5, 6, 99]),
        ("lr_policy: 'sigmoid' gamma: 1 stepsize: 60", [0, 60, 99]),
        (
            "lr_policy: 'cosine_restarts' restart_period: 20 restart_mult: 2 warmup_iter: 10",
            [0, 10, 30, 70, 99],
        ),
        ("lr_policy: 'one_cycle' max_lr: 1 warmup_iter: 10", [0, 10, 37, 99]),
    ],
)
def test_milestones(text, iterations):
    assert milestones(message(f"{text} max_iter: 100")) == iterations
