"""What pycaffe's Net says it is made of. Caffe: pycaffe.py, _caffe.cpp."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from netc.errors import GraphError, did_you_mean
from netc.graph.ir import Graph
from netc.pycaffe.blob import Blob
from netc.pycaffe.fitting import Fitting


class LayerView(NamedTuple):
    """A layer: its type and its blobs."""

    type: str
    blobs: list[Blob]


class Parts:
    """The layers, blobs and connections of a net, by name and in order."""

    blobs: OrderedDict[str, Blob]
    _name: str | None = None
    _fitting: Fitting
    _blob_by_key: dict[str, Blob]

    @property
    def _graph(self) -> Graph:
        return self._fitting.program.graph

    @property
    def name(self) -> str:
        """The net's name, or the one that a script has given it for itself."""
        return self._graph.name if self._name is None else self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def params(self) -> OrderedDict[str, list[Blob]]:
        """Layer name -> its blobs, for layers that have some."""
        return OrderedDict(
            (n.name, self._layer_blobs(n)) for n in self._graph.nodes if n.blobs or n.state
        )

    @property
    def layers(self) -> list[Any]:
        """The layers in order. Those of a Python class are its instances."""
        return [
            n.set_up.host.user if n.set_up.host else LayerView(n.param.type, self._layer_blobs(n))
            for n in self._graph.nodes
        ]

    @property
    def layer_dict(self) -> OrderedDict[str, Any]:
        """Layer name -> layer."""
        return OrderedDict(zip(self._layer_names, self.layers, strict=True))

    def _layer_blobs(self, node: Any) -> list[Blob]:
        found = []
        for key, (spec, _) in zip(node.stored, node.set_up.stored, strict=True):
            blob, owners = self._blob_by_key[key], self._graph.param_by_key[key].spec.shape
            found.append(blob if spec.shape == owners else blob.shaped(spec.shape))
        return found

    @property
    def inputs(self) -> list[str]:
        """The tops of Input layers."""
        return [t for n in self._graph.nodes if n.param.type == "Input" for t in n.param.top]

    @property
    def outputs(self) -> list[str]:
        """The blobs that no layer reads, by name."""
        return [self._graph.blobs[v] for v in self._graph.outputs]

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        """Layer name -> its tops."""
        return OrderedDict(
            (n.name, [self._graph.blobs[t] for t in n.tops]) for n in self._graph.nodes
        )

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        """Layer name -> its bottoms."""
        return OrderedDict((n.name, list(n.param.bottom)) for n in self._graph.nodes)

    @property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        """Blob name -> its weight in the objective."""
        weights = {self._graph.blobs[v]: w for v, w in self._graph.weights.items()}
        return OrderedDict((b, weights.get(b, 0.0)) for b in self.blobs)

    @property
    def _layer_names(self) -> list[str]:
        return [n.name for n in self._graph.nodes]

    @property
    def _blob_names(self) -> list[str]:
        return list(self.blobs)

    @property
    def _blobs(self) -> list[Blob]:
        return list(self.blobs.values())

    @property
    def _blob_loss_weights(self) -> list[float]:
        return list(self.blob_loss_weights.values())

    @property
    def _inputs(self) -> list[int]:
        return self._places(self.inputs)

    @property
    def _outputs(self) -> list[int]:
        return self._places(self.outputs)

    def _top_ids(self, layer: int) -> list[int]:
        return self._places(self.top_names[self._layer_names[layer]])

    def _bottom_ids(self, layer: int) -> list[int]:
        return self._places(self.bottom_names[self._layer_names[layer]])

    def _places(self, blobs: Iterable[str]) -> list[int]:
        place = {name: i for i, name in enumerate(self.blobs)}
        return [place[name] for name in blobs]

    def _index(self, layer: str) -> int:
        names = self._layer_names
        if layer not in names:
            raise GraphError(f"no layer '{layer}' in the net", hint=did_you_mean(layer, names))
        return names.index(layer)

    def _named(self, blob: str) -> Blob:
        if blob not in self.blobs:
            raise GraphError(f"no blob '{blob}' in the net", hint=did_you_mean(blob, self.blobs))
        return self.blobs[blob]

    def __iter__(self) -> Iterator[str]:
        return iter(self.blobs)
