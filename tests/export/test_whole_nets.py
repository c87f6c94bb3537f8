"""Small nets that detect objects and that find motion, whole, in the ways that take them."""

import jax
import numpy as np
import onnx
import onnxruntime
import pytest

from netc.export.checked import computed, samples
from netc.export.onnx import write_onnx
from netc.export.stablehlo import write_stablehlo

from .nets import answers, in_both, inputs, net_of

pytestmark = pytest.mark.slow


def conv(name, bottom, count, kernel=3, stride=1, more=""):
    pad = kernel // 2
    return f"""
layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" {more}
        convolution_param {{ num_output: {count} kernel_size: {kernel} stride: {stride}
                             pad: {pad} }} }}
layer {{ name: "{name}_relu" type: "ReLU" bottom: "{name}" top: "{name}" }}"""


def head(source, sizes):
    """SSD's layers on a feature map: locations, confidences of 4 classes, priors."""
    boxes = 4
    text = ""
    for what, count in (("loc", 4 * boxes), ("conf", 4 * boxes)):
        name = f"{source}_{what}"
        text += f"""
layer {{ name: "{name}" type: "Convolution" bottom: "{source}" top: "{name}"
        convolution_param {{ num_output: {count} kernel_size: 3 pad: 1 }} }}
layer {{ name: "{name}_perm" type: "Permute" bottom: "{name}" top: "{name}_perm"
        permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "{name}_flat" type: "Flatten" bottom: "{name}_perm" top: "{name}_flat" }}"""
    return (
        text
        + f"""
layer {{ name: "{source}_prior" type: "PriorBox" bottom: "{source}" bottom: "data"
        top: "{source}_prior" prior_box_param {{ {sizes} aspect_ratio: 2 flip: true
        variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }} }}"""
    )


def joined(what, axis):
    bottoms = "".join(f'bottom: "{s}_{what}" ' for s in ("norm", "c3"))
    top = what.removesuffix("_flat")
    return f"""
layer {{ name: "{top}" type: "Concat" {bottoms} top: "{top}" concat_param {{ axis: {axis} }} }}"""


SSD = (
    inputs(data=(1, 3, 48, 64))
    + conv("c1", "data", 8, stride=2)
    + conv("c2", "c1", 12, stride=4)
    + """
layer { name: "norm" type: "Normalize" bottom: "c2" top: "norm"
        norm_param { across_spatial: false channel_shared: false } }"""
    + conv("c3", "c2", 12, stride=2)
    + head("norm", "min_size: 12 max_size: 24")
    + head("c3", "min_size: 24 max_size: 40")
    + joined("loc_flat", 1)
    + joined("conf_flat", 1)
    + joined("prior", 2)
    + """
layer { name: "rows" type: "Reshape" bottom: "conf" top: "rows"
        reshape_param { shape { dim: 0 dim: -1 dim: 4 } } }
layer { name: "soft" type: "Softmax" bottom: "rows" top: "soft" softmax_param { axis: 2 } }
layer { name: "flat" type: "Flatten" bottom: "soft" top: "flat" }
layer { name: "found" type: "DetectionOutput" bottom: "loc" bottom: "flat" bottom: "prior"
        top: "found" include { phase: TEST } detection_output_param {
        num_classes: 4 code_type: CENTER_SIZE confidence_threshold: 0.3 keep_top_k: 50
        nms_param { nms_threshold: 0.45 top_k: 100 } } }"""
)


def test_ssd(tmp_path):
    net = net_of(SSD, 0.2)
    in_both(net, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx")
    assert session.get_inputs()[0].shape == ["N", 3, 48, 64]
    assert session.get_outputs()[0].shape == [1, 1, None, 7]
    types = {node.op_type for node in onnx.load(tmp_path / "n.onnx").graph.node}
    assert "NonMaxSuppression" in types and "Loop" not in types
    (rows,) = answers(
        tmp_path / "n.onnx", data=np.random.default_rng(1).normal(size=(3, 3, 48, 64))
    )
    assert set(rows[0, 0, :, 0]) == {0, 1, 2} and (rows[..., 2] > 0.3).all()


def test_ssd_in_stablehlo(tmp_path):
    """A program of fixed shapes has rows of -1 after those that are found."""
    net = net_of(SSD, 0.2)
    assert "the size of the batch is fixed" in write_stablehlo(net, tmp_path / "n.bin", ["cpu"])
    again = jax.export.deserialize(bytearray((tmp_path / "n.bin").read_bytes()))
    write_onnx(net, tmp_path / "n.onnx")
    data = samples(net.given.graph)["data"]
    padded = np.asarray(again.call({"data": data})["found"])
    (rows,) = answers(tmp_path / "n.onnx", data=data)
    count = rows.shape[2]
    assert padded.shape[2] == 50 and (padded[:, :, count:] == -1).all()
    np.testing.assert_allclose(padded[:, :, :count], rows, atol=1e-4)


TRUNK = (
    inputs(data=(1, 3, 48, 64), im_info=(1, 3))
    + conv("c1", "data", 8, 5, 4)
    + conv("c2", "c1", 8, 5, 4)
)
RPN = (
    TRUNK
    + conv("rpn", "c2", 8)
    + """
layer { name: "scores" type: "Convolution" bottom: "rpn" top: "scores"
        convolution_param { num_output: 18 kernel_size: 1 } }
layer { name: "deltas" type: "Convolution" bottom: "rpn" top: "deltas"
        convolution_param { num_output: 36 kernel_size: 1 } }
layer { name: "pairs" type: "Reshape" bottom: "scores" top: "pairs"
        reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } } }
layer { name: "soft" type: "Softmax" bottom: "pairs" top: "soft" }
layer { name: "marks" type: "Reshape" bottom: "soft" top: "marks"
        reshape_param { shape { dim: 0 dim: 18 dim: -1 dim: 0 } } }
layer { name: "proposal" bottom: "marks" bottom: "deltas" bottom: "im_info" top: "rois" """
)
CPP = 'type: "Proposal" proposal_param { post_nms_topn: 12 } }'
PYTHON = """type: "Python" python_param { module: "rpn.proposal_layer" layer: "ProposalLayer"
            param_str: "'feat_stride': 16" } }"""
HEADS = """
layer { name: "pool" type: "ROIPooling" bottom: "c2" bottom: "rois" top: "pool"
        roi_pooling_param { pooled_h: 3 pooled_w: 3 spatial_scale: 0.0625 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
        inner_product_param { num_output: 16 } }
layer { name: "fc_relu" type: "ReLU" bottom: "fc" top: "fc" }
layer { name: "cls" type: "InnerProduct" bottom: "fc" top: "cls"
        inner_product_param { num_output: 3 } }
layer { name: "bbox_pred" type: "InnerProduct" bottom: "fc" top: "bbox_pred"
        inner_product_param { num_output: 12 } }
layer { name: "cls_prob" type: "Softmax" bottom: "cls" top: "cls_prob" }"""
VOTES = """
layer { name: "maps" type: "Convolution" bottom: "c2" top: "maps"
        convolution_param { num_output: 27 kernel_size: 1 } }
layer { name: "bins" type: "PSROIPooling" bottom: "maps" bottom: "rois" top: "bins"
        psroi_pooling_param { output_dim: 3 group_size: 3 spatial_scale: 0.0625 } }
layer { name: "votes" type: "Pooling" bottom: "bins" top: "votes"
        pooling_param { pool: AVE kernel_size: 3 stride: 3 } }
layer { name: "vote" type: "Reshape" bottom: "votes" top: "vote"
        reshape_param { shape { dim: -1 dim: 3 } } }
layer { name: "cls_prob" type: "Softmax" bottom: "vote" top: "cls_prob" }"""


@pytest.mark.parametrize("proposal", [CPP, PYTHON], ids=["Proposal", "Python"])
@pytest.mark.parametrize("heads", [HEADS, VOTES], ids=["Faster R-CNN", "R-FCN"])
def test_detectors_of_two_stages(proposal, heads, tmp_path):
    in_both(net_of(RPN + proposal + heads, 0.2), tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx")
    assert [i.shape[0] for i in session.get_inputs()] == ["N", "N"]
    assert {o.name: o.shape for o in session.get_outputs()}["cls_prob"] == [None, 3]
    data = np.random.default_rng(1).normal(size=(3, 3, 48, 64))
    found = answers(tmp_path / "n.onnx", data=data, im_info=[[48, 64, 1]] * 3)
    assert len({len(rows) for rows in found}) == 1


def test_a_first_stage_by_someone_else(tmp_path):
    """Fast R-CNN: regions are given, as many as there are."""
    text = inputs(data=(1, 3, 48, 64), rois=(1, 5)) + TRUNK.split("\n", 1)[1] + HEADS
    in_both(net_of(text, 0.2), tmp_path)
    rois = [[0, 0, 0, 40, 40], [1, 8, 8, 63, 47], [0, 1, 2, 3, 4]]
    given = {"data": np.ones((2, 3, 48, 64)), "rois": rois}
    assert [len(rows) for rows in answers(tmp_path / "n.onnx", **given)] == [3, 3]


def up(name, bottom, count):
    return f"""
layer {{ name: "{name}" type: "Deconvolution" bottom: "{bottom}" top: "{name}"
        convolution_param {{ num_output: {count} kernel_size: 4 stride: 2 pad: 1 }} }}"""


SHARED = 'param { name: "w1" } param { name: "b1" }'
DISPNET = (
    inputs(img0=(1, 3, 40, 56), img1=(1, 3, 40, 56))
    + "".join(
        f"""
layer {{ name: "{i}_scaled" type: "Power" bottom: "{i}" top: "{i}_scaled"
        power_param {{ scale: 0.00392156862745098 }} }}
layer {{ name: "{i}_even" type: "Resample" bottom: "{i}_scaled" top: "{i}_even"
        resample_param {{ width: 64 height: 48 type: LINEAR antialias: true }} }}
layer {{ name: "{i}_less" type: "DataAugmentation" bottom: "{i}_even" top: "{i}_less"
        augmentation_param {{ crop_width: 64 crop_height: 48 mean_per_pixel: false
                              mean: 0.4 mean: 0.45 mean: 0.5 }} }}"""
        + conv(f"{i}_conv", f"{i}_less", 8, 5, 2, SHARED)
        for i in ("img0", "img1")
    )
    + """
layer { name: "corr" type: "Correlation1D" bottom: "img0_conv" bottom: "img1_conv" top: "corr"
        correlation_param { pad: 10 kernel_size: 1 max_displacement: 10 single_direction: -1 } }
layer { name: "joined" type: "Concat" bottom: "img0_conv" bottom: "corr" top: "joined" }"""
    + conv("c2", "joined", 12, stride=2)
    + up("up1", "c2", 8)
    + """
layer { name: "both" type: "Concat" bottom: "up1" bottom: "joined" top: "both" }
layer { name: "flow1" type: "Convolution" bottom: "both" top: "flow1"
        convolution_param { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "flow" type: "Resample" bottom: "flow1" top: "flow"
        resample_param { width: 64 height: 48 type: CUBIC } }
layer { name: "warp" type: "FlowWarp" bottom: "img1_less" bottom: "flow" top: "warp" }
layer { name: "error" type: "Eltwise" bottom: "img0_less" bottom: "warp" top: "error"
        eltwise_param { operation: SUM coeff: 1 coeff: -1 } }
layer { name: "norm" type: "ChannelNorm" bottom: "error" top: "norm" }
layer { name: "half" type: "Downsample" bottom: "norm" top: "half"
        downsample_param { top_height: 24 top_width: 32 } }
layer { name: "all" type: "Accum" bottom: "half" bottom: "flow" top: "all" accum_param {} }
layer { name: "answer" type: "Resample" bottom: "all" top: "answer"
        resample_param { width: 56 height: 40 type: NEAREST antialias: false } }"""
)


def test_dispnet(tmp_path):
    net = net_of(DISPNET, 0.2)
    in_both(net, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx")
    assert session.get_outputs()[0].shape == ["N", 3, 40, 56]
    report = write_stablehlo(net, tmp_path / "n.bin", ["cpu"])
    assert "the batch is of any size" in report
    inputs = samples(net.graph)
    got = answers(tmp_path / "n.onnx", **inputs)[0]
    np.testing.assert_allclose(got, computed(net, net.program, inputs)["answer"], atol=1e-3)
