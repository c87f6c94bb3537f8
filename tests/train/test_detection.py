"""A small SSD and a small Faster R-CNN learn to find rectangles in noise."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from netc.compile import compile_net
from netc.load import parse_net, parse_solver
from netc.lowering.plan import Plan
from netc.schema import NetState, Phase
from netc.train.step import make_step, start

SIZE = 32
FILLED = 'weight_filler { type: "msra" }'


def conv(name, bottom, count, size=3, pad=1, relu=True):
    text = f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
      convolution_param {{ num_output: {count} kernel_size: {size} pad: {pad} {FILLED} }} }}"""
    rectified = f'layer {{ type: "ReLU" name: "{name}/relu" bottom: "{name}" top: "{name}" }}'
    return f"{text}\n{rectified if relu else ''}\n"


def pool(name, bottom):
    return f"""layer {{ name: "{name}" type: "Pooling" bottom: "{bottom}" top: "{name}"
      pooling_param {{ kernel_size: 2 stride: 2 }} }}\n"""


def inputs(**shapes):
    return "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
        + " ".join(f"dim: {n}" for n in shape)
        + " } } }\n"
        for name, shape in shapes.items()
    )


def backbone(count):
    return (
        conv("a", "data", 8) + pool("p1", "a") + conv("b", "p1", count) + pool("p2", "b")
        + conv("c", "p2", count)
    )  # fmt: skip


def head(name, count):
    """A prediction of every cell, the cells before the channels: (N, H W count)."""
    return (
        conv(name, "c", count, relu=False)
        + f"""
    layer {{ name: "{name}/perm" type: "Permute" bottom: "{name}" top: "{name}/perm"
      permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
    layer {{ name: "{name}/flat" type: "Flatten" bottom: "{name}/perm" top: "{name}/flat" }}
    """
    )


BATCH = 4
SSD = f"""{inputs(data=(BATCH, 1, SIZE, SIZE), label=(1, 1, BATCH, 8))}{backbone(16)}
{head("loc", 12)}{head("conf", 9)}
layer {{ name: "prior" type: "PriorBox" bottom: "c" bottom: "data" top: "prior" prior_box_param {{
  min_size: 10 aspect_ratio: 2 variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }} }}
layer {{ name: "loss" type: "MultiBoxLoss" bottom: "loc/flat" bottom: "conf/flat" bottom: "prior"
  bottom: "label" top: "loss"
  multibox_loss_param {{ num_classes: 3 code_type: CENTER_SIZE }} }}
"""
STRIDES = "'feat_stride': 4, 'scales': [0.5, 1], 'ratios': [1]"
RCNN = f"""{inputs(data=(1, 1, SIZE, SIZE), gt_boxes=(2, 5), im_info=(1, 3))}{backbone(16)}
{conv("rpn", "c", 16)}
{conv("rpn_score", "rpn", 4, 1, 0, False)}{conv("rpn_pred", "rpn", 8, 1, 0, False)}
layer {{ name: "rpn_rows" type: "Reshape" bottom: "rpn_score" top: "rpn_rows"
  reshape_param {{ shape {{ dim: 0 dim: 2 dim: -1 dim: 0 }} }} }}
layer {{ name: "rpn-data" type: "Python" bottom: "rpn_score" bottom: "gt_boxes" bottom: "im_info"
  bottom: "data" top: "rpn_labels" top: "rpn_targets" top: "rpn_inside" top: "rpn_outside"
  python_param {{ module: "rpn.anchor_target_layer" layer: "AnchorTargetLayer"
    param_str: "{STRIDES}, 'rpn_batchsize': 32, 'rpn_positive_overlap': 0.6" }} }}
layer {{ name: "rpn_loss" type: "SoftmaxWithLoss" bottom: "rpn_rows" bottom: "rpn_labels"
  propagate_down: true propagate_down: false top: "rpn_loss" loss_weight: 1
  loss_param {{ ignore_label: -1 normalize: true }} }}
layer {{ name: "rpn_box" type: "SmoothL1Loss" bottom: "rpn_pred" bottom: "rpn_targets"
  bottom: "rpn_inside" bottom: "rpn_outside" top: "rpn_box" loss_weight: 1
  smooth_l1_loss_param {{ sigma: 3 }} }}
layer {{ name: "rpn_prob" type: "Softmax" bottom: "rpn_rows" top: "rpn_prob" }}
layer {{ name: "rpn_maps" type: "Reshape" bottom: "rpn_prob" top: "rpn_maps"
  reshape_param {{ shape {{ dim: 0 dim: 4 dim: -1 dim: 0 }} }} }}
layer {{ name: "proposal" type: "Python" bottom: "rpn_maps" bottom: "rpn_pred" bottom: "im_info"
  top: "rpn_rois" python_param {{ module: "rpn.proposal_layer" layer: "ProposalLayer"
    param_str: "{STRIDES}, 'rpn_post_nms_top_n': 30, 'rpn_min_size': 3" }} }}
layer {{ name: "roi-data" type: "Python" bottom: "rpn_rois" bottom: "gt_boxes"
  top: "rois" top: "labels" top: "targets" top: "inside" top: "outside"
  python_param {{ module: "rpn.proposal_target_layer" layer: "ProposalTargetLayer"
    param_str: "'num_classes': 3\\n'batch_size': 16" }} }}
layer {{ name: "pooled" type: "ROIPooling" bottom: "c" bottom: "rois" top: "pooled"
  roi_pooling_param {{ pooled_h: 3 pooled_w: 3 spatial_scale: 0.25 }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "pooled" top: "fc"
  inner_product_param {{ num_output: 32 {FILLED} }} }}
layer {{ name: "fc/relu" type: "ReLU" bottom: "fc" top: "fc" }}
layer {{ name: "score" type: "InnerProduct" bottom: "fc" top: "score"
  inner_product_param {{ num_output: 3 {FILLED} }} }}
layer {{ name: "pred" type: "InnerProduct" bottom: "fc" top: "pred"
  inner_product_param {{ num_output: 12 {FILLED} }} }}
layer {{ name: "loss_cls" type: "SoftmaxWithLoss" bottom: "score" bottom: "labels" top: "loss_cls"
  propagate_down: true propagate_down: false loss_weight: 1 }}
layer {{ name: "loss_box" type: "SmoothL1Loss" bottom: "pred" bottom: "targets" bottom: "inside"
  bottom: "outside" top: "loss_box" loss_weight: 1 }}
"""
SOLVER = 'type: "Adam" base_lr: {} lr_policy: "fixed" momentum: 0.9 momentum2: 0.999'


def rectangles(seed, count):
    """Images with a bright (class 1) or a dark rectangle (class 2), their corners and classes."""
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 0.1, (count, 1, SIZE, SIZE)).astype(np.float32)
    rows = []
    for n in range(count):
        height, width = rng.integers(8, 15, 2)
        y, x = rng.integers(0, SIZE - height), rng.integers(0, SIZE - width)
        label = rng.integers(1, 3)
        data[n, 0, y : y + height, x : x + width] += 1 if label == 1 else -1
        rows.append((label, x, y, x + width, y + height))
    return data, np.array(rows, np.float32)


def for_ssd(seed):
    data, rows = rectangles(seed, BATCH)
    label = np.zeros((1, 1, BATCH, 8), np.float32)
    label[0, 0, :, 0], label[0, 0, :, 1] = np.arange(BATCH), rows[:, 0]
    label[0, 0, :, 3:7] = rows[:, 1:] / SIZE
    return {"data": data, "label": label}


def for_rcnn(seed):
    data, rows = rectangles(seed, 1)
    boxes = np.concatenate([rows[:, 1:3], rows[:, 3:] - 1, rows[:, :1]], 1)
    boxes = np.concatenate([boxes, [[0, 0, 0, 0, -1]]]).astype(np.float32)
    return {"data": data, "gt_boxes": boxes, "im_info": np.array([[SIZE, SIZE, 1]], np.float32)}


@pytest.mark.parametrize(
    ("net", "feed", "rate", "steps"),
    [(SSD, for_ssd, 0.01, 120), (RCNN, for_rcnn, 0.003, 350)],
    ids=["SSD", "Faster R-CNN"],
)
def test_the_loss_falls_tenfold(net, feed, rate, steps):
    program = compile_net(parse_net(net), NetState(phase=Phase.TRAIN), Plan("cpu"))
    solver = parse_solver(SOLVER.format(rate)).message
    blobs, state = program.init(1)
    moving = {k: blobs.pop(k) for k in program.graph.trainable}
    carry, step = start(program, solver, moving, state), make_step(program, solver)
    scenes, losses = [feed(k) for k in range(4)], []
    for k in range(steps):
        carry, told = step(carry, blobs, [scenes[k % 4]], jax.random.key(3))
        losses.append(float(told.loss))
    assert np.mean(losses[-20:]) < losses[0] / 10
