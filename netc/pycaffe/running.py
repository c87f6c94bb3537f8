"""A net at work: passes forward and back, in whole or in part. Caffe: net.cpp, pycaffe.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from netc.compile import Arrays
from netc.data.memory import MemoryBatches
from netc.errors import UsageError
from netc.graph.ir import Graph
from netc.pycaffe import hosting
from netc.pycaffe.batching import Batching
from netc.pycaffe.hooks import Hooked
from netc.pycaffe.memory import Memory
from netc.pycaffe.parts import Parts
from netc.pycaffe.segment import Segment
from netc.train.sinks import sink


class Running(Parts, Batching, Hooked):
    """The passes of a net."""

    _seed: int
    _pass: int
    _sunk: int
    _behind: Callable[[], None] | None
    _arrays: tuple[MemoryBatches, int] | None
    _memory: Memory
    _covered: Arrays  # by value: inputs of passes that layers in place wrote over

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
        if any(not n.bottoms for n in self._graph.nodes[first : last + 1]):
            self._show(self._next_batch(self._fitting.segment(first, last)))
        loss = 0.0
        for i, j in self._runs(first, last, "forward"):
            self._hooks.call("before_forward", i)
            loss += hosting.forward(self, i) if self._is_hosted(i) else self._compiled(i, j)
            self._hooks.call("after_forward", j)
        return loss

    def _runs(self, first: int, last: int, way: str) -> list[tuple[int, int]]:
        """Layers `first` to `last` in runs of (first, last): those of one program, or one layer
        that works on the host or has hooks around it."""
        if self._hooks.around(way):
            return [(i, i) for i in range(first, last + 1)]
        runs, start = [], first
        for i in range(first, last + 1):
            if self._is_hosted(i):
                runs += [(start, i - 1)] if start < i else []
                runs.append((i, i))
                start = i + 1
        return runs + ([(start, last)] if start <= last else [])

    def _is_hosted(self, layer: int) -> bool:
        node = self._graph.nodes[layer].set_up
        return node.host is not None and node.external is None

    def _compiled(self, first: int, last: int) -> float:
        segment = self._fitting.segment(first, last)
        arguments = self._arguments(segment, self._memory.now)
        segment = self._fitting.fit(first, last, arguments)
        values, loss, state = segment.forward(*arguments)
        self._covered = self._covered | segment.covered(arguments[-1])
        for name, value in values.items():
            self.blobs[name].put(value)
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
        for i, j in reversed(self._runs(first, last, "backward")):
            self._hooks.call("before_backward", j)
            if self._is_hosted(i):
                hosting.backward(self, i)
            else:
                self._compiled_back(i, j)
            self._hooks.call("after_backward", i)

    def _compiled_back(self, first: int, last: int) -> None:
        segment = self._fitting.segment(first, last)
        arguments = self._read_before(segment)
        arguments[-1].update(self._overwritten(segment, first))
        segment = self._fitting.fit(first, last, arguments)
        seeds = {v: self.blobs[self._graph.blobs[v]]._diff.value() for v in segment.open}
        d_values, d_blobs = segment.backward(*arguments, seeds)
        for name, value in d_values.items():
            self.blobs[name]._diff.set(value)
        for key, value in d_blobs.items():
            self._add_diff(key, value)

    def _add_diff(self, key: str, value: Any) -> None:
        """Add to the gradient of a learnable blob. Caffe does where a loss depends on the layer."""
        force, graph = self._graph.message.force_backward, self._graph
        if force or (key in graph.differentiable and graph.param_by_key[key].lr_mult != 0):
            cell = self._blob_by_key[key]._diff
            cell.set(cell.value() + value)

    def _overwritten(self, segment: Segment, first: int) -> Arrays:
        """What layers from `first` on have read, and then written over: made once more."""
        nodes, blobs = self._graph.nodes, self._graph.blobs
        over = {blobs[t] for n in nodes[first:] for t in n.tops}
        missing = {v for v in segment.reads if blobs[v] in over} - self._covered.keys()
        start = first
        while missing and not self._is_hosted(start - 1):
            start -= 1
            node = nodes[start]
            missing -= set(node.tops)
            missing |= {v for v in node.bottoms if blobs[v] in over} - self._covered.keys()
            over |= {blobs[t] for t in node.tops}
        if start == first:
            return {}
        lead = self._fitting.segment(start, first - 1)
        arguments = self._read_before(lead)
        made = self._fitting.fit(start, first - 1, arguments).forward(*arguments)[0]
        return {v: made[blobs[v]] for v in segment.reads if blobs[v] in made}

    def _read_before(self, segment: Segment) -> tuple[Arrays, Arrays, Any, Arrays]:
        """The arguments that a segment had in the last pass."""
        arguments = self._arguments(segment, self._memory.before)
        inputs = arguments[-1]
        inputs |= {v: x for v, x in self._covered.items() if v in inputs}
        return arguments

    def _arguments(self, segment: Segment, memory: Arrays) -> tuple[Arrays, Arrays, Any, Arrays]:
        used = {k for n in segment.graph.nodes for k in n.blobs}
        carried = {k for n in segment.graph.nodes for k in n.state}
        blobs = {k: self._blob_by_key[k]._data.value() for k in sorted(used)}
        state = {k: self._blob_by_key[k]._data.value() for k in sorted(carried)}
        state |= {k: memory[k] for k in segment.graph.memory}
        inputs = {
            v: self.blobs[self._graph.blobs[v]]._data.value() for v in segment.reads + segment.fed
        }
        key: Any = None
        if any(n.set_up.random for n in segment.graph.nodes):
            key = jax.random.fold_in(jax.random.key(self._seed), self._pass)
        return blobs, state, key, inputs

    def _show(self, inputs: Arrays) -> None:
        """Put a batch into the tops of the data layers, in the shapes it has."""
        for name, value in inputs.items():
            self.blobs[self._graph.blobs[name]].put(value)

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

    _set_input_arrays = set_input_arrays

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
