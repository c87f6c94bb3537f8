import cv2
import h5py
import numpy as np
import pytest

from netc.data import survey as module
from netc.data.datum import encode_file, encode_raw
from netc.data.survey import class_weights, render, survey
from netc.errors import DataError
from netc.feeding import layer_of

from .helpers import images, write_images, write_records


def lines(path):
    return render(survey(layer_of(str(path)))).splitlines()


def labelled(path, labels):
    records = [encode_raw(images(1)[0], label) for label in labels]
    return write_records(path, records)


def test_labels_and_the_weights_that_make_them_even(tmp_path):
    path = labelled(tmp_path / "db", [0, 0, 0, 0, 1, 3])
    assert lines(path) == [
        f"{path}: LMDB of 6 records",
        "  6 x (1 x 4 x 5, uint8)",
        f"  label   0 4  66.7% {'#' * 40}",
        f"  label   1 1  16.7% {'#' * 10}",
        "  label   2 0   0.0%",
        f"  label   3 1  16.7% {'#' * 10}",
        "  no example of 2",
        "  the largest class is 4 times the smallest",
        "with these weights they count alike in a loss:",
        "loss_param {",
        *(f"  class_weight: {w}" for w in ("0.375", "1.5", "1", "1.5")),
        "}",
    ]


def test_every_class_weighs_as_much():
    counts = np.array([50, 30, 20])
    assert np.allclose(class_weights(counts) * counts, 100 / 3)


def test_even_classes_need_no_weights(tmp_path):
    assert "loss_param {" not in lines(write_images(tmp_path / "db", images(3)))


def test_labels_that_are_no_classes(tmp_path):
    assert lines(labelled(tmp_path / "db", [-1, 2]))[-1] == "  labels -1 to 2, mean 0.5"
    several = [encode_raw(images(1)[0], 0, row) for row in ((1, 0.5), (3, -1))]
    assert lines(write_records(tmp_path / "several", several))[-2:] == [
        "  label 0: 1 to 3, mean 2",
        "  label 1: -1 to 0.5, mean -0.25",
    ]


def test_shapes_of_encoded_images(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 2)
    files = [cv2.imencode(".png", np.zeros((4, n, 3), np.uint8))[1].tobytes() for n in (5, 6, 7)]
    path = write_records(tmp_path / "db", [encode_file(file, 0) for file in files])
    assert lines(path)[1:4] == [
        "  1 x (3 x 4 x 5, encoded)",
        "  1 x (3 x 4 x 6, encoded)",
        "  1 x (encoded, not decoded to look at)",
    ]


def test_many_shapes_are_cut_short(tmp_path):
    pixels = [np.zeros((1, 2, n), np.uint8) for n in range(1, 14)]
    assert lines(write_images(tmp_path / "db", pixels))[11] == "  and 3 more shapes"


def test_other_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        file["data"], file["label"] = np.zeros((3, 2)), np.array([0, 1, 1])
    (tmp_path / "files.txt").write_text("a.h5")
    assert lines("files.txt")[:3] == [
        "files.txt: HDF5 files of 3 rows",
        "  3 x (data 2, label scalar)",
        f"  label   0 1  33.3% {'#' * 20}",
    ]
    (tmp_path / "list.txt").write_text("a.png 0\nb.png 0\n")
    assert lines("list.txt")[0] == "list.txt: list of 2 examples"
    for name in ("cat", "dog"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        cv2.imwrite(f"classes/{name}/1.png", np.zeros((2, 2, 3), np.uint8))
    assert lines("classes")[0] == "classes: list of 2 examples"


def test_a_broken_record(tmp_path):
    path = write_records(tmp_path / "db", [b"\xff"])
    with pytest.raises(DataError, match=r"bytes that are no Datum"):
        lines(path)
