"""What an iteration does, in Caffe's order, and what it tells, in the words log scripts expect."""

import math
import re
from typing import Any

import h5py
import numpy as np
import pytest

from netc.compile import Program
from netc.errors import DataError
from netc.schema import Phase
from netc.train.log import GlogFormatter
from netc.train.loop import Loop
from netc.train.session import Session
from tests.train import tiny

PLAIN = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 4 display: 2 test_iter: 2
test_interval: 2 snapshot: 3 random_seed: 1
"""
TEST = ["test net 0", "Test accuracy", "Test loss"]


@pytest.fixture(autouse=True)
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.write_files(tmp_path, tiny.SMALL))


def solve(solver, asks=()):
    loop = tiny.loop(solver, Asks(asks))
    loop.solve()
    loop.session.close()
    return loop


class Asks:
    """Signals in the order in which they are taken."""

    def __init__(self, asks):
        self._asks = list(asks)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def take(self):
        return self._asks.pop(0) if self._asks else "none"


SHORT = (
    (r"Solving tiny|Learning Rate Policy: .*|Creating .*|Solver scaffolding.*", ""),
    (r"Iteration (\d+) \(\S+ iter/s, \S+s/\d+ iters\), loss = \S+", r"display \1"),
    (r"Iteration (\d+), loss = \S+", r"last loss \1"),
    (r"Iteration (\d+), lr = \S+", r"lr \1"),
    (r"Iteration \d+, Testing net \(#(\d)\)", r"test net \1"),
    (r" +(Train|Test) net output #\d: (\S+) = \S+( \(\* 1 = \S+ loss\))?", r"\1 \2"),
    (r"Snapshotting to binary proto file tiny_iter_(\d+).caffemodel", r"model \1"),
    (r"Snapshotting solver state to binary proto file tiny_iter_(\d+).solverstate", r"state \1"),
)


def short(lines):
    """What the log says happened, one word or two for each line."""
    told = []
    for text in lines:
        for pattern, words in SHORT:
            if match := re.fullmatch(pattern, text):
                text = match.expand(words)
        told.append(text)
    return [t for t in told if t]


def shown(iteration):
    return [f"display {iteration}", "Train loss", f"lr {iteration}"]


def saved(iteration):
    return [f"model {iteration}", f"state {iteration}"]


DONE = "Optimization Done."
ORDERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all": (
        {},
        [*TEST, *shown(0), *TEST, *shown(2), *saved(3), *saved(4), "last loss 4", *TEST, DONE],
    ),
    "no test at first": (
        {"test_initialization": "false", "max_iter": 2, "snapshot": 0},
        [*shown(0), *saved(2), "last loss 2", *TEST, DONE],
    ),
    "nothing due at the end": (
        {"max_iter": 3, "snapshot_after_train": "false", "snapshot": 2},
        [*TEST, *shown(0), *saved(2), *TEST, *shown(2), DONE],
    ),
    "the last snapshot was just taken": (
        {"max_iter": 3, "test_interval": 3, "display": 0},
        [*TEST, *saved(3), *TEST, DONE],
    ),
    "silent": (
        {"display": 0, "test_iter": None, "test_interval": 0, "snapshot_after_train": "false"},
        [*saved(3), DONE],
    ),
}


@pytest.mark.parametrize("fields, expected", ORDERS.values(), ids=list(ORDERS))
def test_order(lines, fields, expected):
    solve(tiny.changed(PLAIN, **fields))
    assert short(lines) == expected


def test_several_test_nets_are_tested_in_turn(lines):
    solve(tiny.changed(PLAIN, test_iter="[1, 2]", max_iter=1, display=0, snapshot=0))
    assert short(lines) == [*TEST, "test net 1", *TEST[1:], *saved(1), DONE]


STOPPED = "Optimization stopped early."
STOPS = {
    "after the first": (
        ["none", "none", "stop"],
        [*TEST, *shown(0), *saved(1), STOPPED],
    ),
    "a snapshot, and on": (
        ["none", "none", "snapshot", "none", "none", "none", "stop"],
        [*TEST, *shown(0), *saved(1), *TEST, *shown(2), *saved(3), STOPPED],
    ),
    "during a test": (
        ["none", "stop"],
        ["test net 0", "Test interrupted.", *saved(0), STOPPED],
    ),
    "a snapshot during a test": (
        ["snapshot", "none", "none", "stop"],
        ["test net 0", *saved(0), *TEST[1:], *shown(0), *saved(1), STOPPED],
    ),
}


@pytest.mark.parametrize("asks, expected", STOPS.values(), ids=list(STOPS))
def test_signals(lines, asks, expected):
    loop = solve(PLAIN, asks)
    assert short(lines) == expected
    assert loop.session.iteration < 4


def test_lines_are_what_parse_log_reads(lines):
    """The patterns, and the way it takes time stamps apart."""
    solve(tiny.changed(PLAIN, base_lr=1e-5, test_interval=4))
    number = r"[-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?"
    texts = "\n".join(lines)
    assert re.findall(r"Iteration (\d+), loss", texts) == ["4"]
    assert re.findall(r"Iteration (\d+) \(", texts) == ["0", "2"]
    assert [m[0] for m in re.finditer(rf"lr = {number}", texts)] == ["lr = 1e-05"] * 2
    for kind, names in (("Train", ["loss"]), ("Test", ["accuracy", "loss"])):
        found = re.findall(rf"{kind} net output #(\d+): (\S+) = ([\.\deE+-]+)", texts)
        assert [(int(i), n) for i, n, _ in found] == list(enumerate(names)) * 2
        assert all(math.isfinite(float(value)) for _, _, value in found)


def test_stamps_are_those_of_glog(logger):
    record = logger.makeRecord("netc", 20, "/x/loop.py", 7, "Iteration %d", (5,), None)
    line = GlogFormatter().format(record)
    assert re.fullmatch(r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ loop\.py:7\] Iteration 5", line)
    day, moment = line.split()[:2]
    assert 1 <= int(day[1:3]) <= 12 and 1 <= int(day[3:]) <= 31
    assert int(moment.split(":")[2].split(".")[1]) < 10**6
    record.levelno, record.levelname = 30, "WARNING"
    assert GlogFormatter().format(record).startswith("W")


POLICIES = {
    'lr_policy: "fixed"': lambda i: 0.1,
    'lr_policy: "step" gamma: 0.5 stepsize: 3': lambda i: 0.1 * 0.5 ** (i // 3),
    'lr_policy: "exp" gamma: 0.9': lambda i: 0.1 * 0.9**i,
    'lr_policy: "inv" gamma: 0.1 power: 0.75': lambda i: 0.1 * (1 + 0.1 * i) ** -0.75,
    'lr_policy: "multistep" gamma: 0.1 stepvalue: 2 stepvalue: 5': lambda i: (
        0.1 * 0.1 ** ((i >= 2) + (i >= 5))
    ),
    'lr_policy: "poly" power: 2': lambda i: 0.1 * (1 - i / 8) ** 2,
    'lr_policy: "sigmoid" gamma: 0.5 stepsize: 4': lambda i: 0.1 / (1 + math.exp(-0.5 * (i - 4))),
}
BARE = 'net: "net.prototxt" base_lr: 0.1 max_iter: 8 display: 1 snapshot_after_train: false '


@pytest.mark.parametrize("policy", POLICIES)
def test_rates_are_told(lines, policy):
    solve(BARE + policy)
    rates = [float(t.split()[-1]) for t in lines if ", lr = " in t]
    assert rates == pytest.approx([POLICIES[policy](i) for i in range(8)], rel=1e-5)


def test_multistep_tells_when_it_steps(lines):
    solve(BARE + 'lr_policy: "multistep" gamma: 0.1 stepvalue: 2 stepvalue: 5')
    told = [i for i, t in enumerate(lines) if t.startswith("MultiStep Status: ")]
    assert [lines[i] for i in told] == [
        "MultiStep Status: Iteration 2, step = 1",
        "MultiStep Status: Iteration 5, step = 2",
    ]
    assert [lines[i + 1] for i in told] == ["Iteration 2, lr = 0.01", "Iteration 5, lr = 0.001"]


FIXED = BARE + 'lr_policy: "fixed" '


def losses(lines, pattern):
    return [float(m[1]) for t in lines if (m := re.search(pattern, t))]


def test_the_loss_is_the_mean_of_the_last_ones(lines):
    solve(FIXED + "average_loss: 3")
    smoothed = losses(lines, r"iters\), loss = (\S+)")
    own = losses(lines, r"Train net output #0: loss = (\S+)")
    assert smoothed == pytest.approx([np.mean(own[max(0, i - 2) : i + 1]) for i in range(8)], 1e-5)
    last = losses(lines, r"Iteration 8, loss = (\S+)")
    assert len(set(own)) == 8 and len(last) == 1


def test_with_iter_size_the_loss_is_the_mean_of_the_passes(lines):
    still = tiny.changed(FIXED, base_lr=0) + " random_seed: 3"
    solve(still)
    passes = losses(lines, r"iters\), loss = (\S+)")
    lines.clear()
    solve(tiny.changed(still, max_iter=4) + " iter_size: 2")
    assert losses(lines, r"iters\), loss = (\S+)") == pytest.approx(
        np.reshape(passes, (4, 2)).mean(1), 1e-5
    )
    assert losses(lines, r"Train net output #0: loss = (\S+)") == passes[1::2]


def test_clipping_is_told_after_the_rate(lines):
    solve(tiny.changed(FIXED, display=4) + "clip_gradients: 0.01")
    told = [t for t in lines if t.startswith("Gradient clipping: ")]
    assert len(told) == 8
    assert lines.index("Iteration 0, lr = 0.1") + 1 == lines.index(told[0])
    pattern = r"Gradient clipping: scaling down gradients \(L2 norm (\S+) > 0.01\) by scale factor "
    for text in told:
        norm, factor = map(float, re.fullmatch(pattern + r"(\S+)", text).groups())
        assert norm > 0.01 and factor == pytest.approx(0.01 / norm, 1e-4)


def test_without_clipping_nothing_is_told(lines):
    solve(FIXED + "clip_gradients: 1000")
    assert not [t for t in lines if "clipping" in t]


def test_loss_weights_and_the_loss_of_a_test(tmp_path, lines):
    text = (tmp_path / "net.prototxt").read_text()
    (tmp_path / "net.prototxt").write_text(
        text.replace('top: "loss"', 'top: "loss" loss_weight: 3')
    )
    solve(tiny.changed(PLAIN, max_iter=1, snapshot=0) + "test_compute_loss: true")
    (test_loss,) = losses(lines, r"^Test loss: (\S+)")
    value, weight, product = re.search(
        r"    Test net output #1: loss = (\S+) \(\* (\S+) = (\S+) loss\)", "\n".join(lines)
    ).groups()
    assert weight == "3" and float(product) == pytest.approx(3 * float(value), 1e-5)
    assert test_loss == pytest.approx(float(product), 1e-5)
    assert lines.index(f"Test loss: {test_loss:g}") == 1 + lines.index(
        "Iteration 0, Testing net (#0)"
    )
    assert re.search(r"Train net output #0: loss = \S+ \(\* 3 = \S+ loss\)", "\n".join(lines))


def test_a_test_is_the_mean_over_its_batches(lines):
    session = tiny.session(tiny.changed(PLAIN, test_iter=3))
    means = session.test(0)
    session.tests[0].batches.seek(0)
    single = tiny.session(tiny.changed(PLAIN, test_iter=1))
    each = [single.test(0) for _ in range(3)]
    assert means.keys() == each[0].keys() == {"accuracy", "loss", ""}
    for name, mean in means.items():
        np.testing.assert_allclose(mean, np.mean([e[name] for e in each], 0), rtol=1e-6)


def test_debug_info_is_told_when_the_iteration_is_displayed(lines):
    solve(tiny.changed(FIXED, display=4, max_iter=5) + "debug_info: true random_seed: 2")
    told = [t for t in lines if t.startswith("    [")]
    assert len(told) % 2 == 0
    first = told[: len(told) // 2]
    value = r"[\d.e+-]+"
    wanted = [
        rf"\[Forward\] Layer data, top blob data data: {value}",
        r"\[Forward\] Layer data, top blob label data: 0.75",
        rf"\[Forward\] Layer ip, top blob ip data: {value}",
        rf"\[Forward\] Layer ip, param blob 0 data: {value}",
        r"\[Forward\] Layer ip, param blob 1 data: 0",
        rf"\[Forward\] Layer loss, top blob loss data: {value}",
        rf"\[Backward\] Layer loss, bottom blob ip diff: {value}",
        rf"\[Backward\] Layer ip, param blob 0 diff: {value}",
        rf"\[Backward\] Layer ip, param blob 1 diff: {value}",
        rf"\[Backward\] All net params \(data, diff\): L1 norm = \({value}, {value}\); "
        rf"L2 norm = \({value}, {value}\)",
    ]
    assert len(first) == len(wanted)
    for text, pattern in zip(first, wanted, strict=True):
        assert re.fullmatch("    " + pattern, text)


def test_every_program_is_traced_once(monkeypatch):
    traced = []
    apply = Program.apply

    def counted(self, *arguments, **options):
        traced.append(Phase.Name(self.graph.phase))
        return apply(self, *arguments, **options)

    monkeypatch.setattr(Program, "apply", counted)
    loop = solve(tiny.changed(PLAIN, max_iter=9, test_interval=3, display=3) + " average_loss: 4")
    last_loss = 1
    assert traced.count("TRAIN") == 1 + last_loss
    assert traced.count("TEST") == 1
    assert loop.session.iteration == 9


class Reading:
    """A value of a report that notes when it is read."""

    def __init__(self, name, value, read):
        self._name, self._value, self._read = name, value, read

    def is_ready(self):
        return False

    def _get(self, dtype=None, copy=None):
        self._read.append(self._name)
        return np.asarray(self._value)

    __array__ = _get

    def __float__(self):
        return float(self._get())

    def __int__(self):
        return int(self._get())


def test_reports_are_read_only_when_they_are_due(monkeypatch):
    read, step = [], Session.step

    def noted(self):
        metrics = step(self)
        named = {k: Reading(k, getattr(metrics, k), read) for k in metrics._fields}
        outputs = {k: Reading("outputs", v, read) for k, v in metrics.outputs.items()}
        return metrics._replace(**{**named, "outputs": outputs})

    monkeypatch.setattr(Session, "step", noted)
    solve(tiny.changed(PLAIN, max_iter=40, display=10, test_iter=None, test_interval=0, snapshot=0))
    counts = {name: read.count(name) for name in ("loss", "smoothed", "outputs", "rate", "norm")}
    assert counts == {"loss": 0, "smoothed": 4, "outputs": 4, "rate": 4, "norm": 0}
    assert read.count("bad") <= 40


def test_the_loop_runs_ahead_of_its_reports(monkeypatch):
    told, stepped, step, tell = [], [], Session.step, Loop.tell

    def slow(self):
        stepped.append(self.iteration)
        metrics = step(self)
        return metrics._replace(loss=Reading("loss", metrics.loss, []))

    def noted(self, due):
        told.append((due.iteration, len(stepped)))
        tell(self, due)

    monkeypatch.setattr(Session, "step", slow)
    monkeypatch.setattr(Loop, "tell", noted)
    solve(tiny.changed(PLAIN, max_iter=6, test_iter=None, test_interval=0, snapshot=0))
    assert told == [(0, 3), (1, 4), (2, 5), (3, 6), (4, 6), (5, 6)]


def test_what_was_done_is_told_when_the_data_fail(tmp_path, lines, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["label"][9] = 5
    step = Session.step

    def slow(self):
        metrics = step(self)
        return metrics._replace(loss=Reading("loss", metrics.loss, []))

    monkeypatch.setattr(Session, "step", slow)
    with pytest.raises(DataError, match=r"label 5 is outside the 3 classes"):
        solve(FIXED)
    assert short(lines) == [*shown(0), *shown(1)]


def test_test_iter_may_be_zero(lines):
    solve(tiny.changed(PLAIN, test_iter=0, max_iter=1, display=0, snapshot=0))
    assert short(lines) == ["test net 0", *saved(1), DONE]
