"""Nets and solvers of a project."""

from pathlib import Path

import pytest

from netc.doctor.deviations import ROWS, rows
from netc.doctor.findings import Finding
from netc.prototxt import parse
from netc.schema import LayerParameter

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 3, 4, 4] } } }\n'
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 5 display: 1'


def test_types_are_counted(look):
    relu = 'layer { name: "%s" type: "ReLU" bottom: "x" top: "x" }\n'
    assert look({"net.prototxt": INPUT + relu % "a" + relu % "b"}) == {
        "net.prototxt": [Finding("supported", "Input 1, ReLU 2")]
    }


@pytest.mark.parametrize(
    ("layer", "mark", "what", "where", "instead"),
    [
        (
            'layer { name: "f" type: "Fancy" bottom: "x" top: "f" }',
            "missing",
            "layer type 'Fancy' (layer 'f')",
            ":2:1",
            "write it in Python: docs/extending.md",
        ),
        (
            'layer { name: "f" type: "Relu" bottom: "x" top: "f" }',
            "missing",
            "layer type 'Relu' (layer 'f')",
            ":2:1",
            "did you mean 'ReLU'?",
        ),
        (
            'layer { name: "f" type: "ReLU" bottom: "x" top: "f" relu_param { negative_slop: 1 } }',
            "missing",
            'Message type "caffe.ReLUParameter" has no field named "negative_slop".',
            ":2:66",
            "did you mean 'negative_slope'?",
        ),
        (
            'layer { name: "f" type: "ReLU" bottom: "xx" top: "f" }',
            "wrong",
            "Unknown bottom blob 'xx' (layer 'f', bottom index 0)",
            ":2:40",
            "did you mean 'x'?",
        ),
        (
            'layer { name: "f" type: "Clip" bottom: "x" top: "f" }',
            "different",
            "`Clip` without a `clip_param` (docs/deviations.md)",
            ":2:1",
            "",
        ),
        (
            'layer { name: "f" type: "Power" bottom: "x" top: "x" }',
            "different",
            "Power in place on 'x' (layer 'f', Power): In Caffe the layer destroys what its "
            "gradient needs, so training goes astray without a word; netc computes the right "
            "gradient, and the two disagree.",
            ":2:50",
            "",
        ),
        ("layer {", "wrong", None, ":2:8", ""),
    ],
)  # fmt: skip
def test_what_is_not_supported(look, layer, mark, what, where, instead):
    found = look({"m/net.prototxt": INPUT + layer})["m/net.prototxt"]
    (bad,) = (f for f in found if f.mark != "supported")
    assert (bad.mark, bad.where, bad.instead) == (mark, f"m/net.prototxt{where}", instead)
    assert bad.what == what or what is None


def test_a_supported_solver_has_its_command(look):
    found = look({"net.prototxt": INPUT, "solver.prototxt": SOLVER})["solver.prototxt"]
    run = "netc train -solver solver.prototxt"
    assert found == [Finding("supported", "type SGD, lr_policy fixed", "", run)]


def test_paths_of_a_solver_start_where_its_net_is_found(look):
    files = {"a/net.prototxt": INPUT, "a/b/solver.prototxt": SOLVER}
    (found,) = look(files)["a/b/solver.prototxt"]
    assert found.instead == "cd a && netc train -solver b/solver.prototxt"
    (found,) = look(files, "a/b")["solver.prototxt"]
    assert found.instead == "cd .. && netc train -solver b/solver.prototxt"


@pytest.mark.parametrize(
    ("old", "new", "bad"),
    [
        ('"fixed"', '"fixd"', ("missing", "Unknown learning rate policy: fixd", ":1:45")),
        ("max", 'type: "SGDD" max', ("missing", "Unknown solver type: SGDD", ":1:59")),
        (
            "max",
            "fancy: 1 max",
            (
                "missing",
                'Message type "caffe.SolverParameter" has no field named "fancy".',
                ":1:53",
            ),
        ),
        ("net.p", "nets.p", ("wrong", "there is no file 'nets.prototxt'", ":1:6")),
        ("0.1", "-1", ("wrong", None, ":1:30")),
    ],
)
def test_solvers_that_are_not_supported(look, old, new, bad):
    files = {"net.prototxt": INPUT, "solver.prototxt": SOLVER.replace(old, new)}
    (found,) = look(files)["solver.prototxt"]
    assert (found.mark, found.where) == (bad[0], f"solver.prototxt{bad[2]}")
    assert found.what == bad[1] or bad[1] is None


def source(kind: str, param: str) -> str:
    return f"""layer {{ name: "d" type: "{kind}" top: "d" top: "t" {param} {{
  source: "s" batch_size: 1 }} }}"""


@pytest.mark.parametrize(
    ("net", "files", "mark", "what", "where"),
    [
        (source("ImageData", "image_data_param"), {}, "absent", "source 's'", "net.prototxt:2:11"),
        (
            source("ImageData", "image_data_param"),
            {"s": "a.jpg 0\nb.jpg 1\n"},
            "supported",
            "list 's' of 2",
            "net.prototxt:2:11",
        ),
        (
            source("ImageData", "image_data_param"),
            {"s": "a.jpg 0\nb.jpg\n"},
            "wrong",
            "expected a path, a blank and an integer label, got 'b.jpg'",
            "s:2",
        ),
        (
            source("HDF5Data", "hdf5_data_param"),
            {"s": "a.h5\nb.h5\n"},
            "supported",
            "list 's' of 2",
            "net.prototxt:2:11",
        ),
        (
            source("Data", "data_param"),
            {"s/readme": ""},
            "wrong",
            "'s' is no LMDB and no LevelDB",
            "net.prototxt:2:11",
        ),
    ],
)
def test_data(look, net, files, mark, what, where):
    found = look({"net.prototxt": net, **files})["net.prototxt"]
    assert found[1:] == [Finding(mark, what, where)]


def test_a_database_is_not_opened(look):
    net = source("Data", "data_param")
    assert len(look({"net.prototxt": net, "s/data.mdb": b""})["net.prototxt"]) == 1


def test_rows_of_deviations_are_rows_of_the_page():
    page = (Path(__file__).parents[2] / "docs" / "deviations.md").read_text(encoding="utf-8")
    assert [row for row in ROWS if f"\n| {row} |" not in page] == []


LAYERS = [
    'type: "Eltwise" eltwise_param { operation: PROD stable_prod_grad: false }',
    'type: "Clip"',
    'type: "Data" data_param { rand_skip: 2 }',
    'type: "HDF5Data" hdf5_data_param { shuffle: true }',
    'type: "HDF5Output"',
    'type: "ContrastiveLoss" contrastive_loss_param { legacy_version: true }',
    'type: "MultiBoxLoss" multibox_loss_param { conf_loss_type: LOGISTIC }',
    'type: "LSTM" recurrent_param { expose_hidden: true }',
    'type: "BatchNorm" batch_norm_param { use_global_stats: false }',
    'type: "SoftmaxWithLoss" top: "a" top: "b"',
]
PLAIN = [
    'type: "Eltwise" eltwise_param { operation: PROD }',
    'type: "Clip" clip_param { min: 0 max: 1 }',
    'type: "Data"',
    'type: "HDF5Data"',
    'type: "ReLU"',
    'type: "ContrastiveLoss"',
    'type: "MultiBoxLoss"',
    'type: "RNN"',
    'type: "BatchNorm"',
    'type: "SoftmaxWithLoss" top: "a" top: "b" loss_weight: [1, 0]',
]


@pytest.mark.parametrize(
    ("row", "text", "plain"), list(zip(ROWS, LAYERS, PLAIN, strict=True)), ids=list(ROWS)
)
def test_a_deviation_is_told_where_it_is_called_up(row, text, plain):
    assert list(rows(parse(text, LayerParameter).message)) == [row]
    assert list(rows(parse(plain, LayerParameter).message)) == []
