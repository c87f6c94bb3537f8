"""What keeps a net from learning, measured layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from netc.compile import Arrays
from netc.graph.ir import Graph, Node
from netc.tables import aligned
from netc.train import debug
from netc.train.session import Session

MANY = 0.5  # dead or saturated: this part of a layer is worth a word
HIGH, LOW = 0.5, 1e-5  # steps beyond these parts of the weights: about 1e-3 is usual
BOUNDS = {"Sigmoid": (0.0, 1.0), "TanH": (-1.0, 1.0)}
NEAR = 0.01  # saturated: within this part of the range from a bound


class Signs(NamedTuple):
    """One layer.

    dead: the part of a ReLU's channels that are 0 for every example. saturated: the part of the
    values of a Sigmoid or TanH that lie near a bound. gradient: the largest, of the blobs that
    move. step: the largest step seen, as a part of the weights (Euclidean norms). None: has none.
    """

    name: str
    type: str
    dead: float | None = None
    saturated: float | None = None
    gradient: float | None = None
    step: float | None = None


class Steps:
    """The largest step of every blob, |after - before| / |before|.

    Blobs that start at 0, as biases do, are left out: their first steps are large by that measure.
    """

    def __init__(self, session: Session) -> None:
        self._session, self.largest = session, {k: 0.0 for k, w in _copies(session) if w.any()}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Measure the step that is made inside the block."""
        before = dict(_copies(self._session))
        yield
        for key, after in _copies(self._session):
            if key in self.largest:
                moved = np.linalg.norm(after - before[key]) / np.linalg.norm(before[key])
                self.largest[key] = max(self.largest[key], float(moved))


def _copies(session: Session) -> Iterator[tuple[str, np.ndarray]]:
    """The blobs that move, copied: the next iteration takes their memory."""
    return ((k, np.array(x, np.float64)) for k, x in session.carry.blobs.items())


def examine(session: Session, passes: Iterable[int], moved: dict[str, float]) -> list[Signs]:
    """The signs of all layers that have some, over the passes.

    moved: the largest steps, from `Steps`.
    """
    program, graph = session.train, session.train.graph
    run, blobs = debug.gradients(program), session.blobs()
    learned = {p.key: blobs[p.key] for p in graph.params if not p.carried}
    state = {k: blobs[k] for k in graph.carried}
    seen: dict[str, list[Any]] = {}
    for k in passes:
        values, _, grads = run(learned, state, session.pass_key(k), session.batches.at(k))
        for name, x in _measured(graph, values, grads):
            seen.setdefault(name, []).append(x)
    signs = [_signs(node, graph, jax.device_get(seen), moved) for node in graph.nodes]
    return [s for s in signs if any(x is not None for x in s[2:])]


def _measured(graph: Graph, values: Arrays, grads: Arrays) -> Iterator[tuple[str, Any]]:
    """By node or blob: a ReLU's live channels, the saturated part, the largest gradient."""
    for node in graph.nodes:
        if not node.tops:
            continue
        x = values[node.tops[0]]
        if _is_relu(node):
            yield node.key, (x > 0).any(axis=tuple(a for a in range(x.ndim) if a != 1))
        elif node.param.type in BOUNDS:
            low, high = BOUNDS[node.param.type]
            edge = NEAR * (high - low)
            yield node.key, ((x < low + edge) | (x > high - edge)).mean()
    for key in graph.trainable:
        yield key, jnp.abs(grads[key]).max()


def _is_relu(node: Node) -> bool:
    return node.param.type == "ReLU" and not node.param.relu_param.negative_slope


def _signs(node: Node, graph: Graph, seen: dict[str, list[Any]], moved: dict[str, float]) -> Signs:
    moving = [k for k in node.blobs if k in graph.trainable]
    found = seen.get(node.key)
    return Signs(
        node.name,
        node.param.type,
        1 - float(np.any(found, axis=0).mean()) if found and _is_relu(node) else None,
        float(np.mean(found)) if found and node.param.type in BOUNDS else None,
        max((float(np.max(seen[k])) for k in moving), default=None),
        max((moved[k] for k in moving if k in moved), default=None),
    )


ILLS: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    (
        "step",
        lambda x: x > HIGH,
        "base_lr is too high: in one iteration {names} moved by up to {worst:.2g} times their size",
    ),
    (
        "dead",
        lambda x: x >= MANY,
        "dead: up to {worst:.0%} of the channels of {names} are 0 for every example; lower "
        "base_lr, or take another weight_filler below",
    ),
    (
        "saturated",
        lambda x: x >= MANY,
        "saturated: up to {worst:.0%} of the values of {names} lie at the ends of the range; take "
        "smaller weights below, scaled data, or ReLU",
    ),
    ("gradient", lambda x: x == 0, "zero gradient: nothing reaches the weights of {names}"),
    (
        "step",
        lambda x: 0 < x < LOW,
        "base_lr is too low: {names} never moved by more than {worst:.1g} of their size",
    ),
)


def findings(signs: list[Signs]) -> list[str]:
    """What in the signs is wrong, in the order in which to mend it."""
    sentences = []
    for sign, is_ill, text in ILLS:
        found = {s.name: getattr(s, sign) for s in signs}
        ill = {name: x for name, x in found.items() if x is not None and is_ill(x)}
        if ill:
            sentences.append(text.format(names=", ".join(ill), worst=max(ill.values())))
    return sentences


def table(signs: list[Signs]) -> str:
    """The signs as aligned text."""
    forms = ("{}", "{}", "{:.0%}", "{:.0%}", "{:.2g}", "{:.2g}")
    rows = [["layer", "type", "dead", "saturated", "gradient", "step"]]
    for s in signs:
        cells = zip(forms, s, strict=True)
        rows.append(["" if x is None else form.format(x) for form, x in cells])
    return aligned(rows)
