"""`netc classify`: its flags, and what it prints and writes."""

import csv
import json

import cv2
import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.cli import main
from tests.predict.conftest import folder  # noqa: F401

FILES = ["photos/a.png", "photos/b.jpg", "photos/more/c.png"]
NET = ["-model", "deploy.prototxt", "-weights", "w.caffemodel"]
NAMES = ["cat", "dog, hound", "bird", "fish"]


@pytest.fixture(autouse=True)
def here(folder):  # noqa: F811
    return folder


def expected(files=FILES):
    """Scores of images that are resized to the input, BGR from 0 to 255."""
    net = caffe.Net("deploy.prototxt", caffe.TEST, weights="w.caffemodel")
    images = [cv2.resize(cv2.imread(file), (6, 6)).transpose(2, 0, 1) for file in files]
    return net.forward_all(data=np.array(images, np.float32))["prob"]


def test_text_as_caffes_classification_prints_it(capsys):
    assert main(["classify", "photos", *NET, "-labels", "names.txt", "-top", "2"]) == 0
    out, err = capsys.readouterr()
    text = ""
    for file, scores in zip(FILES, expected(), strict=True):
        text += f"---------- Prediction for {file} ----------\n"
        text += "".join(f'{scores[i]:.4f} - "{NAMES[i]}"\n' for i in np.argsort(-scores)[:2]) + "\n"
    assert out == text
    assert "] Images: resized to 6 x 6, x\n" in err
    assert "] neither deploy.prototxt nor w.caffemodel tells how the net's images were made" in err


@pytest.mark.parametrize("batch", ["1", "2"])
def test_json(capsys, batch):
    assert main(["classify", *FILES, *NET, "--json", "-batch", batch]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["file"] for one in found] == FILES
    for one, scores in zip(found, expected(), strict=True):
        assert [c["index"] for c in one["classes"]] == np.argsort(-scores).tolist()
        assert [c["name"] for c in one["classes"]] == [str(c["index"]) for c in one["classes"]]
        np.testing.assert_allclose([c["score"] for c in one["classes"]], -np.sort(-scores), 1e-5)


def test_files(here, capsys):
    for name in ("out.csv", "made/out.json", "out.npy"):
        assert main(["classify", "photos", *NET, "-labels", "names.txt", "-o", name]) == 0
    assert capsys.readouterr().out == ""
    np.testing.assert_allclose(np.load("out.npy"), expected(), rtol=1e-5)
    rows = list(csv.DictReader((here / "out.csv").read_text().splitlines()))
    assert len(rows) == 12 and rows[0]["file"] == FILES[0]
    assert [row["rank"] for row in rows[:4]] == ["1", "2", "3", "4"]
    assert rows[0]["name"] == NAMES[expected()[0].argmax()] == NAMES[int(rows[0]["index"])]
    assert len(json.loads((here / "made" / "out.json").read_text())) == 3


def test_flags_of_caffes_classify(capsys):
    flags = ["--images_dim", "9,8", "--raw_scale", "2", "--channel_swap", "2,1,0"]
    flags += ["-mean_file", "104,117,123", "--input_scale", "0.1", "--as", "python"]
    assert main(["classify", FILES[0], *NET, *flags, "-o", "out.npy"]) == 0
    mean = np.array([104, 117, 123.0])
    net = caffe.Classifier(*NET[1::2], (9, 8), mean, 0.1, 2, (2, 1, 0))
    image = caffe.io.load_image(FILES[0])
    np.testing.assert_allclose(np.load("out.npy"), net.predict([image]), rtol=1e-4)
    assert main(["classify", FILES[0], *NET, *flags, "--center_only", "-o", "out.npy"]) == 0
    np.testing.assert_allclose(np.load("out.npy"), net.predict([image], False), rtol=1e-4)
    line = "resized to 9 x 8, the centre of 6 x 6, channels 2,1,0, (x * 2 - (104 117 123)) * 0.1"
    assert line in capsys.readouterr().err


def test_the_transform_of_a_training_net(here, capsys):
    (here / "train.prototxt").write_text(
        'layer { name: "d" type: "Data" top: "data" transform_param { scale: 0.5 mean_value: 9 } }'
    )
    assert main(["classify", "photos", *NET, "--transform", "train.prototxt", "--oversample"]) == 0
    assert "Images as in train.prototxt: resized to 6 x 6, (x - (9 9 9)) * 0.5" in (
        capsys.readouterr().err
    )


def test_images_that_cannot_be_read_are_told_and_left_out(here, capsys):
    (here / "photos" / "b.jpg").write_bytes(b"abc")
    (here / "list.txt").write_text("\n".join([*FILES, "photos/none.png"]))
    assert main(["classify", "list.txt", *NET, "-o", "out.npy"]) == 1
    np.testing.assert_allclose(np.load("out.npy"), expected([FILES[0], FILES[2]]), rtol=1e-5)
    err = capsys.readouterr().err
    assert "] Could not load photos/b.jpg: 3 bytes that are no image\n" in err
    assert "] Could not load photos/none.png: No such file or directory\n" in err
    assert err.endswith("] 2 of 4 could not be read\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["photo"], 1, "photo: there is no such file or folder\nhint: did you mean 'photos'?"),
        (["photos", "-top", "0"], 2, "-top and -batch must be at least 1, got 0 and 32"),
        (["photos", "-o", "out.txt"], 2, "out.txt: results are written as .json, .csv, .npy"),
        (["photos", "-labels", "n"], 1, "n: Failed to open file"),
        (["photos", "-labels", "two"], 2, "Number of labels is different from the output layer "),
        (["photos", "-images_dim", "6"], 2, "--images_dim takes HEIGHT,WIDTH, got 6"),
        (["photos", "-channel_swap", "a"], 2, "--channel_swap takes whole numbers between commas"),
        (["photos", "--as", "cpp", "--transform", "x"], 2, "--transform goes with --as training, "),
        (["photos", "-mean_file", "m.npy"], 1, "m.npy: Failed to open file"),
        (["photos", "-weights", "two"], 1, "two: "),
        (["photos", "-model", "solver"], 1, "solver: this is a solver, where a net is expected"),
    ],
)
def test_mistakes(here, arguments, status, message, capsys):
    (here / "two").write_text("a\nb\n")
    (here / "solver").write_text('net: "n" base_lr: 1')
    assert main(["classify", *NET, *arguments]) == status
    err = capsys.readouterr().err.splitlines()
    assert any(line.startswith(message.splitlines()[0]) for line in err), err
    assert not (here / "out.txt").exists()
