"""Nets of 2013: before and after, the places of what moved, what is refused or left out."""

import pytest
from google.protobuf import text_format

from netc.compile import compile_net
from netc.errors import UpgradeError
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.prototxt import SourceMap, parse
from netc.schema import (
    BlobProto,
    NetParameter,
    NetState,
    Phase,
    V0LayerParameter,
    V1LayerParameter,
)
from netc.upgrade import upgrade_net
from netc.upgrade.v0 import TYPES, v0_layers

PADDED = """\
name: "old"
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { layer { name: "pad1" type: "padding" pad: 2 }
  bottom: "data" top: "pad1" }
layers {
  layer {
    name: "conv1" type: "conv" num_output: 4 kernelsize: 5
    stride: 2 group: 1 biasterm: false
    weight_filler { type: "gaussian" std: 0.01 }
    blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_decay: 0.
  }
  bottom: "pad1" top: "conv1"
}
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 3 stride: 2 }
  bottom: "conv1" top: "pool1" }
"""
FIELDS = {
    "padding": (
        PADDED,
        """name: "old"
        layer { name: "input" type: "Input" top: "data"
          input_param { shape { dim: [1, 3, 8, 8] } } }
        layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
          param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
          convolution_param { num_output: 4 kernel_size: 5 stride: 2 group: 1 bias_term: false
            pad: 2 weight_filler { type: "gaussian" std: 0.01 } } }
        layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
        layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
          pooling_param { pool: AVE kernel_size: 3 stride: 2 } }""",
    ),
    "a pool of a padding": (
        """layers { layer { type: "padding" pad: 1 } bottom: "x" top: "p" }
        layers { layer { type: "pool" pad: 3 kernelsize: 3 } bottom: "p" top: "q" }""",
        """layer { type: "Pooling" bottom: "x" top: "q"
          pooling_param { pad: 1 kernel_size: 3 } }""",
    ),
    "data": (
        """layers { layer { name: "d" type: "data" source: "db" batchsize: 8 rand_skip: 3
          scale: 0.5 meanfile: "m" cropsize: 7 mirror: true } top: "a" top: "b" }""",
        """layer { name: "d" type: "Data" top: "a" top: "b"
          data_param { source: "db" batch_size: 8 rand_skip: 3 }
          transform_param { scale: 0.5 mean_file: "m" crop_size: 7 mirror: true } }""",
    ),
    "images": (
        """layers { layer { type: "images" source: "l" batchsize: 2 new_height: 4 new_width: 5
          shuffle_images: true rand_skip: 1 } }""",
        """layer { type: "ImageData" image_data_param { source: "l" batch_size: 2 new_height: 4
          new_width: 5 shuffle: true rand_skip: 1 } }""",
    ),
    "windows": (
        """layers { layer { type: "window_data" source: "w" batchsize: 2 det_fg_threshold: 0.6
          det_bg_threshold: 0.4 det_fg_fraction: 0.3 det_context_pad: 16
          det_crop_mode: "square" } }""",
        """layer { type: "WindowData" window_data_param { source: "w" batch_size: 2
          fg_threshold: 0.6 bg_threshold: 0.4 fg_fraction: 0.3 context_pad: 16
          crop_mode: "square" } }""",
    ),
    "the rest": (
        """layers { layer { type: "lrn" local_size: 3 alpha: 2 beta: 1 k: 4 } }
        layers { layer { type: "dropout" dropout_ratio: 0.3 } }
        layers { layer { type: "concat" concat_dim: 0 } }
        layers { layer { type: "infogain_loss" source: "h" } }
        layers { layer { type: "hdf5_data" source: "h" batchsize: 3 } }
        layers { layer { type: "hdf5_output" hdf5_output_param { file_name: "o" } } }
        layers { layer { type: "innerproduct" num_output: 2 bias_filler { value: 1 } } }""",
        """layer { type: "LRN" lrn_param { local_size: 3 alpha: 2 beta: 1 k: 4 } }
        layer { type: "Dropout" dropout_param { dropout_ratio: 0.3 } }
        layer { type: "Concat" concat_param { concat_dim: 0 } }
        layer { type: "InfogainLoss" infogain_loss_param { source: "h" } }
        layer { type: "HDF5Data" hdf5_data_param { source: "h" batch_size: 3 } }
        layer { type: "HDF5Output" hdf5_output_param { file_name: "o" } }
        layer { type: "InnerProduct" inner_product_param {
          num_output: 2 bias_filler { value: 1 } } }""",
    ),
}


@pytest.mark.parametrize(("before", "after"), FIELDS.values(), ids=FIELDS)
def test_layers(before, after):
    net = parse(before, NetParameter).message
    kept = net.SerializeToString()
    upgraded, _, warnings = upgrade_net(net, SourceMap())
    assert upgraded == text_format.Parse(after, NetParameter()) and not warnings
    assert net.SerializeToString() == kept, "a step must leave what it is given alone"


NAMES = """accuracy bnll concat conv data dropout euclidean_loss flatten hdf5_data hdf5_output
    im2col images infogain_loss innerproduct lrn multinomial_logistic_loss pool relu sigmoid softmax
    softmax_loss split tanh window_data"""
CURRENT_NAMES = """Accuracy BNLL Concat Convolution Data Dropout EuclideanLoss Flatten HDF5Data
    HDF5Output Im2col ImageData InfogainLoss InnerProduct LRN MultinomialLogisticLoss Pooling ReLU
    Sigmoid Softmax SoftmaxWithLoss Split TanH WindowData"""
CURRENT = dict(zip(NAMES.split(), CURRENT_NAMES.split(), strict=True))


def test_the_24_types():
    assert set(TYPES) == set(CURRENT)


@pytest.mark.parametrize(("old", "new"), CURRENT.items())
def test_type(old, new):
    assert parse_net(f'layers {{ layer {{ type: "{old}" }} }}').message.layer[0].type == new


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("layer", 0), "2:8"),
        (("layer", 1), "5:1"),
        (("layer", 1, "name"), "7:11"),
        (("layer", 1, "type"), "7:25"),
        (("layer", 1, "bottom", 0), "12:11"),
        (("layer", 1, "convolution_param", "kernel_size", 0), "7:58"),
        (("layer", 1, "convolution_param", "weight_filler", "std"), "9:43"),
        (("layer", 1, "param", 1, "decay_mult"), "10:62"),
        (("layer", 3, "pooling_param", "pool"), "15:51"),
    ],
)
def test_fields_keep_their_places(path, place):
    assert str(parse_net(PADDED, "old.prototxt").source.at(*path)) == f"old.prototxt:{place}"


def test_a_field_of_another_type_is_left_out_with_a_warning():
    net = parse_net('layers { layer { type: "relu"\nnum_output: 3 new_num: 1 } }', "n.prototxt")
    assert net.message == text_format.Parse('layer { type: "ReLU" }', NetParameter())
    first, second = net.warnings
    assert str(first) == (
        "n.prototxt:2:13: Unknown parameter num_output for layer type relu\n"
        "    num_output: 3 new_num: 1 } }\n"
        "                ^\n"
        "hint: it is left out"
    )
    assert "Unknown parameter new_num for layer type relu" in str(second)


def test_what_is_left_out_is_told_once_where_a_net_is_compiled(caplog):
    text = 'input: "x" input_dim: [1, 2, 1, 1] layers { %s %s }'
    relu = 'layer { name: "r" type: "relu" num_output: 6 }'
    net = parse_net(text % (relu, 'bottom: "x" top: "y"'), "once.prototxt")
    for phase in (Phase.TRAIN, Phase.TEST):
        compile_net(net, NetState(phase=phase), Plan("cpu"))
    assert caplog.text.count("Unknown parameter num_output for layer type relu") == 1


def test_binary_net_with_weights():
    blob = BlobProto(num=1, channels=1, height=1, width=1, data=[3])
    conv = V0LayerParameter(name="c", type="conv", kernelsize=1, blobs=[blob])
    net = NetParameter(layers=[V1LayerParameter(layer=conv, bottom=["x"], top=["c"])])
    upgraded, source, _ = upgrade_net(net, SourceMap())
    assert upgraded.layer[0].blobs[0] == blob
    assert source.at("layer", 0, "convolution_param") is None


def test_newer_layers_beside_old_ones_and_net_fields_are_kept():
    net = parse(
        'debug_info: true layers { layer { type: "relu" } } layers { type: TANH name: "t" }',
        NetParameter,
    ).message
    assert [y.name for y in v0_layers(net, SourceMap()).message.layers] == ["", "t"]
    assert upgrade_net(net, SourceMap()).message.debug_info


def reads_padding(consumer):
    return (
        'layers { layer { name: "p" type: "padding" pad: 1 } bottom: "x" top: "p" }\n'
        f"layers {{ {consumer} }}"
    )


ERRORS = {
    "another type": (
        reads_padding('layer { name: "r" type: "relu" } bottom: "p"'),
        "n.prototxt:2:34: Padding layer input to non-convolutional / non-pooling layer type relu",
    ),
    "two bottoms": (
        reads_padding('layer { name: "c" type: "conv" } bottom: "p" bottom: "p"'),
        "n.prototxt:2:1: Conv Layer takes a single blob as input. Here it is 2 (layer 'c', "
        "padding layer 'p')",
    ),
    "two padded": (
        reads_padding('layer { name: "c" type: "conv" } bottom: "p"').replace(
            'bottom: "x"', 'bottom: "x" bottom: "y"'
        ),
        "n.prototxt:2:1: Padding Layer takes a single blob as input. Here it is 2",
    ),
    "two tops": (
        reads_padding('layer { name: "c" type: "pool" } bottom: "p"').replace(
            'top: "p"', 'top: "p" top: "q"'
        ),
        "n.prototxt:2:1: Padding Layer produces a single blob as output. Here it is 2",
    ),
    "unknown type": (
        'layers { layer { type: "convv" } }',
        "n.prototxt:1:24: Unknown layer name: convv",
    ),
}


@pytest.mark.parametrize(("text", "message"), ERRORS.values(), ids=ERRORS)
def test_error(text, message):
    with pytest.raises(UpgradeError) as caught:
        parse_net(text, "n.prototxt")
    assert str(caught.value).startswith(message)


def test_the_hint_for_an_unknown_type():
    with pytest.raises(UpgradeError, match="hint: did you mean 'conv'"):
        parse_net('layers { layer { type: "convv" } }')
    with pytest.raises(UpgradeError, match="hint: the types of 2013 were accuracy, bnll"):
        parse_net('layers { layer { type: "xyzzy" } }')
