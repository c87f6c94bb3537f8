"""A net as BVLC Caffe and OpenCV (before 5) read it: a deploy prototxt and a .caffemodel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import Message

from netc.errors import UsageError, raise_all
from netc.export.calls import Unsupported
from netc.export.net import Net
from netc.files import atomic
from netc.graph.ir import Node
from netc.layers.dialects import HARMLESS
from netc.load import PathLike
from netc.prototxt import to_text
from netc.schema import FillerParameter, LayerParameter, NetParameter, fork_of, is_repeated
from netc.transfer import by_layer
from netc.weights import write_weights
from netc.weights.kinds import writing

OWN = range(10000, 19000)  # the numbers of netc's own fields
TRAINING = {"lr_mult", "decay_mult"}  # of a layer
BVLC = (
    "AbsVal Accuracy ArgMax BNLL BatchNorm BatchReindex Bias Clip Concat ContrastiveLoss "
    "Convolution Crop Deconvolution Dropout ELU Eltwise Embed EuclideanLoss Exp Filter Flatten "
    "HingeLoss Im2col InfogainLoss InnerProduct Input LRN LSTM LSTMUnit Log MVN "
    "MultinomialLogisticLoss PReLU Parameter Pooling Power RNN ReLU Reduction Reshape SPP Scale "
    "Sigmoid SigmoidCrossEntropyLoss Silence Slice Softmax SoftmaxWithLoss Split Swish TanH "
    "Threshold Tile"
)
TYPES = frozenset(BVLC.split())


def write_caffe(net: Net, path: PathLike) -> str:
    """Write NET.prototxt and NET.caffemodel; a report.

    Raises UsageError for another name, and Unsupported, or Errors, with every layer and field that
    is not BVLC Caffe's.
    """
    path = Path(path)
    if path.suffix != ".prototxt":
        raise UsageError(f"{path}: the name of such a file ends in .prototxt")
    message = plain(net)
    beside = path.with_suffix(".caffemodel")
    write_weights(beside, message, by_layer(net.graph, net.stored))
    with writing(path), atomic(path, "w") as file:
        file.write(to_text(message))
    return f"{path} and {beside}: {len(message.layer)} layers of BVLC Caffe"


def plain(net: Net) -> NetParameter:
    """The net's message with nothing in it that BVLC Caffe does not know."""
    message = NetParameter(name=net.graph.name)
    errors = []
    for node in net.graph.nodes:
        layer = message.layer.add()
        layer.CopyFrom(_translated(net, node))
        errors += [
            Unsupported(f"BVLC Caffe has no {what} (layer '{node.name}')", node.source.find(field))
            for field, what in _strange(node, layer)
        ]
    raise_all(errors)
    return message


def _translated(net: Net, node: Node) -> LayerParameter:
    """The layer in Caffe's words, where it has some for it."""
    layer = LayerParameter()
    layer.CopyFrom(node.param)
    if layer.type in ("DepthwiseConvolution", "ConvolutionDepthwise"):
        layer.type = "Convolution"
        p = layer.convolution_param
        p.group = net.graph.shapes[node.bottoms[0]][p.axis]
    if layer.pooling_param.HasField("ceil_mode"):
        p = layer.pooling_param
        p.round_mode = p.CEIL if p.ceil_mode else p.FLOOR
        p.ClearField("ceil_mode")
    return layer


def _strange(node: Node, layer: LayerParameter) -> Iterator[tuple[str, str]]:
    """(field, what it is) of all that Caffe does not know. What changes no number is cleared."""
    if layer.type not in TYPES or node.kind.dialects:
        yield "type", f"layer type {node.kind.label}"
    yield from _strange_fields(layer)


def _strange_fields(message: Message) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        own = field.number in OWN
        if field.message_type is FillerParameter.DESCRIPTOR or (own and field.name in TRAINING):
            message.ClearField(field.name)
        elif own or (forks := fork_of(message.DESCRIPTOR.name, field.name)):
            if field.name in HARMLESS:
                message.ClearField(field.name)
            else:
                whose = "netc's own" if own else f"of {', '.join(forks)}"
                yield field.name, f"field {field.name}, which is {whose}"
        elif field.message_type is not None:
            for part in value if is_repeated(field) else [value]:
                yield from _strange_fields(part)
