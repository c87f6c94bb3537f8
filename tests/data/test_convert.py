from functools import partial

import cv2
import numpy as np
import pytest

from netc.cli import main
from netc.data import convert
from netc.data.convert import convert_imageset, make
from netc.data.datum import decode_image, parse
from netc.data.leveldb import LevelDbSource
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
    assert quiet("./", "list.txt", str(tmp_path / "db"), **options) == ()
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
    (left_out,) = convert_imageset("./", "list", "db", log=log.append)
    assert left_out == (("c.png",), (20,), "list:3")
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
    with pytest.raises(DataError, match=r"b.jpg: Incorrect .* 72: .* 3 x 6 x 4, .* 3 x 6 x 5"):
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
        ({"threads": 0}, UsageError, "threads must be at least 1, got 0"),
        ({"labels": 0}, UsageError, "labels must be at least 1, got 0"),
        ({"resize_width": 3}, UsageError, "must be set together, got 3 and 0"),
        ({"resize_width": -3, "resize_height": -3}, UsageError, "got -3 and -3"),
        ({"encode_type": "xyz"}, DataError, "a b.png: cannot encode an image as 'xyz'"),
        ({"root": "elsewhere/"}, DataError, "list: none of the images can be read below 'elsew"),
        ({"root": "."}, DataError, r"below '.'\nhint: names are put right behind it: './'"),
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


def test_force_replaces(folder):
    quiet("", "list", "db")
    quiet("", "list", "db", gray=True, force=True)
    assert parse(next(iter(records("db").values()))).channels == 1


def test_threads_change_nothing(folder):
    for threads in (1, 7):
        quiet("", "list", f"db{threads}", threads=threads)
    assert records("db1") == records("db7")


def test_several_labels(folder):
    (folder / "list").write_text("a b.png 7 0.5 -3\ne.png 1 2 1e3\n")
    quiet("", "list", "db", labels=3)
    messages = [parse(record) for record in records("db").values()]
    assert [(m.label, list(m.labels)) for m in messages] == [(7, [7, 0.5, -3]), (1, [1, 2, 1000])]
    (folder / "list").write_text("a b.png 7 8 9\nb.png 1 2\ne.png 1 x 2\nd.JPEG nan 1 2\n")
    with pytest.raises(
        Errors, match=r"expected a path, a blank and 3 numbers, got 'b.png 1 2'"
    ) as e:
        quiet("", "list", "other", labels=3)
    assert [error.where for error in e.value.errors] == ["list:2", "list:3", "list:4"]


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_an_interrupted_conversion_is_gone_on_with(folder, monkeypatch, backend):
    quiet("", "list", "straight", backend=backend)
    read = []

    def interrupted(root, item, *how):
        read.append(item.files[0])
        if item.files[0] == "d.JPEG":
            raise KeyboardInterrupt
        return make(root, item, *how)

    monkeypatch.setattr(convert, "make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quiet("", "list", "db", backend=backend, check_size=True, threads=1)
    assert not (folder / "db").exists() and (folder / "db.partial").exists()
    monkeypatch.setattr(convert, "make", lambda *x: read.append(x[1].files[0]) or make(*x))
    read.clear()
    log = []
    left_out = quiet("", "list", "db", backend=backend, check_size=True, log=log.append)
    assert read == ["c.png", "d.JPEG", "e.png"]
    assert "Going on where it was interrupted: 2 images are in." in log
    assert log[-1] == "Processed 4 files." and [row.where for row in left_out] == ["list:3"]
    assert everything("db", backend) == everything("straight", backend)
    assert not (folder / "db.partial").exists()


def everything(path, backend):
    source = {"lmdb": LmdbSource, "leveldb": LevelDbSource}[backend](path)
    places = range(len(source))
    return source.keys(places), source.read(places)


def test_the_command(folder, monkeypatch, capsys):
    asked = ["convert_imageset", "-gray", "-noshuffle", "-labels", "1", "./", "list", "db"]
    assert main(asked) == 1
    log = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()]
    assert log[-2:] == ["1 images cannot be read and are left out:", "list:3: ./c.png"]
    assert parse(next(iter(records("db").values()))).channels == 1
    monkeypatch.setattr(convert, "make", lambda *x: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main([*asked[:-1], "other"]) == 130
    assert "The same command goes on from here.\ninterrupted\n" in capsys.readouterr().err
