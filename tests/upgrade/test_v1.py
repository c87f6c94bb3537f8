"""Nets of 2014: before and after, the places of what moved, what is refused."""

import pytest
from google.protobuf import text_format

from netc.compile import compile_net
from netc.errors import NetcError, ParseError, UpgradeError
from netc.load import parse_net, read_net
from netc.lowering.plan import Plan
from netc.prototxt import SourceMap, parse
from netc.schema import BlobProto, LayerParameter, NetParameter, NetState, Phase, V1LayerParameter
from netc.upgrade import current_type, type_of, upgrade_net

TYPES = """ABSVAL AbsVal ACCURACY Accuracy ARGMAX ArgMax BNLL BNLL CONCAT Concat
    CONTRASTIVE_LOSS ContrastiveLoss CONVOLUTION Convolution DATA Data DECONVOLUTION Deconvolution
    DROPOUT Dropout DUMMY_DATA DummyData EUCLIDEAN_LOSS EuclideanLoss ELTWISE Eltwise EXP Exp
    FLATTEN Flatten HDF5_DATA HDF5Data HDF5_OUTPUT HDF5Output HINGE_LOSS HingeLoss IM2COL Im2col
    IMAGE_DATA ImageData INFOGAIN_LOSS InfogainLoss INNER_PRODUCT InnerProduct LRN LRN
    MEMORY_DATA MemoryData MULTINOMIAL_LOGISTIC_LOSS MultinomialLogisticLoss MVN MVN
    POOLING Pooling POWER Power RELU ReLU SIGMOID Sigmoid
    SIGMOID_CROSS_ENTROPY_LOSS SigmoidCrossEntropyLoss SILENCE Silence SOFTMAX Softmax
    SOFTMAX_LOSS SoftmaxWithLoss SPLIT Split SLICE Slice TANH TanH WINDOW_DATA WindowData
    THRESHOLD Threshold CROP Crop BN BN BATCH_NORM BatchNorm ROIPOOLING ROIPooling
    CONVOLUTION3D Convolution3D POOLING3D Pooling3D ELTWISE_AFFINE EltwiseAffine"""
PAIRS = TYPES.split()


@pytest.mark.parametrize(("old", "new"), list(zip(PAIRS[::2], PAIRS[1::2], strict=True)))
def test_type(old, new):
    assert parse_net(f"layers {{ type: {old} }}").message.layer[0].type == new


@pytest.mark.parametrize(
    ("name", "current"),
    [
        ("conv", "Convolution"),
        ("lrn", "LRN"),
        ("INNER_PRODUCT", "InnerProduct"),
        ("InnerProduct", "InnerProduct"),
        ("BN", "BN"),
        ("NONE", ""),
        ("", ""),
        ("Mine", "Mine"),
    ],
)
def test_type_by_any_of_its_names(name, current):
    assert current_type(name) == current


def test_no_type():
    assert type_of("NONE") == "" == parse_net("layers { }").message.layer[0].type


OLD = """\
name: "old"
layers {
  name: "d" type: DATA top: "x"
  data_param { source: "db" batch_size: 4 scale: 0.5
    crop_size: 3 }
  transform_param { mirror: true }
  include: { phase: TRAIN }
}
layers {
  name: "ip" type: INNER_PRODUCT bottom: "x" top: "y"
  inner_product_param { num_output: 2 }
  blobs_lr: 1 blobs_lr: 2
  weight_decay: 1
  param: "w"
  blob_share_mode: PERMISSIVE
}
layers { name: "loss" type: SOFTMAX_LOSS bottom: "y" bottom: "x" top: "l" loss_weight: 3
  exclude { stage: "deploy" } }
"""
NEW = """name: "old"
layer { name: "d" type: "Data" top: "x" data_param { source: "db" batch_size: 4 }
  transform_param { scale: 0.5 crop_size: 3 mirror: true } include { phase: TRAIN } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 2 }
  param { name: "w" lr_mult: 1 decay_mult: 1 share_mode: PERMISSIVE } param { lr_mult: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "x" top: "l" loss_weight: 3
  exclude { stage: "deploy" } }
"""


def test_layers():
    net = parse(OLD, NetParameter).message
    kept = net.SerializeToString()
    assert upgrade_net(net, SourceMap()).message == text_format.Parse(NEW, NetParameter())
    assert net.SerializeToString() == kept, "a step must leave what it is given alone"


@pytest.mark.parametrize("kind", ["DATA", "IMAGE_DATA", "WINDOW_DATA"])
def test_transformations_leave_the_parameters_of_data_layers(kind):
    param = f"{kind.lower()}_param"
    fields = 'scale: 2 mean_file: "m" crop_size: 5 mirror: true'
    layer = parse_net(f"layers {{ type: {kind} {param} {{ {fields} }} }}").message.layer[0]
    assert layer == text_format.Parse(
        f'type: "{type_of(kind)}" {param} {{ }} transform_param {{ {fields} }}', LayerParameter()
    )


def test_transformations_in_current_layers_stay():
    text = 'layer { type: "Data" data_param { scale: 2 } }'
    assert parse_net(text).message == text_format.Parse(text, NetParameter())


def test_every_parameter_message_of_v1_has_its_current_field():
    current = LayerParameter.DESCRIPTOR.fields_by_name
    for field in V1LayerParameter.DESCRIPTOR.fields:
        if field.message_type and field.name != "layer":
            assert current[field.name].message_type == field.message_type, field.name


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("name",), "1:7"),
        (("layer", 0), "2:1"),
        (("layer", 0, "transform_param", "scale"), "4:50"),
        (("layer", 0, "transform_param", "crop_size"), "5:16"),
        (("layer", 0, "transform_param", "mirror"), "6:29"),
        (("layer", 0, "include", 0, "phase"), "7:21"),
        (("layer", 1, "type"), "10:20"),
        (("layer", 1, "param", 0), "14:10"),
        (("layer", 1, "param", 0, "name"), "14:10"),
        (("layer", 1, "param", 1, "lr_mult"), "12:25"),
        (("layer", 2, "bottom", 1), "17:62"),
    ],
)
def test_fields_keep_their_places(path, place):
    assert str(parse_net(OLD, "old.prototxt").source.at(*path)) == f"old.prototxt:{place}"


def test_an_error_in_an_old_file_points_at_its_line():
    net = parse_net(
        'input: "x" input_dim: [1, 2, 3, 4]\n'
        'layers { name: "ip" type: INNER_PRODUCT bottom: "x" top: "y"\n'
        "  inner_product_param { num_output: 0 } }",
        "old.prototxt",
    )
    with pytest.raises(NetcError) as caught:
        compile_net(net, NetState(phase=Phase.TEST), Plan("cpu"))
    assert str(caught.value).startswith("old.prototxt:3:37: ")


def test_both_forms_are_refused():
    with pytest.raises(UpgradeError) as caught:
        parse_net('layer { name: "a" }\nlayers { name: "b" }', "n.prototxt")
    assert str(caught.value).startswith(
        "n.prototxt:2:1: Refusing to upgrade inconsistent NetParameter input; the definition "
        "includes both 'layer' and 'layers' fields."
    )
    assert str(caught.value).endswith("hint: the first 'layer' is at n.prototxt:1:1")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ('"RELU"', "it is written without quotes: type: RELU"),
        ('"ReLU"', "did you mean 'RELU'?"),
    ],
)
def test_a_type_in_quotes(word, hint):
    with pytest.raises(ParseError, match=r"Enum type .* has no value named") as caught:
        parse_net(f"layers {{ type: {word} }}")
    assert caught.value.hint == hint


def test_binary_file_with_weights(tmp_path):
    blob = BlobProto(num=1, channels=1, height=2, width=1, data=[1, 2])
    layer = V1LayerParameter(name="ip", type="INNER_PRODUCT", blobs=[blob], blobs_lr=[1, 2])
    (tmp_path / "old.caffemodel").write_bytes(NetParameter(layers=[layer]).SerializeToString())
    net, source, _ = read_net(tmp_path / "old.caffemodel")
    assert net.layer[0] == LayerParameter(
        name="ip", type="InnerProduct", blobs=[blob], param=[{"lr_mult": 1}, {"lr_mult": 2}]
    )
    assert source.at("layer", 0) is None
