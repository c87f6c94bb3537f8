"""The schema has every field of the public forks, by name."""

import json
from pathlib import Path

import pytest
from google.protobuf import text_format

from netc.schema import DESCRIPTOR, LayerParameter, NetParameter, fork_of, is_repeated

FORKS = json.loads(Path(__file__).with_name("fork_fields.json").read_text())
BVLC = json.loads(Path(__file__).with_name("bvlc_fields.json").read_text())["messages"]
PRIVATE = 20000


def described(message):
    return DESCRIPTOR.pool.FindMessageTypeByName(f"caffe.{message}").fields_by_name


@pytest.mark.parametrize("fork", FORKS)
def test_every_field_of_a_fork_is_there_and_named_after_it(fork):
    family = fork.partition(" ")[0]
    for message, fields in FORKS[fork].items():
        for name in fields:
            assert name in described(message), f"{message}.{name}"
            forks = fork_of(message, name)
            assert {family, fork.replace(" ", "-")} & set(forks), f"{message}.{name}: {forks}"


def test_a_fork_field_keeps_a_number_of_its_own_or_gets_a_private_one():
    numbers = {}
    for messages in FORKS.values():
        for message, fields in messages.items():
            for name, number in fields.items():
                numbers.setdefault((message, name), set()).add(number)
    for (message, name), known in numbers.items():
        number = described(message)[name].number
        caffes = {n for _, n, *_ in BVLC.get(message, ())}
        taken = {f.number for n, f in described(message).items() if n != name}
        assert number in known or (number >= PRIVATE and known <= caffes | taken), (message, name)


@pytest.mark.parametrize(
    "message, field, number, forks",
    [
        (
            "LayerParameter",
            "permute_param",
            202,
            ("ssd", "nvcaffe", "intel", "happynear", "opencv"),
        ),
        ("LayerParameter", "interp_param", 20003, ("pspnet", "deeplab")),
        ("LayerParameter", "st_param", 367, ("spatial-transformer",)),
        ("SolverParameter", "plateau_winsize", 43, ("ssd", "nvcaffe", "intel")),
        ("ConvolutionParameter", "relu", 20001, ("intel",)),
        ("ConvolutionParameter", "filter_stride", 20003, ("parsenet",)),
        ("BlobProto", "raw_data", 12, ("nvcaffe", "opencv")),
        ("BNParameter", "momentum", 3, ("pspnet", "tsn", "happynear")),
        ("DetectNetGroundTruthParameter.ClassMapping", "src", 1, ("nvcaffe",)),
    ],
)
def test_number_and_forks_of(message, field, number, forks):
    assert described(message)[field].number == number
    assert fork_of(message, field) == forks


@pytest.mark.parametrize(
    "message, field", [("LayerParameter", "name"), ("LayerParameter", "nonsense"), ("No", "no")]
)
def test_no_fork(message, field):
    assert fork_of(message, field) == ()


def test_a_field_that_differs_takes_the_type_that_reads_every_text():
    repeated = [
        ("TransformationParameter", "resize_param"),
        ("TransformationParameter", "noise_param"),
        ("ResizeParameter", "interp_mode"),
    ]
    assert all(is_repeated(described(message)[name]) for message, name in repeated)
    assert LayerParameter(upsample_param={"scale": -1}).upsample_param.scale == -1


def test_clashing_enum_values_are_told_apart_by_name():
    layer = text_format.Parse("loss_param { normalization: PRE_FIXED }", LayerParameter())
    assert layer.loss_param.normalization == layer.loss_param.PRE_FIXED != layer.loss_param.NONE
    layer = text_format.Parse("convolution_param { engine: MKLDNN }", LayerParameter())
    assert layer.convolution_param.engine == 4


def test_prototxts_of_several_forks_parse():
    text = """
    layer { type: "PriorBox" prior_box_param { min_size: 60 aspect_ratio: 2 flip: true
            variance: 0.1 variance: 0.2 } }
    layer { type: "BN" bn_param { slope_filler { value: 1 } frozen: true momentum: 0.95 } }
    layer { type: "BN" bn_param { scale_filler { value: 1 } bn_mode: INFERENCE } }
    layer { type: "Normalize" norm_param { across_spatial: false scale_filler { value: 20 } } }
    layer { type: "Correlation" correlation_param { kernel_size: 1 max_displacement: 20 } }
    layer { type: "Mish" mish_param { } }
    layers { type: CONVOLUTION3D convolution_param { kernel_depth: 3 temporal_pad: 1 } }
    layers { type: MULTI_STAGE_MEANFIELD multi_stage_meanfield_param { num_iterations: 5
             compatibility_mode: POTTS theta_alpha: 160 } }
    """
    net = text_format.Parse(text, NetParameter())
    assert net.layer[1].bn_param.frozen and net.layer[2].bn_param.bn_mode == 1
    assert net.layers[1].multi_stage_meanfield_param.theta_alpha == 160
