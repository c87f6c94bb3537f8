"""Files of weights from one format to another, as they are or as a net needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from netc.compile import compile_file
from netc.errors import UsageError, WeightsError
from netc.files import atomic
from netc.fold import Folded, fold
from netc.graph.ir import Graph
from netc.graph.splits import insert_splits
from netc.load import PathLike
from netc.lowering.plan import Plan
from netc.prototxt import SourceMap, to_text
from netc.schema import NetParameter, Phase
from netc.transfer import by_key, by_layer, targets, with_phases
from netc.upgrade import current_type
from netc.weights import LayerWeights, WeightFile, read_weights, write_weights
from netc.weights.files import WRITERS
from netc.weights.kinds import writing
from netc.weights.match import Rules, match, renamed, render, summary

_AXES = {"Convolution": 4, "Deconvolution": 4, "InnerProduct": 2, "Embed": 2}  # of the first blob


def convert(
    source: PathLike,
    out: PathLike,
    rules: Rules,
    net: PathLike | None = None,
    folded: PathLike | None = None,
) -> str:
    """Write the weights in `source` to `out`, in the format of its suffix; a report.

    net: a prototxt. The blobs are matched with its layers in TEST phase, cast where their values
    fit, and get their shapes; by default they stay as they are, under the same names.
    folded: a prototxt to write: the net with BatchNorm and Scale folded into the layers before.

    Raises UsageError for another suffix, WeightsError, and what compiling the net raises.
    """
    suffix = Path(out).suffix
    if suffix not in WRITERS:
        raise UsageError(f"{out}: the name of a file of weights ends in {', '.join(WRITERS)}")
    weights = read_weights(source)
    if net is None:
        return _copy(renamed(weights, rules), out, with_diffs=suffix in (".caffemodel", ".h5"))
    return _fit(weights, out, rules, net, folded)


def _fit(
    weights: WeightFile, out: PathLike, rules: Rules, net: PathLike, folded: PathLike | None
) -> str:
    """Write weights as the layers of a net have them."""
    graph = compile_file(str(net), Phase.TEST, Plan("cpu")).graph
    found = match(targets(graph), weights, rules._replace(cast=True))
    report = f"{summary(found.rows)}\n{render(found.rows)}\n"
    values = by_key(graph, found)
    absent = [node for node in graph.nodes if not {*node.blobs, *node.state} <= values.keys()]
    if absent and (folded or not rules.skip):
        error = WeightsError(
            f"the file has not all blobs of the layers {', '.join(n.name for n in absent)}",
            weights.path,
            "--map gives its layers other names, --skip-mismatch leaves those of the net out",
        )
        error.add_note(report)
        raise error
    if folded:
        new = fold(graph.message, by_layer(graph, values))
        _write(out, graph, new.message, new.blobs)
        with writing(folded), atomic(folded, "w") as file:
            file.write(to_text(new.message))
        return report + _told(new)
    held = graph.replace(nodes=tuple(node for node in graph.nodes if node not in absent))
    _write(out, graph, graph.message, by_layer(held, values, owners_only=Path(out).suffix == ".h5"))
    return report


def _write(out: PathLike, graph: Graph, message: NetParameter, blobs: Any) -> None:
    with_splits, _ = insert_splits(message, SourceMap())
    write_weights(out, with_phases(graph.replace(message=with_splits)), blobs)


def _copy(weights: WeightFile, out: PathLike, with_diffs: bool) -> str:
    """Write weights without knowing their net."""
    message = NetParameter(name=weights.name)
    blobs: dict[str, list[np.ndarray]] = {}
    for layer in weights.layers:
        message.layer.add(name=layer.name, type=current_type(layer.type))
        blobs[layer.name] = [_current(layer, i, weights.path) for i in range(len(layer.blobs))]
    diffs = {y.name: y.diffs for y in weights.layers}
    complete = all(diff is not None for layer in diffs.values() for diff in layer)
    write_weights(out, message, blobs, diffs if with_diffs and complete else None)
    return f"{sum(map(len, blobs.values()))} blobs of {sum(map(bool, blobs.values()))} layers\n"


def _current(layer: LayerWeights, index: int, path: str) -> np.ndarray:
    """A blob in the shape that the current format gives it."""
    blob = layer.blobs[index]
    if blob is None:
        raise WeightsError(
            f"blob {index} of layer '{layer.name}' is stored only with the layer that owns it",
            path,
            "with --net the layers that share it are known",
        )
    shape = blob.shape
    if layer.legacy[index]:
        axes = _AXES.get(current_type(layer.type), 1) if index == 0 else 1
        while len(shape) > axes and shape[0] == 1:
            shape = shape[1:]
    return blob.reshape(shape)


def _told(new: Folded) -> str:
    lines = [f"{name} folded into {host}\n" for name, host in new.into.items()]
    lines += [f"{name} not folded: {reason}\n" for name, reason in new.kept.items()]
    return "".join(lines) or "no BatchNorm or Scale to fold\n"
