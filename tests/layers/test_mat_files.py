"""MATLAB's files that MatWrite leaves and MatRead takes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from netc.data.feeds import open_feed
from netc.errors import DataError
from netc.load import parse_net

from ..cases import LayerCase
from .running import compiled, run

X = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sink(fields, *shapes):
    made = run(LayerCase("MatWrite", f"mat_write_param {{ {fields} }}", shapes, []), "TEST")
    assert made.layer.sink
    return made.layer.sink


def feed(fields, tops=1):
    names = " ".join(f"top: 't{i}'" for i in range(tops))
    text = f"layer {{ name: 'r' type: 'MatRead' {names} mat_read_param {{ {fields} }} }}"
    return open_feed(parse_net(text).message.layer[0], "TEST", 0)


def test_a_file_for_each_blob_of_each_period(folder):
    write = sink("prefix: 'out/a-' period: 2", X.shape, (2,))
    for k in range(3):
        write(k, X + k, np.array([1, 2], np.float32))
    names = [f"a-iter_{k}_blob_{i}.mat" for k in (0, 2) for i in (0, 1)]
    assert sorted(p.name for p in (folder / "out").iterdir()) == names
    found = loadmat(folder / "out" / names[2])["data"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (X + 2).T)
    assert loadmat(folder / "out" / names[1])["data"].shape == (1, 1, 1, 2)


def test_names_of_a_list(folder):
    (folder / "list.txt").write_text("x/one.png 3\ntwo.png\n")
    write = sink("prefix: 'out/' source: 'list.txt' strip: 4", (1, 3, 4, 5))
    for k in range(2):
        write(k, X[k : k + 1])
    assert (folder / "out" / "x" / "one_blob_0.mat").exists()
    with pytest.raises(DataError, match="Test has run for more iterations than it was supposed to"):
        write(2, X[:1])
    read = feed("prefix: 'out/' source: 'list.txt' strip: 4 batch_size: 3")
    assert read.shapes == ((3, 3, 4, 5),) and read.epoch_size == 2
    np.testing.assert_array_equal(read.batch(0)[0], X[[0, 1, 0]])
    np.testing.assert_array_equal(read.batch(1)[0], X[[1, 0, 1]])
    assert read.describe(1)[1] == "out/x/one_blob_0.mat"


def test_numbered_files_and_two_tops():
    write = sink("prefix: 'b'", (1, 3, 4, 5), (1, 2))
    for k in range(4):
        write(k, X[:1] + k, np.array([[k, -k]], np.float32))
    read = feed("prefix: 'b' batch_size: 2", tops=2)
    assert read.shapes == ((2, 3, 4, 5), (2, 2, 1, 1)) and read.epoch_size is None
    np.testing.assert_array_equal(read.batch(1)[1].reshape(2, 2), [[2, -2], [3, -3]])


def test_doubles_and_flat_arrays_as_matlab_saves_them():
    savemat("m_blob_0.mat", {"data": np.arange(6.0).reshape(2, 3), "other": 1})
    with open("list.txt", "w") as file:
        file.write("m\n")
    np.testing.assert_array_equal(
        feed("source: 'list.txt'").batch(0)[0], np.arange(6).reshape(1, 1, 2, 3).swapaxes(2, 3)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no matrix", "m_blob_0.mat: Error opening MAT file: "),
        ({"diff": 1.0}, "m_blob_0.mat: Field 'data' not present in MAT file"),
        ({"data": "text"}, "m_blob_0.mat: Field 'data' must hold numbers, it is <U4"),
        ({"data": np.ones((1,) * 5)}, "m_blob_0.mat: Field 'data' cannot have ndims > 4, it is 5"),
        ({"data": X.T}, r"m_blob_0.mat: Check failed: blob.num\(\) == 1 \(2 vs. 1\)"),
    ],
)
def test_files_that_are_not_what_they_should_be(content, message):
    if isinstance(content, bytes):
        with open("m_blob_0.mat", "wb") as file:
            file.write(content)
    else:
        savemat("m_blob_0.mat", content)
    with open("list.txt", "w") as file:
        file.write("m\n")
    with pytest.raises(DataError, match=message):
        feed("source: 'list.txt'")


def test_a_later_blob_of_another_size():
    write = sink("", (1, 3, 4, 5))
    write(0, X[:1])
    write(1, X[:1, :, :2])
    with pytest.raises(DataError, match=r"iter_1_blob_0\.mat: the blob is 3 x 2 x 5, the first of"):
        feed("").batch(1)


NET = "layer {{ name: 'w' type: '{}' {}: 'x' {} }}"
INPUT = "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 1 } } }"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (NET.format("MatRead", "top", ""), "iter_0_blob_0.mat: "),
        (NET.format("MatRead", "top", "mat_read_param { source: 'no.txt' }"), "no.txt: "),
        (
            INPUT + NET.format("MatWrite", "bottom", "mat_write_param { source: 'l' strip: 9 }"),
            "l:1: Too much stripping: 9 characters of 'one.png'",
        ),
        (NET.format("MatRead", "top", "mat_read_param { source: 'e' }"), "e: the list is empty"),
    ],
)
def test_lists_that_are_wrong(folder, layer, message):
    (folder / "l").write_text("one.png\n")
    (folder / "e").write_text("\n")
    with pytest.raises(DataError, match=message):
        compiled(layer)
