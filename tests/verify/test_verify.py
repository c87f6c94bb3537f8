"""Which layer departs from what was recorded."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import netc.pycaffe
from netc.errors import DataError, UsageError
from netc.load import read_net
from netc.lowering.plan import Plan
from netc.schema import Phase
from netc.verify import Source, record, recording, report, verify
from netc.weights import write_weights

NET = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: [2, 3] } } }
layer { name: "one" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 4 } }
layer { name: "relu" type: "ReLU" bottom: "y" top: "y" }
layer { name: "two" type: "InnerProduct" bottom: "y" top: "z"
  inner_product_param { num_output: 3 bias_term: false } }
"""
DATA = """layer { name: "in" type: "Data" top: "x" top: "t"
  data_param { source: "absent" batch_size: 9 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" }
layer { name: "file" type: "HDF5Output" bottom: "x" bottom: "t"
  hdf5_output_param { file_name: "out.h5" } }
"""
TOPS = ["one/y", "relu/y", "two/z"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    rng = np.random.default_rng(1)
    blobs = {
        "one": [rng.standard_normal((4, 3)), rng.standard_normal(4)],
        "two": [np.ones((3, 4))],
    }
    write_weights("net.caffemodel", read_net("net.prototxt").message, blobs)


def source(net: str = NET, weights: str = "net.caffemodel", phase: Phase = Phase.TEST) -> Source:
    Path("net.prototxt").write_text(net)
    return Source("net.prototxt", phase, Plan("cpu"), weights)


def told(rows, tolerance=1e-4):
    return report.text(rows, tolerance).split("\n\n")[1]


def test_a_net_agrees_with_its_own_recording():
    arrays = record(source())
    rows = verify(source(), arrays)
    assert [f"{r.layer}/{r.top}" for r in rows] == TOPS
    assert all(r.alone == (0, 0) for r in rows)
    assert [r.whole for r in rows] == [None, (0, 0), (0, 0)]  # relu overwrites one's top
    assert report.agrees(rows, 0)
    assert told(rows) == "3 tops agree within 0.0001 of their largest values."


def test_values_by_the_names_of_blobs_are_those_after_the_pass():
    arrays = record(source())
    named = {"x": arrays["in/x"], "y": arrays["relu/y"], "z": arrays["two/z"]}
    assert [r.layer for r in verify(source(), named) if r.alone == (0, 0)] == ["relu", "two"]


def test_the_layer_that_departs_is_named_and_those_behind_it_are_not():
    arrays = record(source())
    wrong = source(NET.replace("bias_term: false", "bias_term: false transpose: false"))
    arrays["one/y"] = arrays["one/y"] + np.float32(0.5)
    arrays["relu/y"] = np.maximum(arrays["one/y"], 0)
    arrays["two/z"] = arrays["relu/y"] @ np.ones((4, 3), np.float32)
    rows = verify(wrong, arrays)
    assert [report.departs(r, 1e-4) for r in rows] == [True, False, False]
    assert [report.beyond(r.whole, 1e-4) for r in rows] == [False, True, True]
    part = 0.5 / np.abs(arrays["one/y"]).max()
    assert told(rows) == (
        "The first layer that departs by itself is 'one' (InnerProduct, net.prototxt:3:1): its "
        f"top 'y' differs by {part:.2g} of its largest value.\n"
        "1 of 3 tops depart by more than 0.0001."
    )
    assert [line.split("|")[-2].strip() for line in report.text(rows, 1e-4).splitlines()[2:5]] == [
        "DEPARTS", "drifts", "drifts",
    ]  # fmt: skip


def test_small_differences_that_add_up_are_told_from_a_wrong_layer():
    arrays = record(source())
    for name in ("one/y", "two/z"):
        arrays[name] = arrays[name] * np.float32(1.002)
    arrays["relu/y"] = np.maximum(arrays["one/y"], 0)
    arrays["two/z"] = arrays["two/z"] * np.float32(1.002)
    rows = verify(source(), arrays)
    assert told(rows, 3e-3) == (
        "No layer departs by itself, but their differences add up to more than 0.003 from 'two' on."
    )
    assert not report.agrees(rows, 3e-3) and report.agrees(rows, 5e-3)


def test_other_shapes_and_numbers_that_are_not_finite():
    arrays = record(source())
    arrays["relu/y"] = arrays["relu/y"][:1]
    arrays["two/z"][0, 0] = np.nan
    rows = verify(source(), arrays)
    assert [r.alone and r.alone.relative for r in rows] == [0, None, np.inf]
    assert "'relu' (ReLU, net.prototxt:5:1): its top 'y' differs in shape." in told(rows)
    assert "| 2 x 4, recorded 1 x 4 |" in report.text(rows, 1e-4)
    _, relu, two = report.data(rows, 1e-4)["tops"]
    assert (relu["alone"], two["alone"]) == (None, {"largest": None, "relative": None})
    assert relu["departs"] and two["departs"]


def test_not_a_number_where_it_was_recorded_is_the_same():
    arrays = record(source())
    arrays["in/x"][0, 0] = np.nan
    assert report.agrees(verify(source(), record(source(), arrays)), 0)


def test_inputs_have_the_recorded_sizes_and_data_layers_need_no_data():
    arrays = {"x": np.eye(2, 3), "t": np.array([0, 2]), "loss": np.ones(())}
    net = source(DATA.replace('bottom: "t" }', 'bottom: "t" top: "loss" }', 1), "")
    (row,) = verify(net, arrays)
    assert (row.layer, row.type, row.shape) == ("loss", "SoftmaxWithLoss", ())
    want = (np.log(2 + np.e) - 1 + np.log(2 + np.e)) / 2
    assert row.alone.largest == pytest.approx(abs(want - 1), rel=1e-5)
    assert not Path("out.h5").exists()


def test_labels_are_drawn_for_layers_that_read_labels():
    shapes = "shape { dim: [64, 3] } shape { dim: 64 }"
    inputs = f'layer {{ type: "Input" name: "in" top: "x" top: "t" input_param {{ {shapes} }} }}'
    arrays = record(source(inputs + DATA.partition("} }")[2], ""))
    assert set(arrays["in/t"]) == {0, 1, 2}


def test_layers_that_draw_are_not_judged():
    dropout = NET.replace('"ReLU"', '"Dropout"')
    arrays = record(source(dropout, phase=Phase.TRAIN))
    arrays["relu/y"] = arrays["relu/y"] + np.float32(1)
    arrays["two/z"] = arrays["relu/y"] @ np.ones((4, 3), np.float32)
    rows = verify(source(dropout, phase=Phase.TRAIN), arrays)
    assert report.agrees(rows, 1e-4) and [r.drawn for r in rows] == [False, True, False]
    assert "| draws |" in report.text(rows, 1e-4) and not any(r.whole for r in rows)


def test_recurrent_layers_start_anew():
    lstm = """layer { name: "in" type: "Input" top: "x" top: "c" input_param {
        shape { dim: [2, 1, 3] } shape { dim: [2, 1] } } }
      layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "c" top: "h"
        recurrent_param { num_output: 2 } }"""
    rng = np.random.default_rng(2)
    blobs = [rng.standard_normal(s) for s in ((8, 3), (8,), (8, 2))]
    net = source(lstm, "lstm.npz")
    write_weights("lstm.npz", read_net("net.prototxt").message, {"lstm": blobs})
    inputs = {"x": rng.standard_normal((2, 1, 3)), "c": np.ones((2, 1))}
    assert report.agrees(verify(net, record(net, inputs)), 1e-6)


@pytest.mark.parametrize(
    ("folder", "case"),
    [
        ("layers", "Pooling_max_mask"),
        ("layers", "SoftmaxWithLoss_full"),
        ("fork_layers", "DetectionOutput_center"),
    ],
)
def test_what_caffe_computed(golden, folder, case):
    with np.load(golden(folder) / f"{case}.npz") as file:
        arrays = {k.partition("/")[2]: v for k, v in file.items() if k[:3] in ("in/", "out")}
        net, phase = bytes(file["net"]).decode(), getattr(Phase, str(file["phase"]))
    rows = verify(source(net, "", phase), arrays)
    assert rows and report.agrees(rows, 5e-5)


@pytest.mark.parametrize(
    ("arrays", "weights", "error", "said"),
    [
        ({"y": 1}, "net.caffemodel", DataError, "the recording has no 'x', an input of the net"),
        ({"x": 1, "zz": 1}, "net.caffemodel", DataError, "it holds x, zz\nhint: did you mean 'z'?"),
        ({"x": 1}, "net.caffemodel", DataError, "hint: values are called two/z"),
        ({"x": 1}, "", UsageError, "the blobs of one, two need values\nhint: -weights names"),
    ],
)
def test_wrong_recordings(arrays, weights, error, said):
    with pytest.raises(error, match=re.escape(said)):
        verify(source(weights=weights), {k: np.full((2, 3), v) for k, v in arrays.items()})


def test_files_of_recordings():
    import h5py

    arrays = {"a/b": np.arange(3.0), "c": np.ones((1, 2))}
    recording.write("r.npz", arrays)
    with h5py.File("r.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values
    for path in ("r.npz", "r.h5"):
        found = recording.read(path)
        assert {k: v.tolist() for k, v in found.items()} == {
            k: v.tolist() for k, v in arrays.items()
        }


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("r.npx", "r.npx: there is no such file\nhint: did you mean 'r.npz'?"),
        ("net.prototxt", "net.prototxt: this cannot be read as a recording, a .npz or HDF5 file"),
        ("one.npy", "one.npy: this cannot be read as a recording"),
        ("cut.npz", "cut.npz: this cannot be read as a recording"),
        ("words.npz", "words.npz: 'a' holds <U1, not numbers"),
    ],
)
def test_files_that_are_no_recordings(path, said):
    np.savez("r.npz", a=np.ones(100))
    np.savez("words.npz", a=np.array(["x"]))
    np.save("one.npy", np.ones(3))
    Path("cut.npz").write_bytes(Path("r.npz").read_bytes()[:300])
    with pytest.raises(DataError, match=re.escape(said)):
        recording.read(path)


def test_the_script_of_the_documentation(monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "trust.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setitem(sys.modules, "caffe", netc.pycaffe)
    monkeypatch.setattr(sys, "argv", ["record.py", "net.prototxt", "net.caffemodel"])
    exec(script, {})
    arrays = recording.read("recording.npz")
    assert list(arrays) == ["in/x", *TOPS]
    assert report.agrees(verify(source(), arrays), 0)
