"""Which nets a solver names, in which states, and what it may get wrong."""

import pytest

from netc.errors import Errors, ParseError, SolverError
from netc.load import parse_solver
from netc.schema import Phase
from netc.train.nets import check_solver, resolve

A = 'name: "a" layer { name: "x" type: "ReLU" bottom: "x" top: "x" }'
INLINE = 'net_param { name: "inline" }'


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.prototxt").write_text(A.replace('"a"', f'"{name}"'))
    (tmp_path / "state.prototxt").write_text('name: "s" state { level: 1 stage: "own" }')


def solver(text):
    return parse_solver(text, "solver.prototxt")


def found(text):
    """The names of the training net and of the test nets, and where they came from."""
    nets = resolve(solver(text))
    assert nets.train.state.phase == Phase.TRAIN
    assert all(t.state.phase == Phase.TEST for t in nets.tests)
    every = (nets.train, *nets.tests)
    return [n.net.message.name for n in every], [n.origin for n in every]


T1 = "test_interval: 5 test_iter: 1 "
B = 'test_net: "b.prototxt" '
SOURCES = {
    'net: "a.prototxt"': (["a"], ["from net file: a.prototxt"]),
    'train_net: "a.prototxt"': (["a"], ["from train_net file: a.prototxt"]),
    INLINE: (["inline"], ["specified in net_param"]),
    'train_net_param { name: "t" }': (["t"], ["specified in train_net_param"]),
    'net: "a.prototxt" ' + T1: (["a", "a"], ["from net file: a.prototxt"] * 2),
    INLINE + T1: (["inline", "inline"], ["specified in net_param"] * 2),
    'train_net: "a.prototxt" ' + B + T1: (
        ["a", "b"],
        ["from train_net file: a.prototxt", "specified by test_net file: b.prototxt"],
    ),
    'net: "a.prototxt" ' + B + 'test_net_param { name: "p" } test_iter: [1, 1, 1] '
    "test_interval: 1": (
        ["a", "p", "b", "a"],
        [
            "from net file: a.prototxt",
            "specified by test_net_param",
            "specified by test_net file: b.prototxt",
            "from net file: a.prototxt",
        ],
    ),
}


@pytest.mark.parametrize("text", SOURCES)
def test_sources(text):
    assert found(text) == SOURCES[text]


def state(net):
    return net.state.level, list(net.state.stage)


def test_states_are_merged():
    """Scalars replace, stages add up: phase, the net's own, the solver's, the command line's."""
    text = (
        'net: "state.prototxt" test_iter: 1 test_iter: 1 test_interval: 1 '
        'train_state { stage: "t" } test_state { level: 4 } test_state { stage: "u" stage: "v" }'
    )
    nets = resolve(solver(text))
    assert state(nets.train) == (1, ["own", "t"])
    assert [state(t) for t in nets.tests] == [(4, ["own"]), (1, ["own", "u", "v"])]
    nets = resolve(solver(text), level=0, stages=("c", "d"))
    assert state(nets.train) == (0, ["own", "t", "c", "d"])
    assert [state(t) for t in nets.tests] == [(4, ["own"]), (1, ["own", "u", "v"])]


def test_the_phase_of_the_solver_counts_last():
    nets = resolve(solver('net: "a.prototxt" train_state { phase: TEST }'))
    assert nets.train.state.phase == Phase.TEST


WRONG = {
    "base_lr: 1": (
        "solver.prototxt:1:1",
        r"must specify a train net using one of these fields: .*; got none",
        'net: "train_val.prototxt"',
    ),
    'net: "a.prototxt"\ntrain_net: "b.prototxt"': (
        "solver.prototxt:2:1",
        r"must not contain more than one of these fields specifying a train_net: .*; "
        "got net, train_net",
        None,
    ),
    'train_net: "a.prototxt"\ntest_iter: 1 test_interval: 1': (
        "solver.prototxt:2:1",
        "test_iter must be specified for each test network: 1 test_iter, 0 test nets",
        None,
    ),
    'net: "a.prototxt"\ntest_net: "b.prototxt"': (
        "solver.prototxt:2:1",
        "test_iter must be specified for each test network: 0 test_iter, 1 test nets",
        None,
    ),
    'net: "a.prototxt" test_iter: 1 test_iter: 1 test_interval: 1\ntest_state { }': (
        "solver.prototxt:2:1",
        "test_state must be unspecified or specified once per test net: 2 test nets, 1 test_state",
        None,
    ),
    'net: "a.prototxt"\ntest_iter: 1': (
        "solver.prototxt:2:1",
        "test_interval must be greater than 0 where there are test nets, got 0",
        None,
    ),
    'net: "a.prototxt" test_iter: 1\ntest_interval: -2': (
        "solver.prototxt:2:1",
        "test_interval must be greater than 0 where there are test nets, got -2",
        None,
    ),
    'base_lr: 1\nnet: "sub/a.prototxt"': (
        "solver.prototxt:2:1",
        "there is no file 'sub/a.prototxt'",
        "paths are relative to the current folder; there is a.prototxt",
    ),
    'net: "a.prototxt" test_iter: 1 test_interval: 1\ntest_net: "elsewhere.txt"': (
        "solver.prototxt:2:1",
        "there is no file 'elsewhere.txt'",
        "paths are relative to the current folder",
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_point_at_their_line(text):
    where, message, hint = WRONG[text]
    with pytest.raises((SolverError, ParseError), match=message) as caught:
        resolve(solver(text))
    line = str(caught.value.where).rpartition(":")[0]
    assert line == where.rpartition(":")[0]
    assert caught.value.hint == hint


FINE = {
    "base_lr": "0.1",
    "max_iter": "10",
    "lr_policy": '"fixed"',
    "gamma": "0.1",
}
MISTAKES = {
    ("base_lr", None): "base_lr is missing",
    ("max_iter", None): "max_iter is missing",
    ("lr_policy", None): r"Unknown learning rate policy: \(none\)",
    ("lr_policy", '"fixd"'): "Unknown learning rate policy: fixd",
    ("lr_policy", '"step"'): "stepsize",
    ("type", '"SGDD"'): r"Unknown solver type: SGDD \(known types: .*SGD",
    ("average_loss", "0"): "average_loss should be non-negative and at least 1, got 0",
    ("iter_size", "0"): "iter_size must be at least 1, got 0",
    ("regularization_type", '"L3"'): "Unknown regularization type: L3",
}


@pytest.mark.parametrize("field, value", MISTAKES)
def test_a_solver_is_checked_before_its_nets_are_read(field, value):
    fields = {**FINE, field: value}
    text = "\n".join(f"{k}: {v}" for k, v in fields.items() if v is not None)
    with pytest.raises(SolverError, match=MISTAKES[field, value]) as caught:
        check_solver(solver(text))
    if value is not None and field != "lr_policy":
        assert caught.value.where.line == text[: text.index(field)].count("\n") + 1


def test_the_plateau_of_ssd_is_told_as_a_monitor():
    ssd = 'lr_policy: "plateau" gamma: 0.5 test_interval: 20 plateau_winsize: [100, 50]'
    with pytest.raises(SolverError, match="lr_policy plateau needs plateau") as caught:
        check_solver(solver(f"base_lr: 1 max_iter: 1 {ssd}"))
    wanted = 'plateau { monitor: "loss" phase: TRAIN patience: 5 factor: 0.5 }'
    assert caught.value.hint == wanted
    check_solver(solver(f"base_lr: 1 max_iter: 1 {ssd} {wanted}"))


def test_a_typo_gets_a_suggestion():
    for text in ('lr_policy: "fixd"', 'lr_policy: "fixed" type: "SDG"'):
        with pytest.raises(SolverError) as caught:
            check_solver(solver(f"base_lr: 1 max_iter: 1 {text}"))
        assert caught.value.hint in ("did you mean 'fixed'?", "did you mean 'SGD'?")


def test_all_mistakes_are_told_together():
    with pytest.raises(Errors) as caught:
        check_solver(solver('lr_policy: "none" iter_size: 0'))
    assert len(caught.value.errors) == 4
