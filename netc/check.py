"""Every mistake in a net or solver that shows without running it, and what looks like one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from google.protobuf.message import Message

from netc.errors import NetcError, UpgradeError, UsageError
from netc.graph.build import build
from netc.graph.infer import infer
from netc.graph.ir import Graph
from netc.graph.sinks import check_sinks
from netc.lint import Finding, Net, lint_net, lint_solver
from netc.load import Loaded, PathLike, read_net, read_solver
from netc.lowering.plan import Plan
from netc.opening import Shapes, each, in_state, is_solver, stand_in
from netc.phase import filter_net
from netc.schema import Phase, SolverParameter
from netc.train import monitors
from netc.train.nets import NetInState, check_solver, resolve
from netc.transfer import shared_blobs

T = TypeVar("T")


class Report(NamedTuple):
    """What `check` found. errors: mistakes. warnings: what lint rules point at. notes: what was
    not checked, and why."""

    file: str
    errors: tuple[NetcError, ...]
    warnings: tuple[NetcError, ...]
    notes: tuple[str, ...]

    def render(self) -> str:
        """One block per finding, errors first, and a last line that counts them.

        The reason for a lint rule stands under the first of its findings.
        """
        blocks = [e.render() for e in self.errors]
        explained: set[str] = set()
        for warning in self.warnings:
            if isinstance(warning, Finding) and warning.code not in explained:
                explained.add(warning.code)
                blocks.append(warning.explained())
            else:
                blocks.append(warning.render())
        blocks += [f"note: {note}" for note in self.notes]
        counts = f"{_count(self.errors, 'error')}, {_count(self.warnings, 'warning')}"
        return "\n\n".join([*blocks, f"{self.file}: {counts}"])


def _count(findings: tuple[NetcError, ...], noun: str) -> str:
    return f"{len(findings)} {noun}{'' if len(findings) == 1 else 's'}"


def check(
    path: PathLike,
    *,
    infer_shapes: bool = True,
    level: int | None = None,
    stages: tuple[str, ...] = (),
    shapes: Shapes | None = None,
    allow_unknown: bool = False,
) -> Report:
    """Check a net in both phases, or a solver with all its nets.

    Connections are checked before JAX is imported, and with `infer_shapes` off it never is.
    Data is not needed; shapes that depend on missing data are not checked, which is noted.
    shapes: see `opening.stand_in`. allow_unknown: unknown fields are warnings.
    """
    checking = _Checking(str(path), infer_shapes, shapes or {})
    if checking.attempt(is_solver, path):
        checking.solver(path, level, stages, allow_unknown)
    elif not checking.errors:
        checking.net(path, level, stages, allow_unknown)
    return checking.report()


class _Checking:
    """Passes are attempted one by one; what they raise is kept, once, with the nets it is in."""

    def __init__(self, file: str, infer_shapes: bool, shapes: Shapes) -> None:
        self.file, self.infer_shapes, self.shapes = file, infer_shapes, shapes
        self.errors: dict[str, tuple[NetcError, set[str]]] = {}
        self.warnings: dict[str, NetcError] = {}
        self.notes: dict[str, None] = {}
        self.checked: set[str] = set()

    def attempt(self, f: Callable[..., T], *args: object, where: str = "") -> T | None:
        """f(*args), or None when it raises mistakes, which are kept."""
        try:
            return f(*args)
        except UsageError:
            raise
        except NetcError as raised:
            self.fail(each(raised), where)
            return None

    def fail(self, errors: tuple[NetcError, ...], where: str = "") -> None:
        for error in errors:
            _, seen = self.errors.setdefault(f"{error.where} {error.message}", (error, set()))
            seen.add(where)

    def warn(self, findings: list[Finding]) -> None:
        for finding in findings:
            self.warnings.setdefault(finding.render(), finding)

    def report(self) -> Report:
        for error, seen in self.errors.values():
            if len(self.checked) > 1 and len(seen) == 1 and "" not in seen:
                error.add_note(f"only in {seen.pop()}")
        errors = tuple(e for e, _ in self.errors.values())
        return Report(self.file, errors, tuple(self.warnings.values()), tuple(self.notes))

    def keep_unknown(self, loaded: Loaded, allowed: bool) -> None:
        """Unknown fields are mistakes unless allowed; what an upgrade left out is none."""
        for warning in loaded.warnings:
            if allowed or isinstance(warning, UpgradeError):
                self.warnings[warning.render()] = warning
            else:
                self.fail((warning,))

    def net(
        self, path: PathLike, level: int | None, stages: tuple[str, ...], allow_unknown: bool
    ) -> None:
        loaded = self.attempt(lambda: read_net(path, allow_unknown=True))
        if loaded is None:
            return
        self.keep_unknown(loaded, allow_unknown)
        states = [
            in_state(loaded, phase, level, stages, f"phase {Phase.Name(phase)}")
            for phase in (Phase.TRAIN, Phase.TEST)
        ]
        kept = [net for net in states if self.has_sources(net)]
        for _, checked in self.nets(kept):
            self.warn(lint_net(checked))

    def has_sources(self, net: NetInState) -> bool:
        """Whether the state keeps a layer that brings data; a net without any is checked as well,
        one whose rules drop them all is not meant for this state."""
        filtered = self.attempt(filter_net, net.net, net.state, where=net.origin)
        if filtered is None:
            return False
        every, kept = (any(not y.bottom for y in m.layer) for m in (net.net.message, filtered[0]))
        if every and not kept:
            self.note(f"{net.origin} was not checked: its rules drop every layer that brings data")
        return kept or not every

    def note(self, text: str) -> None:
        self.notes[text] = None

    def solver(
        self, path: PathLike, level: int | None, stages: tuple[str, ...], allow_unknown: bool
    ) -> None:
        solver = self.attempt(lambda: read_solver(path, allow_unknown=True))
        if solver is None:
            return
        self.keep_unknown(solver, allow_unknown)
        nets = self.attempt(resolve, solver, level, stages)
        named = []
        if nets:
            named = [nets.train._replace(origin="the train net")]
            named += [t._replace(origin=f"test net {i}") for i, t in enumerate(nets.tests)]
        checked = self.nets(named)
        if self.infer_shapes:
            self.attempt(check_solver, solver)
            if nets and len(checked) == len(named):
                train, *tested = (net.graph for _, net in checked)
                self.attempt(monitors.find, solver, train, tested)
                self.epochs(solver, [net for _, net in checked])
        else:
            self.note("the solver's type and rate policy were not checked (shapes are off)")
        self.attempt(check_sinks, [net.graph for _, net in checked])
        tests = [net for state, net in checked if state.state.phase == Phase.TEST]
        trained = [net for state, net in checked if state.state.phase == Phase.TRAIN]
        for train in (n.inferred for n in trained if n.inferred):
            for test in (n.inferred for n in tests if n.inferred):
                self.attempt(shared_blobs, train, test)
        for _, net in checked:
            self.warn(lint_net(net))
        self.warn(lint_solver(solver, tests, trained))

    def epochs(self, solver: Loaded[SolverParameter], nets: list[Net]) -> None:
        """Whether the data end where the solver asks for it, if none of them are missing."""
        from netc.train.epochs import in_iterations, problems, whole_test

        whole = [n.inferred if n.inferred and len(n.known) == len(n.nodes) else None for n in nets]
        train, *tests = [None] * len(nets) if self.shapes else whole
        if train and not any(problems(solver.message)):
            self.attempt(in_iterations, solver, train)
        for i, (test, count) in enumerate(zip(tests, solver.message.test_iter, strict=False)):
            if test and count < 0:
                self.attempt(whole_test, test, Plan("cpu"), solver.source.at("test_iter", i))

    def nets(self, nets: list[NetInState]) -> list[tuple[NetInState, Net]]:
        """Build all, then infer the shapes of those that could be built."""
        self.checked = {net.origin for net in nets}
        built = [(n, g) for n in nets if (g := self.attempt(_build, n, where=n.origin))]
        return [(n, Net(g, self.inferred(n) if self.infer_shapes else None)) for n, g in built]

    def inferred(self, net: NetInState) -> Graph | None:
        """The graph with the shapes that could be inferred, stand-ins in place."""
        graph = _build(net._replace(net=stand_in(net.net, self.shapes)))
        missing: list[NetcError] = []
        inferred = self.attempt(infer, graph, Plan("cpu"), 0, missing, where=net.origin)
        files = dict(_files(graph))
        for error in missing:
            path = files.get(str(error.where))
            if path is not None and not os.path.exists(path):
                self.note(
                    f"{error.where}: {error.message}\n"
                    "the shapes behind it were not checked (data source missing); "
                    "--shape TOP=N,C,H,W stands in for it"
                )
            else:
                self.fail((error,), net.origin)
        return inferred


def _build(net: NetInState) -> Graph:
    message, source, _ = filter_net(net.net, net.state)
    return build(message, source)


def _files(graph: Graph) -> Iterator[tuple[str, str]]:
    """Where a layer names a file that it reads, and the file."""
    for node in graph.nodes:
        for field, value in node.param.ListFields():
            for name in ("source", "mean_file"):
                if isinstance(value, Message) and name in value.DESCRIPTOR.fields_by_name:
                    yield str(node.source.at(field.name, name)), getattr(value, name)
