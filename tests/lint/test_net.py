"""Every rule finds the net it is for, and nothing else in it."""

from __future__ import annotations

import pytest

from netc.lint import lint_net
from netc.lint.net import RULES
from netc.schema import Phase
from tests.lint.nets import CLEAN, FILLED, net

FROZEN = "param { lr_mult: 0 }"
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }'
IP = f"inner_product_param {{ num_output: 5 {FILLED} }}"
RELU = 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }'
DATA = CLEAN[: CLEAN.index('layer { name: "conv"')]


def more(layer: str) -> tuple[str, str]:
    """A layer added at the end."""
    return LOSS, f"{LOSS}\nlayer {{ {layer} }}"


def normed(fields: str, scale: str = "") -> tuple[str, str]:
    """The ReLU replaced by a BatchNorm and what reads it."""
    read = f'name: "scale" type: "Scale" bottom: "norm" top: "scaled" {scale}'
    if not scale:
        read = 'name: "quiet" type: "Silence" bottom: "norm"'
    return RELU, (
        f'{RELU}\nlayer {{ name: "norm" type: "BatchNorm" bottom: "conv" top: "norm" {fields} }}'
        f"\nlayer {{ {read} }}"
        + ('\nlayer { name: "quiet" type: "Silence" bottom: "scaled" }' if scale else "")
    )


# code: what is replaced in the clean net, and a part of what the rule says
CASES = {
    "N001": (more('name: "x" type: "TanH" bottom: "ip" top: "x"'), "nothing reads 'x'"),
    "N002": (
        more(
            f'name: "x" type: "InnerProduct" bottom: "pool" top: "x" {IP} }} '
            'layer { name: "quiet" type: "Silence" bottom: "x"'
        ),
        "no loss depends on this layer, so it learns nothing (layer 'x', InnerProduct)",
    ),
    "N003": (
        more('name: "x" type: "EuclideanLoss" bottom: "label" bottom: "label" top: "x"'),
        "no gradient of this loss meets a learnable blob (layer 'x', EuclideanLoss)",
    ),
    "N004": ((IP, f"{IP} param {{ lr_mult: 0 decay_mult: 2 }}"), "decay_mult 2 on a blob with"),
    "N005": (
        (LOSS, 'layer { name: "quiet" type: "Silence" bottom: "ip" bottom: "label" }'),
        "the net has data but no loss in phase TRAIN",
    ),
    "N006": (
        more('name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc"'),
        "scored in TRAIN as well as in TEST",
    ),
    "N007": (
        (LOSS, f'layer {{ name: "r" type: "ReLU" bottom: "label" top: "label" }}\n{LOSS}'),
        "layer 'r' changes 'label' in place before this loss reads it",
    ),
    "N008": ((IP, "inner_product_param { num_output: 5 }"), "weight_filler missing"),
    "N009": ((IP, IP.replace("xavier", "gaussian")), "gaussian filler without std"),
    "N010": (
        (DATA, 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 4 dim: 2 '
         'dim: 8 dim: 8 } } }\nlayer { name: "db" type: "Data" top: "label" transform_param { '
         'scale: 1 } data_param { source: "db" batch_size: 4 backend: LMDB } }'),
        "an Input layer in a net that is trained (layer 'in', Input)",
    ),
    "N011": (
        (DATA, 'layer { name: "made" type: "DummyData" top: "data" top: "label" dummy_data_param {'
         " shape { dim: 4 dim: 2 dim: 8 dim: 8 } shape { dim: 4 } } }"),
        "all data of this net is DummyData",
    ),
    "N012": ((" backend: LMDB", ""), "backend is not given, so LEVELDB"),
    "N013": (("transform_param { scale: 0.1 }", ""), "neither scale nor mean"),
    "N014": (('name: "relu"', 'name: "conv"'), "another layer above has this name (layer 'conv'"),
    "N015": (('name: "relu"', 'name: "conv/relu"'), "1 layer name contains '/'"),
    "N016": (
        (LOSS, 'layer { name: "soft" type: "Softmax" bottom: "ip" top: "p" }\n'
         + LOSS.replace('bottom: "ip"', 'bottom: "p"')),
        "bottom 'p' comes from Softmax, and the loss has a softmax of its own",
    ),
    "N017": (
        ("kernel_size: 2 stride: 2", "kernel_size: 3 stride: 2"),
        "the last window hangs over 'conv' (6 x 6) by 1 x 1",
    ),
    "N018": (
        ("kernel_size: 3 weight", "kernel_size: 15 pad: 6 weight"),
        "the kernel covers 15 x 15, the bottom is 8 x 8 with pad 6 x 6",
    ),
    "N019": (
        normed("batch_norm_param { use_global_stats: true }"),
        "no Scale layer reads 'norm' (layer 'norm', BatchNorm)",
    ),
    "N020": (
        normed("phase: TEST batch_norm_param { use_global_stats: false }", FROZEN),
        "use_global_stats: false in TEST",
    ),
    "N021": (normed("", FROZEN), "statistics of batches of 4 (layer 'norm', BatchNorm)"),
    "N101": (("kernel_size: 2 stride: 2", "kernel_size: 2 stride: 3"), "stride 3 x 3 exceeds"),
    "N102": (
        more('name: "sum" type: "Eltwise" bottom: "ip" bottom: "ip" top: "ip" } '
             'layer { name: "quiet" type: "Silence" bottom: "ip"'),
        "Eltwise in place on 'ip'",
    ),
    "N103": (
        ('type: "ReLU" bottom: "conv" top: "conv" }',
         'type: "TanH" bottom: "conv" top: "conv" }\n'
         'layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }'),
        "in place on the top of 'relu' (TanH)",
    ),
    "N104": (
        (LOSS, LOSS.replace(" }", " loss_weight: 0.5 }")
         + 'layer { name: "quiet" type: "Silence" bottom: "loss" }'),
        "'loss' has loss_weight 0.5 and other readers",
    ),
    "N105": (
        (RELU, f'{RELU}\nlayer {{ name: "s" type: "Scale" bottom: "conv" top: "conv" '
         "scale_param { axis: 0 num_axes: 3 } }"),
        "a factor without a batch in front of it (batch size 1) (layer 's', Scale)",
    ),
    "N106": (
        (RELU, f'{RELU}\nlayer {{ name: "n" type: "BN" bottom: "conv" top: "conv" }}'),
        "BN is taken for the layer of pspnet, tsn, happynear; it is another one in segnet, enet, "
        "parsenet (layer 'n', BN)",
    ),
    "N107": (
        (RELU, RELU.replace(" }", " pooling_param { pool: MAX avg_include_pad: false } }")),
        "avg_include_pad has no effect in ReLU (layer 'relu', ReLU)",
    ),
    "N108": (
        more('name: "x" type: "Convolution" bottom: "data" top: "x" convolution_param { '
             f"num_output: 2 kernel_size: 1 pad: 3 {FILLED} }} param {{ lr_mult: 0 }} "
             'param { lr_mult: 0 } } layer { name: "y" type: "Crop" bottom: "x" bottom: "data" '
             'top: "y" } layer { name: "quiet" type: "Silence" bottom: "y"'),
        "starts at 0, its bottoms are 3 x 3 apart (layer 'y', Crop)",
    ),
}  # fmt: skip


def spoilt(code: str) -> str:
    (old, new), _ = CASES[code]
    assert old in CLEAN, f"{code}: the clean net has no {old}"
    text = CLEAN.replace(old, new)
    return text


@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.TEST])
def test_a_clean_net_is_left_alone(phase):
    assert lint_net(net(CLEAN, phase)) == []


def test_every_rule_has_a_case():
    assert [r.code for r in RULES] == sorted(CASES)


def test_every_rule_says_why_and_what_to_do():
    assert all(r.look.__doc__ and r.fix for r in RULES)


@pytest.mark.parametrize("code", CASES)
def test_a_rule_finds_its_net_and_nothing_else(code):
    found = lint_net(net(spoilt(code)))
    assert {f.code for f in found} == {code}, [f.render() for f in found]
    block = found[0].explained()
    assert CASES[code][1] in block
    assert block.startswith("net.prototxt:") and "\nhint: " in block and "\nwhy: " in block


@pytest.mark.parametrize("code", [r.code for r in RULES if r.training])
def test_training_rules_leave_test_nets_alone(code):
    assert code not in {f.code for f in lint_net(net(spoilt(code), Phase.TEST))}


def test_a_deploy_net_in_train_is_not_trained():
    deploy = """
    input: "data" input_shape { dim: 1 dim: 2 dim: 8 dim: 8 }
    layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
      inner_product_param { num_output: 5 } }
    layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
    """
    assert lint_net(net(deploy)) == []


def test_rules_on_connections_need_no_shapes():
    found = {f.code for f in lint_net(net(spoilt("N101"), shapes=False))}
    assert found == {"N101"}
    assert lint_net(net(spoilt("N017"), shapes=False)) == []


def test_a_frozen_layer_beside_the_loss_is_meant():
    (_, new), _ = CASES["N002"]
    frozen = CLEAN.replace(LOSS, new.replace(IP, f"{IP} param {{ lr_mult: 0 }}"))
    assert lint_net(net(frozen)) == []


def test_a_pool_whose_windows_fit_exactly_is_left_alone():
    fitting = CLEAN.replace("kernel_size: 2 stride: 2", "kernel_size: 3 stride: 3")
    assert lint_net(net(fitting)) == []


def test_a_kernel_that_the_padded_bottom_needs_is_left_alone():
    needed = CLEAN.replace("kernel_size: 3 weight", "kernel_size: 13 pad: 5 weight")
    assert lint_net(net(needed)) == []


@pytest.mark.parametrize("fields", ["", "batch_norm_param { use_global_stats: false }"])
def test_statistics_of_the_batch_are_for_training(fields):
    codes = {f.code for f in lint_net(net(CLEAN.replace(*normed(fields, FROZEN)), Phase.TEST))}
    assert codes == ({"N020"} if fields else set())


@pytest.mark.parametrize("scale", ["axis: 0 num_axes: 0", "num_axes: -1", "axis: -2"])
def test_a_factor_behind_a_batch_is_left_alone(scale):
    (old, new), _ = CASES["N105"]
    assert lint_net(net(CLEAN.replace(old, new.replace("axis: 0 num_axes: 3", scale)))) == []


def test_a_frozen_factor_has_no_gradient_to_overwrite():
    (old, new), _ = CASES["N105"]
    frozen = new.replace("scale_param", "param { lr_mult: 0 } scale_param")
    assert lint_net(net(CLEAN.replace(old, frozen))) == []
