"""Which nets a solver trains and tests, and in which states. Caffe: solver.cpp, InitTrainNet."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from netc.errors import NetcError, SolverError, did_you_mean, raise_all
from netc.load import Loaded, nearby, read_net
from netc.prototxt import SourceMap
from netc.schema import NetParameter, NetState, Phase, SolverParameter

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")


class NetInState(NamedTuple):
    """A net, the state to filter it with, and where it came from."""

    net: Loaded[NetParameter]
    state: NetState
    origin: str


class Nets(NamedTuple):
    """The nets of a solver, one for training and any number for testing."""

    train: NetInState
    tests: tuple[NetInState, ...]


def resolve(
    solver: Loaded[SolverParameter], level: int | None = None, stages: tuple[str, ...] = ()
) -> Nets:
    """The nets of a solver, read, each with its state.

    level replaces that of train_state, stages are added to it. Raises SolverError and ParseError.
    """
    p, source = solver.message, solver.source
    given = [f for f in TRAIN_FIELDS if p.HasField(f)]
    if len(given) != 1:
        have = f"got {', '.join(given)}" if given else "got none"
        many = "must not contain more than one of these fields specifying a train_net"
        one = "must specify a train net using one of these fields"
        raise SolverError(
            f"SolverParameter {many if given else one}: {', '.join(TRAIN_FIELDS)}; {have}",
            source.at(given[1]) if given else source.span,
            None if given else 'net: "train_val.prototxt"',
        )
    train = _read(solver, given[0])
    extra = NetState()
    extra.CopyFrom(p.train_state)
    if level is not None:
        extra.level = level
    extra.stage.extend(stages)
    in_train = NetInState(train[0], _merged(Phase.TRAIN, train[0].message, extra), train[1])
    return Nets(in_train, _tests(solver, given[0], train))


def _tests(
    solver: Loaded[SolverParameter], shared: str, train: tuple[Loaded[NetParameter], str]
) -> tuple[NetInState, ...]:
    """All test_net_param, all test_net files, then the rest of test_iter from the shared net."""
    p, source = solver.message, solver.source
    explicit = [
        (Loaded(n, source.node("test_net_param", i)), "specified by test_net_param")
        for i, n in enumerate(p.test_net_param)
    ]
    explicit += [
        (_read_named(solver, f, "test_net", i), f"specified by test_net file: {f}")
        for i, f in enumerate(p.test_net)
    ]
    generic = shared in ("net", "net_param")
    rest = len(p.test_iter) - len(explicit)
    if rest < 0 or (rest > 0 and not generic):
        raise SolverError(
            f"test_iter must be specified for each test network: {len(p.test_iter)} test_iter, "
            f"{len(explicit)} test nets",
            source.at("test_iter", 0) if p.test_iter else source.at("test_net", 0),
        )
    loaded = explicit + [train] * rest
    if len(p.test_state) not in (0, len(loaded)):
        raise SolverError(
            f"test_state must be unspecified or specified once per test net: {len(loaded)} test "
            f"nets, {len(p.test_state)} test_state",
            source.at("test_state", 0),
        )
    if loaded and p.test_interval <= 0 and not p.HasField("test_interval_epoch"):
        given = ("test_interval",) if p.HasField("test_interval") else ("test_iter", 0)
        raise SolverError(
            "test_interval must be greater than 0 where there are test nets, "
            f"got {p.test_interval}",
            source.at(*given),
        )
    states = list(p.test_state) or [NetState()] * len(loaded)
    return tuple(
        NetInState(net, _merged(Phase.TEST, net.message, state), origin)
        for (net, origin), state in zip(loaded, states, strict=True)
    )


def _read(solver: Loaded[SolverParameter], field: str) -> tuple[Loaded[NetParameter], str]:
    value = getattr(solver.message, field)
    if isinstance(value, str):
        return _read_named(solver, value, field), f"from {field} file: {value}"
    node = solver.source.node(field)
    return Loaded(value, node if solver.source.get(field) else SourceMap()), f"specified in {field}"


def _read_named(
    solver: Loaded[SolverParameter], path: str, *field: str | int
) -> Loaded[NetParameter]:
    at = solver.source.at(*field)
    if at is not None and not Path(path).exists():
        beside = Path(at.source.name).parent / Path(path).name
        near = f"there is {beside}" if beside.exists() else nearby(path)
        hint = "paths are relative to the current folder" + (f"; {near}" if near else "")
        raise SolverError(f"there is no file '{path}'", at, hint)
    return read_net(path)


def _merged(phase: Phase, net: NetParameter, state: NetState) -> NetState:
    """The phase, then the net's own state, then the solver's: scalars replace, stages add up."""
    merged = NetState(phase=phase)
    merged.MergeFrom(net.state)
    merged.MergeFrom(state)
    return merged


def check_solver(solver: Loaded[SolverParameter]) -> None:
    """Everything about a solver that can be wrong before its nets are read.

    Raises SolverError, or Errors holding several.
    """
    from netc.solvers import SOLVERS
    from netc.solvers.schedules import problems
    from netc.train import epochs, monitors
    from netc.train.precision import VERSIONS

    p, source = solver.message, solver.source
    errors: list[NetcError] = []

    def wrong(message: str, *field: str | int, hint: str | None = None) -> None:
        errors.append(SolverError(message, source.at(*field) or source.span, hint))

    if p.type not in SOLVERS:
        wrong(
            f"Unknown solver type: {p.type} (known types: {', '.join(SOLVERS)})",
            "type",
            hint=did_you_mean(p.type, SOLVERS),
        )
    else:
        for found in SOLVERS[p.type].check(p):
            wrong(*found)
    for message, *field in problems(p):
        wrong(message, *field, hint=_policy(p) if field == ["lr_policy"] else None)
    for found in (*epochs.problems(p), *monitors.problems(p)):
        wrong(*found)
    for i, iterations in enumerate(p.test_iter):
        if iterations < -1:
            wrong(f"test_iter must be at least 0, or auto, got {iterations}", "test_iter", i)
    if p.average_loss < 1:
        wrong(
            f"average_loss should be non-negative and at least 1, got {p.average_loss}",
            "average_loss",
        )
    if p.iter_size < 1:
        wrong(f"iter_size must be at least 1, got {p.iter_size}", "iter_size")
    if p.regularization_type not in ("L1", "L2"):
        wrong(
            f"Unknown regularization type: {p.regularization_type}",
            "regularization_type",
            hint='it is "L1" or "L2"',
        )
    if p.ap_version not in VERSIONS:
        wrong(
            f"Unknown ap_version: {p.ap_version}",
            "ap_version",
            hint=did_you_mean(p.ap_version, VERSIONS) or f"it is {', '.join(VERSIONS)}",
        )
    for field, example in (("base_lr", "0.01"), ("max_iter", "10000")):
        if not p.HasField(field) and not (field == "max_iter" and p.HasField("max_epoch")):
            wrong(f"{field} is missing", field, hint=f"{field}: {example}")
    raise_all(errors)


def _policy(p: SolverParameter) -> str | None:
    """The policy that was meant, or SSD's plateau as a monitor, whose patience counts tests."""
    from netc.solvers import POLICIES

    if p.lr_policy not in POLICIES:
        return did_you_mean(p.lr_policy, POLICIES)
    if p.lr_policy != "plateau" or not p.plateau_winsize:
        return None
    patience = max(p.plateau_winsize[0] // max(p.test_interval, 1), 1)
    return f'plateau {{ monitor: "loss" phase: TRAIN patience: {patience} factor: {p.gamma:g} }}'
