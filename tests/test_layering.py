"""The floors of the design: a module imports only from below, or from its own package."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "netc": 0,
    "netc.errors": 0,
    "netc.alias": 0,
    "netc.files": 0,
    "netc.lazy": 0,
    "netc.tables": 0,
    "netc.solvers": 0,
    "netc.usercode": 0,
    "netc.schema": 0,
    "netc.prototxt": 1,
    "netc.scalars": 1,
    "netc.comments": 2,
    "netc.upgrade": 2,
    "netc.load": 3,
    "netc.phase": 3,
    "netc.chart": 4,
    "netc.overrides": 4,
    "netc.data": 4,
    "netc.weights": 4,
    "netc.fillers": 5,
    "netc.logs": 5,
    "netc.lowering": 5,
    "netc.devices": 6,
    "netc.layers": 6,
    "netc.graph": 7,
    "netc.compile": 8,
    "netc.fold": 8,
    "netc.lint": 8,
    "netc.manual": 8,
    "netc.parallel": 8,
    "netc.transfer": 8,
    "netc.draw": 8,
    "netc.sizes": 9,
    "netc.snapshot": 9,
    "netc.summary": 9,
    "netc.export": 10,
    "netc.export.functions": 10,
    "netc.export.functions_flow": 10,
    "netc.export.functions_layers": 10,
    "netc.export.functions_regions": 10,
    "netc.train": 10,
    "netc.check": 11,
    "netc.feeding": 11,
    "netc.convert": 11,
    "netc.drawing": 11,
    "netc.opening": 11,
    "netc.pycaffe": 11,
    "netc.rewrite": 11,
    "netc.show": 11,
    "netc.standin": 11,
    "netc.tools": 11,
    "netc.diff": 12,
    "netc.doctor": 12,
    "netc.predict": 12,
    "netc.verify": 12,
    "netc.zoo": 12,
    "netc.cli": 13,
    "netc.__main__": 14,
}
LIGHT = {"numpy", "google"}  # what a module may import when it is loaded
HEAVY = {  # packages that nobody imports who does not want to compute
    "netc.export.functions": {"jax"},
    "netc.export.functions_flow": {"jax"},
    "netc.export.functions_layers": {"jax"},
    "netc.export.functions_regions": {"jax"},
    "netc.lowering": {"jax"},
    "netc.solvers": {"jax", "optax"},
    "netc.parallel": {"jax"},
    "netc.train": {"jax", "optax"},
    "netc.pycaffe": {"jax"},
    "netc.predict": {"jax"},
    "netc.verify": {"jax"},
}


class Import(NamedTuple):
    """`name` as written, its line, and whether loading the module runs it."""

    name: str
    line: int
    at_load: bool


def _modules() -> dict[str, Path]:
    found = {}
    for folder, package in (("netc", "netc"), ("solvers", "netc.solvers")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join((package, *(p for p in parts if p != "__init__")))
            found[name] = path
    return found


MODULES = _modules()


def _imports(node: ast.AST, at_load: bool = True) -> Iterator[Import]:
    """Every import below `node`, except those for type checkers only."""
    if isinstance(node, ast.Import):
        yield from (Import(a.name, node.lineno, at_load) for a in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0 and node.module, f"line {node.lineno}: imports are absolute"
        for name in {f"{node.module}.{a.name}" for a in node.names}:
            yield Import(name if name in MODULES else node.module, node.lineno, at_load)
    inside = at_load and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from _imports(other, inside)
        else:
            yield from _imports(child, inside)


def _of(name: str) -> list[Import]:
    return list(_imports(ast.parse(MODULES[name].read_text(encoding="utf-8"))))


def place(name: str) -> str:
    """The row of the table that covers a module: its own or its package's."""
    package = ".".join(name.split(".")[:2])
    return name if name in FLOORS else package


def _package(name: str) -> str:
    is_package = MODULES[name].name == "__init__.py"
    return name if is_package else name.rpartition(".")[0]


def _violations(name: str) -> list[str]:
    wrong = []
    for other, line, _ in _of(name):
        if other not in MODULES or other == name:
            continue
        mine, theirs = FLOORS[place(name)], FLOORS[place(other)]
        same_package = _package(name) == _package(other)
        if theirs > mine or (theirs == mine and not same_package):
            wrong.append(f"{name}:{line} (floor {mine}) imports {other} (floor {theirs})")
    return wrong


@pytest.mark.parametrize("name", MODULES)
def test_module_is_on_a_floor(name):
    assert place(name) in FLOORS, f"{name} is not in the table of floors"


def test_table_names_only_what_there_is():
    assert set(FLOORS) - set(MODULES) == set()


@pytest.mark.parametrize("name", MODULES)
def test_imports_come_from_below(name):
    assert _violations(name) == []


def test_there_are_no_cycles():
    graph = {
        name: {i.name for i in _of(name) if i.name in MODULES and i.name != name}
        for name in MODULES
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_heavy_libraries_are_imported_where_they_are_used(name):
    allowed = LIGHT | {"netc"} | sys.stdlib_module_names | HEAVY.get(place(name), set())
    loaded = {i.name.split(".")[0] for i in _of(name) if i.at_load}
    assert loaded - allowed == set()


def test_the_walk_sees_what_it_must():
    source = """
import netc.load
from netc import errors
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import netc.cli
else:
    import netc.phase
def f():
    from netc.train import loop
"""
    seen = {(i.name, i.at_load) for i in _imports(ast.parse(source))}
    assert seen == {
        ("netc.load", True),
        ("netc.errors", True),
        ("typing", True),
        ("netc.phase", True),
        ("netc.train.loop", False),
    }
