"""The images that a command line names."""

import pytest

from netc.errors import DataError
from netc.predict.files import find_images


def test_files_folders_and_lists(folder):
    (folder / "notes.txt").write_text("photos/a.png\n\nphotos/b.jpg 7\nphotos/more/c.png -1\n")
    below = ["photos/a.png", "photos/b.jpg", "photos/more/c.png"]
    assert find_images(["photos"]) == below == find_images(["notes.txt"])
    assert find_images(["photos/b.jpg", "photos/more"]) == below[1:]


def test_names_with_blanks_and_numbers(folder):
    (folder / "photos" / "a.png").rename("cat 2")
    (folder / "list").write_text("cat 2\nmy cat.png 3\n")
    assert find_images(["list"]) == ["cat 2", "my cat.png"]
    assert find_images(["cat 2"]) == ["cat 2"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("photo", r"photo: there is no such file or folder\nhint: did you mean 'photos'"),
        ("empty", r"empty: no image in it \(.bmp, .jpeg"),
        ("blank", r"blank: no image in it"),
    ],
)
def test_mistakes(folder, name, message):
    (folder / "empty").mkdir()
    (folder / "blank").write_text("\n")
    with pytest.raises(DataError, match=message):
        find_images(["photos", name])
