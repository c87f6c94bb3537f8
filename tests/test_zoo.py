"""`netc zoo`: models in folders, and the fetching of their weights."""

import hashlib

import numpy as np
import pytest

from netc.cli import main
from netc.schema import NetParameter
from netc.weights import write_weights
from tests.serving import serving

NET = """name: "tiny"
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 } }
"""
DATA = NET.replace('"Input"', '"HDF5Data"').replace(
    "input_param { shape { dim: 1 dim: 3 } }", 'hdf5_data_param { source: "no.txt" batch_size: 1 }'
)
README = """---
name: A tiny model
# a comment
caffemodel: tiny.caffemodel
caffemodel_url: "{url}tiny.caffemodel"
license: unrestricted
sha1: {sha1}
---

Text: with a colon.
"""


def weights(path, outputs=2):
    blobs = {"ip": [np.ones((outputs, 3)), np.ones(outputs)]}
    write_weights(path, NetParameter(layer=[{"name": "ip"}]), blobs)
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the model `tiny`, whose weights are published, and `other`."""
    monkeypatch.chdir(tmp_path)
    for name in ("tiny", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "tiny" / "deploy.prototxt").write_text(NET)
    (tmp_path / "tiny" / "train_val.prototxt").write_text(DATA)
    (tmp_path / "tiny" / "solver.prototxt").write_text('net: "train_val.prototxt" base_lr: 0.1')
    (tmp_path / "other" / "net.prototxt").write_text(NET)
    return tmp_path


def readme(folder, data=b"", url="http://localhost/", **changed):
    text = README.format(url=url, sha1=hashlib.sha1(data).hexdigest())
    for name, value in changed.items():
        lines = [x for x in text.splitlines() if not x.startswith(f"{name}:")]
        text = "\n".join([lines[0], *([f"{name}: {value}"] if value else []), *lines[1:]])
    (folder / "tiny" / "readme.md").write_text(text)


def test_what_is_there_and_whether_it_fits(folder, capsys):
    readme(folder, weights(folder / "tiny" / "tiny.caffemodel"))
    weights(folder / "other" / "w.caffemodel.h5")
    (folder / "other" / "labels.prototxt").write_text('item { name: "a" label: 0 }')
    assert main(["zoo", "."]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if "SHA1" not in line and "w.caffe" not in line] == [
        "file size",
        "other/labels.prototxt 27 B label map, 1 classes",
        f"other/net.prototxt {len(NET)} B net 'tiny', 2 layers, 8 parameters",
        f"tiny/deploy.prototxt {len(NET)} B net 'tiny', 2 layers, 8 parameters",
        "tiny/solver.prototxt 38 B solver",
        f"tiny/train_val.prototxt {len(DATA)} B net 'tiny', 2 layers",
    ]
    assert lines[3].endswith("KiB fits net.prototxt")
    assert lines[-1].endswith("B SHA1 as published; fits deploy.prototxt")


def test_what_is_wrong(folder, capsys):
    readme(folder)
    weights(folder / "tiny" / "tiny.caffemodel", outputs=3)
    (folder / "other" / "w.caffemodel").write_bytes(b"<html>")
    (folder / "other" / "bad.prototxt").write_text("layer { nam: 3 }")
    assert main(["zoo", "."]) == 1
    out = capsys.readouterr().out
    assert "SHA1 NOT as published; fits no net; in deploy.prototxt 2 blobs are other, 0 not" in out
    assert "a web page, saved in place of the file" in out
    assert 'bad.prototxt:1:9: Message type "caffe.LayerParameter" has no field named "nam"' in out


def test_weights_that_are_not_here(folder, capsys):
    readme(folder)
    assert main(["zoo", "tiny"]) == 0
    assert capsys.readouterr().out.endswith("not here: netc zoo --fetch tiny\n")


def test_fetching(folder, capsys):
    data = weights(folder / "w.caffemodel")
    with serving({"tiny.caffemodel": data}) as (url, asked):
        readme(folder, data, url)
        assert main(["zoo", "--fetch", "tiny"]) == 0
        assert main(["zoo", "--fetch", "tiny"]) == 0
    assert asked == [("tiny.caffemodel", None)]
    assert (folder / "tiny" / "tiny.caffemodel").read_bytes() == data
    assert (
        f"tiny/tiny.caffemodel: {len(data)} B, as its readme.md has it" in capsys.readouterr().out
    )


def test_what_is_fetched_with_another_sum_is_not_kept(folder, capsys):
    with serving({"tiny.caffemodel": b"other"}) as (url, _):
        readme(folder, b"data", url)
        assert main(["zoo", "--fetch", "tiny"]) == 1
    err = capsys.readouterr().err
    assert "tiny.caffemodel.part: the SHA1 sum is d0941e68da8f38151ff86a61fc59f7c5cf9fcaa2" in err
    assert "hint: get tiny.caffemodel by other means, and put it into tiny" in err
    assert not list((folder / "tiny").glob("tiny.*"))
    (folder / "tiny" / "tiny.caffemodel").write_bytes(b"other")
    assert main(["zoo", "--fetch", "tiny"]) == 1
    assert "hint: remove tiny/tiny.caffemodel to fetch it again" in capsys.readouterr().err


def test_without_a_network(folder, capsys):
    with serving({}) as (url, _):
        readme(folder, b"", url)
    assert main(["zoo", "--fetch", "tiny"]) == 1
    err = capsys.readouterr().err
    assert f"{url}tiny.caffemodel: cannot be fetched: " in err and "Connection refused" in err
    assert "hint: get tiny.caffemodel by other means, and put it into tiny" in err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sha1": ""}, "tiny/readme.md: the front matter has no sha1"),
        ({"sha1": "12"}, "tiny/readme.md: sha1 must be 40 hexadecimal digits, got '12'"),
        ({"caffemodel": "../a"}, "tiny/readme.md: caffemodel must be the name of a file in the "),
        ({"caffemodel_url": "file:///a"}, "tiny/readme.md: caffemodel_url must begin with http"),
    ],
)
def test_a_wrong_front_matter(folder, capsys, changed, message):
    readme(folder, **changed)
    assert main(["zoo", "--fetch", "tiny"]) == 1
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tny"], "tny: there is no such folder\nhint: did you mean 'tiny'?"),
        (["--fetch", "tny"], "tny: Failed to open folder: No such file or directory\nhint: did "),
        (["--fetch", "other"], "other: no readme.md in it with a front matter between lines ---"),
        (["empty"], "empty: no net and no weights in it (.prototxt, .caffemodel, "),
    ],
)
def test_folders_without_models(folder, capsys, arguments, message):
    (folder / "empty").mkdir()
    assert main(["zoo", *arguments]) == 1
    assert capsys.readouterr().err.startswith(message)
