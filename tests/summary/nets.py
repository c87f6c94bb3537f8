"""A small net with everything a summary tells, and its graph."""

from __future__ import annotations

from netc.compile import Program, compile_net
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.opening import in_state
from netc.schema import Phase

NET = """name: "small"
input: "data" input_shape { dim: 2 dim: 3 dim: 8 dim: 8 }
input: "label" input_shape { dim: 2 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 group: 1 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 5 } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"


def program(text: str = NET, phase: Phase = Phase.TRAIN) -> Program:
    """The program of a net's text."""
    net, state, _ = in_state(parse_net(text), phase)
    return compile_net(net, state, Plan("cpu"))
