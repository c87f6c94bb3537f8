"""The rules for nets.

A rule marked `training` applies to nets that are trained, so a deploy net is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from netc.data.sources import BACKENDS
from netc.graph.ir import Node
from netc.graph.window import PoolingWindow, pooling_window
from netc.layers.base import Shape, dims
from netc.lint import dialect, norm
from netc.lint.rules import Finding, Net, Place, Rule, in_layer
from netc.schema import EltwiseParameter, PoolingParameter

WEIGHTED = {
    "Convolution": "convolution_param",
    "ConvolutionDepthwise": "convolution_param",
    "Deconvolution": "convolution_param",
    "DepthwiseConvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "LargeMarginInnerProduct": "largemargin_inner_product_param",
    "MarginInnerProduct": "margin_inner_product_param",
    "Embed": "embed_param",
    "LSTM": "recurrent_param",
    "RNN": "recurrent_param",
}
LEARNABLE = {*WEIGHTED, "PReLU", "Scale", "Bias", "Parameter"}
SCORES = {"Accuracy", "SegAccuracy"}
PIXELS = {
    *("AnnotatedData", "Data", "DenseImageData", "ImageData", "ImageFolder", "ImageLabelmapData"),
    *("ImageList", "ImageSegData", "WindowData"),
}
APPLIED_BY_LOSS = {
    "SoftmaxWithLoss": ("Softmax", "a softmax of its own"),
    "SigmoidCrossEntropyLoss": ("Sigmoid", "a sigmoid of its own"),
}
WRONG_IN_PLACE = {"Power", "Clip", "BNLL", "Log", "MVN", "LRN"}
NEEDS_OWN_TOP = {"MVN", "LRN", "Softmax", "Exp", "ELU", "TanH", "Sigmoid", "Swish"}


def unused_top(net: Net) -> Iterator[Place]:
    """It costs time and memory in every iteration, and Caffe prints it as an output of the net."""
    for value in net.graph.outputs:
        node = net.producer.get(value)
        if node is None or node.kind.loss or node.param.type in SCORES:
            continue
        i = node.tops.index(value)
        if not node.loss_weights[i]:
            yield in_layer(node, "top", i, message=f"nothing reads '{net.graph.blobs[value]}'")


def learns_nothing(net: Net) -> Iterator[Place]:
    """Without a path to a loss no gradient arrives, and the blobs keep their first values."""
    with_blobs = {n.key for n in net.known if n.blobs}
    for node in net.nodes if net.graph.weights else ():
        learns = node.param.type in LEARNABLE or node.key in with_blobs
        given = [p.lr_mult for p in node.param.param] or [node.param.lr_mult]
        if learns and any(given) and node.key not in net.below_loss:
            yield in_layer(node, message="no loss depends on this layer, so it learns nothing")


def loss_teaches_nothing(net: Net) -> Iterator[Place]:
    """A loss whose gradient meets no learnable blob changes nothing, whatever its weight."""
    learnable = {n.key for n in net.known if n.blobs}
    for node in net.known:
        if any(node.loss_weights) and not any(n.key in learnable for n in net.upstream(node)):
            yield in_layer(node, message="no gradient of this loss meets a learnable blob")


def decayed_but_frozen(net: Net) -> Iterator[Place]:
    """The decay is multiplied by the learning rate too, so with lr_mult 0 it has no effect."""
    for node in net.nodes:
        for i, p in enumerate(node.param.param):
            if p.lr_mult == 0 and p.HasField("decay_mult") and p.decay_mult:
                message = f"decay_mult {p.decay_mult:g} on a blob with lr_mult 0"
                yield in_layer(node, "param", i, "decay_mult", message=message)


def no_loss(net: Net) -> Iterator[Place]:
    """Training minimises the sum of the weighted tops; here there is none."""
    if not net.graph.weights:
        yield Place(net.nodes[0].source, (), "the net has data but no loss in phase TRAIN")


def accuracy_in_train(net: Net) -> Iterator[Place]:
    """It is computed on one training batch, in every iteration, also where nothing is displayed."""
    for node in net.nodes:
        if node.param.type in SCORES and not (node.param.include or node.param.exclude):
            yield in_layer(node, message="scored in TRAIN as well as in TEST")


def label_changed(net: Net) -> Iterator[Place]:
    """The loss compares with what is left of the labels, not with those of the data."""
    for node in net.nodes:
        if node.kind.loss and len(node.bottoms) > 1:
            value = node.bottoms[1]
            blob = net.graph.blobs[value]
            if value != blob:
                maker = net.producer[value].name
                message = f"layer '{maker}' changes '{blob}' in place before this loss reads it"
                yield in_layer(node, "bottom", 1, message=message)


def zero_weights(net: Net) -> Iterator[Place]:
    """The default filler is constant 0: such a layer passes no gradient down, and behind another
    one like it nothing ever learns."""
    for node in net.nodes:
        field = WEIGHTED.get(node.param.type)
        if field is None or node.param.blobs:
            continue
        if not getattr(node.param, field).HasField("weight_filler"):
            yield in_layer(node, field, message="weight_filler missing: weights start at zero")


def wide_gaussian(net: Net) -> Iterator[Place]:
    """std is 1 unless it is given, which makes scores of hundreds and a first loss of 87.3."""
    for node in net.nodes:
        field = WEIGHTED.get(node.param.type)
        if field is None:
            continue
        filler = getattr(node.param, field).weight_filler
        if filler.type == "gaussian" and not filler.HasField("std"):
            yield in_layer(node, field, "weight_filler", message="gaussian filler without std")


def nobody_fills(net: Net) -> Iterator[Place]:
    """Training has nothing to put into it: an Input layer is filled by the program that calls."""
    for node in net.nodes:
        if node.param.type == "Input":
            yield in_layer(node, message="an Input layer in a net that is trained")


def made_up_data(net: Net) -> Iterator[Place]:
    """The net fits fillers' numbers; fine for timing, worth nothing otherwise."""
    sources = [n for n in net.nodes if not n.bottoms]
    for node in sources:
        if node.param.type == "DummyData" and all(n.param.type == "DummyData" for n in sources):
            yield in_layer(node, message="all data of this net is DummyData")


def backend(net: Net) -> Iterator[Place]:
    """`backend` is LEVELDB unless it is given, and databases made today are LMDB."""
    for node in net.nodes:
        p = node.param.data_param
        if node.param.type != "Data" or (p.HasField("backend") and p.backend in BACKENDS):
            continue
        given = "is not given, so LEVELDB" if not p.HasField("backend") else "LEVELDB"
        at = ("data_param", "backend") if p.HasField("backend") else ("data_param",)
        yield in_layer(node, *at, message=f"backend {given}")


def raw_pixels(net: Net) -> Iterator[Place]:
    """Bytes come as 0 to 255; fillers expect about unit size, so the loss can explode."""
    for node in net.nodes:
        t = node.param.transform_param
        moved = t.HasField("scale") or t.HasField("mean_file") or t.mean_value
        if node.param.type in PIXELS and not moved:
            yield in_layer(node, message="neither scale nor mean: pixels reach the net as they are")


def duplicate_name(net: Net) -> Iterator[Place]:
    """Files of weights know layers by name: one of them gets what the other learnt, or nothing."""
    count = Counter(n.name for n in net.nodes)
    first: dict[str, Node] = {}
    for node in net.nodes:
        if count[node.name] > 1 and first.setdefault(node.name, node) is not node:
            yield in_layer(node, "name", message="another layer above has this name")


def slash_in_name(net: Net) -> Iterator[Place]:
    """HDF5 takes it for a folder: Caffe cannot write such a net as .h5; netc can."""
    found = [n for n in net.nodes if "/" in n.name]
    if found:
        names = "1 layer name contains" if len(found) == 1 else f"{len(found)} layer names contain"
        yield in_layer(found[0], "name", message=f"{names} '/'")


def applied_twice(net: Net) -> Iterator[Place]:
    """The loss applies it to its scores itself; twice flattens the gradient and learning stalls."""
    for node in net.nodes:
        kind, own = APPLIED_BY_LOSS.get(node.param.type, ("", ""))
        maker = net.producer.get(node.bottoms[0]) if kind else None
        if maker and maker.param.type == kind:
            message = f"bottom '{node.param.bottom[0]}' comes from {kind}, and the loss has {own}"
            yield in_layer(node, "bottom", 0, message=message)


def _pooling(nodes: tuple[Node, ...]) -> Iterator[tuple[Node, PoolingWindow]]:
    """Pooling nodes and their windows; those of global pooling fit and are left out."""
    for node in nodes:
        p = node.param.pooling_param
        if node.param.type == "Pooling" and not p.global_pooling:
            yield node, pooling_window(p, ())


def gaps(net: Net) -> Iterator[Place]:
    """Caffe reads outside the image here and corrupts memory; netc clips the last window."""
    for node, (kernel, stride, pad) in _pooling(net.nodes):
        rounds_up = node.param.pooling_param.round_mode == PoolingParameter.CEIL
        if rounds_up and pad == (0, 0) and any(s > k for s, k in zip(stride, kernel, strict=True)):
            message = f"stride {dims(stride)} exceeds the kernel {dims(kernel)} without pad"
            yield in_layer(node, "pooling_param", message=message)


def clipped_window(net: Net) -> Iterator[Place]:
    """Caffe rounds pooled sizes up: the last window hangs over the edge and sees fewer pixels;
    most other frameworks round down and give a smaller blob."""
    for node, (kernel, stride, pad) in _pooling(net.known):
        size, out = net.shape(node.bottoms[0])[2:], net.shape(node.tops[0])[2:]
        over = [
            (o - 1) * s + k - (n + 2 * q)
            for o, s, k, n, q in zip(out, stride, kernel, size, pad, strict=True)
        ]
        if max(over) > 0:
            message = (
                f"the last window hangs over '{node.param.bottom[0]}' ({dims(size)}) "
                f"by {dims([max(n, 0) for n in over])}"
            )
            yield in_layer(node, "pooling_param", message=message)


def oversized_kernel(net: Net) -> Iterator[Place]:
    """Parts of such a kernel see nothing but padding wherever it stands, and never matter."""
    for node in net.known:
        if node.param.type != "Convolution":
            continue
        p, shape = node.param.convolution_param, net.shape(node.bottoms[0])
        size = shape[p.axis % len(shape) + 1 :]
        halves = p.HasField("pad_h") or p.HasField("pad_w")
        pad = (p.pad_h, p.pad_w) if halves else _axes(p.pad, size)
        dilation = _axes(p.dilation or [1], size)
        kernel = node.set_up.blobs[0].shape[2:]
        extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        if any(e > n + q for e, n, q in zip(extent, size, pad, strict=True)):
            covers = f"the kernel covers {dims(extent)}, the bottom is {dims(size)}"
            yield in_layer(node, "convolution_param", message=f"{covers} with pad {dims(pad)}")


def _axes(given: Sequence[int], size: Shape) -> Shape:
    """A convolution field, given never (0), once or per axis."""
    return tuple(given) if len(given) == len(size) else (given[0] if given else 0,) * len(size)


def wrong_in_place(net: Net) -> Iterator[Place]:
    """In Caffe the layer destroys what its gradient needs, so training goes astray without a word;
    netc computes the right gradient, and the two disagree."""
    for node in net.nodes:
        kind = node.param.type
        is_sum = node.param.eltwise_param.operation == EltwiseParameter.SUM
        if kind in WRONG_IN_PLACE or (kind == "Eltwise" and is_sum):
            for i, top in enumerate(node.param.top):
                if top in node.param.bottom:
                    yield in_layer(node, "top", i, message=f"{kind} in place on '{top}'")


def spoilt_by_next(net: Net) -> Iterator[Place]:
    """Caffe's gradient of the layer below reads its output, which is gone; netc's is right."""
    for node in net.nodes:
        for i, top in enumerate(node.param.top):
            maker = net.producer.get(node.bottoms[i]) if i < len(node.bottoms) else None
            in_place = maker is not None and node.param.bottom[i] == top
            if in_place and maker and maker.param.type in NEEDS_OWN_TOP:
                message = f"in place on the top of '{maker.name}' ({maker.param.type})"
                yield in_layer(node, "top", i, message=message)


def reused_loss(net: Net) -> Iterator[Place]:
    """Caffe moves the weight to a hidden Split and counts the loss with its default weight of 1
    besides, so it reports (1 + weight) times the loss; netc reports weight times."""
    for node in net.nodes:
        for i, weight in enumerate(node.param.loss_weight):
            if node.kind.loss and weight and i < len(node.tops) and node.tops[i] in net.readers:
                message = f"'{node.param.top[i]}' has loss_weight {weight:g} and other readers"
                yield in_layer(node, "loss_weight", i, message=message)


_RULES = (
    Rule("N001", unused_top, "drop the top, or read it with a Silence layer", training=True),
    Rule("N002", learns_nothing, "connect it to a loss, or remove it", training=True),
    Rule(
        "N003", loss_teaches_nothing, "check propagate_down and what the loss reads", training=True
    ),
    Rule("N004", decayed_but_frozen, "decay_mult: 0, or leave it out"),
    Rule("N005", no_loss, "add a loss layer, or give a top a loss_weight", training=True),
    Rule("N006", accuracy_in_train, "include { phase: TEST }", training=True),
    Rule("N007", label_changed, "give that layer's top a name of its own"),
    Rule("N008", zero_weights, 'weight_filler { type: "xavier" }', training=True),
    Rule("N009", wide_gaussian, "std: 0.01, or the filler msra or xavier", training=True),
    Rule("N010", nobody_fills, "read the data with a Data layer in TRAIN", training=True),
    Rule("N011", made_up_data, "read the data with a Data layer", training=True),
    Rule("N012", backend, "backend: LMDB"),
    Rule("N013", raw_pixels, "transform_param { scale: 0.00390625 }, or a mean", training=True),
    Rule("N014", duplicate_name, "give every layer a name of its own"),
    Rule("N015", slash_in_name, "write it with another sign if Caffe is to read .h5 files of it"),
    Rule("N016", applied_twice, "feed the scores to the loss directly"),
    Rule(
        "N017", clipped_window, "pad, or round_mode: FLOOR, or leave it if Caffe's size is wanted"
    ),
    Rule("N018", oversized_kernel, "a smaller kernel computes the same"),
    Rule("N101", gaps, "pad, or a stride up to the kernel"),
    Rule("N102", wrong_in_place, "give the top a name of its own"),
    Rule("N103", spoilt_by_next, "give the top a name of its own"),
    Rule("N104", reused_loss, "read the loss from a second, weightless layer"),
)

RULES = tuple(sorted((*_RULES, *norm.RULES, *dialect.RULES), key=lambda rule: rule.code))


def lint_net(net: Net) -> list[Finding]:
    """Everything the rules find in a net, in the order of the rules."""
    return [f for rule in RULES if net.trains or not rule.training for f in rule.run(net)]
