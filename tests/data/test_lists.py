import pytest

from netc.data.lists import TOLD, read_classes, read_columns, read_labelled
from netc.errors import DataError, Errors, NetcError


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "list.txt").write_text(text)


def rows(found):
    return [(row.files, row.numbers) for row in found]


def test_a_line_is_split_at_its_last_blank(write):
    write("a b.png 3\n\nc.png -1\r\n")
    found = read_labelled("list.txt")
    assert rows(found) == [(("a b.png",), (3,)), (("c.png",), (-1,))]
    assert [row.where for row in found] == ["list.txt:1", "list.txt:3"]


@pytest.mark.parametrize("line", ["a.png cat", "a.png 0.5", "a.png", "3", "a.png 3000000000"])
def test_a_label_that_is_no_number(write, line):
    write(f"a.png 0\n{line}\n")
    message = f"^list.txt:2: expected a path, a blank and an integer label, got '{line}'$"
    with pytest.raises(DataError, match=message):
        read_labelled("list.txt")


def test_a_file_that_is_no_list(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8" * 400)
    with pytest.raises(DataError) as caught:
        read_labelled(str(tmp_path / "a.jpg"))
    assert caught.value.message.endswith(r"got '\udcff\udcd8" + r"\udcff\udcd8" * 5 + r"\udcf...'")


def test_not_every_mistake_is_told(write):
    write("nothing\n" * 1000)
    with pytest.raises(Errors) as caught:
        read_labelled("list.txt")
    assert len(caught.value.errors) == TOLD


def test_an_empty_list(write):
    write("\n \n")
    with pytest.raises(DataError, match=r"^list.txt: the list is empty"):
        read_labelled("list.txt")


def test_no_list(write):
    write("")
    with pytest.raises(NetcError, match=r"^lst.txt: Failed to open file.*\n.*'list.txt'"):
        read_labelled("lst.txt")


def test_no_name():
    with pytest.raises(NetcError, match=r"^Failed to open file: no name is given\.$"):
        read_labelled("")


@pytest.mark.parametrize(
    ("text", "files", "wanted"),
    [
        ("a.png 0 1 0.5\nb.png 1 0 -2e1\n", [1, 0], [("a.png",), (0, 1, 0.5)]),
        ("3 a.png b.png\n", [0, 1, 1], [("a.png", "b.png"), (3,)]),
        ("a.png 1 2 b.png\n", [1, 0, 1], [("a.png", "b.png"), (1, 2)]),
        ("a.png b.png\n", [1, 1], [("a.png", "b.png"), ()]),
        ("my cat.png\t1\t2\n", [1, 0], [("my cat.png",), (1, 2)]),
    ],
)
def test_columns(write, text, files, wanted):
    write(text)
    assert rows(read_columns("list.txt", list(map(bool, files))))[0] == tuple(wanted)


@pytest.mark.parametrize(
    ("line", "files", "message"),
    [
        ("a.png", [1, 0], "expected path numbers, got 'a.png'"),
        ("a.png 1 x", [1, 0], "expected path numbers, got 'a.png 1 x'"),
        ("a.png nan", [1, 0], "expected path numbers, got 'a.png nan'"),
        ("a.png", [1, 1], "expected path path, got 'a.png'"),
        ("a.png b.png c.png", [1, 1], "expected path path, got 'a.png b.png c.png'"),
        ("a.png 1 2", [1, 0], "lines of 1 and 2 numbers"),
    ],
)
def test_a_line_of_other_columns(write, line, files, message):
    write(f"{'a.png 1' if 0 in files else 'a.png b.png'}\n{line}\n")
    with pytest.raises(DataError, match=f"^list.txt:2: {message}$"):
        read_columns("list.txt", list(map(bool, files)))


@pytest.fixture
def folder(tmp_path):
    for name in ("cat/2.PNG", "cat/1.jpg", "cat/more/0.png", "cat/notes.txt", "ant/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "readme.txt").touch()
    return tmp_path


def test_a_folder_of_class_folders(folder):
    found, classes = read_classes(str(folder), ())
    assert classes == ["ant", "cat"]
    names = ["ant/1.png", "cat/1.jpg", "cat/2.PNG", "cat/more/0.png"]
    assert rows(found) == [((str(folder / n),), (float(n.startswith("cat")),)) for n in names]


def test_the_order_of_classes_may_be_given(folder):
    found, classes = read_classes(str(folder), ["cat", "ant"])
    assert classes == ["cat", "ant"] and [r.numbers[0] for r in found] == [0, 0, 0, 1]


def test_classes_that_are_not_there(folder):
    (folder / "empty").mkdir()
    with pytest.raises(Errors) as caught:
        read_classes(str(folder), ["cats", "empty"])
    first, second = caught.value.errors
    assert first.render() == f"{folder}: no class 'cats'\nhint: did you mean 'cat'?"
    assert second.render().startswith(f"{folder}/empty: no image (.bmp, ")


def test_no_class_at_all(folder):
    with pytest.raises(DataError, match="no folder in it, where each would be a class of images"):
        read_classes(str(folder / "ant"), ())
    with pytest.raises(DataError, match="ants: Failed to open folder: No such file or directory"):
        read_classes(str(folder / "ants"), ())
