"""Nets layer by layer, solvers field by field."""

import pytest

from netc.diff.nets import compare, render
from netc.load import parse_net, parse_solver

DATA = 'layer { name: "data" type: "Input" top: "data" }\n'
CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 20 kernel_size: 5 } }
"""
RELU = 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n'
POOL = 'layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" }\n'
NET = DATA + CONV + RELU + POOL
TWO_PHASES = "".join(
    f"""layer {{ name: "d" type: "Data" top: "d" include {{ phase: {phase} }}
  data_param {{ source: "{source}" }} }}
"""
    for phase, source in (("TRAIN", "a"), ("TEST", "b"))
)


def told(a: str, b: str, parse=parse_net) -> str:
    return render(compare(parse(a, "a"), parse(b, "b")))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (NET, NET),
        (CONV, CONV.replace("num_output: 20 kernel_size: 5", "kernel_size: 5, num_output: 20")),
        (
            'layers { name: "r" type: RELU bottom: "x" top: "x" blobs_lr: 2 }',
            'layer { name: "r" type: "ReLU" bottom: "x" top: "x" param { lr_mult: 2 } }',
        ),
        (POOL, POOL.replace("} }", "pooling_param {} } }")),
    ],
    ids=["itself", "order of fields", "V1 and V2", "an empty message"],
)
def test_the_same(a, b):
    assert told(a, b) == ""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "num_output: 20",
            "num_output: 30",
            "convolution_param.num_output: 20 -> 30  (a:3:35, b:3:35)",
        ),
        (
            "kernel_size: 5",
            "kernel_size: 5 stride: 2",
            "convolution_param.stride: not given -> [2]  (b:3:61)",
        ),
        (
            "kernel_size: 5",
            "kernel_size: 5 group: 2",
            "convolution_param.group: not given, so 1 -> 2  (b:3:60)",
        ),
        (
            "num_output: 20",
            "num_output: 20 weight_filler { std: 2 }",
            "convolution_param.weight_filler: not given -> { std: 2.0 }  (b:3:38)",
        ),
        (
            'top: "conv"\n',
            'top: "conv" param { lr_mult: 0 }\n',
            "param[0]: not given -> { lr_mult: 0.0 }  (b:2:69)",
        ),
    ],
)
def test_fields_of_a_layer(old, new, line):
    assert told(NET, NET.replace(old, new, 1)) == (
        f"  conv (Convolution)\n      {line}\n\n1 layer changed"
    )


def test_lists_are_shown_whole_and_long_ones_cut():
    a, b = (f"layer {{ bottom: {[f'x{i + n:03}' for i in range(20)]} }}" for n in (0, 1))
    (line,) = (x for x in told(a, b).splitlines() if "bottom" in x)
    shown = line.partition("  (")[0].split("bottom: ")[1].split(" -> ")
    assert [len(x) <= 60 and x.endswith(" ...") for x in shown] == [True, True]


def test_added_and_removed_layers_stand_where_they_are():
    assert told(DATA + RELU + POOL, DATA + CONV + POOL) == (
        "+ conv (Convolution)  (b:2:1)\n- relu (ReLU)  (a:2:1)\n\n1 layer added, 1 layer removed"
    )
    assert told(NET, DATA + CONV + RELU).startswith("- pool (Pooling)  (a:5:1)")


def test_a_renamed_layer_with_a_renamed_blob_is_told_once():
    assert told(NET, NET.replace('"conv"', '"c1"')) == (
        "  c1 (Convolution): was conv\n"
        '      top: ["conv"] -> ["c1"]  (a:2:62, b:2:60)\n\n'
        "1 layer renamed"
    )


def test_a_reader_of_another_blob_has_changed():
    a = NET + 'layer { name: "out" type: "Silence" bottom: "pool" }'
    assert told(a, a.replace('bottom: "pool"', 'bottom: "conv"')) == (
        '  out (Silence)\n      bottom: ["pool"] -> ["conv"]  (a:6:45, b:6:45)\n\n1 layer changed'
    )


def test_a_layer_of_another_place():
    assert told(NET, DATA + CONV + POOL + RELU) in (
        "  pool (Pooling): stands elsewhere among the layers\n\n1 layer moved",
        "  relu (ReLU): stands elsewhere among the layers\n\n1 layer moved",
    )


def test_layers_of_one_name_are_told_apart_by_their_rules():
    first, second = TWO_PHASES.split("layer ")[1:]
    swapped = f"layer {second}layer {first}"
    assert told(TWO_PHASES, swapped.replace('source: "b"', 'source: "c"')).startswith(
        "  d (Data): stands elsewhere"
    )
    assert "source" not in told(TWO_PHASES, swapped)
    assert 'data_param.source: "b" -> "c"' in told(
        TWO_PHASES, TWO_PHASES.replace('source: "b"', 'source: "c"')
    )


def test_fields_of_solvers():
    a = 'net: "n" base_lr: 0.1 stepvalue: 1 stepvalue: 2 solver_type: ADAM'
    b = 'net: "n" base_lr: 0.2 stepvalue: 1 stepvalue: 3 type: "Adam" momentum: 0.9'
    assert told(a, b, parse_solver) == (
        "  base_lr: 0.1 -> 0.2  (a:1:19, b:1:19)\n"
        "  momentum: not given -> 0.9  (b:1:72)\n"
        "  stepvalue: [1, 2] -> [1, 3]  (a:1:34, b:1:34)\n\n"
        "3 fields changed"
    )
