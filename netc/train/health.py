"""What went bad when the loss is not finite: the first layer and blob, found by running again."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from netc.compile import Arrays
from netc.errors import RunError
from netc.layers.base import dims
from netc.lowering.platform import jit
from netc.train.session import Session


def first_bad(session: Session, blobs: Arrays, k: int, inputs: Arrays) -> tuple[str, str | None]:
    """What is first not finite in pass k with these blobs: (sentence, hint)."""
    graph = session.train.graph
    for p in graph.params:
        if not np.isfinite(np.asarray(blobs[p.key])).all():
            return (
                f"blob {p.index} of layer '{p.layer}' holds {_counts(blobs[p.key])}",
                "the update before went bad: lower base_lr, or set clip_gradients",
            )
    learned = {p.key: blobs[p.key] for p in graph.params if not p.carried}
    state = {k: blobs[k] for k in graph.carried}
    program = session.program(k, inputs)
    every = jit(lambda b, s, key, x: program.apply(b, s, key, x, keep=list(graph.blobs))[0])
    values = jax.device_get(every(learned, state, session.pass_key(k), inputs))
    for node in graph.nodes:
        for top in node.tops:
            if not np.isfinite(values[top]).all():
                read = ", ".join(
                    [
                        f"'{graph.blobs[b]}' {dims(np.shape(values[b]))} in {_range(values[b])}"
                        for b in node.bottoms
                    ]
                    + [f"its blob {i} in {_range(blobs[k])}" for i, k in enumerate(node.blobs)]
                )
                source = "the data itself is bad" if not node.bottoms else f"it read {read}"
                return (
                    f"top blob '{graph.blobs[top]}' of layer '{node.name}' ({node.param.type}) "
                    f"holds {_counts(values[top])}; {source}",
                    "lower base_lr, or set clip_gradients" if node.bottoms else None,
                )
    return "no blob of the forward pass; the weighted sum of the losses overflowed", None


def diagnosis(session: Session, iteration: int) -> RunError:
    """The error for a loss that was not finite in `iteration`, with the layer that went bad first.

    The blobs are those the iteration started from: from a bad loss on, nothing moves.
    """
    blobs = session.blobs()
    for k in range(iteration * session.passes, (iteration + 1) * session.passes):
        sentence, hint = first_bad(session, blobs, k, session.batches.at(k))
        if not sentence.startswith("no blob"):
            break
    return RunError(f"Iteration {iteration}: the loss is not finite; {sentence}.", None, hint)


def _range(array: Any) -> str:
    return f"[{np.min(array):.3g}, {np.max(array):.3g}]" if np.size(array) else "[]"


def _counts(array: Any) -> str:
    array = np.asarray(array)
    bad = {"NaN": int(np.isnan(array).sum()), "infinite": int(np.isinf(array).sum())}
    told = " and ".join(f"{n} {word}" for word, n in bad.items() if n)
    return f"{told} of {array.size} values"
