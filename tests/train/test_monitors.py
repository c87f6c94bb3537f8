"""What monitors make of a series of values, which of them are refused, and what they find."""

import math

import pytest

from netc.compile import Program
from netc.errors import Errors, SolverError
from netc.load import parse_solver
from netc.schema import Phase
from netc.train.lr_find import rising
from netc.train.monitors import USES, Track, Watch
from netc.train.nets import check_solver
from tests.train import tiny

WATCHED = tiny.changed(tiny.SOLVER, max_iter=60) + " "


def solver(text):
    return parse_solver(tiny.SOLVER + text, "solver.prototxt")


def tracks(use, fields, values, start=None):
    """The tracks after each value, seen after iterations 0, 1, 2 ..."""
    p = getattr(solver(f"{use} {{ {fields} }}").message, use)
    found, track = [], start or Track()
    for iteration, value in enumerate(values):
        track = USES[use].rule(p, track, value, iteration)
        found.append(track)
    return found


# The rule, the values, and the scale after each.
SCALES = {
    "falls on": ("patience: 2 factor: 0.5", [5, 4, 3, 2], [1, 1, 1, 1]),
    "stalls": ("patience: 2 factor: 0.5", [5, 5, 5, 5, 5], [1, 1, 0.5, 0.5, 0.25]),
    "is better in time": ("patience: 2 factor: 0.5", [5, 6, 4, 5, 3, 4], [1] * 6),
    "is better by too little": (
        "patience: 2 factor: 0.5 threshold: 1",
        [5, 4.5, 4, 3.9],
        [1, 1, 0.5, 0.5],
    ),
    "cools down": (
        "patience: 1 factor: 0.5 cooldown: 2",
        [5, 5, 5, 5, 5, 5],
        [1, 0.5, 0.5, 0.5, 0.25, 0.25],
    ),
    "is better while it cools down": (
        "patience: 1 factor: 0.5 cooldown: 1",
        [5, 5, 3, 4],
        [1, 0.5, 0.5, 0.25],
    ),
    "is no number": ("patience: 1 factor: 0.5", [math.nan, 5, math.nan], [0.5, 0.5, 0.25]),
}


@pytest.mark.parametrize("fields, values, scales", SCALES.values(), ids=list(SCALES))
def test_the_rate_is_lowered_when_an_output(fields, values, scales):
    assert [t.scale for t in tracks("plateau", fields, values)] == scales


# The gaps between test and training, and the part of weight_decay after each.
PARTS = {
    "begins to overfit": (
        "patience: 2 factor: 0.5",
        [0, 1, 1, 1, 1, 1, 1],
        [0, 0, 0.5, 0.5, 1, 1, 1],
    ),
    "does not overfit": ("patience: 1 factor: 0.5 threshold: 2", [1, 2, 0, -3], [0] * 4),
    "overfits less": ("patience: 1 factor: 0.5", [1, 1, -1, -1, -1], [0.5, 1, 0.5, 0, 0]),
    "overfits now and then": ("patience: 2 factor: 0.5", [1, -1, 1, -1], [0] * 4),
    "cools down": ("patience: 1 factor: 0.5 cooldown: 1", [1, 1, 1, 1], [0.5, 0.5, 1, 1]),
    "keeps a minimum": (
        "patience: 1 factor: 0.5 minimum: 0.25",
        [1, 1, -1, -1],
        [0.75, 1, 0.5, 0.25],
    ),
}


@pytest.mark.parametrize("fields, gaps, parts", PARTS.values(), ids=list(PARTS))
def test_the_decay_follows_the_gap_of_a_net_that(fields, gaps, parts):
    start = Track(scale=0.25 if "minimum" in fields else 0.0)
    assert [t.scale for t in tracks("decay_plateau", fields, gaps, start)] == parts


def test_the_best_is_kept_with_its_iteration():
    found = tracks("keep_best", "threshold: 1", [5, 6, 4.5, 3, 3])
    assert [(t.best, t.at) for t in found] == [(5, 0), (5, 0), (5, 0), (3, 3), (3, 3)]


def test_a_run_is_stopped_after_patience_tests():
    p = solver("early_stop { patience: 2 }").message
    found = tracks("early_stop", "patience: 2", [5, 6, 5, 4])
    assert [Watch({"early_stop": t}).stopped(p) for t in found] == [False, False, True, False]


WRONG = {
    "plateau { }": "plateau needs monitor, the name of an output",
    'plateau { monitor: "loss" patience: 0 }': "patience of plateau must be at least 1, got 0",
    'plateau { monitor: "loss" factor: 1 }': "factor of plateau must lie between 0 and 1, got 1",
    'plateau { monitor: "loss" factor: nan }': "must lie between 0 and 1, got nan",
    'plateau { monitor: "loss" cooldown: -1 }': "cooldown of plateau must be at least 0, got -1",
    'plateau { monitor: "loss" minimum: -1 }': "minimum of plateau must be at least 0, got -1",
    'plateau { monitor: "loss" threshold: -1 }': "threshold of plateau must be at least 0, got -1",
    'plateau { monitor: "loss" test_net: -1 }': "test_net of plateau must be at least 0, got -1",
    'early_stop { monitor: "loss" factor: 0.5 }': "early_stop has no use for factor",
    'keep_best { monitor: "loss" patience: 3 }': "keep_best has no use for patience",
    'decay_plateau { monitor: "loss" phase: TRAIN }': "decay_plateau has no use for phase",
    'decay_plateau { monitor: "loss" minimum: 2 }': "decay_plateau must be at most 1, got 2",
    "keep_last: -1": "keep_last must be at least 0, got -1",
    "ema_decay: 1": r"ema_decay must be in \[0, 1\), got 1",
    "test_iter: -2": "test_iter must be at least 0, or auto, got -2",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told_before_the_nets_are_read(text):
    with pytest.raises(SolverError, match=WRONG[text]) as caught:
        check_solver(solver(f"\n{text}"))
    assert caught.value.where.line == 1 + (tiny.SOLVER + "\n").count("\n")


def test_monitors_need_tests_and_the_decay_a_decay():
    text = tiny.changed(tiny.SOLVER, test_interval=0, weight_decay=0)
    with pytest.raises(Errors) as caught:
        check_solver(parse_solver(text + 'decay_plateau { monitor: "loss" } plateau { }'))
    assert [e.message for e in caught.value.errors] == [
        "plateau needs monitor, the name of an output",
        "plateau needs test_interval: monitors are shown what tests give",
        "decay_plateau needs test_interval: monitors are shown what tests give",
        "decay_plateau needs weight_decay, of which it takes a part",
    ]


UNKNOWN = {
    'plateau { monitor: "accurac" }': (
        "'accurac' is no output of the test net #0, whose outputs are 'accuracy', 'loss'",
        "did you mean 'accuracy'?",
    ),
    'plateau { phase: TRAIN monitor: "accuracy" }': (
        "'accuracy' is no output of the training net, whose outputs are 'loss'",
        None,
    ),
    'decay_plateau { monitor: "accuracy" }': (
        "'accuracy' is no output of the training net, whose outputs are 'loss'",
        None,
    ),
    'early_stop { monitor: "loss" test_net: 1 }': (
        "early_stop watches test net #1, which is not tested: 1 test nets",
        "phase: TRAIN watches an output of the training net",
    ),
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_monitor_without_its_output_is_refused(folder, text):
    message, hint = UNKNOWN[text]
    with pytest.raises(SolverError) as caught:
        tiny.session(WATCHED + text)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.where.line == WATCHED.count("\n") + 1


def test_a_test_net_that_is_not_tested_has_nothing_to_monitor(folder):
    with pytest.raises(SolverError, match="which is not tested: its test_iter is 0"):
        tiny.session(tiny.changed(WATCHED, test_iter=0) + 'plateau { monitor: "loss" }')


def test_several_missing_outputs_are_told_together(folder):
    with pytest.raises(Errors) as caught:
        tiny.session(WATCHED + 'plateau { monitor: "a" } keep_best { monitor: "b" }')
    assert len(caught.value.errors) == 2


@pytest.mark.parametrize(
    ("fields", "sign"),
    [
        ('monitor: "accuracy"', -1),
        ('monitor: "loss"', 1),
        ('monitor: "accuracy" mode: MIN', 1),
        ('monitor: "loss" mode: MAX', -1),
        ('monitor: "loss" phase: TRAIN', 1),
    ],
)
def test_more_is_better_for_an_accuracy(folder, fields, sign):
    session = tiny.session(f"{WATCHED} plateau {{ {fields} }}")
    assert [m.sign for m in session.monitors] == [sign]
    session.close()


def test_an_output_of_the_training_net_is_its_mean_since_the_last_test(folder):
    session = tiny.session(
        tiny.changed(WATCHED, base_lr=0) + 'keep_best { monitor: "loss" phase: TRAIN }'
    )
    assert session.observe([{}]) == {}
    losses = [float(session.step().loss) for _ in range(6)]
    session.observe([{}])
    assert session.watch.tracks["keep_best"].best == pytest.approx(sum(losses) / 6, rel=1e-6)
    losses = [float(session.step().loss) for _ in range(2)]
    text = session.observe([{}]).get("keep_best")
    assert text is None or f"{sum(losses) / 2:.5g}" in text
    session.close()


def test_a_run_without_test_nets_has_a_plateau_too(folder, lines):
    text = tiny.changed(WATCHED, test_iter=None, test_interval=10, lr_policy='"plateau"')
    plateau = 'plateau { monitor: "loss" phase: TRAIN patience: 1 threshold: 9 factor: 0.5 }'
    loop = tiny.loop(text + plateau)
    loop.solve()
    loop.session.close()
    rates = [float(t.split()[-1]) for t in lines if ", lr = " in t]
    assert rates == pytest.approx([0.05, 0.05, 0.025, 0.0125, 0.00625, 0.003125])
    assert not any("Testing net" in t for t in lines)


def test_scales_reach_the_step_without_another_trace(folder, lines, monkeypatch):
    traced, apply = [], Program.apply

    def counted(self, *arguments, **options):
        traced.append(self.graph.phase)
        return apply(self, *arguments, **options)

    monkeypatch.setattr(Program, "apply", counted)
    fields = 'monitor: "loss" mode: MAX patience: 1'
    loop = tiny.loop(
        tiny.changed(WATCHED, lr_policy='"plateau"', test_interval=2, max_iter=9, display=2)
        + f"plateau {{ {fields} factor: 0.5 minimum: 0.02 }}"
        + 'decay_plateau { monitor: "loss" patience: 1 mode: MAX }'
    )
    loop.solve()
    loop.session.close()
    rates = [float(t.split()[-1]) for t in lines if ", lr = " in t]
    assert rates[0] == 0.05 and min(rates) == pytest.approx(0.02)
    assert any("plateau: loss has not been better than " in t for t in lines)
    assert traced.count(Phase.TRAIN) == loop.session.p.iter_size


def test_probes_leave_monitors_and_epochs_out():
    text = tiny.changed(WATCHED, max_iter=None) + "max_epoch: 3 warmup_epoch: 1 "
    watched = " ".join(f'{use} {{ monitor: "loss" }}' for use in USES)
    rising_only = rising(parse_solver(text + watched), 0.1, 1, 10)
    check_solver(rising_only)
    assert not any(rising_only.message.HasField(use) for use in USES)
    assert rising_only.message.max_iter == 10
