"""Floating-point operations of layers, from their shapes; a multiply-add is two.

Exact for convolutions and products, which make up nearly all of a net; about right elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import NamedTuple

from netc.graph.ir import Graph, Node
from netc.graph.window import pooling_window
from netc.layers.base import TRAIN, Shape
from netc.schema import LRNParameter


class Sizes(NamedTuple):
    """A node with the shapes of its bottoms and tops, and the shape of its first blob."""

    node: Node
    bottoms: tuple[Shape, ...]
    tops: tuple[Shape, ...]
    weight: Shape = ()


def _convolution(s: Sizes) -> int:
    return 2 * sum(map(math.prod, s.tops)) * math.prod(s.weight[1:])


def _deconvolution(s: Sizes) -> int:
    return 2 * sum(map(math.prod, s.bottoms)) * math.prod(s.weight[1:])


def _inner_product(s: Sizes) -> int:
    rows = math.prod(s.tops[0][:-1])
    return 2 * s.tops[0][-1] * math.prod(s.bottoms[0]) if rows else 0


def _inner_distance(s: Sizes) -> int:
    return _inner_product(s) // 2 * 3


def _pooling(s: Sizes) -> int:
    window = pooling_window(s.node.param.pooling_param, s.bottoms[0][2:])
    return math.prod(s.tops[0]) * math.prod(window.kernel)


def _lrn(s: Sizes) -> int:
    p = s.node.param.lrn_param
    across = p.norm_region == LRNParameter.ACROSS_CHANNELS
    return math.prod(s.tops[0]) * (p.local_size ** (1 if across else 2) + 4)


def _eltwise(s: Sizes) -> int:
    scaled = sum(c != 1 for c in s.node.param.eltwise_param.coeff)
    return math.prod(s.tops[0]) * (len(s.bottoms) - 1 + scaled)


def _dropout(s: Sizes) -> int:
    return 2 * math.prod(s.tops[0]) if s.node.phase == TRAIN else 0


def _batch_norm(s: Sizes) -> int:
    p, past = s.node.param.batch_norm_param, s.node.phase != TRAIN
    past = p.use_global_stats if p.HasField("use_global_stats") else past
    return math.prod(s.tops[0]) * (2 if past else 5)


def _scale(s: Sizes) -> int:
    return math.prod(s.tops[0]) * (2 if s.node.param.scale_param.bias_term else 1)


def _spp(s: Sizes) -> int:
    return s.node.param.spp_param.pyramid_height * math.prod(s.bottoms[0])


def _correlation(s: Sizes) -> int:
    """A product and a sum for every displacement, pixel of the patch and channel."""
    patch = s.node.param.correlation_param.kernel_size**2 * s.bottoms[0][1]
    return 2 * patch * math.prod(s.tops[0])


def _recurrent(s: Sizes) -> int:
    """The products of every step, and of the static input once; the elements of the LSTM's cell."""
    blobs, (steps, streams) = s.node.set_up.blobs, s.bottoms[0][:2]
    exposed = s.node.param.recurrent_param.expose_hidden * (len(s.tops) - 1)
    static = len(s.bottoms) > 2 + exposed
    sizes = [math.prod(b.shape) for b in blobs if len(b.shape) == 2]
    once = sizes.pop(1) if static else 0
    cell = 20 * math.prod(s.tops[0]) if s.node.param.type == "LSTM" else 2 * math.prod(s.tops[0])
    return 2 * streams * (steps * sum(sizes) + once) + cell


def each(operations: int) -> Callable[[Sizes], int]:
    """So many operations for each element of the first bottom."""
    return lambda s: operations * math.prod(s.bottoms[0])


def each_top(operations: int) -> Callable[[Sizes], int]:
    """So many operations for each element of the first top."""
    return lambda s: operations * math.prod(s.tops[0])


def moves(s: Sizes) -> int:
    """Data comes, goes or is named anew; nothing is computed."""
    return 0


FORMULAS: dict[str, Callable[[Sizes], int]] = {
    "Convolution": _convolution,
    "Convolution3D": _convolution,
    "ConvolutionDepthwise": _convolution,
    "DepthwiseConvolution": _convolution,
    "Deconvolution": _deconvolution,
    "Deconvolution3D": _deconvolution,
    "InnerProduct": _inner_product,
    "InnerDistance": _inner_distance,
    **dict.fromkeys(("LargeMarginInnerProduct", "MarginInnerProduct"), _inner_product),
    "Pooling": _pooling,
    "SPP": _spp,
    "LSTM": _recurrent,
    "RNN": _recurrent,
    "LSTMUnit": each(20),
    "LRN": _lrn,
    "Eltwise": _eltwise,
    "Dropout": _dropout,
    "BatchNorm": _batch_norm,
    "BN": each(7),
    "SyncBN": each(7),
    "MVN": each(5),
    "Axpy": each_top(2),
    "Correlation": _correlation,
    "Correlation1D": _correlation,
    "FlowWarp": each_top(8),
    "Interp": each_top(8),
    "Accum": each_top(8),
    "ChannelNorm": each(2),
    "Mean": each(4),
    "SpatialTransformer": each_top(12),
    "Scale": _scale,
    "Bias": each(1),
    "ReLU": each(1),
    "ReLU6": each(2),
    "NegReLU": each(1),
    "PReLU": each(2),
    "Cosine": each(3),
    "Mish": each(6),
    "HardSwish": each(4),
    "ELU": each(3),
    "Swish": each(6),
    "BNLL": each(4),
    "AbsVal": each(1),
    "Clip": each(2),
    "Arccos": each(8),
    "Threshold": each(1),
    "Power": each(3),
    "Exp": each(3),
    "Log": each(4),
    "TanH": each(1),
    "Sigmoid": each(4),
    "Softmax": each(5),
    "SoftmaxWithLoss": each(5),
    "FocalLoss": each(8),
    "RegionLoss": each(20),
    **dict.fromkeys(("LabelSpecificAdd", "LabelSpecificMargin", "LabelSpecificAffine"), moves),
    "EuclideanLoss": each(3),
    "SigmoidCrossEntropyLoss": each(8),
    "MultinomialLogisticLoss": each(1),
    "HingeLoss": each(3),
    "InfogainLoss": each(7),
    "ContrastiveLoss": each(3),
    "CenterLoss": each(3),
    "TripletLoss": each(6),
    "SmoothL1Loss": each(5),
    "L1Loss": each(3),
    "LpqLoss": each(4),
    "Reduction": each(1),
    "BatchReduction": each(1),
    "Grouping": each(2),
    "L2Normalize": each(3),
    "ArgMax": each(2),
    "Accuracy": each(1),
    "SegAccuracy": each(1),
    "ParseOutput": each(1),
    "ParseEvaluate": each(3),
    "Data": moves,
    "HDF5Data": moves,
    "Input": moves,
    "DummyData": moves,
    "ImageData": moves,
    "ImageLabelmapData": moves,
    "ImageSegData": moves,
    "ImageFolder": moves,
    "ImageList": moves,
    "AnnotatedData": moves,
    "DenseImageData": moves,
    "WindowData": moves,
    "VideoData": moves,
    "MemoryData": moves,
    "HDF5Output": moves,
    **dict.fromkeys(("FLOWriter", "FloatWriter", "ImgWriter", "PFMWriter"), moves),
    **dict.fromkeys(("FloatReader", "ImgReader", "MatRead", "MatWrite", "UniqueLabel"), moves),
    **dict.fromkeys(("SpatialProduct", "BiasChannel", "UnPooling"), each_top(1)),
    "Im2col": moves,
    "Upsample": moves,
    "ShuffleChannel": moves,
    "Crop": moves,
    "Split": moves,
    "Silence": moves,
    **dict.fromkeys(("BlackHole", "Gather", "Scatter"), moves),
    "Concat": moves,
    "Flatten": moves,
    "Reshape": moves,
    "Slice": moves,
    "Tile": moves,
    "Filter": moves,
    "BatchReindex": moves,
    "Parameter": moves,
    "Embed": moves,
}


def forward_flops(graph: Graph, node: Node) -> int | None:
    """Operations of a forward pass through a node of known shapes; None without a formula."""
    formula = FORMULAS.get(node.param.type)
    if formula is None:
        return None
    bottoms = tuple(graph.shapes[b] for b in node.bottoms)
    tops = tuple(graph.shapes[t] for t in node.tops)
    blobs = node.set_up.blobs
    return formula(Sizes(node, bottoms, tops, blobs[0].shape if blobs else ()))


def backward_flops(graph: Graph, moving: Collection[str]) -> dict[str, int | None]:
    """Node key -> operations of its backward pass when the blobs in `moving` are differentiated.

    A layer with weights spends its forward pass once more on the gradient of its bottoms and once
    on that of its weights, each only where it is needed; other layers once where a gradient passes.
    """
    wanted, reached = set(graph.weights), set()
    for node in reversed(graph.nodes):
        if wanted.intersection(node.tops):
            reached.add(node.key)
            wanted.update(b for i, b in enumerate(node.bottoms) if not node.cut(i))
    found: dict[str, int | None] = {}
    carrying: set[str] = set()
    for node in graph.nodes:
        learns = any(k in moving for k in node.blobs)
        passes = any(b in carrying for i, b in enumerate(node.bottoms) if not node.cut(i))
        if learns or passes:
            carrying.update(node.tops)
        times = (learns + passes) if node.key in reached else 0
        forward = forward_flops(graph, node) if times else 0
        found[node.key] = None if forward is None else forward * times
    return found
