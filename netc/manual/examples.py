"""What registry and schema do not tell of a layer type: an example, and its blobs in words.

The tables are by name, or by name and first dialect where forks disagree: "BN (segnet)".
"""

from __future__ import annotations

from netc.layers.base import LayerType
from netc.prototxt import parse, to_text
from netc.schema import LayerParameter

XAVIER = 'weight_filler { type: "xavier" }'
UNIFORM = 'weight_filler { type: "uniform" min: -0.1 max: 0.1 }'
SCORES = ("score", "label")

DEPTHWISE = 'convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "msra" } }'

FIELDS = {
    "Accuracy": "accuracy_param { top_k: 5 }",
    "BN (parsenet)": "bn_param { scale_filler { value: 1 } var_eps: 1e-10 }",
    "BN (pspnet)": "bn_param { slope_filler { value: 1 } momentum: 0.95 }",
    "BN (segnet)": "bn_param { scale_filler { value: 1 } shift_filler { value: 0.001 } }",
    "BatchNorm": "batch_norm_param { eps: 1e-5 }",
    "BatchNorm (intel)": "batch_norm_param { use_weight_bias: true }",
    "BatchNorm (nvcaffe)": "batch_norm_param { scale_bias: true }",
    "Bias": "bias_param { axis: 1 }",
    "CenterLoss": "center_loss_param { num_output: 1000 }",
    "Clip": "clip_param { min: 0 max: 6 }",
    "Concat": "concat_param { axis: 1 }",
    "ContrastiveLoss": "contrastive_loss_param { margin: 1 }",
    "Convolution": "convolution_param { num_output: 64 kernel_size: 3 pad: 1 "
    'weight_filler { type: "msra" } }',
    "ConvolutionDepthwise": DEPTHWISE,
    "Crop": "crop_param { axis: 2 offset: 0 }",
    "Data": 'data_param { source: "train_lmdb" batch_size: 64 backend: LMDB } '
    "transform_param { scale: 0.00390625 }",
    "Deconvolution": "convolution_param { num_output: 21 kernel_size: 4 stride: 2 pad: 1 "
    'weight_filler { type: "bilinear" } }',
    "DepthwiseConvolution": DEPTHWISE,
    "Dropout": "dropout_param { dropout_ratio: 0.5 }",
    "DummyData": "dummy_data_param { shape { dim: 64 dim: 3 dim: 32 dim: 32 } "
    'data_filler { type: "gaussian" } }',
    "Eltwise": "eltwise_param { operation: SUM }",
    "Embed": f"embed_param {{ num_output: 128 input_dim: 1000 {UNIFORM} }}",
    "HDF5Data": 'hdf5_data_param { source: "train.txt" batch_size: 64 shuffle: true }',
    "HDF5Output": 'hdf5_output_param { file_name: "features.h5" }',
    "Im2col": "convolution_param { kernel_size: 3 pad: 1 }",
    "ImageData": 'image_data_param { source: "train.txt" batch_size: 32 shuffle: true '
    "new_height: 256 new_width: 256 } transform_param { crop_size: 224 mirror: true }",
    "ImageFolder": 'image_folder_param { source: "train" batch_size: 32 shuffle: true '
    "new_height: 256 new_width: 256 } transform_param { crop_size: 224 mirror: true }",
    "ImageList": 'image_list_param { source: "train.txt" column: IMAGE column: LABEL_IMAGE '
    "batch_size: 8 shuffle: true } transform_param { crop_size: 321 mirror: true }",
    "InnerProduct": f"inner_product_param {{ num_output: 10 {XAVIER} }}",
    "Input": "input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }",
    "Interp": "interp_param { zoom_factor: 8 }",
    "LRN": "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }",
    "LSTM": f"recurrent_param {{ num_output: 256 {UNIFORM} }}",
    "MemoryData": "memory_data_param { batch_size: 64 channels: 1 height: 28 width: 28 }",
    "Normalize (happynear)": 'normalize_param { normalize_type: "L2" }',
    "Parameter": "parameter_param { shape { dim: 10 } }",
    "Pooling": "pooling_param { pool: MAX kernel_size: 2 stride: 2 }",
    "Power": "power_param { power: 2 scale: 0.5 shift: 1 }",
    "Python": 'python_param { module: "my_layers" layer: "MyLayer" }',
    "RNN": f"recurrent_param {{ num_output: 256 {UNIFORM} }}",
    "Reduction": "reduction_param { operation: MEAN axis: 1 }",
    "Reshape": "reshape_param { shape { dim: 0 dim: -1 } }",
    "SPP": "spp_param { pyramid_height: 2 }",
    "Scale": "scale_param { bias_term: true }",
    "SegAccuracy": "seg_accuracy_param { ignore_label: 255 }",
    "ShuffleChannel": "shuffle_channel_param { group: 3 }",
    "Slice": "slice_param { axis: 1 }",
    "SoftmaxWithLoss": "loss_param { ignore_label: 255 }",
    "Tile": "tile_param { axis: 1 tiles: 2 }",
    "Upsample (darknet2caffe)": "upsample_param { scale: 2 }",
    "Upsample (segnet)": "upsample_param { scale: 2 }",
    "WindowData": 'window_data_param { source: "windows.txt" batch_size: 128 fg_threshold: 0.5 } '
    "transform_param { crop_size: 227 }",
}
BOTTOMS = {
    "Accuracy": SCORES,
    "Axpy": ("factor", "data", "summand"),
    "BatchReindex": ("data", "index"),
    "CenterLoss": ("feature", "label"),
    "ContrastiveLoss": ("a", "b", "similar"),
    "Crop": ("data", "reference"),
    "Crop (fcn)": ("data", "reference"),
    "Filter": ("data", "selector"),
    "HDF5Output": ("data", "label"),
    "HingeLoss": SCORES,
    "InfogainLoss": ("probability", "label", "infogain"),
    "LSTM": ("data", "cont"),
    "LSTMUnit": ("cell", "gates", "cont"),
    "MultinomialLogisticLoss": ("probability", "label"),
    "Python": ("data",),
    "RNN": ("data", "cont"),
    "SegAccuracy": SCORES,
    "SigmoidCrossEntropyLoss (hed)": ("score", "target"),
    "SigmoidCrossEntropyLoss": ("score", "target"),
    "SmoothL1Loss": ("prediction", "target"),
    "SoftmaxWithLoss": SCORES,
    "Upsample (segnet)": ("data", "mask"),
}
TOPS = {
    "Data": ("data", "label"),
    "HDF5Data": ("data", "label"),
    "ImageData": ("data", "label"),
    "ImageFolder": ("data", "label"),
    "ImageList": ("data", "label"),
    "LSTMUnit": ("next_cell", "hidden"),
    "MemoryData": ("data", "label"),
    "Python": ("python",),
    "Slice": ("first", "second"),
    "Split": ("first", "second"),
    "WindowData": ("data", "label"),
}
BIAS = "b (num_output), with bias_term"
SCALE_AND_SHIFT = ("scale (1, C, 1, 1)", "shift (1, C, 1, 1)")
SLOPE_AND_BIAS = ("slope", "bias", "the moving average of the mean", "that of the variance")
BLOBS = {
    "BN (parsenet)": (
        *SCALE_AND_SHIFT,
        "the moving average of the mean, with moving_average",
        "that of the variance, with moving_average",
    ),
    "BN (pspnet)": tuple(f"{b} (1, C, 1, 1)" for b in SLOPE_AND_BIAS),
    "BN (segnet)": SCALE_AND_SHIFT,
    "SyncBN": tuple(f"{b} (1, C)" for b in SLOPE_AND_BIAS),
    "BatchNorm": (
        "the sum of means (C)",
        "the sum of variances (C)",
        "what both are divided by (1); none of the three is learnt by gradient",
    ),
    "BatchNorm (intel)": (
        "the sum of means (C)",
        "the sum of variances (C)",
        "what both are divided by (1)",
        "the factor (C), with use_weight_bias",
        "the summand (C), with use_weight_bias and bias_term",
    ),
    "BatchNorm (nvcaffe)": (
        "the moving average of the mean (C)",
        "that of the variance (C)",
        "1 (1)",
        "the factor (C), with scale_bias",
        "the summand (C), with scale_bias",
    ),
    "Bias": ("the summand, of the shape of the axes it covers; none with two bottoms",),
    "CenterLoss": ("the centres (num_output, K)",),
    "Convolution": ("W (num_output, C / group, *kernel)", BIAS),
    "ConvolutionDepthwise": ("W (C, 1, *kernel)", BIAS),
    "DepthwiseConvolution": ("W (C, 1, *kernel)", BIAS),
    "Deconvolution": ("W (C, num_output / group, *kernel)", BIAS),
    "Embed": ("W (input_dim, num_output)", BIAS),
    "InnerProduct": ("W (num_output, K), with transpose (K, num_output)", BIAS),
    "LSTM": (
        "W_xc (4 num_output, K)",
        "b_c (4 num_output)",
        "W_xs (4 num_output, K'), with a static input only",
        "W_hc (4 num_output, num_output)",
    ),
    "PReLU": ("the slopes (C), or one slope () with channel_shared",),
    "Parameter": ("the top itself",),
    "Python": ("those that the class makes in setup, or that the function names in `blobs`",),
    "RNN": (
        "W_xh (num_output, K)",
        "b_h (num_output)",
        "W_xs (num_output, K'), with a static input only",
        "W_hh (num_output, num_output)",
        "W_ho (num_output, num_output)",
        "b_o (num_output)",
    ),
    "Scale": (
        "the factor, of the shape of the axes it covers; none with two bottoms",
        "the summand, of the same shape, with bias_term",
    ),
}


def example(kind: LayerType) -> str:
    """A layer of this type as prototxt, with the bottoms, tops and fields it cannot do without."""
    least = kind.bottoms if isinstance(kind.bottoms, int) else kind.bottoms[0]
    name, label = kind.name, kind.name.lower()
    bottoms = BOTTOMS.get(kind.label) or _names("data", least)
    tops = TOPS.get(kind.label) or _names("data" if kind.bottoms == 0 else label, kind.least_tops)
    parts = [f'name: "{label}" type: "{name}"']
    parts += [f'bottom: "{b}"' for b in bottoms] + [f'top: "{t}"' for t in tops]
    layer = parse(" ".join([*parts, FIELDS.get(kind.label, "")]), LayerParameter).message
    inside = "".join(f"  {line}\n" for line in to_text(layer).splitlines())
    return f"layer {{\n{inside}}}\n"


def _names(stem: str, count: int) -> tuple[str, ...]:
    return (stem,) if count == 1 else tuple(f"{stem}{i + 1}" for i in range(count))
