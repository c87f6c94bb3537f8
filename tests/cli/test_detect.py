"""`netc detect`: boxes of single-shot nets, and scores of windows."""

import csv
import json

import cv2
import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.cli import main
from netc.schema import NetParameter
from netc.weights import write_weights
from tests.predict.conftest import folder  # noqa: F401

FILES = ["photos/a.png", "photos/b.jpg", "photos/more/c.png"]
SIZES = [(15, 12), (15, 9), (15, 20)]  # width, height
NET = ["-model", "ssd.prototxt", "-weights", "ssd.npz"]
SCORES = ["-model", "deploy.prototxt", "-weights", "w.caffemodel"]
SSD = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: [1, 3, 8, 8] } }
  transform_param { scale: 0.01 } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
  pooling_param { kernel_size: 4 stride: 4 pool: AVE } }
layer { name: "prior" type: "PriorBox" bottom: "pool" bottom: "data" top: "prior"
  prior_box_param { min_size: 4 } }
layer { name: "loc" type: "InnerProduct" bottom: "pool" top: "loc"
  inner_product_param { num_output: 16 } }
layer { name: "conf" type: "InnerProduct" bottom: "pool" top: "conf"
  inner_product_param { num_output: 12 } }
layer { name: "out" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "prior" top: "out"
  detection_output_param { num_classes: 3 confidence_threshold: 0.005 keep_top_k: 10
    nms_param { nms_threshold: 0.5 top_k: 10 } } }
"""
LABELS = 'item { name: "none" label: 0 } item { name: "n1" label: 1 display_name: "dog" }'


@pytest.fixture(autouse=True)
def here(folder):  # noqa: F811
    """Finds class 1 top left with a score of 0.9, class 2 bottom right with one of 0.4."""
    conf = np.zeros((4, 3), np.float32)
    conf[0, 1], conf[3, 2], conf[1, 2] = 0.9, 0.4, 0.007
    blobs = {
        "loc": [np.zeros((16, 12)), np.zeros(16)],
        "conf": [np.zeros((12, 12)), conf.ravel()],
    }
    net = NetParameter(layer=[{"name": name} for name in blobs])
    write_weights("ssd.npz", net, blobs)
    (folder / "ssd.prototxt").write_text(SSD)
    (folder / "map.prototxt").write_text(LABELS)
    return folder


def test_a_line_for_each_box_in_pixels(capsys):
    assert main(["detect", "photos", *NET, "-labels", "map.prototxt"]) == 0
    out, err = capsys.readouterr()
    lines = []
    for file, (width, height) in zip(FILES, SIZES, strict=True):
        lines.append(f"{file} dog 0.9 0 0 {width // 2} {height // 2}")
        lines.append(f"{file} 2 0.4 {width // 2} {height // 2} {width} {height}")
    assert out.splitlines() == lines
    assert "Images as in ssd.prototxt: resized to 8 x 8, x * 0.01" in err


def test_thresholds_tables_and_pictures(here, capsys):
    flags = ["-confidence_threshold", "0.5", "-o", "boxes.csv", "--draw", "seen", "-batch", "2"]
    assert main(["detect", "photos", *NET, *flags]) == 0
    rows = list(csv.DictReader((here / "boxes.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == FILES
    assert {(row["index"], row["name"]) for row in rows} == {("1", "1")}
    assert float(rows[2]["xmax"]) == 7.5 and float(rows[2]["ymax"]) == 10
    for file, (width, height) in zip(FILES, SIZES, strict=True):
        picture = cv2.imread(file.replace("photos", "seen"))
        assert picture.shape == (height, width, 3)
    drawn, image = cv2.imread("seen/more/c.png"), cv2.imread("photos/more/c.png")
    assert (drawn != image).any() and (drawn[-1, -1] == image[-1, -1]).all()
    assert capsys.readouterr().out == ""


def test_nothing_found(capsys):
    flags = ["-confidence_threshold", "0.95"]
    assert main(["detect", FILES[0], *NET, *flags]) == 0
    assert capsys.readouterr().out == ""
    assert main(["detect", FILES[0], *NET, *flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"file": FILES[0], "boxes": []}]


def test_images_that_cannot_be_read(here, capsys):
    (here / "photos" / "b.jpg").write_bytes(b"abc")
    assert main(["detect", "photos", *NET, "-batch", "2"]) == 1
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == [FILES[0]] * 2 + [FILES[2]] * 2
    assert "Could not load photos/b.jpg: 3 bytes that are no image" in err


WINDOWS = f"""filename,ymin,xmin,ymax,xmax,note
{FILES[0]},1,2,9,12,x
{FILES[2]},0,0,20,15,y
"""


@pytest.mark.parametrize("pad", [0, 1])
def test_windows_as_caffes_detect(here, capsys, pad):
    (here / "w.csv").write_text(WINDOWS)
    flags = ["-mean_file", "104,117,123", "-context_pad", str(pad)] if pad else []
    assert main(["detect", "w.csv", *SCORES, *flags, "-labels", "names.txt", "-o", "s.csv"]) == 0
    mean = np.array([104, 117, 123.0]) if pad else None
    net = caffe.Detector(*SCORES[1::2], mean, None, 255, (2, 1, 0), pad)
    windows = [(FILES[0], [(1, 2, 9, 12)]), (FILES[2], [(0, 0, 20, 15)])]
    expected = [found["prediction"] for found in net.detect_windows(windows)]
    rows = list(csv.reader((here / "s.csv").read_text().splitlines()))
    assert rows[0] == ["filename", "ymin", "xmin", "ymax", "xmax", "cat", "dog, hound", "bird",
                       "fish"]  # fmt: skip
    assert rows[1][:5] == [FILES[0], "1", "2", "9", "12"]
    np.testing.assert_allclose([list(map(float, r[5:])) for r in rows[1:]], expected, rtol=1e-4)
    assert main(["detect", "w.csv", *SCORES, *flags]) == 0
    best = np.argmax(expected[0])
    assert capsys.readouterr().out.startswith(f"{FILES[0]} 1 2 9 12 {best} {expected[0][best]:.3f}")


def test_windows_that_cannot_be_read(here, capsys):
    (here / "w.csv").write_text(WINDOWS + "none.png,0,0,1,1\n" + f"{FILES[0]},50,0,60,1\n")
    assert main(["detect", "w.csv", *SCORES, "--json"]) == 1
    out, err = capsys.readouterr()
    assert [w["window"] for w in json.loads(out)] == [[1, 2, 9, 12], [0, 0, 20, 15]]
    assert "w.csv:4: Could not load none.png" in err
    assert "w.csv:5: window 50 0 60 1 holds no pixel of the image of 12 x 15" in err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ["photos", *SCORES],
            1,
            "tiny: no DetectionOutput layer gives an output; there are ",
        ),
        (["photos", *NET, "-context_pad", "2"], 2, "--context_pad is for windows"),
        (["w.csv", *NET, "--draw", "x"], 2, "--draw is for images"),
        (["w.csv", "photos", *SCORES], 2, "one .csv file of windows at a time, got w.csv photos"),
        (["w.csv", *SCORES, "-context_pad", "3"], 2, "--context_pad 3 needs a square input"),
        (["w.csv", *SCORES, "--transform", "x"], 2, "--transform is for images"),
        (["bad.csv", *SCORES], 1, "bad.csv:1: no column xmax: the first line names filename, "),
        (["line.csv", *SCORES], 1, "line.csv:2: expected filename, ymin, xmin, ymax, xmax, got 'a"),
        (["none.csv", *SCORES], 1, "none.csv: there are no windows in it"),
        (["no.csv", *SCORES], 1, "no.csv: Failed to open file"),
        (["photos", *NET, "-labels", "bad.prototxt"], 1, "bad.prototxt:1:1: "),
        (["photos", *NET, "-o", "x.npy"], 2, "x.npy: results are written as .json, .csv"),
    ],
)
def test_mistakes(here, arguments, status, message, capsys):
    (here / "w.csv").write_text(WINDOWS)
    (here / "bad.csv").write_text("filename,ymin,xmin,ymax\na,1,2,3\n")
    (here / "line.csv").write_text("filename,ymin,xmin,ymax,xmax\na,1,2,x,4\n")
    (here / "none.csv").write_text("filename,ymin,xmin,ymax,xmax\n\n")
    (here / "bad.prototxt").write_text("itm { }")
    assert main(["detect", *arguments]) == status
    err = capsys.readouterr().err.splitlines()
    assert any(line.startswith(message) for line in err), err
