"""A net without a flaw, to be spoilt one rule at a time."""

from __future__ import annotations

from netc.graph.build import build
from netc.graph.infer import infer
from netc.lint import Net
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.opening import in_state, stand_in
from netc.phase import filter_net
from netc.schema import Phase

FILLED = 'weight_filler { type: "xavier" }'
CLEAN = f"""
layer {{ name: "data" type: "Data" top: "data" top: "label"
  transform_param {{ scale: 0.1 }} data_param {{ source: "db" batch_size: 4 backend: LMDB }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 3 kernel_size: 3 {FILLED} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param {{ kernel_size: 2 stride: 2 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param {{ num_output: 5 {FILLED} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SHAPES = {"data": (4, 2, 8, 8)}


def net(text: str, phase: Phase = Phase.TRAIN, shapes: bool = True) -> Net:
    """What the rules see of a net's text in a phase."""
    loaded = parse_net(text, "net.prototxt")
    known = {k: v for k, v in SHAPES.items() if f'top: "{k}"' in text}
    graphs = []
    for variant in (loaded, stand_in(loaded, known)):
        state = in_state(variant, phase)
        message, source, _ = filter_net(state.net, state.state)
        graphs.append(build(message, source))
    return Net(graphs[0], infer(graphs[1], Plan("cpu"), missing=[]) if shapes else None)
