"""A small DispNet learns how far the halves of images are from those of the other eye."""

from __future__ import annotations

import jax
import numpy as np

from netc.compile import compile_net
from netc.graph.gradients import check_gradients
from netc.load import parse_net, parse_solver
from netc.lowering.plan import Plan
from netc.schema import NetState, Phase
from netc.train.step import make_step, start

HEIGHT, WIDTH, BATCH, FARTHEST, STEPS = 12, 24, 8, 4, 300
MSRA = 'weight_filler { type: "msra" }'


def conv(name, bottom, count, stride=1, share="", relu=True):
    shared = f'param {{ name: "{share}w" }} param {{ name: "{share}b" }}' if share else ""
    text = f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" {shared}
      convolution_param {{ num_output: {count} kernel_size: 3 pad: 1 stride: {stride}
        {MSRA} }} }}"""
    rectified = f"""layer {{ name: "{name}/relu" type: "ReLU" bottom: "{name}" top: "{name}"
      relu_param {{ negative_slope: 0.1 }} }}"""
    return f"{text}\n{rectified if relu else ''}\n"


def loss(name, weight, truth):
    return f"""layer {{ name: "{name}/loss" type: "L1Loss" bottom: "{name}" bottom: "{truth}"
      top: "{name}/loss" loss_weight: {weight} l1_loss_param {{ l2_per_location: false
      normalize_by_num_entries: true }} }}"""


DISPNET = f"""
layer {{ name: "pair" type: "Input" top: "left" top: "right" top: "truth"
  input_param {{ shape {{ dim: {BATCH} dim: 1 dim: {HEIGHT} dim: {WIDTH} }} }} }}
{conv("a", "left", 12, share="eye")}{conv("b", "right", 12, share="eye")}
layer {{ name: "corr" type: "Correlation1D" bottom: "a" bottom: "b" top: "corr"
  correlation_param {{ pad: {FARTHEST} kernel_size: 1 max_displacement: {FARTHEST}
    single_direction: -1 }} }}
{conv("c", "corr", 16)}{conv("d", "c", 16, stride=2)}{conv("disp2", "d", 1, relu=False)}
layer {{ name: "small" type: "Downsample" bottom: "truth" bottom: "disp2" top: "small" }}
{loss("disp2", 0.2, "small")}
layer {{ name: "up" type: "Deconvolution" bottom: "disp2" top: "up"
  convolution_param {{ num_output: 1 kernel_size: 4 stride: 2 pad: 1 bias_term: false
    weight_filler {{ type: "bilinear" }} }} }}
layer {{ name: "join" type: "Concat" bottom: "up" bottom: "c" top: "join" }}
{conv("e", "join", 8)}{conv("disp1", "e", 1, relu=False)}
{loss("disp1", 1, "truth")}
"""
SOLVER = """type: "Adam" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 momentum2: 0.999 delta: 1e-4
weight_decay: 0.0004"""


def pairs(seed):
    """Noise seen by two eyes, its upper and lower half at distances of their own."""
    rng = np.random.default_rng(seed)
    scene = rng.normal(0, 1, (BATCH, 1, HEIGHT, WIDTH + FARTHEST)).astype(np.float32)
    truth = np.empty((BATCH, 1, HEIGHT, WIDTH), np.float32)
    right = np.empty_like(truth)
    for n, half in np.ndindex(BATCH, 2):
        rows = slice(half * HEIGHT // 2, (half + 1) * HEIGHT // 2)
        far = rng.integers(1, FARTHEST + 1)
        right[n, 0, rows] = scene[n, 0, rows, far : far + WIDTH]
        truth[n, 0, rows] = -far
    return {"left": scene[..., :WIDTH], "right": right, "truth": truth}


def test_the_loss_of_a_dispnet_falls_tenfold():
    program = compile_net(parse_net(DISPNET), NetState(phase=Phase.TRAIN), Plan("cpu"))
    check_gradients(program.graph)
    solver = parse_solver(SOLVER).message
    blobs, state = program.init(0)
    carry, step = start(program, solver, blobs, state), make_step(program, solver)
    losses = []
    for i in range(STEPS):
        carry, told = step(carry, {}, [pairs(i)], jax.random.key(i))
        losses.append(float(told.loss))
    assert np.mean(losses[-10:]) < losses[0] / 10
