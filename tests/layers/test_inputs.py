"""What layers that read images say of files that are not there, or are no images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from netc.compile import compile_net
from netc.errors import DataError, ShapeError
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.schema import NetState

from .running import compiled

NET = (
    "layer { name: 'd' type: 'ImageData' top: 'x' top: 'y' image_data_param { source: 'list.txt' "
    "root_folder: 'pictures/' } }"
)
SIZED = NET.replace("pictures/'", "pictures/' new_height: 4 new_width: 5")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    return tmp_path


def refused(net=NET):
    with pytest.raises(DataError) as caught:
        compiled(net)
    assert str(caught.value.where).startswith("<text>:1:")
    return caught.value.message


@pytest.mark.parametrize("net", [NET, SIZED])
def test_no_list(net):
    assert refused(net).startswith("list.txt: Failed to open file: No such file or directory.")


def test_no_image(folder):
    (folder / "list.txt").write_text("a.png 0\n")
    message = "list.txt:1: Could not load pictures/a.png: No such file or directory"
    assert refused().startswith(message)


def test_no_image_in_the_file(folder):
    (folder / "list.txt").write_text("\na.png 0\n")
    (folder / "pictures" / "a.png").write_bytes(b"text")
    message = "list.txt:2: Could not load pictures/a.png: 4 bytes that are no image"
    assert refused().startswith(message)


def test_a_mean_of_another_size(folder):
    (folder / "list.txt").write_text("a.png 0\n")
    cv2.imwrite("pictures/a.png", np.zeros((4, 5), np.uint8))
    with pytest.raises(ShapeError, match="Specify either 1 mean_value or as many as channels: 3"):
        compiled(f"{NET[:-1]} transform_param {{ mean_value: 1 mean_value: 2 }} }}")


def test_shapes_that_are_in_the_net_need_no_file():
    graph = compile_net(parse_net(SIZED), NetState(), Plan("cpu"), missing=[]).graph
    assert [graph.shapes[t] for t in ("x", "y")] == [(1, 3, 4, 5), (1,)]
