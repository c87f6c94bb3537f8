"""Files that layers write: HDF5Output's."""

from __future__ import annotations

from collections.abc import Iterable

from netc.errors import GraphError
from netc.graph.ir import Graph


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
