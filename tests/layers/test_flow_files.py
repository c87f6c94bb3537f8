"""What the writers of FlowNet2 leave in files, and what the readers make of files."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from netc.data.maps import read_float
from netc.errors import DataError

from ..cases import LayerCase
from .running import compiled, run

X = (np.arange(48, dtype=np.float32) / 4 - 3).reshape(2, 2, 3, 4)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(type, fields, x, k=7):
    """Write the images of pass k."""
    made = run(LayerCase(type, f"writer_param {{ folder: 'out' {fields} }}", [x.shape], []), "TEST")
    assert made.layer.sink
    made.layer.sink(k, x)


def test_flow(folder):
    written("FLOWriter", "prefix: 'a-' suffix: '-b'", X)
    names = ["a-0000007(000)-b.flo", "a-0000007(001)-b.flo"]
    assert sorted(p.name for p in (folder / "out").iterdir()) == names
    data = (folder / "out" / names[1]).read_bytes()
    assert data[:12] == b"PIEH" + np.array([4, 3], "<i4").tobytes()
    np.testing.assert_array_equal(
        np.frombuffer(data[12:], "<f4").reshape(3, 4, 2), X[1].transpose(1, 2, 0)
    )


def test_disparity_as_opencv_reads_it(folder):
    written("PFMWriter", "", X[:1, :1])
    read = cv2.imread("out/0000007.pfm", cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read, -X[0, 0])


def test_numbers_are_read_back(folder):
    written("FloatWriter", "", X[:1])
    np.testing.assert_array_equal(read_float("out/0000007.float3"), X[0])


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ("", np.trunc(X[:1, :1].clip(0, 255))),
        ("scale: 100", np.trunc((100 * X[:1, :1]).clip(0, 255))),
        ("normalize: true", (np.arange(12) * 255 // 11).reshape(1, 1, 3, 4)),
    ],
)
def test_gray_images(fields, want):
    written("ImgWriter", fields, X[:1, :1])
    read = cv2.imread("out/0000007.pgm", cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read, want[0, 0])


def test_colour_images_and_one_name_for_all():
    x = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 5)).astype(np.float32)
    written("ImgWriter", "file: 'seen.ppm'", x)
    np.testing.assert_array_equal(cv2.imread("seen.ppm"), x[1].transpose(1, 2, 0))


def test_a_folder_that_cannot_be_made(folder):
    (folder / "out").write_text("")
    with pytest.raises(DataError, match=r"out/0000007\(000\)\.flo: Cannot open file for writing: "):
        written("FLOWriter", "", X)


def reader(type, fields):
    return f"layer {{ name: 'r' type: '{type}' top: 'x' {fields} }}"


def test_an_image_is_cropped_once():
    image = np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)
    cv2.imwrite("a.png", image)
    fields = "reader_param { file: 'a.png' num: 2 } transform_param { crop_size: 4 scale: 0.5 }"
    feed = compiled(reader("ImgReader", fields)).graph.nodes[0].set_up.feed
    (first,), (later,) = feed.batch(0), feed.batch(5)
    assert first.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(first, later)
    np.testing.assert_array_equal(first[0], first[1])
    assert len(feed.describe(0)) == len(feed.drawn(0)) == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "Failed to open file: No such file or directory."),
        (b"", "File has invalid format: its first lines must be float, then 2 or 3"),
        (b"float\n4\n1\n1\n1\n1\n", "File has invalid format: its first lines"),
        (b"float\n3\n1\n2\n", "File corrupted: no 3 sizes follow the first lines"),
        (b"float\n2\n-1\n2\n", "File corrupted: no 2 sizes follow the first lines"),
        (b"float\n2\n3\n2\n1234", "File corrupted: 4 bytes for 1 x 2 x 3 numbers"),
    ],
)
def test_files_that_are_none(folder, data, message):
    if data is not None:
        (folder / "a.float3").write_bytes(data)
    with pytest.raises(DataError) as caught:
        compiled(reader("FloatReader", "reader_param { file: 'a.float3' }"))
    assert caught.value.message.startswith(f"a.float3: {message}")
    assert str(caught.value.where).startswith("<text>:1:")


def test_two_axes_are_one_channel(folder):
    (folder / "a.float3").write_bytes(b"float\n2\n3\n2\n" + np.arange(6, dtype="<f4").tobytes())
    np.testing.assert_array_equal(read_float("a.float3"), [[[0, 1, 2], [3, 4, 5]]])
