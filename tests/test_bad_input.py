"""What users get wrong, a row each: place, sentence, suggestion, and nothing left behind."""

import os
from typing import NamedTuple

import numpy as np
import pytest

from netc.cli import main
from tests.spoils import both, cut, database, fill, image, net, rows, solver, without
from tests.train import tiny

FILLED = 'weight_filler { type: "xavier" }'
NET = f"""name: "bad"
layer {{
  name: "data" type: "Data" top: "data" top: "label"
  data_param {{ source: "images" batch_size: 4 backend: LMDB }}
}}
layer {{
  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 3 {FILLED} }}
}}
layer {{
  name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss"
}}
"""
SOLVER = """net: "net.prototxt"
base_lr: 0.1
lr_policy: "fixed"
max_iter: 6
snapshot_prefix: "bad"
"""
TOPS = 'top: "data" top: "label"'
LMDB = f'"Data" {TOPS}\n  data_param {{ source: "images" batch_size: 4 backend: LMDB'
HDF5 = f'"HDF5Data" {TOPS}\n  hdf5_data_param {{ source: "files.txt" batch_size: 4'


class Case(NamedTuple):
    """What is spoilt, and what the block says: its first line, and parts of the rest."""

    spoil: object
    first: str
    rest: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


ADD_IP2 = """layer {{
  name: "ip2" type: "InnerProduct" bottom: "data" top: "ip2"
  inner_product_param {{ num_output: 5 }}
}}
layer {{
  name: "meet" type: "{0}" bottom: "ip" bottom: "ip2" top: "meet"{1}
}}
layer {{
  name: "loss\""""
MEET = (
    "  'ip' 4 x 3: layer 'ip', net.prototxt:6:1",
    "  'ip2' 4 x 5: layer 'ip2', net.prototxt:10:1",
)


def meeting(kind, extra=""):
    return net('layer {\n  name: "loss"', ADD_IP2.format(kind, extra))


CASES = {
    # Files that are not there.
    "solver": Case(
        lambda: os.rename("solver.prototxt", "solver2.prototxt"),
        "solver.prototxt: Failed to open file: No such file or directory.",
        ("hint: did you mean 'solver2.prototxt'?",),
    ),
    "net": Case(
        without("net.prototxt"),
        "solver.prototxt:1:6: there is no file 'net.prototxt'",
        (
            '    net: "net.prototxt"\n         ^~~~',
            "hint: paths are relative to the current folder",
        ),
    ),
    "database": Case(
        net('"images"', '"imagse"'),
        "net.prototxt:4:24: imagse: cannot open LMDB: No such file or directory (layer 'data', ",
        ("hint: did you mean 'images'?",),
    ),
    "list of HDF5 files": Case(
        both(net(LMDB, HDF5), without("files.txt")),
        "net.prototxt:4:29: files.txt: Failed to open file: No such file or directory.",
    ),
    "HDF5 file": Case(
        both(net(LMDB, HDF5), without("b.h5")),
        "net.prototxt:4:29: b.h5: Failed to read HDF5 file: No such file or directory",
        ("hint: did you mean 'a.h5'?",),
    ),
    "weights": Case(
        lambda: None,
        "Couldn't open w.caffemodel: No such file or directory",
        (),
        ("-weights", "w.caffemodel"),
    ),
    "state": Case(
        lambda: None,
        "Couldn't open s.solverstate: No such file or directory",
        (),
        ("-snapshot", "s.solverstate"),
    ),
    # Typing errors.
    "field of a net": Case(
        net("num_output", "num_ouput"),
        'net.prototxt:8:25: Message type "caffe.InnerProductParameter" has no field named '
        '"num_ouput".',
        ("^~~~~~~~~", "hint: did you mean 'num_output'?"),
    ),
    "field of a solver": Case(
        solver("base_lr", "base_rl"),
        'solver.prototxt:2:1: Message type "caffe.SolverParameter" has no field named "base_rl".',
        ("    base_rl: 0.1\n    ^~~~~~~", "hint: did you mean 'base_lr'?"),
    ),
    "enum": Case(
        net("backend: LMDB", "backend: LMBD"),
        "net.prototxt:4:56: ",
        ("LMBD", "hint: did you mean 'LMDB'?"),
    ),
    "value": Case(
        net("num_output: 3", "num_output: three"),
        "net.prototxt:8:37: num_output takes an integer, not 'three'.",
    ),
    "brace": Case(
        net('top: "loss"\n}', 'top: "loss"'),
        'net.prototxt:12:1: Expected "}" to close the message that starts at net.prototxt:10:1, '
        "found the end of the file.",
    ),
    "type of a layer": Case(
        net('"InnerProduct"', '"InerProduct"'),
        "net.prototxt:7:20: Unknown layer type: InerProduct (known types: ",
        ("hint: did you mean 'InnerProduct'?",),
    ),
    "filler": Case(
        net('"xavier"', '"xaver"'),
        "net.prototxt:8:",
        ("xaver", "hint: did you mean 'xavier'?"),
    ),
    "policy": Case(
        solver('"fixed"', '"fixd"'),
        "solver.prototxt:3:12: Unknown learning rate policy: fixd",
        ("hint: did you mean 'fixed'?",),
    ),
    # Connections and shapes.
    "bottom": Case(
        net('bottom: "ip"', 'bottom: "ipp"'),
        "net.prototxt:11:48: Unknown bottom blob 'ipp' (layer 'loss', bottom index 0)",
        ("hint: did you mean 'ip'?",),
    ),
    "top": Case(
        net('top: "loss"', 'top: "data"'),
        "net.prototxt:11:74: Top blob 'data' produced by multiple sources.",
        ("hint: layer 'data' produces it already",),
    ),
    "Eltwise": Case(
        meeting("Eltwise"),
        "net.prototxt:15:53: bottom[0] 'ip': 4 x 3, bottom[1] 'ip2': 4 x 5",
        MEET,
    ),
    "Concat": Case(
        meeting("Concat", " concat_param { axis: 0 }"),
        "net.prototxt:15:52: All inputs must have the same shape, except at concat_axis 0: "
        "bottom[0] 'ip' is 4 x 3, bottom[1] 'ip2' is 4 x 5.",
        MEET,
    ),
    "EuclideanLoss": Case(
        meeting("EuclideanLoss"),
        "net.prototxt:15:59: Inputs must have the same dimension: 'ip' is 4 x 3, 'ip2' is 4 x 5.",
        MEET,
    ),
    "labels": Case(
        net('bottom: "ip" bottom: "label"', 'bottom: "data" bottom: "label"'),
        "net.prototxt:11:63: Number of labels must match number of predictions",
        (
            "need 144 labels, 'label' is 4.",
            "  'data' 4 x 1 x 6 x 6: layer 'data', net.prototxt:2:1",
            "  'label' 4: layer 'data', net.prototxt:2:1",
        ),
    ),
    "shared blob": Case(
        net(
            'layer {\n  name: "loss"',
            f"""layer {{
  name: "one" type: "InnerProduct" bottom: "ip" top: "one" param {{ name: "w" }}
  inner_product_param {{ num_output: 5 {FILLED} }}
}}
layer {{
  name: "two" type: "InnerProduct" bottom: "one" top: "two" param {{ name: "w" }}
  inner_product_param {{ num_output: 5 {FILLED} }}
}}
layer {{
  name: "loss\"""",
        ),
        "net.prototxt:15:61: Cannot share param 'w' owned by layer 'one' with layer 'two'; shape "
        "mismatch.  Owner layer param shape is 5 x 3; sharing layer expects shape 5 x 5",
        (
            "  'w' 5 x 3: layer 'one', net.prototxt:10:1",
            "hint: share_mode: PERMISSIVE shares blobs of equal count",
        ),
    ),
    # Data.
    "label": Case(
        net("num_output: 3", "num_output: 2"),
        "images, record 2, key '00000002': label 2 is outside the 2 classes 0..1 that layer "
        "'loss' scores",
        ("hint: num_output of the last layer must be the largest label + 1",),
    ),
    "label of a row": Case(
        both(
            net(LMDB, HDF5),
            rows("a.h5", "label", np.float32([0, 1, 2, 0, 1, 2, 0, 7, 0, 0, 0])),
        ),
        "a.h5, row 7: label 7 is outside the 3 classes 0..2 that layer 'loss' scores",
    ),
    "truncated LMDB": Case(
        cut("images/data.mdb", 0.5),
        "net.prototxt:4:24: images/data.mdb: cannot open LMDB: the file is truncated: ",
        ("hint: copy it again",),
    ),
    "emptied LMDB": Case(
        cut("images/data.mdb", 0),
        "net.prototxt:4:24: images/data.mdb: cannot open LMDB: the file is empty",
    ),
    "LMDB without records": Case(
        database(),
        "net.prototxt:4:24: images: the database has no records",
    ),
    "no LMDB": Case(
        fill("images/data.mdb", bytes(range(256)) * 64),
        "net.prototxt:4:24: images/data.mdb: cannot open LMDB: 16384 bytes that are no LMDB file",
    ),
    "LevelDB": Case(
        both(without("images/data.mdb"), fill("images/CURRENT", b"MANIFEST-000001\n")),
        "net.prototxt:4:24: images: cannot open LMDB: the folder holds a LevelDB",
    ),
    "foreign records": Case(
        database(b"neither a Datum nor anything else"),
        "net.prototxt:4:24: images, record 0, key '0000': ",
    ),
    "a record of another size": Case(
        database(*[image()] * 6, image(size=7), image()),
        "images, record 6, key '0006': Check failed: datum_height == height (7 vs. 6)",
        (
            "the image is 1 x 7 x 7, the first of its batch 1 x 6 x 6",
            "hint: images of several sizes need crop_size",
        ),
    ),
    "a data set that is missing": Case(
        both(net(LMDB, HDF5), rows("b.h5", "data", None)),
        "net.prototxt:4:29: b.h5: Failed to find HDF5 dataset data",
        ("hint: the file holds label;",),
    ),
    "truncated HDF5": Case(
        both(net(LMDB, HDF5), cut("a.h5", 0.5)),
        "net.prototxt:4:29: a.h5: Failed to read HDF5 file: ",
    ),
    "not a number": Case(
        both(net(LMDB, HDF5), rows("a.h5", "data", np.full((11, 4), np.nan, np.float32))),
        "Iteration 0: the loss is not finite; top blob 'data' of layer 'data' (HDF5Data) holds 16 "
        "NaN of 16 values; the data itself is bad.",
    ),
    # Places to write.
    "snapshot prefix": Case(
        both(solver('"bad"', '"file/bad"'), fill("file", b"")),
        "solver.prototxt:5:18: Cannot write to snapshot prefix 'file/bad': Not a directory.",
        ("hint: make sure that the folder exists and may be written",),
    ),
    "run folder": Case(
        fill("file", b""),
        "file/run: the run folder cannot be written: Not a directory",
        (),
        ("--run-dir", "file/run"),
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", "3")  # the block alone is on stderr
    monkeypatch.chdir(tiny.write_files(tmp_path, "", SOLVER))
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path


def listing():
    return sorted(os.walk("."))


def train(*arguments):
    keep = () if "--run-dir" in arguments else ("--no-run-dir",)
    return main(["train", "solver.prototxt", *keep, *arguments])


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_readable_block(folder, capfd, name):
    case = CASES[name]
    case.spoil()
    before = listing()
    assert train(*case.arguments) == 1
    block = capfd.readouterr().err
    assert block.startswith(case.first)
    assert all(part in block for part in case.rest)
    assert "Traceback" not in block and "\n\n" not in block
    assert listing() == before


def test_nothing_is_wrong_where_nothing_is_spoilt(folder, capfd):
    assert train() == 0
    assert capfd.readouterr().err == ""


def test_a_snapshot_of_another_net_is_compared_blob_by_blob(folder, capfd):
    assert train() == 0
    net("num_output: 3", "num_output: 4")()
    before = listing()
    for given in (("-snapshot", "bad_iter_6.solverstate"), ("-weights", "bad_iter_6.caffemodel")):
        assert train(*given) == 1
        block = capfd.readouterr().err
        assert block.startswith(
            "net.prototxt:6:1: Cannot copy param 0 weights from layer 'ip'; shape mismatch.  "
            "Source param shape is 3 36"
        )
        assert "target param shape is 4 36" in block
        assert "bad_iter_6.caffemodel: 2 mismatch\n" in block
        assert "ip     0     mismatch  3 x 36       4 x 36      shapes differ" in block
    assert listing() == before


def test_a_damaged_state(folder, capfd):
    assert train() == 0
    cut("bad_iter_6.solverstate", 0.5)()
    before = listing()
    assert train("-snapshot", "bad_iter_6.solverstate") == 1
    block = capfd.readouterr().err
    assert block.startswith("bad_iter_6.solverstate: ") and "Traceback" not in block
    assert listing() == before


def test_several_mistakes_are_told_together(folder, capfd):
    both(solver("base_lr", "base_rl"), solver("max_iter", "maxiter"))()
    assert train() == 1
    blocks = capfd.readouterr().err.split("\n\n")
    assert [b.split(": ")[0] for b in blocks] == ["solver.prototxt:2:1", "solver.prototxt:4:1"]
