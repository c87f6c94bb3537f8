"""Layer types that public forks of Caffe have and netc has not."""

from __future__ import annotations

WRITE_IT = "write it in Python: docs/extending.md"
FEED_IT = "fill its tops from an Input layer, or write what it reads to a database or an HDF5 file"

# The forks, the types that they have, and what can be done instead.
FORKS = (
    (
        ("happynear/caffe-windows",),
        "BatchContrastiveLoss ChannelScale ConfidencePenaltyLoss CorrelationLoss EltwiseAffine "
        "FCNAccuracy Flip GeneralContrastiveLoss GeneralTripletLoss GlobalLSEMargin Gram Hotspot "
        "Insanity LabelSpecificHardMargin LabelSpecificRescale LabelSpecificStatistics Local "
        "MovingNormalize NCALoss Noise Pairwise PredictBox Resize Slope SoftContrastiveLoss "
        "SoftTruncation SubRegion Transformer Truncation",
        WRITE_IT,
    ),
    (("happynear/caffe-windows",), "MultiLabelImageData", FEED_IT),
    (("intel/caffe", "eric612/MobileNet-YOLO"), "EvalDetection", WRITE_IT),
    (("intel/caffe", "eric612/MobileNet-YOLO"), "BoxData", FEED_IT),
    (("intel/caffe",), "MKLBatchNorm", 'type: "BatchNorm" computes the same'),
    (("eric612/MobileNet-YOLO",), "YoloDetectionOutput YoloSeg Yolov3", WRITE_IT),
    (("NVIDIA/caffe",), "DetectNetTransformation", WRITE_IT),
    (("NVIDIA/caffe",), "TRT", "it runs what TensorRT has built: run the net that was built"),
    (("lmb-freiburg/flownet2",), "CustomData DisparityData", FEED_IT),
    (("yjxiong/caffe",), "SegData", FEED_IT),
    (("zhaoweicai/cascade-rcnn",), "ROIAlign", WRITE_IT),
    (("unsky/Deformable-ConvNets-caffe",), "DeformableConvolution", WRITE_IT),
)
ELSEWHERE = {name: (forks, instead) for forks, names, instead in FORKS for name in names.split()}

# Modules of Python layers that need more than their file, and what can be done instead.
MODULES = {
    "roi_data_layer.layer": "RoIDataLayer has its images from py-faster-rcnn's train_net.py: fill "
    "data, im_info and gt_boxes from Input layers",
}


def elsewhere(name: str) -> tuple[str, str] | None:
    """Who has a type that netc has not, and what can be done instead."""
    if name not in ELSEWHERE:
        return None
    forks, instead = ELSEWHERE[name]
    *most, last = forks
    whose = f"{', '.join(most)} and {last}" if most else last
    return f"a layer of {whose} that netc does not have", instead
