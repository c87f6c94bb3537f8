import cv2
import numpy as np
import pytest

from netc.data.sheet import CELL, COLUMNS, GAP, STRIP, write_sheet
from netc.errors import DataError, UsageError

from .helpers import data_feed, hdf5_feed, write_images


def feed(tmp_path, pixels, transform=""):
    return data_feed(write_images(tmp_path / "db", pixels), batch=4, transform=transform)


def cell(sheet, index, size):
    high, wide = size + STRIP + GAP, size + GAP
    top, left = index // COLUMNS * high, index % COLUMNS * wide
    return sheet[top : top + size, left : left + size]


@pytest.mark.parametrize("transform", ["", "mean_value: 100 scale: 0.01"])
def test_pictures_in_rows(tmp_path, transform):
    pixels = np.zeros((13, 3, 8, 8), np.uint8)
    pixels[:, 0] = np.linspace(0, 255, 13)[:, None, None]
    path = str(tmp_path / "sheet.png")
    write_sheet(path, feed(tmp_path, pixels, transform), 13)
    sheet = cv2.imread(path)
    assert sheet.shape == (2 * (CELL + STRIP + GAP), COLUMNS * (CELL + GAP), 3)
    for i, image in enumerate(pixels):
        found = cell(sheet, i, CELL)
        assert (found == found[0, 0]).all()
        assert np.abs(found[0, 0].astype(int) - image[:, 0, 0]).max() <= 1
    assert (cell(sheet, 13, CELL) == 255).all()


def test_labels_are_drawn(tmp_path):
    path = str(tmp_path / "sheet.png")
    write_sheet(path, feed(tmp_path, np.zeros((2, 1, 8, 8), np.uint8)), 2)
    strips = [cv2.imread(path)[CELL : CELL + STRIP, i * (CELL + GAP) :][:, :CELL] for i in range(2)]
    assert all(strip.min() < 100 for strip in strips) and (strips[0] != strips[1]).any()


def test_large_and_gray_images(tmp_path):
    path = str(tmp_path / "sheet.jpg")
    write_sheet(path, feed(tmp_path, np.full((1, 1, 300, 200), 9, np.uint8)), 1)
    assert cv2.imread(path).shape == (CELL + STRIP + GAP, CELL * 2 // 3 + GAP, 3)


def test_mistakes(tmp_path):
    images = feed(tmp_path, np.zeros((2, 1, 8, 8), np.uint8))
    with pytest.raises(UsageError, match=r"'sheet.xyz' is no name of a picture, such as sheet.png"):
        write_sheet("sheet.xyz", images, 2)
    with pytest.raises(DataError, match=r"db/data.mdb/s.png: the sheet cannot be written: "):
        write_sheet(str(tmp_path / "db" / "data.mdb" / "s.png"), images, 2)


def test_a_layer_without_images(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((3, 2))
    (tmp_path / "files.txt").write_text(str(tmp_path / "a.h5"))
    rows = hdf5_feed(tmp_path / "files.txt", tops=("data",))
    with pytest.raises(UsageError, match="no top of images"):
        write_sheet(str(tmp_path / "sheet.png"), rows, 2)
