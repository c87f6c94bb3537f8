"""What layers remember on the host from pass to pass, to snapshots and back."""

from __future__ import annotations

import logging
import random
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np

from netc.graph.ir import Graph
from netc.layers.remember import pack, unpack
from netc.train.batches import Batches

log = logging.getLogger(__name__)


class Position(NamedTuple):
    """Where a net goes on: its next batch, and what its layers remember, by key."""

    batch: int
    kept: dict[str, Any]


def position(graph: Graph, batches: Batches) -> Position:
    """Where a net is; waits for the device where layers run on the host."""
    return Position(batches.k, remembered(graph))


def go_to(graph: Graph, batches: Batches, to: Position) -> None:
    """Go on from there."""
    batches.seek(to.batch)
    remind(graph, to.kept)


def hosts(graph: Graph) -> dict[str, Any]:
    """The objects on the host that layers call, by key."""
    return {n.key: n.set_up.host for n in graph.nodes if n.set_up.host is not None}


def remembered(graph: Graph) -> dict[str, Any]:
    """What the layers of a net remember, as JSON; what they cannot tell is logged once."""
    found, layers = {}, hosts(graph)
    if layers:
        jax.effects_barrier()
    for key, host in layers.items():
        found[key], lost = host.remembered()
        for name, why in lost:
            log.warning(
                "what layer '%s' keeps in %s is in no snapshot: %s; a run that goes on has what "
                "setup makes",
                *(key, name, why),
            )
    return found


def remind(graph: Graph, kept: dict[str, Any]) -> None:
    """Give the layers of a net what they remembered; what is otherwise now is logged."""
    layers = hosts(graph)
    for key, held in kept.items():
        for name, why in layers[key].remind(held) if key in layers else ():
            log.warning("layer '%s' does not go on with its %s: %s", key, name, why)


def draws() -> dict[str, Any]:
    """The state of the generators of NumPy and Python that layers of the user's may draw from."""
    of_numpy, of_python = np.random.RandomState(), random.Random()
    of_numpy.set_state(np.random.get_state())
    of_python.setstate(random.getstate())
    return pack({"numpy": of_numpy, "python": of_python}, {}, [])


def draw_on(state: dict[str, Any]) -> None:
    """Let those generators go on from a state."""
    unpack(state, held := SimpleNamespace(), [])
    np.random.set_state(held.numpy.get_state())
    random.setstate(held.python.getstate())
