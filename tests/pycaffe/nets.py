"""Nets for the tests of the pycaffe interface."""

FILLED = 'weight_filler { type: "gaussian" std: 0.5 }'
INPUT = """
layer { name: "in" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 4 dim: 5 } shape { dim: 4 } } }
"""
BODY = f"""
layer {{ name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param {{ num_output: 6 {FILLED} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }}
layer {{ name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param {{ num_output: 3 {FILLED} }} }}
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }\n'
ACCURACY = """
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy"
  include { phase: TEST } }
"""
PLAIN = f'name: "plain"{INPUT}{BODY}{LOSS}'
SCORED = f'name: "scored"{INPUT}{BODY}{ACCURACY}{LOSS}'
DEPLOY = (
    'name: "deploy" layer { name: "in" type: "Input" top: "data" '
    f"input_param {{ shape {{ dim: 4 dim: 5 }} }} }} {BODY}"
)
SOLVER = """
net: "net.prototxt" base_lr: 0.1 momentum: 0.9 lr_policy: "step" gamma: 0.5 stepsize: 2
max_iter: 6 random_seed: 3 snapshot_prefix: "p" snapshot_after_train: false
"""
IMAGES = """
name: "images" layer { name: "in" type: "Input" top: "data"
  input_param { shape { dim: 4 dim: 3 dim: 6 dim: 6 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
