"""Shapes: every layer is set up on its bottoms' shapes, then `jax.eval_shape` runs it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from netc.errors import DataError, GraphError, NetcError, ShapeError, raise_all
from netc.fillers import problem
from netc.graph.ir import Graph, Node, Param
from netc.layers.base import BlobSpec, Layer, LayerDef, Rows, Shape, dims
from netc.lazy import jax, jnp
from netc.lowering.plan import Plan
from netc.schema import LayerParameter, ParamSpec

SIZE_HINT = (
    "images of several sizes need crop_size, new_height and new_width, or a net whose blobs do not "
    "depend on the size, as with global pooling"
)


def infer(
    graph: Graph,
    plan: Plan,
    seed: int = 0,
    missing: list[NetcError] | None = None,
    before: Mapping[str, Layer] | None = None,
) -> Graph:
    """The graph with layers set up, shapes, dtypes and parameters.

    missing: takes the errors of data sources, which are raised with the rest if it is None.
    before: node key -> the layer as it was set up before, which keeps what it has on the host.
    Raises ShapeError, GraphError, DataError or Errors: layers that depend on a failed one are
    passed over, so that every error is a mistake of its own.
    """
    inference = _Inference(graph, plan, seed, missing, before or {})
    nodes = tuple(n for n in map(inference.node, graph.nodes) if n is not None)
    raise_all(inference.errors)
    return graph.replace(
        nodes=nodes,
        shapes={v: s.shape for v, s in inference.values.items()},
        dtypes={v: s.dtype for v, s in inference.values.items()},
        params=tuple(inference.params.values()),
    )


def resize(
    graph: Graph, plan: Plan, rows: Mapping[str, Rows], given: Mapping[str, Shape] | None = None
) -> Graph:
    """The graph as it is when layers keep so many items, or have tops of these shapes, by node key.

    given: shapes of inputs that are others. Only what depends on these sizes is set up anew.
    Raises ShapeError where one of them decides the shape of a blob.
    """
    shapes, nodes = {**graph.shapes, **(given or {})}, []
    for node in graph.nodes:
        if node.key not in rows and all(shapes[b] == graph.shapes[b] for b in node.bottoms):
            nodes.append(node)
            continue
        bottoms = tuple(jax.ShapeDtypeStruct(shapes[b], graph.dtypes[b]) for b in node.bottoms)
        place = node.phase, node.source
        found = rows.get(node.key)
        told = "rows" if isinstance(found, int) else "shapes"
        changed: Any = {told: found, "before": node.set_up}
        d = LayerDef(node.param, bottoms, len(node.tops), *place, plan, **changed)
        layer = node.kind.setup(d)
        for before, now in zip(_blobs(node.set_up), _blobs(layer), strict=True):
            if before != now:
                d.fail(
                    f"a batch of another size changes a blob from {dims(before)} to {dims(now)}",
                    hint=SIZE_HINT,
                )
        nodes.append(replace(node, layer=layer))
        tops = _shapes(nodes[-1], bottoms)
        shapes.update((t, s.shape) for t, s in zip(node.tops, tops, strict=True))
    return graph.replace(nodes=tuple(nodes), shapes=shapes)


def _blobs(layer: Layer) -> list[Shape]:
    return [spec.shape for spec in (*layer.blobs, *layer.state, *layer.memory)]


class _Inference:
    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        seed: int,
        missing: list[NetcError] | None,
        before: Mapping[str, Layer],
    ) -> None:
        self.graph, self.plan, self.seed, self.missing = graph, plan, seed, missing
        self.before = before
        self.values: dict[str, jax.ShapeDtypeStruct] = {}
        self.params: dict[str, Param] = {}
        self.owners: dict[str, Param] = {}
        self.given: dict[str, dict[str, float]] = {}
        self.errors: list[NetcError] = []
        self.moving: set[str] = set()

    def node(self, node: Node) -> Node | None:
        if any(b not in self.values for b in node.bottoms):
            return None
        try:
            return self.set_up(node)
        except NetcError as error:
            if isinstance(error, ShapeError) and len(node.bottoms) > 1:
                self.tell_bottoms(node, error)
            if isinstance(error, DataError) and self.missing is not None:
                self.missing.append(error)
            else:
                self.errors.append(error)
            return None

    def tell_bottoms(self, node: Node, error: NetcError) -> None:
        """Add what the bottoms are, and which layers made them."""
        for bottom in node.bottoms:
            maker = next(n for n in self.graph.nodes if bottom in n.tops)
            blob, shape = self.graph.blobs[bottom], self.values[bottom].shape
            error.add_note(_origin(blob, shape, maker))

    def set_up(self, node: Node) -> Node:
        bottoms = tuple(self.values[b] for b in node.bottoms)
        needs = self.needs(node)
        place = node.phase, node.source
        known: Any = {"needs": needs, "before": self.before.get(node.key)}
        d = LayerDef(node.param, bottoms, len(node.tops), *place, self.plan, self.seed, **known)
        with _naming(node, bottoms):
            layer = node.kind.setup(d)
        d.check_sizes(*_blobs(layer))
        self.count_params(node, len(layer.blobs) + len(layer.state))
        for i, spec in enumerate(layer.blobs):
            if wrong := problem(spec.filler, spec.shape):
                field = "bias_filler" if i else "weight_filler"
                d.fail(wrong[0], field, hint=wrong[1])
        keys = [
            (self.parameter(node, i, spec, carried), carried)
            for i, (spec, carried) in enumerate(layer.stored)
        ]
        node = replace(
            node,
            layer=layer,
            blobs=tuple(k for k, carried in keys if not carried),
            state=tuple(k for k, carried in keys if carried),
            memory=tuple(f"{node.key}/memory{i}" for i in range(len(layer.memory))),
        )
        if layer.feed is not None and self.missing is None:
            _ = layer.feed.epoch_size  # opens the source: what is missing is told before a batch is
        tops = layer.external if layer.external is not None else _shapes(node, bottoms)
        d.check_sizes(*(top.shape for top in tops))
        if len(tops) != len(node.tops):
            raise ShapeError(
                f"layer '{node.name}' ({node.param.type}) gives {len(tops)} tops, "
                f"the net names {len(node.tops)}",
                node.source.span,
            )
        self.values.update(zip(node.tops, tops, strict=True))
        if any(needs) or any(self.params[k].lr_mult for k in node.blobs):
            self.moving.update(node.tops)
        return node

    def needs(self, node: Node) -> tuple[bool, ...]:
        """Whether a gradient is wanted for each bottom. Caffe: net.cpp, AppendBottom."""
        if node.forced:
            return (True,) * len(node.bottoms)
        return tuple(node.param.propagate_down) or tuple(b in self.moving for b in node.bottoms)

    def count_params(self, node: Node, blobs: int) -> None:
        if len(node.param.param) > blobs:
            raise GraphError(
                f"Too many params specified for layer {node.name}: "
                f"{len(node.param.param)} for {blobs} blobs",
                node.source.at("param", blobs),
            )

    def parameter(self, node: Node, index: int, spec: BlobSpec, carried: bool) -> str:
        """Enter blob `index` of a layer, or tie it to the owner of its name; return the key."""
        given = _spec(node.param, index)
        owner = self.owners.get(given.name) if given.name else None
        if owner is None:
            key = f"{node.key}/{index}"
            owner = Param(
                key, node.key, index, spec, carried, given.lr_mult, given.decay_mult, given.name
            )
            self.params[key] = owner
            self.owners.setdefault(given.name, owner)
            self.given[key] = {}
        else:
            self.check_shared(node, index, spec, given, owner)
        self.multipliers(node, index, given, owner.key)
        return owner.key

    def multipliers(self, node: Node, index: int, given: ParamSpec, key: str) -> None:
        """A multiplier given in several places must agree; the first that is given counts."""
        for field in ("lr_mult", "decay_mult"):
            if not given.HasField(field):
                continue
            value, first = getattr(given, field), self.given[key].get(field)
            if first is not None and first != value:
                raise GraphError(
                    f"Shared param '{given.name}' has mismatched {field}: {first:g} and {value:g}.",
                    node.source.at("param", index, field),
                )
            self.given[key][field] = value
            self.params[key] = self.params[key]._replace(**{field: value})

    def check_shared(
        self, node: Node, index: int, spec: BlobSpec, given: ParamSpec, owner: Param
    ) -> None:
        permissive = given.share_mode == ParamSpec.PERMISSIVE
        mine, theirs = spec.shape, owner.spec.shape
        if mine == theirs or (permissive and math.prod(mine) == math.prod(theirs)):
            return
        error = ShapeError(
            f"Cannot share param '{given.name}' owned by layer '{owner.layer}' with layer "
            f"'{node.name}'; {'count' if permissive else 'shape'} mismatch.  Owner layer param "
            f"shape is {dims(theirs)}; sharing layer expects shape {dims(mine)}",
            node.source.at("param", index),
            None if permissive else "share_mode: PERMISSIVE shares blobs of equal count",
        )
        maker = next(n for n in self.graph.nodes if n.key == owner.layer)
        error.add_note(_origin(given.name, theirs, maker))
        raise error


def _spec(layer: LayerParameter, index: int) -> ParamSpec:
    """What is given for blob `index`: multipliers of the layer where it has none of its own."""
    given = ParamSpec()
    for field in ("lr_mult", "decay_mult"):
        if layer.HasField(field):
            setattr(given, field, getattr(layer, field))
    if index < len(layer.param):
        given.MergeFrom(layer.param[index])
    return given


def _origin(blob: str, shape: tuple[int, ...], maker: Node) -> str:
    at = f", {maker.source.span}" if maker.source.span else ""
    return f"  '{blob}' {dims(shape)}: layer '{maker.name}'{at}"


def _shapes(node: Node, bottoms: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shapes of a layer's tops."""
    layer = node.set_up
    blobs = tuple(jax.ShapeDtypeStruct(b.shape, jnp.float32) for b in layer.blobs)
    carried = (*layer.state, *layer.memory)
    state = tuple(jax.ShapeDtypeStruct(b.shape, jnp.float32) for b in carried)
    rng = jax.eval_shape(lambda: jax.random.key(0)) if layer.random else None
    with _naming(node, bottoms):
        return jax.eval_shape(layer.apply, blobs, state, rng, *bottoms)[0]


@contextmanager
def _naming(node: Node, bottoms: tuple[Any, ...]) -> Iterator[None]:
    """What Python, NumPy or JAX refuse inside the block is a ShapeError at the layer's place."""
    try:
        yield
    except (ArithmeticError, IndexError, MemoryError, TypeError, ValueError) as error:
        given = ", ".join(dims(b.shape) for b in bottoms)
        raise ShapeError(
            f"layer '{node.name}' ({node.param.type}) cannot work on bottoms {given or '()'}: "
            f"{error}",
            node.source.span,
        ) from error
