"""The table of layer cases. A registered layer type without a row fails a test.

Every row buys the tests of tests/layers/test_cases.py: value against the reference in both phases,
golden shapes, gradients, jit = eager, dtypes kept, channels last, save and load.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import reference as ref

Shape = tuple[int, ...]


class LayerCase(NamedTuple):
    """One layer, fed.

    fields: prototxt inside the layer. bottoms: shapes, filled with distinct values around zero, or
    arrays; integer ones are labels or indices and get no gradient. tops, blobs: golden shapes.
    want: the reference, (*bottoms, *blobs) in float64 -> the first tops; None: nothing to compare.
    smooth: the tops whose gradient exists and is tested; None: all. indices: tops that hold
    indices, so that they are never narrower than float32. phases: those this row is for.
    dialect: of the net.
    """

    type: str
    fields: str
    bottoms: Sequence[Shape | np.ndarray]
    tops: Sequence[Shape]
    want: Callable[..., Any] | None = None
    blobs: Sequence[Shape] = ()
    smooth: tuple[int, ...] | None = None
    indices: tuple[int, ...] = ()
    phases: tuple[str, ...] = ("TRAIN", "TEST")
    dialect: str = ""

    def __str__(self) -> str:
        shapes = " ".join(
            "x".join(map(str, np.shape(b) if is_array(b) else b)) for b in self.bottoms
        )
        return f"{self.type} {self.fields} {shapes} {self.dialect}".rstrip()


def is_array(bottom: Shape | np.ndarray) -> bool:
    return isinstance(bottom, np.ndarray)


def labels(shape: Shape, classes: int, first: int = 0) -> np.ndarray:
    """Whole numbers from `first` up to classes - 1, all of them where there is room."""
    count = int(np.prod(shape))
    values = first + np.arange(count) % (classes - first)
    return np.random.default_rng(count).permutation(values).reshape(shape)


def positive(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(0.1, 2, shape)


TIES = np.array([[1.0, 0.0, -2.0, 3.0], [1.0, 0.0, -2.0, -3.0]])
EXTREME = np.array([[200.0, 0.0, -200.0], [0.0, 1e4, -1e4]])

# fmt: off
CONVOLUTIONS = [
    LayerCase("Convolution", f"convolution_param {{ {fields} }}", [x], [y], want, blobs)
    for fields, x, y, blobs, want in (
        ("num_output: 4 kernel_size: 3", (2, 3, 6, 5), (2, 4, 4, 3), [(4, 3, 3, 3), (4,)],
            ref.convolution),
        ("num_output: 2 kernel_size: 1 bias_term: false", (2, 3, 4, 5), (2, 2, 4, 5),
            [(2, 3, 1, 1)], ref.convolution),
        ("num_output: 3 kernel_size: 3 kernel_size: 2 stride: 2 stride: 1 pad: 1 pad: 0",
            (1, 2, 7, 5), (1, 3, 4, 4), [(3, 2, 3, 2), (3,)],
            lambda x, w, b: ref.convolution(x, w, b, stride=(2, 1), pad=(1, 0))),
        ("num_output: 3 kernel_h: 2 kernel_w: 4 stride_h: 2 stride_w: 3 pad_h: 1 pad_w: 2",
            (2, 2, 6, 7), (2, 3, 4, 3), [(3, 2, 2, 4), (3,)],
            lambda x, w, b: ref.convolution(x, w, b, stride=(2, 3), pad=(1, 2))),
        ("num_output: 2 kernel_size: 3 pad_w: 2", (1, 2, 4, 5), (1, 2, 2, 7), [(2, 2, 3, 3), (2,)],
            lambda x, w, b: ref.convolution(x, w, b, pad=(0, 2))),
        ("num_output: 2 kernel_size: 5 stride: 3", (2, 2, 4, 9), (2, 2, 1, 2), [(2, 2, 5, 5), (2,)],
            lambda x, w, b: ref.convolution(
                np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 0)]), w, b, stride=3)),
        ("num_output: 2 kernel_size: 3 stride: 4", (1, 2, 9, 10), (1, 2, 2, 2),
            [(2, 2, 3, 3), (2,)], lambda x, w, b: ref.convolution(x, w, b, stride=4)),
        ("num_output: 2 kernel_size: 3 dilation: 2 pad: 2", (1, 3, 7, 6), (1, 2, 7, 6),
            [(2, 3, 3, 3), (2,)], lambda x, w, b: ref.convolution(x, w, b, dilation=2, pad=2)),
        ("num_output: 2 kernel_size: 2 dilation: 3 dilation: 1", (1, 2, 7, 6), (1, 2, 4, 5),
            [(2, 2, 2, 2), (2,)], lambda x, w, b: ref.convolution(x, w, b, dilation=(3, 1))),
        ("num_output: 6 kernel_size: 3 group: 2 pad: 1", (2, 4, 5, 4), (2, 6, 5, 4),
            [(6, 2, 3, 3), (6,)], lambda x, w, b: ref.convolution(x, w, b, group=2, pad=1)),
        ("num_output: 6 kernel_size: 3 group: 3 stride: 2", (2, 3, 7, 5), (2, 6, 3, 2),
            [(6, 1, 3, 3), (6,)], lambda x, w, b: ref.convolution(x, w, b, group=3, stride=2)),
        ("num_output: 3 kernel_size: 3", (2, 2, 8), (2, 3, 6), [(3, 2, 3), (3,)], ref.convolution),
        ("num_output: 2 kernel_size: 2 stride: 2", (1, 2, 4, 5, 6), (1, 2, 2, 2, 3),
            [(2, 2, 2, 2, 2), (2,)], lambda x, w, b: ref.convolution(x, w, b, stride=2)),
        ("num_output: 3 kernel_size: 2 axis: 2", (2, 3, 2, 4, 5), (2, 3, 3, 3, 4),
            [(3, 2, 2, 2), (3,)], lambda x, w, b: ref.convolution(x, w, b, axis=2)),
        ("num_output: 2 kernel_size: 3 axis: -2", (2, 3, 4, 6), (2, 3, 2, 4), [(2, 4, 3), (2,)],
            lambda x, w, b: ref.convolution(x, w, b, axis=2)),
        ("num_output: 3 kernel_size: 2 axis: -3", (4, 6, 5), (3, 5, 4), [(3, 4, 2, 2), (3,)],
            lambda x, w, b: ref.convolution(x, w, b, axis=0)),
        ("num_output: 3 kernel_size: 1", (4, 5), (4, 3), [(3, 5), (3,)], ref.convolution),
        ("num_output: 3", (4, 5), (4, 3), [(3, 5), (3,)], ref.convolution),
        ("num_output: 2 kernel_size: 3 engine: CUDNN force_nd_im2col: true", (1, 2, 4, 4),
            (1, 2, 2, 2), [(2, 2, 3, 3), (2,)], ref.convolution),
    )
] + [
    LayerCase("Convolution", "convolution_param { num_output: 2 kernel_size: 3 }",
        [(2, 3, 4, 5)] * 2, [(2, 2, 2, 3)] * 2,
        lambda x, y, w, b: (ref.convolution(x, w, b), ref.convolution(y, w, b)),
        [(2, 3, 3, 3), (2,)]),
]

INNER_PRODUCTS = [
    LayerCase("InnerProduct", f"inner_product_param {{ {fields} }}", [x], [y], want, blobs)
    for fields, x, y, blobs, want in (
        ("num_output: 4", (3, 5), (3, 4), [(4, 5), (4,)], ref.inner_product),
        ("num_output: 2 bias_term: false", (3, 5), (3, 2), [(2, 5)], ref.inner_product),
        ("num_output: 3", (2, 2, 3, 4), (2, 3), [(3, 24), (3,)], ref.inner_product),
        ("num_output: 3 axis: 2", (2, 3, 4, 5), (2, 3, 3), [(3, 20), (3,)],
            lambda x, w, b: ref.inner_product(x, w, b, axis=2)),
        ("num_output: 3 axis: -1", (2, 3, 4), (2, 3, 3), [(3, 4), (3,)],
            lambda x, w, b: ref.inner_product(x, w, b, axis=2)),
        ("num_output: 3 axis: 0", (2, 3), (3,), [(3, 6), (3,)],
            lambda x, w, b: ref.inner_product(x, w, b, axis=0)),
        ("num_output: 4 transpose: true", (3, 2, 3), (3, 4), [(6, 4), (4,)],
            lambda x, w, b: ref.inner_product(x, w, b, transpose=True)),
    )
]

POOLINGS = [
    LayerCase("Pooling", f"pooling_param {{ {fields} }}", [x], [y], want)
    for fields, x, y, want in (
        ("kernel_size: 3 stride: 2", (2, 3, 7, 8), (2, 3, 3, 4),
            lambda x: ref.pooling(x, "MAX", kernel=3, stride=2)[0]),
        ("pool: MAX kernel_size: 3 stride: 2 round_mode: FLOOR", (2, 3, 7, 8), (2, 3, 3, 3),
            lambda x: ref.pooling(x, "MAX", kernel=3, stride=2, ceil=False)[0]),
        ("kernel_size: 3 stride: 2 ceil_mode: false", (2, 3, 7, 8), (2, 3, 3, 3),
            lambda x: ref.pooling(x, "MAX", kernel=3, stride=2, ceil=False)[0]),
        ("pool: MAX kernel_size: 2", (1, 2, 4, 5), (1, 2, 3, 4),
            lambda x: ref.pooling(x, "MAX", kernel=2)[0]),
        ("pool: MAX kernel_size: 3 stride: 2 pad: 1", (1, 2, 6, 5), (1, 2, 4, 3),
            lambda x: ref.pooling(x, "MAX", kernel=3, stride=2, pad=1)[0]),
        ("pool: MAX kernel_size: 2 stride: 2 pad: 1", (1, 2, 4, 5), (1, 2, 3, 3),
            lambda x: ref.pooling(x, "MAX", kernel=2, stride=2, pad=1)[0]),
        ("pool: MAX kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 2 pad_h: 1 pad_w: 0",
            (1, 2, 5, 6), (1, 2, 5, 3),
            lambda x: ref.pooling(x, "MAX", kernel=(3, 2), stride=(1, 2), pad=(1, 0))[0]),
        ("pool: MAX global_pooling: true", (2, 3, 4, 5), (2, 3, 1, 1),
            lambda x: ref.pooling(x, "MAX")[0]),
        ("pool: MAX kernel_size: 3 stride: 3", (1, 2, 2, 1), (1, 2, 1, 1),
            lambda x: ref.pooling(x, "MAX", kernel=3, stride=3)[0]),
        ("pool: MAX kernel_size: 2 stride: 3 engine: CUDNN", (1, 2, 5, 6), (1, 2, 2, 2),
            lambda x: ref.pooling(x, "MAX", kernel=2, stride=3)[0]),
        ("pool: MAX kernel_size: 1 stride: 4", (1, 1, 6, 4), (1, 1, 2, 1),
            lambda x: ref.pooling(x, "MAX", kernel=1, stride=4)[0]),
        ("pool: AVE kernel_size: 3 stride: 2", (2, 3, 6, 8), (2, 3, 3, 4),
            lambda x: ref.pooling(x, "AVE", kernel=3, stride=2)[0]),
        ("pool: AVE kernel_size: 3 stride: 2 pad: 1", (1, 2, 6, 5), (1, 2, 4, 3),
            lambda x: ref.pooling(x, "AVE", kernel=3, stride=2, pad=1)[0]),
        ("pool: AVE kernel_size: 3 stride: 1 pad: 1 round_mode: FLOOR", (1, 2, 4, 4), (1, 2, 4, 4),
            lambda x: ref.pooling(x, "AVE", kernel=3, pad=1, ceil=False)[0]),
        ("pool: AVE kernel_h: 2 kernel_w: 4 pad_h: 0 pad_w: 3 stride: 3", (1, 2, 5, 4),
            (1, 2, 2, 3), lambda x: ref.pooling(x, "AVE", kernel=(2, 4), pad=(0, 3), stride=3)[0]),
        ("pool: AVE kernel_size: 5 stride: 4", (1, 2, 3, 2), (1, 2, 1, 1),
            lambda x: ref.pooling(x, "AVE", kernel=5, stride=4)[0]),
        ("pool: AVE global_pooling: true", (2, 3, 4, 5), (2, 3, 1, 1),
            lambda x: ref.pooling(x, "AVE")[0]),
    )
] + [
    LayerCase("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }",
        [(2, 2, 6, 7)], [(2, 2, 4, 4)] * 2,
        lambda x: ref.pooling(x, "MAX", kernel=3, stride=2, pad=1), smooth=(0,), indices=(1,)),
    LayerCase("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }",
        [positive(2, 2, 6, 7)], [(2, 2, 3, 3)],
        lambda x: ref.expected_pooling(x, kernel=3, stride=2), phases=("TEST",)),
    LayerCase("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }",
        [np.zeros((1, 1, 3, 3))], [(1, 1, 2, 2)], lambda x: np.zeros((1, 1, 2, 2)), smooth=()),
    LayerCase("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }",
        [positive(2, 2, 6, 7)], [(2, 2, 3, 3)], phases=("TRAIN",)),
]

NEURONS = [
    LayerCase("ReLU", "", [(2, 3, 4, 5)], [(2, 3, 4, 5)], lambda x: np.maximum(x, 0)),
    LayerCase("ReLU", "relu_param { negative_slope: 0.1 }", [(7,)], [(7,)],
        lambda x: np.where(x > 0, x, np.float32(0.1) * x)),
    LayerCase("ReLU", "relu_param { negative_slope: -2 engine: CUDNN }", [(2, 3)], [(2, 3)],
        lambda x: np.where(x > 0, x, -2 * x)),
    LayerCase("Sigmoid", "", [(2, 3, 4, 5)], [(2, 3, 4, 5)], lambda x: 1 / (1 + np.exp(-x))),
    LayerCase("Sigmoid", "", [EXTREME], [(2, 3)],
        lambda x: np.array([[1, 0.5, 0], [0.5, 1, 0]])),
    LayerCase("TanH", "", [(2, 3, 4, 5)], [(2, 3, 4, 5)], np.tanh),
    LayerCase("TanH", "tanh_param { engine: CAFFE }", [()], [()], np.tanh),
    LayerCase("Dropout", "dropout_param { dropout_ratio: 0.3 }", [(2, 3, 4, 5)], [(2, 3, 4, 5)],
        lambda x: x, phases=("TEST",)),
    LayerCase("Dropout", "", [(5, 6)], [(5, 6)], phases=("TRAIN",)),
    LayerCase("Dropout", "dropout_param { dropout_ratio: 0 }", [(5, 6)], [(5, 6)], lambda x: x),
]

NORMS = [
    LayerCase("LRN", f"lrn_param {{ {fields} }}", [x], [x], want)
    for fields, x, want in (
        ("", (2, 7, 3, 2), ref.lrn),
        ("local_size: 3 alpha: 0.0001 beta: 0.5 k: 2", (2, 4, 3, 3),
            lambda x: ref.lrn(x, size=3, alpha=np.float32(1e-4), beta=0.5, k=2)),
        ("local_size: 9 alpha: 2 beta: 1.25", (1, 4, 2, 3),
            lambda x: ref.lrn(x, size=9, alpha=2, beta=1.25)),
        ("norm_region: WITHIN_CHANNEL local_size: 3 alpha: 0.5 k: 7", (2, 3, 5, 4),
            lambda x: ref.lrn(x, size=3, alpha=0.5, within=True)),
        ("norm_region: WITHIN_CHANNEL local_size: 5 beta: 1", (1, 2, 4, 6),
            lambda x: ref.lrn(x, size=5, beta=1, within=True)),
        ("norm_region: WITHIN_CHANNEL local_size: 7 engine: CAFFE", (1, 2, 3, 2),
            lambda x: ref.lrn(x, size=7, within=True)),
    )
]

SHAPES = [
    LayerCase("Split", "", [(2, 3)], [(2, 3)], lambda x: x),
    LayerCase("Split", "", [(2, 3, 4, 5)], [(2, 3, 4, 5)] * 3, lambda x: (x, x, x)),
    LayerCase("Silence", "", [(2, 3), (4,)], [], lambda x, y: ()),
    LayerCase("Silence", "", [(2, 3, 2, 2)], [], lambda x: ()),
    LayerCase("Concat", "", [(2, 3, 4, 5), (2, 1, 4, 5), (2, 2, 4, 5)], [(2, 6, 4, 5)],
        lambda *xs: np.concatenate(xs, 1)),
    LayerCase("Concat", "concat_param { axis: 0 }", [(2, 3, 4, 5), (1, 3, 4, 5)], [(3, 3, 4, 5)],
        lambda *xs: np.concatenate(xs, 0)),
    LayerCase("Concat", "concat_param { axis: -1 }", [(2, 3, 4, 1), (2, 3, 4, 2)], [(2, 3, 4, 3)],
        lambda *xs: np.concatenate(xs, 3)),
    LayerCase("Concat", "concat_param { concat_dim: 2 }", [(2, 3, 4, 5), (2, 3, 1, 5)],
        [(2, 3, 5, 5)], lambda *xs: np.concatenate(xs, 2)),
    LayerCase("Concat", "concat_param { axis: 0 }", [(2,), (3,)], [(5,)],
        lambda *xs: np.concatenate(xs, 0)),
    LayerCase("Concat", "", [(2, 3)], [(2, 3)], lambda x: x),
    LayerCase("Eltwise", "", [(2, 3, 4, 5)] * 2, [(2, 3, 4, 5)], lambda x, y: x + y),
    LayerCase("Eltwise", "eltwise_param { operation: SUM coeff: 0.5 coeff: -1 coeff: 0 }",
        [(2, 3)] * 3, [(2, 3)], lambda x, y, z: 0.5 * x - y),
    LayerCase("Eltwise", "eltwise_param { operation: PROD }", [(2, 3)] * 3, [(2, 3)],
        lambda x, y, z: x * y * z),
    LayerCase("Eltwise", "eltwise_param { operation: PROD stable_prod_grad: false }", [(2, 3)] * 2,
        [(2, 3)], lambda x, y: x * y),
    LayerCase("Eltwise", "eltwise_param { operation: PROD }", [TIES, TIES[::-1].copy()], [(2, 4)],
        lambda x, y: x * y),
    LayerCase("Eltwise", "eltwise_param { operation: MAX coeff: 2 coeff: 3 coeff: 4 }",
        [(2, 3, 2, 2)] * 3, [(2, 3, 2, 2)], lambda x, y, z: np.maximum(np.maximum(x, y), z)),
    LayerCase("Flatten", "", [(2, 3, 4, 5)], [(2, 60)], lambda x: x.reshape(2, 60)),
    LayerCase("Flatten", "flatten_param { axis: 0 end_axis: 1 }", [(2, 3, 4)], [(6, 4)],
        lambda x: x.reshape(6, 4)),
    LayerCase("Flatten", "flatten_param { axis: -3 end_axis: -2 }", [(2, 3, 4, 5)], [(2, 12, 5)],
        lambda x: x.reshape(2, 12, 5)),
    LayerCase("Flatten", "flatten_param { axis: 2 end_axis: 1 }", [(2, 3, 4)], [(2, 3, 1, 4)],
        lambda x: x.reshape(2, 3, 1, 4)),
] + [
    LayerCase("Reshape", f"reshape_param {{ {fields} }}", [x], [y], lambda x, y=y: x.reshape(y))
    for fields, x, y in (
        ("shape { dim: 4 dim: 6 }", (2, 3, 4), (4, 6)),
        ("shape { dim: 0 dim: -1 }", (2, 3, 4), (2, 12)),
        ("shape { dim: -1 dim: 0 dim: 2 }", (4, 3, 2), (4, 3, 2)),
        ("shape { dim: 6 } num_axes: 2", (2, 3, 4), (6, 4)),
        ("shape { dim: 2 dim: -1 } axis: 1 num_axes: 1", (2, 6, 4), (2, 2, 3, 4)),
        ("shape { dim: 1 dim: 1 } axis: 1 num_axes: 0", (2, 3), (2, 1, 1, 3)),
        ("shape { dim: 1 } axis: -1", (2, 3), (2, 3, 1)),
        ("shape { dim: -1 } axis: -2", (2, 3), (2, 3)),
        ("shape { } axis: 1", (2, 1), (2,)),
        ("shape { }", (1, 1), ()),
        ("shape { dim: 1 dim: 1 }", (), (1, 1)),
    )
]

LOSSES = [
    LayerCase("Softmax", fields, [x], [x], want)
    for fields, x, want in (
        ("", (3, 5), ref.softmax),
        ("", (2, 3, 2, 2), ref.softmax),
        ("softmax_param { axis: -1 }", (2, 3, 4), lambda x: ref.softmax(x, 2)),
        ("softmax_param { axis: 0 engine: CAFFE }", (5,), lambda x: ref.softmax(x, 0)),
    )
] + [
    LayerCase("Softmax", "", [EXTREME], [(2, 3)], ref.softmax),
] + [
    LayerCase("SoftmaxWithLoss", fields, [x, label], [()], want)
    for fields, x, label, want in (
        ("", (4, 5), labels((4,), 5), lambda x, y: ref.softmax_loss(x, y)[0]),
        ("", (4, 5), labels((4, 1, 1, 1), 5), lambda x, y: ref.softmax_loss(x, y)[0]),
        ("", (2, 3, 4, 5), labels((2, 4, 5), 3), lambda x, y: ref.softmax_loss(x, y)[0]),
        ("softmax_param { axis: 2 }", (2, 3, 4), labels((2, 3), 4),
            lambda x, y: ref.softmax_loss(x, y, axis=2)[0]),
        ("softmax_param { axis: -1 }", (2, 3, 4), labels((2, 3), 4),
            lambda x, y: ref.softmax_loss(x, y, axis=2)[0]),
        ("loss_param { ignore_label: 1 }", (2, 3, 2, 2), labels((2, 1, 2, 2), 3),
            lambda x, y: ref.softmax_loss(x, y, ignore=1)[0]),
        ("loss_param { ignore_label: -1 }", (3, 4), labels((3,), 4, first=-1),
            lambda x, y: ref.softmax_loss(x, y, ignore=-1)[0]),
        ("loss_param { ignore_label: 255 }", (2, 3), np.array([255, 255]),
            lambda x, y: np.zeros(())),
        ("loss_param { ignore_label: 0 normalization: FULL }", (2, 3, 4), labels((2, 4), 3),
            lambda x, y: ref.softmax_loss(x, y, ignore=0, norm="FULL")[0]),
        ("loss_param { normalization: BATCH_SIZE }", (2, 3, 4), labels((2, 4), 3),
            lambda x, y: ref.softmax_loss(x, y, norm="BATCH_SIZE")[0]),
        ("loss_param { normalization: NONE }", (2, 3, 4), labels((2, 4), 3),
            lambda x, y: ref.softmax_loss(x, y, norm="NONE")[0]),
        ("loss_param { normalize: false }", (2, 3, 4), labels((2, 4), 3),
            lambda x, y: ref.softmax_loss(x, y, norm="BATCH_SIZE")[0]),
        ("loss_param { normalize: true ignore_label: 2 }", (2, 3, 4), labels((2, 4), 3),
            lambda x, y: ref.softmax_loss(x, y, ignore=2)[0]),
        ("loss_param { normalize: false normalization: VALID }", (2, 3, 4), labels((2, 4), 3),
            lambda x, y: ref.softmax_loss(x, y)[0]),
    )
] + [
    LayerCase("SoftmaxWithLoss", "", [(2, 3, 4), labels((2, 4), 3)], [(), (2, 3, 4)],
        ref.softmax_loss, smooth=(0,)),
    LayerCase("SoftmaxWithLoss", "", [EXTREME, np.array([2, 0])], [()],
        lambda x, y: ref.softmax_loss(x, y)[0], smooth=()),
    LayerCase("EuclideanLoss", "", [(3, 4)] * 2, [()], ref.euclidean_loss),
    LayerCase("EuclideanLoss", "", [(3, 2, 4), (3, 8, 1, 1)], [()], ref.euclidean_loss),
    LayerCase("EuclideanLoss", "", [(5,)] * 2, [()], ref.euclidean_loss),
] + [
    LayerCase("Accuracy", fields, [x, label], tops, want, smooth=())
    for fields, x, label, tops, want in (
        ("", (20, 4), labels((20,), 4), [()], lambda x, y: ref.accuracy(x, y)[0]),
        ("accuracy_param { top_k: 3 }", (20, 5), labels((20,), 5), [()],
            lambda x, y: ref.accuracy(x, y, top_k=3)[0]),
        ("accuracy_param { top_k: 5 }", (4, 5), labels((4,), 5), [()], lambda x, y: np.ones(())),
        ("", (2, 3, 4, 5), labels((2, 4, 5), 3), [()], lambda x, y: ref.accuracy(x, y)[0]),
        ("accuracy_param { axis: -1 top_k: 2 }", (2, 6, 4), labels((2, 6), 4), [()],
            lambda x, y: ref.accuracy(x, y, axis=2, top_k=2)[0]),
        ("accuracy_param { ignore_label: 1 }", (12, 3), labels((12, 1), 3), [()],
            lambda x, y: ref.accuracy(x, y, ignore=1)[0]),
        ("accuracy_param { ignore_label: 7 }", (2, 3), np.array([7, 7]), [()],
            lambda x, y: np.zeros(())),
        ("accuracy_param { ignore_label: 0 }", (9, 4), labels((9,), 3), [(), (4,)],
            lambda x, y: ref.accuracy(x, y, ignore=0)),
        ("accuracy_param { top_k: 2 }", (2, 3, 6), labels((2, 6), 2), [(), (3,)],
            lambda x, y: ref.accuracy(x, y, top_k=2)),
        ("", np.ones((4, 3)), labels((4,), 3), [()], lambda x, y: np.zeros(())),
        ("accuracy_param { top_k: 3 }", np.ones((4, 3)), labels((4,), 3), [()],
            lambda x, y: np.ones(())),
        ("accuracy_param { top_k: 2 }", TIES, np.array([2, 1]), [()],
            lambda x, y: np.full((), 0.5)),
    )
]

SOURCES = [
    LayerCase("Input", "input_param { shape { dim: 2 dim: 3 } shape { dim: 4 } }", [],
        [(2, 3), (4,)]),
    LayerCase("Input", "input_param { shape { dim: 2 dim: 3 } }", [], [(2, 3)] * 2),
    LayerCase("Input", "input_param { shape { } }", [], [()]),
    LayerCase("DummyData", "dummy_data_param { shape { dim: 2 dim: 3 } }", [], [(2, 3)] * 2),
    LayerCase("DummyData", "dummy_data_param { shape { dim: 2 } shape { dim: 3 dim: 1 } "
        "data_filler { type: 'gaussian' } data_filler { value: 4 } }", [], [(2,), (3, 1)]),
    LayerCase("DummyData", "dummy_data_param { num: 2 channels: 3 height: 1 height: 5 width: 4 }",
        [], [(2, 3, 1, 4), (2, 3, 5, 4)]),
    LayerCase("Data", "data_param { source: 'lmdb_gray' backend: LMDB batch_size: 7 }", [],
        [(7, 1, 28, 28), (7,)]),
    LayerCase("Data", "data_param { source: 'lmdb_raw' backend: LMDB batch_size: 2 } "
        "transform_param { crop_size: 31 }", [], [(2, 3, 31, 31)]),
    LayerCase("HDF5Data", "hdf5_data_param { source: 'h5list.txt' batch_size: 4 }", [],
        [(4, 2, 3, 4), (4,)]),
]
# fmt: on

# These modules import LayerCase from this one, which is why they come last.
from .layer_cases import (  # noqa: E402
    affine,
    bn,
    conv,
    crf,
    face,
    flow,
    flow_augment,
    groups,
    inputs,
    loss,
    margins,
    neuron,
    norm,
    python,
    recurrent,
    regions,
    segment,
    select,
    spatial,
    ssd,
    video,
    yolo,
)

CASES: list[LayerCase] = [
    *CONVOLUTIONS, *POOLINGS, *NEURONS, *INNER_PRODUCTS, *NORMS, *SHAPES, *LOSSES, *SOURCES,
    *affine.CASES, *bn.CASES, *neuron.CASES, *norm.CASES, *loss.CASES, *select.CASES,
    *segment.CASES, *face.CASES, *margins.CASES, *video.CASES, *ssd.CASES, *regions.CASES,
    *yolo.CASES, *conv.CASES, *crf.CASES, *spatial.CASES, *recurrent.CASES, *flow.CASES,
    *flow_augment.CASES, *groups.CASES, *inputs.CASES, *python.CASES,
]  # fmt: skip
