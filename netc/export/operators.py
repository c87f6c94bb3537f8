"""The functions that rules use, as ONNX nodes.

A value is the name of a tensor, an array, or a number.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from netc.export import operators_flow, operators_layers, operators_regions
from netc.export.nodes import Writer

# Functions that are one operator, with no options.
OPERATORS = {
    "abs": "Abs",
    "add": "Add",
    "cos": "Cos",
    "divide": "Div",
    "exp": "Exp",
    "greater": "Greater",
    "isnan": "IsNaN",
    "log": "Log",
    "matmul": "MatMul",
    "maximum": "Max",
    "minimum": "Min",
    "multiply": "Mul",
    "power": "Pow",
    "prelu": "PRelu",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "subtract": "Sub",
    "tanh": "Tanh",
    "where": "Where",
}
FAMILIES = (operators_layers, operators_regions, operators_flow)


def _public(module: ModuleType) -> dict[str, Callable[..., Any]]:
    own = (f for f in vars(module).values() if getattr(f, "__module__", "") == module.__name__)
    functions = filter(inspect.isfunction, own)
    return {f.__name__.rstrip("_"): f for f in functions if not f.__name__.startswith("_")}


WRITERS = {name: f for module in FAMILIES for name, f in _public(module).items()}


def write(w: Writer, function: str, values: Sequence[Any], options: dict[str, Any]) -> Any:
    """Add what a function computes; the name of its value, or a tuple of them."""
    if function in OPERATORS:
        return w.node(OPERATORS[function], *values)
    return WRITERS[function](w, *values, **options)
