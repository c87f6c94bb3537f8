"""A small SegNet and a small FCN learn to find rectangles in noise."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from netc.compile import compile_net
from netc.graph.gradients import check_gradients
from netc.load import parse_net, parse_solver
from netc.lowering.plan import Plan
from netc.schema import NetState, Phase
from netc.train.step import make_step, start

SIZE, BATCH, STEPS = 16, 4, 60
FILLED = 'weight_filler { type: "msra" }'
INPUTS = f"""
layer {{ name: "data" type: "Input" top: "data" top: "label"
  input_param {{ shape {{ dim: {BATCH} dim: 1 dim: {SIZE} dim: {SIZE} }} }} }}
"""


def conv(name, bottom, count, size=3, pad=1, relu=True):
    text = f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
      convolution_param {{ num_output: {count} kernel_size: {size} pad: {pad} {FILLED} }} }}"""
    rectified = f'layer {{ type: "ReLU" name: "{name}/relu" bottom: "{name}" top: "{name}" }}'
    return f"{text}\n{rectified if relu else ''}\n"


def normed(name, bottom, count):
    """Convolution, SegNet's BN, ReLU."""
    return (
        conv(name, bottom, count, relu=False)
        + f"""
    layer {{ name: "{name}/bn" type: "BN" bottom: "{name}" top: "{name}"
      bn_param {{ scale_filler {{ value: 1 }} shift_filler {{ value: 0.001 }} }} }}
    layer {{ name: "{name}/relu" type: "ReLU" bottom: "{name}" top: "{name}" }}
    """
    )


SEGNET = f"""{INPUTS}{normed("a", "data", 8)}
layer {{ name: "p1" type: "Pooling" bottom: "a" top: "p1" top: "m1"
  pooling_param {{ kernel_size: 2 stride: 2 }} }}
{normed("b", "p1", 12)}
layer {{ name: "p2" type: "Pooling" bottom: "b" top: "p2" top: "m2"
  pooling_param {{ kernel_size: 2 stride: 2 }} }}
layer {{ name: "u2" type: "Upsample" bottom: "p2" bottom: "m2" top: "u2"
  upsample_param {{ scale: 2 }} }}
{normed("c", "u2", 8)}
layer {{ name: "u1" type: "Upsample" bottom: "c" bottom: "m1" top: "u1"
  upsample_param {{ scale: 2 upsample_h: {SIZE} upsample_w: {SIZE} }} }}
{normed("d", "u1", 8)}{conv("score", "d", 2, relu=False)}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param {{ weight_by_label_freqs: true class_weighting: 0.6 class_weighting: 1.5 }} }}
"""
FCN = f"""dialect: "fcn"
{INPUTS}{conv("a", "data", 8, pad=5)}{conv("b", "a", 8)}
layer {{ name: "p" type: "Pooling" bottom: "b" top: "p"
  pooling_param {{ kernel_size: 2 stride: 2 }} }}
{conv("c", "p", 16)}{conv("low", "c", 2, size=1, pad=0, relu=False)}
layer {{ name: "up" type: "Deconvolution" bottom: "low" top: "up"
  param {{ lr_mult: 0 }} convolution_param {{ num_output: 2 group: 2 kernel_size: 4 stride: 2
    bias_term: false weight_filler {{ type: "bilinear" }} }} }}
{conv("skip", "b", 2, size=1, pad=0, relu=False)}
layer {{ name: "near" type: "Crop" bottom: "skip" bottom: "data" top: "near" }}
layer {{ name: "far" type: "Crop" bottom: "up" bottom: "data" top: "far" }}
layer {{ name: "score" type: "Eltwise" bottom: "near" bottom: "far" top: "score" }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }}
"""
SOLVER = 'type: "Adam" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 momentum2: 0.999'


def rectangles(seed):
    """Images of a bright rectangle in noise, and where it is."""
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 0.3, (BATCH, 1, SIZE, SIZE)).astype(np.float32)
    label = np.zeros(data.shape, np.float32)
    for n in range(BATCH):
        (y, x), (h, w) = rng.integers(0, SIZE - 6, 2), rng.integers(4, 7, 2)
        data[n, 0, y : y + h, x : x + w] += 2
        label[n, 0, y : y + h, x : x + w] = 1
    return {"data": data, "label": label}


@pytest.mark.parametrize("net", [SEGNET, FCN], ids=["SegNet", "FCN"])
def test_the_loss_falls_tenfold(net):
    program = compile_net(parse_net(net), NetState(phase=Phase.TRAIN), Plan("cpu"))
    check_gradients(program.graph)
    solver = parse_solver(SOLVER).message
    blobs, state = program.init(0)
    moving = {k: blobs.pop(k) for k in program.graph.trainable}
    carry, step = start(program, solver, moving, state), make_step(program, solver)
    losses = []
    for i in range(STEPS):
        carry, told = step(carry, blobs, [rectangles(i)], jax.random.key(i))
        losses.append(float(told.loss))
    assert np.mean(losses[-10:]) < losses[0] / 10
