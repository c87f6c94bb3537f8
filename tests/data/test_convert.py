from functools import partial

import cv2
import numpy as np
import pytest

from netc.data import convert
from netc.data.convert import convert_imageset
from netc.data.datum import decode_image, parse
from netc.data.lmdb import LmdbSource
from netc.errors import DataError, Errors, ParseError, UsageError

quiet = partial(convert_imageset, log=lambda text: None)


def records(path):
    source = LmdbSource(str(path))
    everything = range(len(source))
    return dict(zip(source.keys(everything), source.read(everything), strict=True))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lmdb_raw", {"resize_width": 40, "resize_height": 36}),
        ("lmdb_encoded", {"resize_width": 40, "resize_height": 36, "encode_type": "png"}),
        ("lmdb_gray", {"resize_width": 28, "resize_height": 28, "gray": True}),
    ],
)
def test_caffes_databases(golden, tmp_path, name, options):
    assert quiet("./", "list.txt", str(tmp_path / "db"), **options) == 24
    assert records(tmp_path / "db") == records(golden / name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Five pictures of 6 x 5, the third of which is broken, the last grey, and a list of them."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.RandomState(0)
    names = ["a b.png", "b.jpg", "c.png", "d.JPEG", "e.png"]
    for name in names:
        cv2.imwrite(name, rng.randint(0, 256, (6, 5, 3)).astype(np.uint8))
    cv2.imwrite("e.png", rng.randint(0, 256, (6, 5)).astype(np.uint8))
    (tmp_path / "c.png").write_bytes(b"broken")
    (tmp_path / "list").write_text("".join(f"{n} {i * 10}\r\n" for i, n in enumerate(names)))
    return tmp_path


def test_keys_labels_and_pixels(folder):
    log = []
    assert convert_imageset("./", "list", "db", log=log.append) == 4
    found = records("db")
    names = ["00000000_a b.png", "00000001_b.jpg", "00000003_d.JPEG", "00000004_e.png"]
    assert [key.decode() for key in found] == names
    messages = [parse(record) for record in found.values()]
    assert [m.label for m in messages] == [0, 10, 30, 40]
    assert {(m.channels, m.height, m.width, m.encoded) for m in messages} == {(3, 6, 5, False)}
    image = decode_image((folder / "a b.png").read_bytes(), color=True)
    assert messages[0].data == image.tobytes()
    assert log == [
        "A total of 5 images.",
        "Could not open or find file ./c.png",
        "Processed 4 files.",
    ]


def test_progress_is_logged(folder, monkeypatch):
    monkeypatch.setattr(convert, "PROGRESS", 2)
    log = []
    convert_imageset("", "list", "db", log=log.append)
    assert [line for line in log if "Processed" in line] == [
        "Processed 2 files.",
        "Processed 4 files.",
    ]


def test_files_that_are_as_asked_go_in_as_they_stand(folder):
    quiet("", "list", "db", encoded=True)
    for key, record in records("db").items():
        message = parse(record)
        assert message.encoded and not message.HasField("channels")
        assert message.data == (folder / key.decode()[9:]).read_bytes()


def test_a_jpeg_is_a_jpg(folder):
    quiet("", "list", "db", encode_type="jpg")
    found = {key[9:]: parse(record).data for key, record in records("db").items()}
    assert found[b"d.JPEG"] == (folder / "d.JPEG").read_bytes()
    assert found[b"b.jpg"] == (folder / "b.jpg").read_bytes()
    assert found[b"a b.png"].startswith(b"\xff\xd8")


def test_grey_is_encoded_anew_unless_it_is_grey(folder):
    quiet("", "list", "db", encoded=True, gray=True)
    found = {key[9:]: parse(record).data for key, record in records("db").items()}
    assert {decode_image(data).shape for data in found.values()} == {(1, 6, 5)}
    assert found[b"e.png"] == (folder / "e.png").read_bytes()


def test_shuffle_is_a_matter_of_the_seed(folder):
    keys = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        quiet("", "list", name, shuffle=True, seed=seed)
        keys[name] = list(records(name))
    assert keys["a"] == keys["b"] != keys["c"]
    assert sorted(k[9:] for k in keys["c"]) == [b"a b.png", b"b.jpg", b"d.JPEG", b"e.png"]


def test_check_size(folder):
    quiet("", "list", "db", check_size=True)
    cv2.imwrite("b.jpg", np.zeros((6, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"b.jpg: Incorrect .* 72: .*\(6, 4, 3\), .*\(6, 5, 3\)"):
        quiet("", "list", "other", check_size=True)
    assert not (folder / "other").exists()


def test_bad_lines_are_reported_together(folder):
    (folder / "list").write_text("a.png 1\nb.png\n\nc.png x\nd.png 3000000000\n 7\n")
    with pytest.raises(Errors) as caught:
        quiet("", "list", "db")
    assert [e.where for e in caught.value.errors] == ["list:2", "list:4", "list:5", "list:6"]
    assert "expected a path, a blank and an integer label, got 'b.png'" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backend": "lmbd"}, UsageError, "Unknown db backend lmbd .*\nhint: did you mean 'lmdb'"),
        ({"resize_width": 3}, UsageError, "must be set together, got 3 and 0"),
        ({"resize_width": -3, "resize_height": -3}, UsageError, "got -3 and -3"),
        ({"encode_type": "xyz"}, DataError, "a b.png: cannot encode an image as 'xyz'"),
        ({"root": "elsewhere/"}, DataError, "list: none of the images can be read below 'elsew"),
        ({"listfile": "lits"}, ParseError, "lits: Failed to open file"),
        ({"listfile": "blank"}, DataError, "blank: the list is empty"),
    ],
)
def test_mistakes_leave_nothing_behind(folder, options, error, message):
    (folder / "blank").write_text("\n")
    with pytest.raises(error, match=message):
        quiet(**{"root": "", "listfile": "list", "db": "db"} | options)
    assert not (folder / "db").exists()


def test_an_existing_database_is_kept(folder):
    quiet("", "list", "db")
    with pytest.raises(DataError, match="db: the database exists already"):
        quiet("", "list", "db", gray=True)
    assert parse(next(iter(records("db").values()))).channels == 3
