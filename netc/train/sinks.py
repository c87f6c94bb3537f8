"""What a pass leaves outside the program: the bottoms of HDF5Output layers, in their files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from netc.errors import GraphError
from netc.graph.ir import Graph


def sink(graph: Graph, k: int, values: Mapping[str, Any]) -> None:
    """Hand the values named in `graph.sunk` of pass k to their sinks; waits for the device.

    Raises DataError.
    """
    for node in graph.nodes:
        if node.set_up.sink is not None:
            node.set_up.sink(k, *(np.asarray(values[b]) for b in node.bottoms))


def check_sinks(graphs: Iterable[Graph]) -> None:
    """Each file is written by one layer. Raises GraphError."""
    owners: dict[str, str] = {}
    for graph in graphs:
        for node in graph.nodes:
            path = node.param.hdf5_output_param.file_name
            if node.param.type != "HDF5Output":
                continue
            if path in owners:
                raise GraphError(
                    f"Failed to open HDF5 file: '{path}' is written already by layer "
                    f"'{owners[path]}' (layer '{node.name}', {node.param.type})",
                    node.source.find("file_name"),
                    "a net in two phases has the layer twice: include { phase: TEST } keeps one",
                )
            owners[path] = node.name
