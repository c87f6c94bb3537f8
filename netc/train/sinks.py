"""What a pass leaves outside the program: the bottoms of layers that write files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netc.graph.ir import Graph


def sink(graph: Graph, k: int, values: Mapping[str, Any]) -> None:
    """Hand the values named in `graph.sunk` of pass k to their sinks; waits for the device.

    Raises DataError.
    """
    for node in graph.nodes:
        if node.set_up.sink is not None:
            node.set_up.sink(k, *(np.asarray(values[b]) for b in node.bottoms))
