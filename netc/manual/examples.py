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
    "AdaptiveBiasChannel": "adaptive_bias_channel_param { bg_portion: 0.3 fg_portion: 0.2 }",
    "AnnotatedData": 'data_param { source: "trainval_lmdb" batch_size: 32 backend: LMDB } '
    "annotated_data_param { batch_sampler { max_sample: 1 max_trials: 1 } batch_sampler { sampler "
    "{ min_scale: 0.3 min_aspect_ratio: 0.5 max_aspect_ratio: 2 } sample_constraint { "
    "min_jaccard_overlap: 0.5 } max_sample: 1 max_trials: 50 } } "
    "transform_param { mirror: true mean_value: 104 mean_value: 117 mean_value: 123 "
    "resize_param { height: 300 width: 300 } expand_param { prob: 0.5 max_expand_ratio: 4 } }",
    "Accum": "accum_param { have_reference: true }",
    "Accuracy": "accuracy_param { top_k: 5 }",
    "BatchReduction": "batch_reduction_param { level: 1 level: 2 reduction_param { axis: 1 "
    "operation: MEAN } }",
    "BiasChannel": "bias_channel_param { bg_bias: 0.2 fg_bias: 0.5 }",
    "BN (parsenet)": "bn_param { scale_filler { value: 1 } var_eps: 1e-10 }",
    "BN (pspnet)": "bn_param { slope_filler { value: 1 } momentum: 0.95 }",
    "BN (segnet)": "bn_param { scale_filler { value: 1 } shift_filler { value: 0.001 } }",
    "BatchNorm": "batch_norm_param { eps: 1e-5 }",
    "BatchNorm (intel)": "batch_norm_param { use_weight_bias: true }",
    "BatchNorm (nvcaffe)": "batch_norm_param { scale_bias: true }",
    "BlackAugmentation": 'black_augmentation_param { black { rand_type: "bernoulli" prob: 0.05 } }',
    "Bias": "bias_param { axis: 1 }",
    "CenterLoss": "center_loss_param { num_output: 1000 }",
    "Clip": "clip_param { min: 0 max: 6 }",
    "Concat": "concat_param { axis: 1 }",
    "ContrastiveLoss": "contrastive_loss_param { margin: 1 }",
    "Convolution": "convolution_param { num_output: 64 kernel_size: 3 pad: 1 "
    'weight_filler { type: "msra" } }',
    "ConvolutionDepthwise": DEPTHWISE,
    "Convolution3D": "convolution3d_param { num_output: 64 kernel_size: 3 kernel_depth: 3 pad: 1 "
    "temporal_pad: 1 }",
    "Correlation": "correlation_param { pad: 20 kernel_size: 1 max_displacement: 20 stride_2: 2 }",
    "Correlation1D": "correlation_param { pad: 40 kernel_size: 1 max_displacement: 40 "
    "single_direction: -1 }",
    "Crop": "crop_param { axis: 2 offset: 0 }",
    "Data": 'data_param { source: "train_lmdb" batch_size: 64 backend: LMDB } '
    "transform_param { scale: 0.00390625 }",
    "DataAugmentation": "augmentation_param { crop_height: 3 crop_width: 4 recompute_mean: 1000 "
    "mean_per_pixel: false rotate { spread: 0.2 } gamma { spread: 0.1 exp: true } }",
    "Deconvolution": "convolution_param { num_output: 21 kernel_size: 4 stride: 2 pad: 1 "
    'weight_filler { type: "bilinear" } }',
    "Deconvolution3D": "convolution3d_param { num_output: 8 kernel_size: 2 kernel_depth: 2 "
    "stride: 2 temporal_stride: 2 }",
    "DenseCRF": "dense_crf_param { max_iter: 10 pos_w: 3 pos_xy_std: 3 bi_w: 4 bi_xy_std: 49 "
    "bi_rgb_std: 5 output_probability: false }",
    "DenseImageData": 'dense_image_data_param { source: "train.txt" batch_size: 4 shuffle: true }',
    "DepthwiseConvolution": DEPTHWISE,
    "BoxAnnotatorOHEM": "box_annotator_ohem_param { roi_per_img: 128 }",
    "DetectionEvaluate": "detection_evaluate_param { num_classes: 21 overlap_threshold: 0.5 }",
    "DetectionOutput": "detection_output_param { num_classes: 3 code_type: CENTER_SIZE "
    "confidence_threshold: 0.01 keep_top_k: 200 nms_param { nms_threshold: 0.45 top_k: 400 } }",
    "DomainTransform": "domain_transform_param { spatial_sigma: 100 range_sigma: 1 }",
    "DomainTransformForwardOnly": "domain_transform_param { spatial_sigma: 100 range_sigma: 1 }",
    "Downsample": "downsample_param { top_height: 6 top_width: 8 }",
    "Dropout": "dropout_param { dropout_ratio: 0.5 }",
    "DummyData": "dummy_data_param { shape { dim: 64 dim: 3 dim: 32 dim: 32 } "
    'data_filler { type: "gaussian" } }',
    "Eltwise": "eltwise_param { operation: SUM }",
    "Embed": f"embed_param {{ num_output: 128 input_dim: 1000 {UNIFORM} }}",
    "FLOWriter": 'writer_param { folder: "flow" prefix: "predicted_" }',
    "FloatReader": 'reader_param { file: "mean.float3" num: 8 }',
    "FloatWriter": 'writer_param { folder: "features" }',
    "FlowAugmentation": "augmentation_param { crop_height: 3 crop_width: 4 }",
    "FocalLoss (focal-loss)": "focal_loss_param { alpha: 0.25 gamma: 2 }",
    "FocalLoss (happynear)": "focal_loss_param { type: ONEADDP gamma: 2 }",
    "GenerateAugmentationParameters": "augmentation_param { crop_height: 3 crop_width: 4 "
    "rotate { spread: 0.1 } gamma { spread: 0.1 exp: true } }",
    "HDF5Data": 'hdf5_data_param { source: "train.txt" batch_size: 64 shuffle: true }',
    "HDF5Output": 'hdf5_output_param { file_name: "features.h5" }',
    "Im2col": "convolution_param { kernel_size: 3 pad: 1 }",
    "ImageData": 'image_data_param { source: "train.txt" batch_size: 32 shuffle: true '
    "new_height: 256 new_width: 256 } transform_param { crop_size: 224 mirror: true }",
    "ImageFolder": 'image_folder_param { source: "train" batch_size: 32 shuffle: true '
    "new_height: 256 new_width: 256 } transform_param { crop_size: 224 mirror: true }",
    "ImageLabelmapData": 'image_data_param { source: "train.lst" shuffle: true } '
    "transform_param { mean_value: 104 mean_value: 117 mean_value: 123 }",
    "ImageSegData": 'image_data_param { source: "train.txt" batch_size: 16 shuffle: true '
    "label_type: PIXEL } transform_param { crop_size: 473 mirror: true scale_factors: 0.5 "
    "scale_factors: 1 scale_factors: 1.5 mean_value: 104 mean_value: 117 mean_value: 123 }",
    "ImageList": 'image_list_param { source: "train.txt" column: IMAGE column: LABEL_IMAGE '
    "batch_size: 8 shuffle: true } transform_param { crop_size: 321 mirror: true }",
    "ImgReader": 'reader_param { file: "left.png" }',
    "ImgWriter": 'writer_param { folder: "seen" normalize: true }',
    "InnerDistance": f"inner_distance_param {{ num_output: 10 {XAVIER} }}",
    "InnerProduct": f"inner_product_param {{ num_output: 10 {XAVIER} }}",
    "InnerProduct (happynear)": "inner_product_param { num_output: 10 bias_term: false "
    f"normalize: true {XAVIER} }}",
    "Input": "input_param { shape { dim: 1 dim: 3 dim: 224 dim: 224 } }",
    "Interp": "interp_param { zoom_factor: 8 }",
    "LabelSpecificAdd": "label_specific_add_param { bias: -0.35 }",
    "LabelSpecificAffine": "label_specific_affine_param { bias_base: 10 bias_max: 10 }",
    "LabelSpecificMargin": "label_specific_margin_param { margin_base: 28.6 gamma: 0 }",
    "LargeMarginInnerProduct": "largemargin_inner_product_param { num_output: 10 type: DOUBLE "
    f"base: 1000 gamma: 0.00002 power: 45 {XAVIER} }}",
    "LRN": "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }",
    "LSTM": f"recurrent_param {{ num_output: 256 {UNIFORM} }}",
    "LpqLoss": "lpq_loss_param { p: 2 q: 0.5 }",
    "MarginInnerProduct": "margin_inner_product_param { num_output: 10 type: QUADRUPLE base: 1000 "
    f"gamma: 0.12 power: 1 lambda_min: 5 {XAVIER} }}",
    "MatRead": 'mat_read_param { prefix: "features/" source: "names.txt" batch_size: 8 }',
    "MatWrite": 'mat_write_param { prefix: "features/" source: "names.txt" }',
    "Mean": "mean_param { operation: SUBTRACT value: 104 value: 117 value: 123 }",
    "MemoryData": "memory_data_param { batch_size: 64 channels: 1 height: 28 width: 28 }",
    "MultiStageMeanfield": "multi_stage_meanfield_param { num_iterations: 5 theta_alpha: 160 "
    "theta_beta: 3 theta_gamma: 3 spatial_filter_weight: 3 bilateral_filter_weight: 5 }",
    "Normalize (happynear)": 'normalize_param { normalize_type: "L2" }',
    "MultiBoxLoss": "multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE "
    "overlap_threshold: 0.5 neg_pos_ratio: 3 }",
    "Normalize": "norm_param { across_spatial: false channel_shared: false "
    'scale_filler { type: "constant" value: 20 } }',
    "ParseEvaluate": "parse_evaluate_param { num_labels: 21 ignore_label: 255 }",
    "PSROIPooling": "psroi_pooling_param { spatial_scale: 0.0625 output_dim: 2 group_size: 3 }",
    "PFMWriter": 'writer_param { folder: "disparity" }',
    "Parameter": "parameter_param { shape { dim: 10 } }",
    "Pooling": "pooling_param { pool: MAX kernel_size: 2 stride: 2 }",
    "Pooling3D": "pooling3d_param { kernel_size: 2 kernel_depth: 2 stride: 2 temporal_stride: 2 }",
    "Power": "power_param { power: 2 scale: 0.5 shift: 1 }",
    "Permute": "permute_param { order: 0 order: 2 order: 3 order: 1 }",
    "PriorBox": "prior_box_param { min_size: 60 max_size: 111 aspect_ratio: 2 aspect_ratio: 3 "
    "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 step: 16 }",
    "Proposal": "proposal_param { feat_stride: 16 post_nms_topn: 300 }",
    "Python": 'python_param { module: "my_layers" layer: "MyLayer" }',
    "RegionLoss": "region_loss_param { side: 3 num_class: 4 num: 2 object_scale: 5 "
    "noobject_scale: 1 coord_scale: 1 thresh: 0.6 biases: 1.3 biases: 1.7 biases: 3 biases: 4 }",
    "RNN": f"recurrent_param {{ num_output: 256 {UNIFORM} }}",
    "Reduction": "reduction_param { operation: MEAN axis: 1 }",
    "Reorg": "reorg_param { stride: 2 }",
    "ROIPooling": "roi_pooling_param { pooled_h: 7 pooled_w: 7 spatial_scale: 0.0625 }",
    "Resample": "resample_param { type: LINEAR height: 384 width: 512 }",
    "Reshape": "reshape_param { shape { dim: 0 dim: -1 } }",
    "SPP": "spp_param { pyramid_height: 2 }",
    "Scale": "scale_param { bias_term: true }",
    "SegAccuracy": "seg_accuracy_param { ignore_label: 255 }",
    "ShuffleChannel": "shuffle_channel_param { group: 3 }",
    "Slice": "slice_param { axis: 1 }",
    "SpatialDropout": "spatial_dropout_param { dropout_ratio: 0.1 }",
    "SoftmaxWithLoss": "loss_param { ignore_label: 255 }",
    "Tile": "tile_param { axis: 1 tiles: 2 }",
    "UniqueLabel": "unique_label_param { max_labels: 21 ignore_label: 255 }",
    "UnPooling": "unpooling_param { unpool: REP out_kernel_size: 2 out_stride: 2 }",
    "Upsample (darknet2caffe)": "upsample_param { scale: 2 }",
    "Upsample (segnet)": "upsample_param { scale: 2 }",
    "VideoData (c3d)": 'video_data_param { source: "train.txt" batch_size: 30 shuffle: true '
    "new_length: 16 new_height: 128 new_width: 171 use_image: true } "
    "transform_param { crop_size: 112 mirror: true }",
    "VideoData (ssd)": 'video_data_param { video_type: VIDEO video_file: "drive.mp4" } '
    "data_param { batch_size: 1 } transform_param { mean_value: 104 mean_value: 117 "
    "mean_value: 123 resize_param { height: 300 width: 300 } }",
    "WindowData": 'window_data_param { source: "windows.txt" batch_size: 128 fg_threshold: 0.5 } '
    "transform_param { crop_size: 227 }",
    "Yolov3DetectionOutput": "yolov3_detection_output_param { num_classes: 2 num_box: 2 "
    "anchors_scale: 32 anchors_scale: 16 mask: 2 mask: 3 mask: 0 mask: 1 biases: 10 biases: 14 "
    "biases: 23 biases: 27 biases: 81 biases: 82 biases: 135 biases: 169 }",
}
BOTTOMS = {
    "Accuracy": SCORES,
    "Accum": ("low", "high", "data"),
    "AdaptiveBiasChannel": ("score", "labels"),
    "Axpy": ("factor", "data", "summand"),
    "BatchReindex": ("data", "index"),
    "BiasChannel": ("score", "labels"),
    "BlackHole": ("data", "label"),
    "CenterLoss": ("feature", "label"),
    "BlackAugmentation": ("image1", "flow", "image2"),
    "BoxAnnotatorOHEM": ("rois", "loss", "label", "bbox_weight"),
    "ContrastiveLoss": ("a", "b", "similar"),
    "Correlation": ("a", "b"),
    "Correlation1D": ("left", "right"),
    "Crop": ("data", "reference"),
    "Crop (fcn)": ("data", "reference"),
    "DenseCRF": ("score", "size", "image"),
    "DetectionEvaluate": ("detections", "label"),
    "DetectionOutput": ("mbox_loc", "mbox_conf", "mbox_priorbox"),
    "DomainTransform": ("score", "edge", "size"),
    "DomainTransformForwardOnly": ("score", "edge", "size"),
    "Filter": ("data", "selector"),
    "FlowAugmentation": ("flow", "coefficients1", "coefficients2"),
    "FlowWarp": ("image", "flow"),
    "FocalLoss (focal-loss)": SCORES,
    "FocalLoss (happynear)": SCORES,
    "Gather": ("data", "label"),
    "Grouping": ("data", "groups"),
    "HDF5Output": ("data", "label"),
    "HingeLoss": SCORES,
    "InfogainLoss": ("probability", "label", "infogain"),
    "LabelSpecificAdd": ("cosine", "label"),
    "LabelSpecificAffine": ("angle", "label"),
    "LabelSpecificMargin": ("cosine", "label"),
    "LargeMarginInnerProduct": ("feature", "label"),
    "LSTM": ("data", "cont"),
    "LSTMUnit": ("cell", "gates", "cont"),
    "LpqLoss": ("flow", "truth"),
    "MarginInnerProduct": ("feature", "label"),
    "MultinomialLogisticLoss": ("probability", "label"),
    "MultiBoxLoss": ("mbox_loc", "mbox_conf", "mbox_priorbox", "label"),
    "MultiStageMeanfield": ("unary", "score", "image"),
    "ParseEvaluate": ("found", "label"),
    "PSROIPooling": ("data", "rois"),
    "PriorBox": ("conv", "data"),
    "Proposal": ("score", "bbox_pred", "im_info"),
    "Python": ("data",),
    "RegionLoss": ("region", "label"),
    "ROIPooling": ("data", "rois"),
    "RNN": ("data", "cont"),
    "SegAccuracy": SCORES,
    "SigmoidCrossEntropyLoss (hed)": ("score", "target"),
    "SigmoidCrossEntropyLoss": ("score", "target"),
    "SmoothL1Loss": ("prediction", "target"),
    "SmoothL1LossOHEM": ("prediction", "target"),
    "SoftmaxWithLoss": SCORES,
    "SoftmaxWithLossOHEM": SCORES,
    "SpatialProduct": ("data", "factor"),
    "SpatialTransformer": ("data", "theta"),
    "TripletLoss": ("anchor", "positive", "negative"),
    "UniqueLabel": ("label",),
    "Upsample (segnet)": ("data", "mask"),
    "Yolov3DetectionOutput": ("coarse", "fine"),
}
TOPS = {
    "BlackAugmentation": ("seen1", "moved", "seen2"),
    "AnnotatedData": ("data", "label"),
    "BoxAnnotatorOHEM": ("label_ohem", "bbox_weight_ohem"),
    "Data": ("data", "label"),
    "DenseImageData": ("data", "label"),
    "Gather": ("all_data", "all_label"),
    "HDF5Data": ("data", "label"),
    "ImageData": ("data", "label"),
    "ImageFolder": ("data", "label"),
    "ImageLabelmapData": ("data", "label"),
    "ImageList": ("data", "label"),
    "ImageSegData": ("data", "label", "size"),
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
    "InnerDistance": ("W (num_output, K)",),
    "InnerProduct (happynear)": (
        "W (num_output, K), with one bottom",
        f"{BIAS}, with at most two bottoms",
    ),
    "LabelSpecificAffine": ("not read (3)",),
    "LabelSpecificMargin": ("the margin (1), with auto_tune (3)",),
    "LargeMarginInnerProduct": ("W (num_output, K), with two bottoms",),
    "MarginInnerProduct": ("W (num_output, K)",),
    "MultiStageMeanfield": tuple(f"{b} (1, 1, C, C)" for b in ("W_s", "W_b", "M")),
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
    "Convolution3D": ("W (num_output, C / group, kernel_depth, kernel_size, kernel_size)", BIAS),
    "Deconvolution3D": ("W (C, num_output / group, kernel_depth, kernel_size, kernel_size)", BIAS),
    "DepthwiseConvolution": ("W (C, 1, *kernel)", BIAS),
    "DataAugmentation": (
        "the number of passes (1, 1, 1, 1)",
        "the mean image (1, C, H, W), with recompute_mean",
        "the mean of each channel (1, C, 1, 1), with recompute_mean",
    ),
    "Deconvolution": ("W (C, num_output / group, *kernel)", BIAS),
    "Embed": ("W (input_dim, num_output)", BIAS),
    "InnerProduct": ("W (num_output, K), with transpose (K, num_output)", BIAS),
    "LSTM": (
        "W_xc (4 num_output, K)",
        "b_c (4 num_output)",
        "W_xs (4 num_output, K'), with a static input only",
        "W_hc (4 num_output, num_output)",
    ),
    "Normalize": ("the factor (), or without channel_shared (C)",),
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
