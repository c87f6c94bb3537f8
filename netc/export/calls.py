"""A layer as calls of named functions, from which every way of writing it is made.

The functions are those of `netc.export.functions`, and of jax.numpy for names that are not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from netc.compile import Arrays
from netc.errors import GraphError, NetcError, raise_all
from netc.graph.ir import Graph, Node
from netc.layers.base import LayerDef, Shape
from netc.lazy import jax
from netc.lowering.plan import Plan


class Bottom(NamedTuple):
    """The bottom of that index."""

    index: int


class Blob(NamedTuple):
    """A stored blob by its key."""

    key: str


@dataclass(frozen=True, eq=False)
class Call:
    """A function of values: Bottoms, Blobs, Calls, Items, lists of them, arrays and numbers.

    options: what it takes by keyword, numbers and tuples of them.
    """

    function: str
    args: tuple[Any, ...]
    options: dict[str, Any]

    def __getitem__(self, index: int) -> Item:
        return Item(self, index)


@dataclass(frozen=True, eq=False)
class Item:
    """One of the values of a call that gives several."""

    call: Call
    index: int


class _Functions:
    """`f.name(values, option=...)` is the Call of that name."""

    def __getattr__(self, name: str) -> Callable[..., Call]:
        return lambda *args, **options: Call(name, args, options)


f = _Functions()


class Unsupported(GraphError):
    """A layer that cannot be written so."""


class Site(NamedTuple):
    """A layer where it stands, with its bottoms, stored blobs, and the shapes of its tops.

    values: of the blobs, by key.
    """

    d: LayerDef
    x: tuple[Bottom, ...]
    w: tuple[Blob, ...]
    tops: tuple[Shape, ...]
    node: Node
    values: Arrays

    @property
    def p(self) -> Any:
        return self.d.param

    @property
    def shape(self) -> Shape:
        """That of the first bottom."""
        return self.d.bottoms[0].shape

    def refuse(self, reason: str, field: str | None = None) -> NoReturn:
        """Raise Unsupported."""
        self.d.fail(f"cannot be exported: {reason}", field, kind=Unsupported)


# Layer types without a rule, and why.
_REASONS = {
    "it changes examples for training": (
        *("BlackAugmentation", "FlowAugmentation", "GenerateAugmentationParameters"),
    ),
    "it is for training: answer with what it reads": (
        *("AdaptiveBiasChannel", "BiasChannel", "UniqueLabel", "MarginInnerProduct"),
        *("LabelSpecificAdd", "LabelSpecificAffine", "LabelSpecificMargin"),
        "LargeMarginInnerProduct",
    ),
    "other runtimes have no filter of points in many dimensions": (
        *("DenseCRF", "MultiStageMeanfield"),
    ),
    "it is not written for other runtimes": (
        *("Arccos", "BatchReduction", "DomainTransform", "DomainTransformForwardOnly"),
        *("Grouping", "InnerDistance", "InnerProduct (happynear)", "L2Normalize", "ParseOutput"),
        *("SpatialProduct", "UnPooling", "Yolov3DetectionOutput"),
    ),
}
REFUSED = {label: reason for reason, labels in _REASONS.items() for label in labels}
# A rule gives the one top, or a tuple with an expression for each; a Call gives several itself.
Rule = Callable[[Site], Any]
RULES: dict[str, Rule] = {}


def rule(*types: str) -> Callable[[Rule], Rule]:
    """Decorate what writes the layers of these types, named as `LayerType.label`."""

    def add(write: Rule) -> Rule:
        RULES.update(dict.fromkeys(types, write))
        return write

    return add


class Written(NamedTuple):
    """A layer and its tops as expressions: one for each, or a Call that gives them all."""

    node: Node
    tops: tuple[Any, ...] | Call


def written(graph: Graph, plan: Plan, values: Arrays) -> list[Written]:
    """Every layer of a net whose shapes are inferred, but sources and those without tops.

    values: of its blobs, by key. Raises Unsupported, or Errors with all layers that have no rule.
    """
    found, errors = [], []
    for node in graph.nodes:
        if node.set_up.external is not None or not node.tops:
            continue
        try:
            found.append(Written(node, _tops(graph, node, plan, values)))
        except NetcError as error:
            errors.append(error)
    raise_all(errors)
    return found


def _tops(graph: Graph, node: Node, plan: Plan, values: Arrays) -> tuple[Any, ...] | Call:
    bottoms = tuple(jax.ShapeDtypeStruct(graph.shapes[b], graph.dtypes[b]) for b in node.bottoms)
    d = LayerDef(node.param, bottoms, len(node.tops), node.phase, node.source, plan)
    x = tuple(map(Bottom, range(len(bottoms))))
    tops = tuple(graph.shapes[t] for t in node.tops)
    site = Site(d, x, tuple(map(Blob, node.stored)), tops, node, values)
    write = RULES.get(node.kind.label)
    if write is None:
        none = f"there is no rule for layers of type {node.kind.label}"
        site.refuse(REFUSED.get(node.kind.label, none), "type")
    top = write(site)
    if type(top) is tuple:
        return top
    return top if isinstance(top, Call) and len(tops) > 1 else (top,)


class Fixed(NetcError):
    """What keeps a net from having another size."""


def freed(first: list[Written], second: list[Written]) -> list[Written]:
    """The layers for any sizes, from what they are in two programs of different ones.

    A shape that differs in one number has -1 there. Raises Fixed where anything else differs.
    """
    pairs = zip(first, second, strict=True)
    return [Written(a.node, _joined(a.node, a.tops, b.tops, {})) for a, b in pairs]


def _joined(node: Node, a: Any, b: Any, done: dict[int, Call]) -> Any:
    """One expression from two; `done` keeps calls that are used several times the same."""
    if isinstance(a, Call):
        if id(a) not in done:
            args = _joined(node, a.args, b.args, done)
            options = {k: _option(node, k, v, b.options[k]) for k, v in a.options.items()}
            done[id(a)] = Call(a.function, args, options)
        return done[id(a)]
    if isinstance(a, Item):
        return _joined(node, a.call, b.call, done)[a.index]
    if type(a) is tuple or isinstance(a, list):
        return type(a)(_joined(node, x, y, done) for x, y in zip(a, b, strict=True))
    return a


def _option(node: Node, name: str, a: Any, b: Any) -> Any:
    if a == b or a != a:  # NaN is as before
        return a
    if name == "shape" and -1 not in a:
        free = tuple(x if x == y else -1 for x, y in zip(a, b, strict=True))
        if free.count(-1) == 1:
            return free
    made = f"layer '{node.name}' ({node.param.type}) is made for it: {name} is {a}"
    raise Fixed(made, node.source.span)
