"""A net as it is used: data layers become inputs, losses the answers that they judge."""

from __future__ import annotations

from collections.abc import Sequence

from netc.errors import UsageError, did_you_mean
from netc.graph.ir import Graph, Node
from netc.load import Loaded
from netc.prototxt import SourceMap
from netc.schema import LayerParameter, NetParameter

# What a loss computes first, with which message's fields.
ANSWERS = {
    "SoftmaxWithLoss": ("Softmax", "softmax_param"),
    "SoftmaxWithLossOHEM": ("Softmax", "softmax_param"),
    "InfogainLoss": ("Softmax", ""),
    "SigmoidCrossEntropyLoss": ("Sigmoid", "sigmoid_param"),
}
# What measures, stores or chooses examples, and loses without a loss weight of its own.
JUDGES = (
    *("Accuracy", "SegAccuracy", "DetectionEvaluate", "Silence"),
    *("HDF5Output", "FLOWriter", "PFMWriter", "FloatWriter", "ImgWriter", "MatWrite"),
    *("BlackHole", "ParseEvaluate"),
    *("CenterLoss", "SmoothL1LossOHEM", "BoxAnnotatorOHEM"),
)


def deployed(graph: Graph, outputs: Sequence[str] = ()) -> Loaded[NetParameter]:
    """A net of Input layers and what computes its answers; one that is so already is unchanged.

    Losses are replaced by the Softmax or Sigmoid in them, or left out, as what only judges is. The
    bottoms of these that depend on learnt blobs are answers; layers that no answer needs go.
    outputs: blobs that are the answers in place of those.
    Raises UsageError for one that there is not, and where there is no answer.
    """
    learnt = _learnt(graph)
    kept: dict[str, LayerParameter] = {}
    wanted: set[str] = set()
    taken = {n.name for n in graph.nodes} | {*graph.blobs.values()}
    for node in graph.nodes:
        if node.kind.loss and node.kind.name in ANSWERS:
            kept[node.key] = _answer(node, taken)
            wanted.add(node.key)
        elif node.kind.loss or node.kind.name in JUDGES:
            wanted.update(learnt.intersection(node.bottoms))
        else:
            kept[node.key] = node.param
            if not _is_source(node):
                wanted.update(set(node.tops).intersection(graph.outputs))
    if not wanted:
        raise UsageError("the net has no output but its data")
    if outputs:
        wanted = {_value(graph, kept, name) for name in outputs}
    return _assembled(graph, kept, wanted)


def _learnt(graph: Graph) -> set[str]:
    """The values that depend on blobs; the first bottoms of layers in a net that has none."""
    found: set[str] = set()
    for node in graph.nodes:
        if node.stored or found.intersection(node.bottoms):
            found.update(node.tops)
    if not found:
        found.update(n.bottoms[0] for n in graph.nodes if n.bottoms)
    return found


def _is_source(node: Node) -> bool:
    return node.set_up.external is not None or node.kind.name == "DummyData"


def _input(graph: Graph, node: Node, read: set[str]) -> LayerParameter:
    """An Input layer for the tops of a source that something reads."""
    layer = LayerParameter(name=node.name, type="Input")
    for top, name in zip(node.tops, node.param.top, strict=True):
        if top in read:
            layer.top.append(name)
            layer.input_param.shape.add(dim=graph.shapes[top])
    return layer


def _answer(node: Node, taken: set[str]) -> LayerParameter:
    """The layer in a loss: its top is the one that the loss has for it, or "prob"."""
    kind, field = ANSWERS[node.kind.name]
    top = node.param.top[1] if len(node.param.top) > 1 else "prob"
    if top in taken and len(node.param.top) < 2:
        top = f"{node.name}_prob"
    taken.add(top)
    layer = LayerParameter(name=top, type=kind, bottom=node.param.bottom[:1], top=[top])
    if field and node.param.HasField(field):
        getattr(layer, field).CopyFrom(getattr(node.param, field))
    elif node.kind.name == "InfogainLoss" and node.param.infogain_loss_param.HasField("axis"):
        layer.softmax_param.axis = node.param.infogain_loss_param.axis
    return layer


def _value(graph: Graph, kept: dict[str, LayerParameter], name: str) -> str:
    """What makes the blob of that name: its value, or the key of an answering layer."""
    known: dict[str, str] = {}
    for node in graph.nodes:
        if node.key in kept and not _is_source(node):
            judged = node.kind.name in ANSWERS
            values = (node.key,) if judged else node.tops
            known.update(zip(kept[node.key].top, values, strict=True))
    if name not in known:
        raise UsageError(
            f"the net has no blob '{name}' to put out; there are {', '.join(known)}",
            hint=did_you_mean(name, known),
        )
    return known[name]


def _assembled(
    graph: Graph, kept: dict[str, LayerParameter], wanted: set[str]
) -> Loaded[NetParameter]:
    """The layers that something wanted needs: values, and keys of layers."""
    needed: set[str] = set(wanted)
    chosen: list[int] = []
    for i, node in reversed(list(enumerate(graph.nodes))):
        if node.key in kept and (node.key in needed or needed.intersection(node.tops)):
            chosen.append(i)
            bottoms = node.bottoms[:1] if node.kind.name in ANSWERS else node.bottoms
            needed.update(bottoms)
    message = NetParameter()
    message.CopyFrom(graph.message)
    for field in ("layer", "state", "force_backward", "debug_info"):
        message.ClearField(field)
    source = SourceMap()
    source.fields["layer"] = []
    for i in sorted(chosen):
        node = graph.nodes[i]
        layer = _input(graph, node, needed) if _is_source(node) else kept[node.key]
        message.layer.add().CopyFrom(layer)
        _forget_training(message.layer[-1])
        source.fields["layer"].append(node.source)
    return Loaded(message, source)


def _forget_training(layer: LayerParameter) -> None:
    """Rules of phases and rates mean nothing any more; names of shared blobs stay."""
    for field in ("include", "exclude", "phase", "loss_weight", "propagate_down"):
        layer.ClearField(field)
    for spec in layer.param:
        for field in ("lr_mult", "decay_mult"):
            spec.ClearField(field)
    if not any(spec.name for spec in layer.param):
        layer.ClearField("param")
