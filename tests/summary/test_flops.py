"""Operations against numbers worked out by hand, and against XLA."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from netc.summary.flops import backward_flops, forward_flops
from tests.summary.nets import FROZEN, NET, program

IMAGE = 'input: "x" input_shape { dim: 2 dim: 6 dim: 5 dim: 7 }'
# layer: operations; the bottom has 2 x 6 x 5 x 7 = 420 elements
BY_HAND = {
    # 2 x 4 x 3 x 5 outputs of 6 x 9 multiply-adds
    'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }': 120 * 54 * 2,
    # groups see a third of the channels; pad 1, stride 2: 2 x 9 x 3 x 4 outputs
    'type: "Convolution" convolution_param { num_output: 9 kernel_size: 3 pad: 1 stride: 2 '
    "group: 3 }": 216 * 18 * 2,
    'type: "InnerProduct" inner_product_param { num_output: 10 }': 2 * 10 * 210 * 2,
    'type: "InnerProduct" inner_product_param { num_output: 10 transpose: true }': 2 * 10 * 210 * 2,
    # axis 2: 2 x 6 rows of 35
    'type: "InnerProduct" inner_product_param { num_output: 4 axis: 2 }': 12 * 4 * 35 * 2,
    # 2 x 6 x 2 x 3 windows of 3 x 3
    'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }': 72 * 9,
    'type: "Pooling" pooling_param { pool: AVE global_pooling: true }': 12 * 35,
    'type: "LRN" lrn_param { local_size: 5 }': 420 * 9,
    'type: "LRN" lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL }': 420 * 13,
    'bottom: "x" type: "Eltwise"': 420,
    'bottom: "x" type: "Eltwise" eltwise_param { coeff: 1 coeff: -1 }': 420 * 2,
    'type: "ReLU"': 420,
    'type: "BatchNorm"': 420 * 5,
    'type: "BatchNorm" phase: TEST': 420 * 2,
    'type: "BatchNorm" batch_norm_param { use_global_stats: true }': 420 * 2,
    'type: "BatchNorm" phase: TEST batch_norm_param { use_global_stats: false }': 420 * 5,
    'type: "Scale"': 420,
    'type: "Scale" scale_param { bias_term: true }': 840,
    'type: "Dropout"': 840,
    'type: "Dropout" phase: TEST': 0,
    'bottom: "x" type: "Concat"': 0,
    'type: "Reduction"': 420,
    'type: "ArgMax"': 840,
    # 2 x 4 x 9 x 13 outputs from 420 inputs, each into 4 x 9
    'type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 }': 420 * 36 * 2,
    'type: "SPP" spp_param { pyramid_height: 2 }': 840,
    'type: "Im2col" convolution_param { kernel_size: 3 }': 0,
    'type: "Tile" tile_param { tiles: 2 }': 0,
}  # fmt: skip


RECURRENT = """
input: "x" input_shape { dim: 4 dim: 3 dim: 5 } input: "cont" input_shape { dim: 4 dim: 3 }
input: "s" input_shape { dim: 3 dim: 7 } layer { name: "y" bottom: "x" bottom: "cont" top: "y"
  recurrent_param { num_output: 2 } """


def test_recurrent_layers():
    for rest, want in (
        ('type: "LSTM" }', 2 * 12 * (8 * 5 + 8 * 2) + 20 * 24),
        ('type: "LSTM" bottom: "s" }', 2 * (12 * (8 * 5 + 8 * 2) + 3 * 8 * 7) + 20 * 24),
        ('type: "RNN" }', 2 * 12 * (2 * 5 + 2 * 2 + 2 * 2) + 2 * 24),
    ):
        graph = program(RECURRENT + rest).graph
        assert forward_flops(graph, graph.nodes[-1]) == want


@pytest.mark.parametrize("layer", BY_HAND)
def test_by_hand(layer):
    graph = program(f'{IMAGE} layer {{ name: "y" bottom: "x" top: "y" {layer} }}').graph
    assert forward_flops(graph, graph.nodes[-1]) == BY_HAND[layer]


def test_a_type_without_a_formula_is_not_guessed():
    graph = program(f'{IMAGE} layer {{ name: "y" bottom: "x" top: "y" type: "ReLU" }}').graph
    node = graph.nodes[-1]
    node.param.type = "Mine"
    assert forward_flops(graph, node) is None


def test_convolutions_and_products_are_what_xla_counts():
    x, w = jnp.zeros((2, 6, 5, 7)), jnp.zeros((4, 6, 3, 3))
    conv = jax.jit(lambda x, w: jax.lax.conv(x, w, (1, 1), "VALID")).lower(x, w)
    assert conv.cost_analysis()["flops"] == 120 * 54 * 2
    product = jax.jit(lambda a, b: a @ b).lower(jnp.zeros((2, 210)), jnp.zeros((210, 10)))
    assert product.cost_analysis()["flops"] == 2 * 10 * 210 * 2


def backward(text):
    graph = program(text).graph
    forward = {n.key: forward_flops(graph, n) for n in graph.nodes}
    back = backward_flops(graph, graph.trainable)
    return {k: back[k] / forward[k] for k in back if forward[k]}


def test_backward_costs_once_for_weights_and_once_for_bottoms():
    assert backward(NET) == {"conv": 1, "relu": 1, "pool": 1, "ip": 2, "loss": 1}


def test_nothing_goes_back_below_the_lowest_layer_that_learns():
    frozen = NET.replace('type: "Convolution"', f'type: "Convolution" {FROZEN}')
    assert backward(frozen) == {"conv": 0, "relu": 0, "pool": 0, "ip": 1, "loss": 1}


def test_a_frozen_layer_in_between_passes_the_gradient_only():
    frozen = NET.replace('type: "InnerProduct"', f'type: "InnerProduct" {FROZEN}')
    assert backward(frozen) == {"conv": 1, "relu": 1, "pool": 1, "ip": 1, "loss": 1}


def test_propagate_down_stops_it():
    cut = NET.replace('type: "InnerProduct"', 'type: "InnerProduct" propagate_down: false')
    assert backward(cut) == {"conv": 0, "relu": 0, "pool": 0, "ip": 1, "loss": 1}
