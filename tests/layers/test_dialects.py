"""Which of the layers that forks gave one name a net means."""

from __future__ import annotations

import logging

import pytest

from netc.cli import main
from netc.compile import compile_net
from netc.errors import GraphError, UsageError
from netc.graph import doubts
from netc.graph.build import build
from netc.layers import LAYERS, dialects, register
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.prototxt import SourceMap
from netc.schema import NetState

SHAPE = "shape { dim: 2 dim: 3 dim: 4 dim: 4 }"
IN = f"layer {{ name: 'x' type: 'Input' top: 'x' input_param {{ {SHAPE} }} }}"


@pytest.fixture
def registry():
    before = dict(LAYERS)
    yield LAYERS
    LAYERS.clear()
    LAYERS.update(before)


def net(fields, top=""):
    return f'{top}\n{IN}\nlayer {{ name: "bn" type: "BN" bottom: "x" top: "y" {fields} }}\n'


def graph(fields, top=""):
    loaded = parse_net(net(fields, top), "net.prototxt")
    return build(loaded.message, loaded.source)


def kind(fields, top=""):
    return graph(fields, top).nodes[-1].kind


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ("", "BN (pspnet)"),
        ("bn_param { }", "BN (pspnet)"),
        ("bn_param { engine: CUDNN }", "BN (pspnet)"),
        ("bn_param { slope_filler { value: 1 } bias_filler { } }", "BN (pspnet)"),
        ("bn_param { frozen: true }", "BN (pspnet)"),
        ("bn_param { scale_filler { value: 1 } }", "BN (segnet)"),
        ("bn_param { bn_mode: INFERENCE }", "BN (segnet)"),
        ("bn_param { scale_filler { value: 1 } shift_filler { } decay: 0.9 }", "BN (parsenet)"),
        ('top: "mean" top: "variance"', "BN (segnet)"),
    ],
)
def test_the_fields_tell(fields, label):
    assert kind(fields).label == label


def test_the_net_tells():
    assert kind("", 'dialect: "enet"').label == "BN (segnet)"
    assert kind("bn_param { bn_mode: LEARN }", 'dialect: "tsn"').label == "BN (pspnet)"
    assert kind("bn_param { bn_mode: LEARN }", 'dialect: "ssd"').label == "BN (segnet)"


def test_an_unknown_dialect_is_pointed_at():
    with pytest.raises(GraphError) as caught:
        graph("", 'dialect: "segnt"')
    assert str(caught.value).startswith("net.prototxt:1:10: Unknown dialect: segnt (known ")
    assert caught.value.hint == "did you mean 'segnet'?"
    with pytest.raises(UsageError, match=r"Unknown dialect: xyzzy \(known dialects: bvlc, c3d, "):
        dialects.use("xyzzy")


def test_the_command_line_overrides_the_net(registry):
    dialects.use("parsenet")
    assert kind("", 'dialect: "enet"').label == "BN (parsenet)"
    assert list(doubts.guessed(graph(""))) == []


def test_what_is_guessed_is_said_once(caplog):
    doubts._warn.cache_clear()
    loaded = parse_net(net(""))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            compile_net(loaded, NetState(), Plan("cpu"))
    (said,) = [r.getMessage() for r in caplog.records]
    assert "BN is taken for the layer of pspnet, tsn, happynear; it is another one in" in said
    assert 'hint: dialect: "segnet" in the net, or --dialect segnet' in said


@pytest.mark.parametrize("fields", ["bn_param { momentum: 0.5 }", "bn_param { bn_mode: LEARN }"])
def test_nothing_is_said_where_fields_tell(fields):
    assert list(doubts.guessed(graph(fields))) == []


def test_other_layers_tell():
    plain = 'layer { name: "b" type: "BN" bottom: "y" top: "z" }'
    for fields, label in (("bn_mode: LEARN", "segnet"), ("frozen: true", "pspnet")):
        loaded = parse_net(net(f"bn_param {{ {fields} }}") + plain)
        built = build(loaded.message, loaded.source)
        assert built.nodes[-1].kind.label == f"BN ({label})"
        assert list(doubts.guessed(built)) == []
    unpool = """layer { name: "p" type: "Pooling" bottom: "x" top: "p" top: "m"
        pooling_param { kernel_size: 2 stride: 2 } }
        layer { name: "u" type: "Upsample" bottom: "p" bottom: "m" top: "u" }"""
    loaded = parse_net(net("") + unpool)
    assert build(loaded.message, loaded.source).nodes[1].kind.label == "BN (segnet)"


def test_what_caffe_means_is_beyond_doubt():
    layers = """
        layer { type: "BatchNorm" bottom: "x" top: "a" }
        layer { type: "Crop" bottom: "x" bottom: "x" top: "b" }
        layer { type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "x" top: "c" }
    """
    message = parse_net(IN + layers).message
    assert list(doubts.guessed(build(message, SourceMap()))) == []


def test_fields_without_effect_are_named_once():
    text = net("bn_param { slope_filler { } bn_mode: INFERENCE }", 'dialect: "tsn"')
    loaded = parse_net(text + text.replace(IN, "").replace('"y"', '"z"').replace("dialect", "#"))
    found = list(doubts.unheeded(build(loaded.message, loaded.source)))
    assert [(d.path, d.message) for d in found] == [
        (("bn_param", "bn_mode"), "bn_mode has no effect in BN (pspnet)")
    ]


def test_a_default_that_is_written_out_is_no_field_without_effect():
    relu = 'layer { type: "ReLU" bottom: "x" top: "y" pooling_param { ceil_mode: true } }'
    message = parse_net(f"{IN}\n{relu}").message
    assert list(doubts.unheeded(build(message, SourceMap()))) == []


def test_a_variant_is_registered_beside_the_others(registry):
    def setup(d):
        raise NotImplementedError

    register("ReLU", bottoms=1, tops=1, dialects=("hed",))(setup)
    assert LAYERS["ReLU"].dialects == () and len(LAYERS["ReLU"].variants) == 2
    with pytest.raises(ValueError, match=r"layer type ReLU \(hed\) is registered already"):
        register("ReLU", bottoms=1, tops=1, dialects=("hed",))(lambda d: setup(d))


@pytest.mark.parametrize("command", [["show"], ["check"]])
def test_the_flag(command, tmp_path, capsys, registry):
    path = tmp_path / "net.prototxt"
    path.write_text(net(""))
    assert main([*command, str(path)]) == 0
    assert "BN (pspnet)" in (before := capsys.readouterr().out) or "taken for" in before
    assert main([*command, str(path), "--dialect", "segnet"]) == 0
    assert "taken for" not in (out := capsys.readouterr().out)
    assert command != ["show"] or "BN (segnet)" in out
    assert main([*command, str(path), "--dialect", "segnt"]) == 2
    assert "Unknown dialect: segnt" in capsys.readouterr().err
