"""Net: pycaffe's view of a compiled net. Caffe: pycaffe.py, _caffe.cpp."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from netc import transfer
from netc.compile import Arrays, Program
from netc.data.memory import MemoryBatches
from netc.errors import GraphError, UsageError
from netc.graph.build import build
from netc.graph.infer import infer
from netc.graph.ir import Graph
from netc.graph.splits import insert_splits
from netc.load import Loaded, read_net
from netc.lowering.plan import Plan
from netc.phase import filter_net, state_of
from netc.prototxt import SourceMap
from netc.pycaffe import mode
from netc.pycaffe.blob import Blob
from netc.pycaffe.fitting import Fitting
from netc.pycaffe.memory import Memory
from netc.pycaffe.parts import LayerView, Parts
from netc.pycaffe.segment import Segment
from netc.schema import NetParameter, NetState
from netc.train.sinks import sink
from netc.weights import read_weights, write_weights
from netc.weights.match import match


class Net(Parts):
    """A net in one phase with every blob in reach.

    Net(file, phase, level=0, stages=None, weights=None), or the older Net(file, weights, phase).
    Blobs and layers are listed as Caffe lists them, Split layers included.
    """

    def __init__(
        self,
        network_file: str,
        phase: int | str,
        level: int = 0,
        stages: Sequence[str] | None = None,
        weights: str | None = None,
    ) -> None:
        if isinstance(phase, str):
            weights, phase, level = phase, level, 0
        net = read_net(network_file)
        state = state_of(net.message, phase, level, tuple(stages or ()))
        self._set_up(net, state, mode.plan(), mode.seed(), None, weights)

    @classmethod
    def _of(
        cls,
        net: Loaded[NetParameter],
        state: NetState,
        plan: Plan,
        seed: int,
        params: dict[str, Blob] | None = None,
    ) -> Net:
        """A net that shares blobs by key with others; `params` is added to."""
        self = cls.__new__(cls)
        self._set_up(net, state, plan, seed, params)
        return self

    def _set_up(
        self,
        net: Loaded[NetParameter],
        state: NetState,
        plan: Plan,
        seed: int,
        params: dict[str, Blob] | None,
        weights: str | None = None,
    ) -> None:
        self._seed, self._pass, self._sunk = seed, 0, 0
        self._behind: Callable[[], None] | None = None
        self._arrays: tuple[MemoryBatches, int] | None = None  # and the pass they begin with
        self._message, self._source = insert_splits(*filter_net(net, state)[:2])
        self._plan = plan
        self._infer()
        self._blob_by_key: dict[str, Blob] = {}
        given = self._read(weights) if weights else None
        blobs, carried = self._fitting.program.init(seed, given)
        for p in self._graph.params:
            blob = (params or {}).get(p.key)
            if blob is None:
                blob = Blob(p.spec.shape, before=self._catch_up)
                blob._data.set({**blobs, **carried}[p.key])
            self._blob_by_key[p.key] = blob

    def _infer(self) -> None:
        graph = infer(build(self._message, self._source), self._plan, self._seed)
        self._fitting = Fitting(Program(graph, self._plan))
        self._memory = Memory(graph.memory, getattr(self, "_memory", None))
        self._shape_blobs()

    def _shape_blobs(self) -> None:
        """Give every blob the shape it has in the graph; where that is new, its values are gone."""
        weights = {self._graph.blobs[v]: w for v, w in self._graph.weights.items()}
        shapes = {b: self._graph.shapes[v] for b, v in self._graph.last_values.items()}
        old = getattr(self, "blobs", {})
        self.blobs: OrderedDict[str, Blob] = OrderedDict(
            (b, old.get(b) or Blob(s, weights.get(b, 0.0), self._catch_up))
            for b, s in shapes.items()
        )
        for name, shape in shapes.items():
            self.blobs[name].reshape(*shape)

    # Running.

    def forward(
        self,
        blobs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **inputs: Any,
    ) -> dict[str, np.ndarray]:
        """Fill the inputs, run the layers `start` to `end`; the outputs and the blobs asked for."""
        if inputs:
            self._fill_inputs(inputs)
        first = self._index(start) if start else 0
        last = self._index(end) if end else len(self._graph.nodes) - 1
        self._forward(first, last)
        ends = self.top_names[end] if end else self.outputs
        return {b: self._named(b).data for b in [*ends, *(blobs or [])]}

    def _forward(self, first: int, last: int) -> float:
        """Run layers by index; the loss."""
        self._catch_up()
        segment = self._fitting.segment(first, last)
        if segment.fed:
            self._feed(segment)
        arguments = self._arguments(segment, self._memory.now)
        segment = self._fit(first, last, arguments)
        values, loss, state = segment.forward(*arguments)
        for name, value in values.items():
            self.blobs[name]._data.set(value)
        for key, value in self._memory.advance(state).items():
            self._blob_by_key[key]._data.set(value)
        if sunk := segment.graph.sunk:
            blobs = {v: self.blobs[self._graph.blobs[v]]._data.value() for v in sunk}
            sink(segment.graph, self._sunk, blobs)
            self._sunk += 1
        return float(loss)

    def backward(
        self,
        diffs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **output_diffs: Any,
    ) -> dict[str, np.ndarray]:
        """Go back from layer `start` to `end`; the gradients of the inputs and those asked for.

        Gradients of learnable blobs add to what their diff holds.
        """
        if output_diffs:
            if set(output_diffs) != set(self.outputs):
                raise UsageError("Top diff arguments do not match net outputs.")
            for name, diff in output_diffs.items():
                self.blobs[name].diff[...] = diff
        last = self._index(start) if start else len(self._graph.nodes) - 1
        first = self._index(end) if end else 0
        self._backward(last, first)
        ends = self.bottom_names[end] if end else self.inputs
        return {b: self._named(b).diff for b in [*ends, *(diffs or [])]}

    def _backward(self, last: int, first: int) -> None:
        self._catch_up()
        segment = self._fitting.segment(first, last)
        seeds = {v: self.blobs[self._graph.blobs[v]]._diff.value() for v in segment.open}
        arguments = self._arguments(segment, self._memory.before)
        d_values, d_blobs = segment.backward(*arguments, seeds)
        for name, value in d_values.items():
            self.blobs[name]._diff.set(value)
        force = self._graph.message.force_backward
        for key, value in d_blobs.items():
            # Caffe goes back only where a loss depends on the layer.
            wanted = key in self._graph.differentiable
            if force or (wanted and self._graph.param_by_key[key].lr_mult != 0):
                cell = self._blob_by_key[key]._diff
                cell.set(cell.value() + value)

    def _arguments(self, segment: Segment, memory: Arrays) -> tuple[Arrays, Arrays, Any, Arrays]:
        used = {k for n in segment.graph.nodes for k in n.blobs}
        carried = {k for n in segment.graph.nodes for k in n.state}
        blobs = {k: self._blob_by_key[k]._data.value() for k in sorted(used)}
        state = {k: self._blob_by_key[k]._data.value() for k in sorted(carried)}
        state |= {k: memory[k] for k in segment.graph.memory}
        inputs = {
            v: self.blobs[self._graph.blobs[v]]._data.value() for v in segment.reads + segment.fed
        }
        key = jax.random.fold_in(jax.random.key(self._seed), self._pass)
        return blobs, state, key, inputs

    def _fit(self, first: int, last: int, arguments: Any) -> Segment:
        """The segment in the sizes that these arguments lead to; blobs are shaped likewise."""
        if self._fitting.fit(first, last, arguments):
            self._shape_blobs()
        return self._fitting.segment(first, last)

    def _feed(self, segment: Segment) -> None:
        """Read the next batch into the tops of the data layers."""
        self._show(self._next_batch(segment))

    def _show(self, inputs: Arrays) -> None:
        """Put a batch into the tops of the data layers, in the shapes it has."""
        for name, value in inputs.items():
            blob = self.blobs[self._graph.blobs[name]]
            blob.reshape(*value.shape)
            blob._data.set(value)

    def _next_batch(self, segment: Segment) -> Arrays:
        k, self._pass = self._pass, self._pass + 1
        return segment.batch(k) | self._served(segment.graph, k)

    @property
    def _next_pass(self) -> int:
        return self._pass

    def set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Let the MemoryData layer that the net begins with serve these arrays from their start.

        They are not copied. Raises UsageError as `MemoryBatches` does.
        """
        self._catch_up()
        layer = self._graph.nodes[0].param
        if layer.type != "MemoryData":
            raise UsageError(
                "set_input_arrays may only be called if the first layer is a MemoryDataLayer, "
                f"got '{layer.name}' ({layer.type})"
            )
        self._arrays = MemoryBatches(layer, data, labels), self._next_pass

    def _served(self, graph: Graph, k: int) -> Arrays:
        """What MemoryData layers serve in pass k. Raises UsageError where they have no arrays."""
        nodes = [n for n in graph.nodes if n.param.type == "MemoryData"]
        for node in nodes:
            if node is not nodes[0] or self._arrays is None:
                raise UsageError(
                    "MemoryDataLayer needs to be initialized by calling Reset "
                    f"(layer '{node.name}')",
                    hint="net.set_input_arrays(data, labels) does it for the first layer",
                )
        if not nodes or self._arrays is None:
            return {}
        batches, start = self._arrays
        return dict(zip(nodes[0].tops, batches.batch(k - start), strict=True))

    def _catch_up(self) -> None:
        """Compute what a solver's step left to be computed when somebody looks."""
        if self._behind is not None:
            behind, self._behind = self._behind, None
            behind()

    def _fill_inputs(self, inputs: dict[str, Any]) -> None:
        if set(inputs) != set(self.inputs):
            raise UsageError(
                f"Input blob arguments do not match net inputs: {', '.join(inputs)}, not "
                f"{', '.join(self.inputs)}."
            )
        for name, value in inputs.items():
            array = np.asarray(value)
            if array.ndim and self.blobs[name].shape and len(array) != self.blobs[name].shape[0]:
                raise UsageError(
                    f"Input is not batch sized: '{name}' takes {self.blobs[name].shape}, got "
                    f"{array.shape}."
                )
            self.blobs[name].data[...] = array

    def forward_all(
        self, blobs: Sequence[str] | None = None, **inputs: Any
    ) -> dict[str, np.ndarray]:
        """Run any number of examples in batches; copies of the outputs and the blobs asked for."""
        found: dict[str, list[np.ndarray]] = {}
        count = len(next(iter(inputs.values())))
        size = self.blobs[self.inputs[0]].shape[0]
        for at in range(0, count, size):
            part: Any = {k: _padded(np.asarray(v)[at : at + size], size) for k, v in inputs.items()}
            for name, value in self.forward(blobs, **part).items():
                found.setdefault(name, []).append(value[: count - at].copy())
        return {k: np.concatenate(v) for k, v in found.items()}

    # Shapes and files.

    def reshape(self) -> None:
        """Propagate the shapes of the inputs after `blobs[name].reshape(...)`."""
        changed = False
        for layer in self._message.layer:
            if layer.type != "Input":
                continue
            shapes = [self.blobs[t].shape for t in layer.top]
            given = [tuple(s.dim) for s in layer.input_param.shape]
            if (given * len(shapes) if len(given) == 1 else given) != shapes:
                changed = True
                del layer.input_param.shape[:]
                for shape in shapes:
                    layer.input_param.shape.add(dim=shape)
        if changed:
            before = {p.key: p.spec.shape for p in self._graph.params}
            self._infer()
            for p in self._graph.params:
                if before[p.key] != p.spec.shape:
                    raise GraphError(
                        f"the input shapes change blob {p.index} of layer '{p.layer}' from "
                        f"{before[p.key]} to {p.spec.shape}"
                    )

    def clear_param_diffs(self) -> None:
        """Set the gradients of all learnable blobs to zero."""
        for blob in self._blob_by_key.values():
            blob._diff.set(np.zeros(blob.shape, np.float32))

    def copy_from(self, path: str | os.PathLike[str]) -> None:
        """Copy blobs from a file by layer name. Raises WeightsError."""
        for key, value in self._read(path).items():
            self._blob_by_key[key]._data.write(value)  # as a caller does: a solver takes it over

    def _read(self, path: str | os.PathLike[str]) -> Arrays:
        return transfer.by_key(
            self._graph, match(transfer.targets(self._graph), read_weights(path))
        )

    def share_with(self, other: Net) -> None:
        """Use the other net's blobs, by layer name; they stay the same arrays from then on."""
        shared = transfer.shared_blobs(other._graph, self._graph)
        for mine, theirs in shared.items():
            self._blob_by_key[mine] = other._blob_by_key[theirs]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .caffemodel, binary or (by a name that ends in .h5) HDF5."""
        hdf5 = os.fspath(path).endswith(".h5")
        values = {k: b._data.value() for k, b in self._blob_by_key.items()}
        message = NetParameter()
        message.CopyFrom(self._message)
        plain = self._graph.replace(message=message)
        blobs: Any = transfer.by_layer(plain, values, owners_only=hdf5)
        write_weights(path, transfer.with_phases(plain), blobs)

    def save_hdf5(self, path: str) -> None:
        """Write an HDF5 file of weights."""
        from netc.weights import hdf5

        values = {k: b._data.value() for k, b in self._blob_by_key.items()}
        blobs: Any = transfer.by_layer(self._graph, values, owners_only=True)
        hdf5.write(path, transfer.with_phases(self._graph), blobs)

    load_hdf5 = copy_from


def _padded(array: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(array)
    return array if missing <= 0 else np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))


__all__ = ["LayerView", "Net", "SourceMap"]
