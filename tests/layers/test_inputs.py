"""What ImageData says of files that are not there, or are no images."""

from __future__ import annotations

import pytest

from netc.errors import DataError

from .running import compiled

NET = (
    "layer { name: 'd' type: 'ImageData' top: 'x' top: 'y' image_data_param { source: 'list.txt' "
    "root_folder: 'pictures/' } }"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    return tmp_path


def refused():
    with pytest.raises(DataError) as caught:
        compiled(NET)
    return caught.value.message


def test_no_list():
    assert refused().startswith("list.txt: Failed to open file: No such file or directory.")


def test_no_image(folder):
    (folder / "list.txt").write_text("a.png 0\n")
    assert refused().startswith("pictures/a.png: Failed to open file: No such file or directory.")


def test_no_image_in_the_file(folder):
    (folder / "list.txt").write_text("a.png 0\n")
    (folder / "pictures" / "a.png").write_bytes(b"text")
    message = "list.txt: Could not load pictures/a.png: no image that OpenCV can read"
    assert refused().startswith(message)


def test_sizes_in_the_net_need_no_file():
    shown = NET.replace("pictures/'", "pictures/' new_height: 4 new_width: 5")
    graph = compiled(shown).graph
    assert [graph.shapes[t] for t in ("x", "y")] == [(1, 3, 4, 5), (1,)]
