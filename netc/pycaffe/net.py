"""Net: pycaffe's view of a compiled net. Caffe: pycaffe.py, _caffe.cpp."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from netc import transfer
from netc.compile import Arrays, Program
from netc.data.memory import MemoryBatches
from netc.errors import NetcError
from netc.graph.build import build
from netc.graph.infer import infer, resize
from netc.graph.ir import Graph
from netc.graph.splits import insert_splits
from netc.load import Loaded, nearby, read_net
from netc.lowering.plan import Plan
from netc.phase import filter_net, state_of
from netc.pycaffe import mode
from netc.pycaffe.blob import Blob
from netc.pycaffe.fitting import Fitting
from netc.pycaffe.hooks import Hooks
from netc.pycaffe.memory import Memory
from netc.pycaffe.running import Running
from netc.schema import NetParameter, NetState
from netc.weights import read_weights, write_weights
from netc.weights.match import match


class NotThere(NetcError, RuntimeError):
    """A file that is not there: pycaffe raises RuntimeError, so scripts may wait for that."""


class Net(Running):
    """A net in one phase with every blob in reach.

    Net(file, phase, level=0, stages=None, weights=None), or the older Net(file, weights, phase).
    Blobs and layers are listed as Caffe lists them, Split layers included.
    Raises RuntimeError where a file is not there, and NetcError of every kind for what is wrong.
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
        for path in filter(None, (network_file, weights)):
            if not os.path.exists(path):
                raise NotThere(f"Could not open file {path}", hint=nearby(path))
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
        before: Graph | None = None,
    ) -> Net:
        """A net that shares blobs by key with others; `params` is added to.

        before: the same net as a graph, whose Python layers these are.
        """
        self = cls.__new__(cls)
        self._set_up(net, state, plan, seed, params, before=before)
        return self

    def _set_up(
        self,
        net: Loaded[NetParameter],
        state: NetState,
        plan: Plan,
        seed: int,
        params: dict[str, Blob] | None,
        weights: str | None = None,
        before: Graph | None = None,
    ) -> None:
        self._seed, self._pass, self._sunk = seed, 0, 0
        self._behind: Callable[[], None] | None = None
        self._arrays: tuple[MemoryBatches, int] | None = None  # and the pass they begin with
        self._memory, self._hooks = Memory({}), Hooks()
        self._message, self._source = insert_splits(*filter_net(net, state)[:2])
        self._plan = plan
        self.blobs: OrderedDict[str, Blob] = OrderedDict()
        self._infer(before)
        self._blob_by_key: dict[str, Blob] = {}
        given = self._read(weights) if weights else None
        blobs, carried = self._fitting.program.init(seed, given)
        for p in self._graph.params:
            blob = (params or {}).get(p.key)
            if blob is None:
                blob = Blob(p.spec.shape, before=self._catch_up)
                blob._data.set({**blobs, **carried}[p.key])
            self._blob_by_key[p.key] = blob

    def _infer(self, before: Graph | None) -> None:
        known = {n.key: n.set_up for n in before.nodes} if before else {}
        built = build(self._message, self._source)
        graph = infer(built, self._plan, self._seed, before=known)
        self._fitting = Fitting(Program(graph, self._plan))
        self._memory = Memory(graph.memory, self._memory)
        self._covered = {}
        self._shape_blobs(graph)

    def _shape_blobs(self, graph: Graph) -> None:
        """Give blobs the shapes they have in the graph; where one is new, its values are gone."""
        weights = {graph.blobs[v]: w for v, w in graph.weights.items()}
        for name, value in graph.last_values.items():
            shape = graph.shapes[value]
            if name not in self.blobs:
                self.blobs[name] = Blob(shape, weights.get(name, 0.0), self._catch_up)
            self.blobs[name].reshape(*shape)

    # Shapes and files.

    def reshape(self) -> None:
        """Propagate the shapes of the inputs after `blobs[name].reshape(...)`.

        Raises ShapeError where they do not fit the net, or decide the shape of learnable blobs.
        """
        self._catch_up()
        for layer in self._message.layer:
            if layer.type == "Input":
                del layer.input_param.shape[:]
                for top in layer.top:
                    layer.input_param.shape.add(dim=self.blobs[top].shape)
        shapes = {v: self.blobs[self._graph.blobs[v]].shape for v in self._graph.inputs}
        if self._graph.memory and any(self._graph.shapes[v] != s for v, s in shapes.items()):
            self._infer(self._graph)
        self._shape_blobs(resize(self._graph, self._plan, {}, shapes))

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
