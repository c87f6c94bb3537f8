"""Every rule that a layer's fields or bottoms can break: where, whose words, which values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from netc.compile import compile_net
from netc.errors import ShapeError
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.schema import NetState

from ..cases import LayerCase, Shape
from .running import net_text


class Bad(NamedTuple):
    """A layer that is refused.

    fields: as in the prototxt; `^` marks where the error points. at: the text it points to where
    that is no field. message: all of it, up to the layer's name. hint: if there is one.
    """

    type: str
    fields: str
    bottoms: Sequence[Shape]
    message: str
    at: str = ""
    hint: str | None = None
    tops: int = 1
    dialect: str = ""

    def __str__(self) -> str:
        return f"{self.type} {self.fields or self.bottoms}"


FIRST, SECOND, LAYER = "'x0'", "'x1'", "layer"
FOUR = "Input must have 4 axes, corresponding to (num, channels, height, width); bottom 'x0' is"
LABELS = (
    "Number of labels must match number of predictions; e.g., if {} axis == 1 and prediction shape "
    "is (N, C, H, W), label count (number of labels) must be N*H*W, with integer values in "
    "{{0, 1, ..., C-1}}: predictions 'x0' {} on axis 1 need {} labels, 'x1' is {}."
)
FILTER_SIZE = "Filter size is kernel_size OR kernel_h and kernel_w; not both"
STRIDE = "Stride is stride OR stride_h and stride_w are required."
PAD = "pad is pad OR pad_h and pad_w are required."
GLOBAL = "With Global_pooling: true; only pad = 0 and stride = 1, got"

# fmt: off
CONVOLUTIONS = [
    Bad("Convolution", f"convolution_param {{ num_output: 2 {fields} }}", [shape], message,
        hint=hint)
    for fields, shape, message, hint in (
        ("kernel_size: 3 axis: ^4", (1, 4, 6, 7),
            "axis 4 out of range for 4-D Blob with shape 1 x 4 x 6 x 7", None),
        ("kernel_size: 3 axis: ^-5", (1, 4, 6, 7),
            "axis -5 out of range for 4-D Blob with shape 1 x 4 x 6 x 7", None),
        ("kernel_size: 3 kernel_size: 3 kernel_size: ^3", (1, 4, 6, 7),
            "kernel_size must be specified once, or once per spatial dimension (kernel_size "
            "specified 3 times; 2 spatial dims)", None),
        ("kernel_size: 3 stride: 1 stride: 2 stride: ^3", (1, 4, 6, 7),
            "stride must be specified once, or once per spatial dimension (stride specified 3 "
            "times; 2 spatial dims)", None),
        ("kernel_size: 3 pad: 1 pad: ^3", (1, 4, 6), "pad must be specified once, or once per "
            "spatial dimension (pad specified 2 times; 1 spatial dims)", None),
        ("kernel_size: 3 dilation: 1 dilation: 2 dilation: ^3", (1, 4, 6, 7),
            "dilation must be specified once, or once per spatial dimension (dilation specified 3 "
            "times; 2 spatial dims)", None),
        ("kernel_h: ^3 kernel_w: 3", (2, 3, 4),
            "kernel_h & kernel_w can only be used for 2D convolution, not 1-D", None),
        ("kernel_size: 3 stride_w: ^2", (2, 3, 4),
            "stride_h & stride_w can only be used for 2D convolution, not 1-D", None),
        ("kernel_size: 3 pad_h: ^1", (2, 3, 4, 5, 6),
            "pad_h & pad_w can only be used for 2D convolution, not 3-D", None),
        ("kernel_size: 3 kernel_h: ^3 kernel_w: 3", (1, 4, 6, 7),
            "Either kernel_size or kernel_h/w should be specified; not both.", None),
        ("kernel_size: 3 stride: 1 stride_h: ^2 stride_w: 2", (1, 4, 6, 7),
            "Either stride or stride_h/w should be specified; not both.", None),
        ("kernel_size: 3 pad: 1 pad_w: ^2", (1, 4, 6, 7),
            "Either pad or pad_h/w should be specified; not both.", None),
        ("kernel_size: ^0", (1, 4, 6, 7), "Filter dimensions must be nonzero, got 0 x 0.", None),
        ("kernel_h: ^3 kernel_w: 0", (1, 4, 6, 7), "Filter dimensions must be nonzero, got 3 x 0.",
            None),
        ("kernel_h: ^3", (1, 4, 6, 7), "Filter dimensions must be nonzero, got 3 x 0.",
            "give both kernel_h and kernel_w"),
        ("kernel_size: 3 stride: ^0", (1, 4, 6, 7), "Stride dimensions must be nonzero, got 0 x 0.",
            None),
        ("kernel_size: 3 stride_w: ^2", (1, 4, 6, 7),
            "Stride dimensions must be nonzero, got 0 x 2.", "give both stride_h and stride_w"),
        ("kernel_size: 3 dilation: ^0", (1, 4, 6, 7),
            "Dilation dimensions must be nonzero, got 0 x 0.", None),
        ("kernel_size: 3 group: ^3", (1, 4, 6, 7),
            "The 4 input channels of bottom 'x0' must divide by group 3", None),
        ("kernel_size: 3 group: ^4", (1, 4, 6, 7),
            "Number of output should be multiples of group: num_output 2, group 4.", None),
        ("kernel_size: 3 group: ^0", (1, 4, 6, 7), "group must be greater than 0", None),
        ("kernel_size: 3 ^weight_filler { type: 'xaver' }", (1, 4, 6, 7),
            "Unknown filler name: xaver", "did you mean 'xavier'?"),
        ("kernel_size: 3 ^bias_filler { type: 'xavier' sparse: 1 }", (1, 4, 6, 7),
            "Sparsity not supported by this Filler. (xavier)", "drop sparse"),
        ("kernel_h: 3 kernel_w: 2 ^weight_filler { type: 'bilinear' }", (1, 4, 6, 7),
            "Filter must be square (bilinear filler on (2, 4, 3, 2))", None),
    )
] + [
    Bad("Convolution", "^convolution_param { num_output: 2 }", [(1, 4, 6, 7)],
        "kernel_size must be specified once, or once per spatial dimension (kernel_size specified "
        "0 times; 2 spatial dims)"),
    Bad("Convolution", "^convolution_param { num_output: 2 kernel_size: 3 dilation: 3 pad_h: 1 }",
        [(1, 4, 5, 5)],
        "kernel 3 x 3 with dilation 3 x 3 covers 7 x 7, more than the padded input 7 x 5 of bottom "
        "'x0' (1 x 4 x 5 x 5)"),
    Bad("Convolution", "^convolution_param { kernel_size: 3 }", [(1, 4, 6, 7)],
        "num_output must be greater than 0, got 0"),
    Bad("Convolution", "convolution_param { kernel_size: 3 num_output: ^0 }", [(1, 4, 6, 7)],
        "num_output must be greater than 0, got 0"),
    Bad("Convolution", "convolution_param { kernel_size: 1 num_output: 1 }", [(1, 4, 6), (1, 4, 7)],
        "All inputs must have the same shape: bottom[0] is 1 x 4 x 6, bottom[1] is 1 x 4 x 7.",
        SECOND, tops=2),
]

INNER_PRODUCTS = [
    Bad("InnerProduct", f"inner_product_param {{ num_output: 2 {fields} }}", [shape], message,
        hint=hint)
    for fields, shape, message, hint in (
        ("axis: ^2", (2, 3), "axis 2 out of range for 2-D Blob with shape 2 x 3", None),
        ("^weight_filler { type: 'bilinear' }", (2, 3),
            "Blob must be 4 dim. (bilinear filler on (2, 3))", None),
        ("^weight_filler { type: 'xavier' }", (2, 0),
            "The xavier filler cannot fill an empty blob (2, 0)", None),
        ("^weight_filler { type: 'gaussian' sparse: 3 }", (2, 5),
            "sparse must be between 0 and the 2 outputs of (2, 5), or -1 for none, got 3", None),
        ("^weight_filler { type: 'gaussian' sparse: -2 }", (2, 5),
            "sparse must be between 0 and the 2 outputs of (2, 5), or -1 for none, got -2", None),
        ("^bias_filler { type: 'gaussian' mean: 3 std: 0 }", (2, 5),
            "The gaussian filler needs std > 0, got 0",
            "a filler of one value is type: 'constant' value: 3"),
        ("^bias_filler { type: 'uniform' min: 1 max: 0.5 }", (2, 5),
            "The uniform filler needs min <= max, got 1 and 0.5", None),
    )
] + [
    Bad("InnerProduct", "", [(2, 3)], "num_output must be greater than 0, got 0", LAYER),
    Bad("InnerProduct", "inner_product_param { num_output: ^0 }", [(2, 3)],
        "num_output must be greater than 0, got 0"),
]

POOLINGS = [
    Bad("Pooling", f"pooling_param {{ {fields} }}", [(1, 4, 6, 7)], message)
    for fields, message in (
        ("kernel_size: 2 kernel_h: 2 kernel_w: ^2",
            f"{FILTER_SIZE} (given: kernel_size, kernel_h, kernel_w)"),
        ("kernel_w: ^2", f"{FILTER_SIZE} (given: kernel_w)"),
        ("kernel_size: ^0", "Filter dimensions cannot be zero, got 0 x 0."),
        ("kernel_h: ^2 kernel_w: 0", "Filter dimensions cannot be zero, got 2 x 0."),
        ("kernel_size: 2 stride: ^0", "Stride dimensions cannot be zero, got 0 x 0."),
        ("kernel_size: 2 stride_h: ^0 stride_w: 1", "Stride dimensions cannot be zero, got 0 x 1."),
        ("kernel_size: 2 stride: 1 stride_h: ^1", f"{STRIDE} (given: stride, stride_h)"),
        ("kernel_size: 2 stride_h: ^1", f"{STRIDE} (given: stride_h)"),
        ("kernel_size: 2 pad: 1 pad_h: 1 pad_w: ^1", f"{PAD} (given: pad, pad_h, pad_w)"),
        ("kernel_size: 2 pad_w: ^1", f"{PAD} (given: pad_w)"),
        ("kernel_size: 2 pad: ^2", "pad 2 x 2 must be smaller than the kernel 2 x 2"),
        ("kernel_h: 3 kernel_w: 2 pad_h: ^1 pad_w: 2",
            "pad 1 x 2 must be smaller than the kernel 3 x 2"),
        ("global_pooling: true kernel_size: ^2",
            "With Global_pooling: true Filter size cannot specified"),
        ("global_pooling: ^true pad: 1", f"{GLOBAL} pad 1 x 1 and stride 1 x 1"),
        ("global_pooling: ^true stride: 2", f"{GLOBAL} pad 0 x 0 and stride 2 x 2"),
        ("kernel_size: 2 round_mode: FLOOR ceil_mode: ^true",
            "round_mode and ceil_mode contradict each other"),
        ("kernel_size: 2 pool: STOCHASTIC pad: ^1",
            "Padding implemented only for average and max pooling, got pad 1 x 1."),
    )
] + [
    Bad("Pooling", "^pooling_param { pool: AVE }", [(1, 4, 6, 7)],
        f"{FILTER_SIZE} (given: neither)",
        hint="kernel_size: 2, or global_pooling: true for the whole image"),
    Bad("Pooling", "^pooling_param { kernel_size: 9 stride: 2 }", [(1, 4, 6, 7)],
        "a window of 9 x 9 with pad 0 x 0 does not fit into bottom 'x0' (1 x 4 x 6 x 7)"),
    Bad("Pooling", "^pooling_param { kernel_size: 7 round_mode: FLOOR stride: 2 }", [(1, 4, 6, 7)],
        "a window of 7 x 7 with pad 0 x 0 does not fit into bottom 'x0' (1 x 4 x 6 x 7)"),
    Bad("Pooling", "pooling_param { kernel_size: 2 }", [(2, 3, 4)], f"{FOUR} 2 x 3 x 4", FIRST),
    Bad("Pooling", "pooling_param { kernel_size: 2 pool: AVE }", [(1, 4, 6, 7)],
        "Only MAX pooling has a second top, the mask", "'label'", tops=2),
]

OTHERS = [
    Bad(type, fields, bottoms, message, at)
    for type, fields, bottoms, message, at in (
        ("Dropout", "dropout_param { dropout_ratio: ^1 }", [(2, 3)],
            "dropout_ratio must be in [0, 1), got 1", ""),
        ("Dropout", "dropout_param { dropout_ratio: ^-0.5 }", [(2, 3)],
            "dropout_ratio must be in [0, 1), got -0.5", ""),
        ("LRN", "lrn_param { local_size: ^4 }", [(1, 4, 6, 7)],
            "LRN only supports odd values for local_size, got 4", ""),
        ("LRN", "", [(2, 3)], f"{FOUR} 2 x 3", FIRST),
        ("Concat", "concat_param { axis: 1 concat_dim: ^1 }", [(2, 3)],
            "Either axis or concat_dim should be specified; not both.", ""),
        ("Concat", "concat_param { axis: ^2 }", [(2, 3)],
            "axis 2 out of range for 2-D Blob with shape 2 x 3", ""),
        ("Concat", "concat_param { concat_dim: ^2 }", [(2, 3)],
            "concat_dim out of range: 2 for 2 x 3.", ""),
        ("Concat", "", [(2, 3, 4), (2, 3)],
            "All inputs must have the same #axes: bottom[0] is 2 x 3 x 4, bottom[1] is 2 x 3.",
            SECOND),
        ("Concat", "", [(2, 3, 4), (2, 5, 5)],
            "All inputs must have the same shape, except at concat_axis 1: bottom[0] 'x0' is "
            "2 x 3 x 4, bottom[1] 'x1' is 2 x 5 x 5.", SECOND),
        ("Eltwise", "eltwise_param { coeff: ^1 }", [(2, 3)] * 2,
            "Eltwise Layer takes one coefficient per bottom blob: 2 bottoms, 1 coeff.", ""),
        ("Eltwise", "eltwise_param { operation: ^SORT }", [(2, 3)] * 2,
            "the operation SORT is not carried out", ""),
        ("Eltwise", "eltwise_param { operation: PROD coeff: 1 coeff: ^2 }", [(2, 3)] * 2,
            "Eltwise layer only takes coefficients for summation.", ""),
        ("Eltwise", "", [(2, 3), (2, 1)],
            "bottom[0] 'x0': 2 x 3, bottom[1] 'x1': 2 x 1; the shapes must be the same", SECOND),
        ("Flatten", "flatten_param { axis: ^2 }", [(2, 3)],
            "axis 2 out of range for 2-D Blob with shape 2 x 3", ""),
        ("Flatten", "flatten_param { end_axis: ^-3 }", [(2, 3)],
            "axis -3 out of range for 2-D Blob with shape 2 x 3", ""),
        ("Flatten", "flatten_param { axis: 2 end_axis: ^0 }", [(2, 3, 4)],
            "end_axis 0 comes before axis 2 in 2 x 3 x 4", ""),
        ("Softmax", "softmax_param { axis: ^2 }", [(2, 3)],
            "axis 2 out of range for 2-D Blob with shape 2 x 3", ""),
        ("SoftmaxWithLoss", "", [(4, 3), (2, 2)],
            "The data and label should have the same first dimension: bottom[0] 'x0' is 4 x 3, "
            "bottom[1] 'x1' is 2 x 2.", SECOND),
        ("SoftmaxWithLoss", "", [(4, 3, 2), (4,)], LABELS.format("softmax", "4 x 3 x 2", 8, "4"),
            SECOND),
        ("SoftmaxWithLoss", "softmax_param { axis: ^3 }", [(4, 3, 2), (4,)],
            "axis 3 out of range for 3-D Blob with shape 4 x 3 x 2", ""),
        ("EuclideanLoss", "", [(4, 3), (3, 4)],
            "The data and label should have the same first dimension: bottom[0] 'x0' is 4 x 3, "
            "bottom[1] 'x1' is 3 x 4.", SECOND),
        ("EuclideanLoss", "", [(), ()],
            "The data and label should have the same first dimension: bottom[0] 'x0' is (), "
            "bottom[1] 'x1' is ().", SECOND),
        ("EuclideanLoss", "", [(4, 3), (4, 4)],
            "Inputs must have the same dimension: 'x0' is 4 x 3, 'x1' is 4 x 4.", SECOND),
        ("Accuracy", "", [(4, 3), (3,)], LABELS.format("label", "4 x 3", 4, "3"), SECOND),
        ("Accuracy", "accuracy_param { axis: ^2 }", [(4, 3), (4,)],
            "axis 2 out of range for 2-D Blob with shape 4 x 3", ""),
        ("Accuracy", "accuracy_param { top_k: ^4 }", [(4, 3), (4,)],
            "top_k must be less than or equal to the number of classes: top_k 4, 3 classes.", ""),
    )
]

RESHAPES = [
    Bad("Reshape", f"reshape_param {{ {fields} }}", [(2, 3)], message)
    for fields, message in (
        ("shape { dim: -1 dim: ^-1 }",
            "new shape contains multiple -1 dims; at most a single (1) value of -1 may be "
            "specified: -1 x -1"),
        ("shape { dim: 3 dim: ^-2 }", "dim must be -1, 0 or a size, got -2"),
        ("shape { dim: 2 dim: 3 dim: ^0 }",
            "new shape contains a 0, but there was no corresponding bottom axis to copy: axis 2 of "
            "2 x 3"),
        ("shape { dim: 4 dim: ^-1 }",
            "bottom count (6) must be divisible by the product of the specified dimensions (4)"),
        ("^shape { dim: 4 }",
            "output count must match input count: 4 has 4 elements, bottom 'x0' (2 x 3) has 6"),
        ("^shape { dim: 2 } axis: 1 num_axes: 0",
            "output count must match input count: 2 x 2 x 3 has 12 elements, bottom 'x0' (2 x 3) "
            "has 6"),
        ("shape { dim: 4 } axis: ^3", "axis 3 out of range for 2-D input blob with shape 2 x 3"),
        ("shape { dim: 4 } axis: ^-4", "axis -4 out of range for 2-D input blob with shape 2 x 3"),
        ("shape { dim: 4 } num_axes: ^-2", "num_axes must be >= 0, or -1 for all, got -2"),
        ("shape { dim: 4 } axis: 1 num_axes: ^2",
            "end_axis = axis + num_axes is out of range: 1 + 2 in 2-D 2 x 3"),
    )
] + [
    Bad("Reshape", "", [(2, 3)],
        "output count must match input count: () has 1 elements, bottom 'x0' (2 x 3) has 6", LAYER),
]

SOURCES = [
    Bad(type, fields, [], message, at, hint, tops)
    for type, fields, message, at, hint, tops in (
        ("Input", "", "Must specify 'shape' once, or once per top blob (1); specified 0.", LAYER,
            None, 1),
        ("Input", "input_param { shape { } shape { } ^shape { } }",
            "Must specify 'shape' once, or once per top blob (2); specified 3.", "", None, 2),
        ("Input", "input_param { ^shape { dim: 2 dim: -1 } }",
            "shape 2 x -1 has a negative dim", "", None, 1),
        ("DummyData", "", "Must specify 'shape' once, or once per top blob (1); specified 0.",
            LAYER, None, 1),
        ("DummyData", "dummy_data_param { shape { dim: 2 } ^shape { dim: -3 } }",
            "shape -3 has a negative dim", "", None, 2),
        ("DummyData", "dummy_data_param { ^shape { dim: 2 } num: 1 }",
            "Both shape and legacy fields were specified", "", None, 1),
        ("DummyData", "dummy_data_param { num: 2 num: ^3 channels: 2 height: 2 width: 1 }",
            "Must specify 'num' once, or once per top blob (1); specified 2.", "", None, 1),
        ("DummyData", "dummy_data_param { num: 2 channels: 2 height: 2 }",
            "Must specify 'width' once, or once per top blob (1); specified 0.", LAYER, None, 1),
        ("DummyData", "dummy_data_param { shape { } data_filler { } ^data_filler { } }",
            "Number of data fillers must be 0, 1 or equal to the number of tops: 3; you specified "
            "2 data fillers.", "", None, 3),
        ("DummyData", "dummy_data_param { shape { dim: 2 } ^data_filler { type: 'msr' } }",
            "Unknown filler name: msr", "", "did you mean 'msra'?", 1),
        ("DummyData", "dummy_data_param { shape { dim: 0 } ^data_filler { type: 'msra' } }",
            "The msra filler cannot fill an empty blob (0,)", "", None, 1),
        ("DummyData", "dummy_data_param { shape { } ^data_filler { type: 'gaussian' } }",
            "The gaussian filler needs at least one axis", "", None, 1),
    )
]
# fmt: on

# These modules import Bad from this one, which is why they come last.
from ..layer_cases import (  # noqa: E402
    affine_bad,
    bn_bad,
    conv_bad,
    crf_bad,
    detection_bad,
    face_bad,
    flow_bad,
    groups_bad,
    inputs_bad,
    loss_bad,
    margins_bad,
    neuron_bad,
    norm_bad,
    python_bad,
    recurrent_bad,
    segment_bad,
    select_bad,
    sizes_bad,
    spatial_bad,
    video_bad,
    yolo_bad,
)

ROWS = [
    *CONVOLUTIONS, *INNER_PRODUCTS, *POOLINGS, *OTHERS, *RESHAPES, *SOURCES,
    *affine_bad.BAD, *bn_bad.BAD, *neuron_bad.BAD, *norm_bad.BAD, *loss_bad.BAD, *select_bad.BAD,
    *segment_bad.BAD, *face_bad.BAD, *margins_bad.BAD, *video_bad.BAD, *detection_bad.BAD,
    *conv_bad.BAD, *crf_bad.BAD, *spatial_bad.BAD, *recurrent_bad.BAD, *inputs_bad.BAD,
    *flow_bad.BAD, *groups_bad.BAD, *python_bad.BAD, *sizes_bad.BAD, *yolo_bad.BAD,
]  # fmt: skip


@pytest.mark.parametrize("bad", ROWS, ids=str)
def test_refused(bad):
    case = LayerCase(bad.type, bad.fields, bad.bottoms, [()] * bad.tops, dialect=bad.dialect)
    marked = net_text(case)
    text, line = marked.replace("^", ""), marked.splitlines()[-1]
    column = line.index(bad.at or "^") + 1
    with pytest.raises(ShapeError) as caught:
        compile_net(parse_net(text, "net.prototxt"), NetState(), Plan("cpu"))
    first = str(caught.value).splitlines()[0]
    where = f"net.prototxt:{len(bad.bottoms) + 1}:{column}"
    assert first == f"{where}: {bad.message} (layer 'op', {bad.type})"
    assert caught.value.hint == bad.hint
