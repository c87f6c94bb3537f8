"""Counting what a classifier gets right, on arrays and on a net."""

import json

import numpy as np
import pytest

from netc.cli import main
from netc.compile import compile_net
from netc.errors import DataError, UsageError
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.schema import NetState, Phase
from netc.train.report import (
    ClassRow,
    Confusion,
    Head,
    add,
    class_rows,
    count,
    heads,
    mean_row,
    most_confused,
    nothing,
)
from netc.train.report_files import Report, aligned_table, as_data, as_text
from tests.train import tiny

SCORES = np.array(
    [[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.8, 0.1, 0.2], [0.1, 0.2, 0.7], [0.4, 0.3, 0.2]],
    np.float32,
)
LABELS = np.array([0, 1, 2, 2, 1], np.float32)
CONFUSION = [[1, 0, 0], [1, 1, 0], [1, 0, 1]]


def head(classes=3, axis=1, ignore=None, top_k=(1, 2)):
    return Head(("loss",), "ip", "label", axis, classes, ignore, top_k)


def test_a_batch_is_counted():
    counts = count(head(), SCORES, LABELS)
    assert counts.confusion.tolist() == CONFUSION
    assert counts.right == {1: 3, 2: 5} and counts.total == 5


def test_batches_add_up():
    whole = count(head(), SCORES, LABELS)
    parts = nothing(head())
    for rows in (slice(2), slice(2, 5), slice(0)):
        parts = add(parts, count(head(), SCORES[rows], LABELS[rows]))
    assert parts.confusion.tolist() == whole.confusion.tolist() and parts.right == whole.right


def test_classes_on_another_axis_and_labels_that_do_not_count():
    images = np.random.default_rng(0).standard_normal((2, 4, 3, 5))
    labels = np.random.default_rng(1).integers(0, 4, (2, 1, 3, 5))
    labels[0, 0, 1] = 255
    counts = count(head(4, 1, 255), images, labels)
    want = np.zeros((4, 4), int)
    for n in range(2):
        for y in range(3):
            for x in range(5):
                if (true := labels[n, 0, y, x]) != 255:
                    want[true, images[n, :, y, x].argmax()] += 1
    assert counts.confusion.tolist() == want.tolist() and counts.total == 25
    assert counts.right[1] == want.trace()


def test_ties_count_against_top_k_and_for_the_first_class():
    counts = count(head(), np.ones((2, 3)), np.array([0, 2]))
    assert counts.confusion.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert counts.right == {1: 0, 2: 0}


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_that_is_no_class(label):
    with pytest.raises(DataError, match=f"label {label} in blob 'label' is no class: 'ip' has 3"):
        count(head(), SCORES[:1], np.array([label]))


def test_measures_of_classes():
    rows = class_rows(np.array([*([*r, 0] for r in CONFUSION), [0] * 4]), ("a", "b", "c", "d"))
    assert rows == (
        ClassRow("a", 1 / 3, 1.0, 0.5, 1),
        ClassRow("b", 1.0, 0.5, 2 / 3, 2),
        ClassRow("c", 1.0, 0.5, 2 / 3, 2),
        ClassRow("d", None, None, None, 0),
    )
    mean = mean_row(rows)
    assert mean[1:] == pytest.approx((7 / 9, 2 / 3, 11 / 18, 5))
    assert mean_row(rows[3:]) == ClassRow("mean", None, None, None, 0)


def test_the_most_confused():
    confusion = np.array([[9, 2, 0], [5, 9, 1], [0, 0, 9]])
    pairs = most_confused(confusion, ("a", "b", "c"), 2)
    assert pairs == (Confusion("b", "a", 5), Confusion("a", "b", 2))
    assert len(most_confused(confusion, ("a", "b", "c"))) == 3


NET = """
layer { name: "in" type: "Input" top: "x" top: "y" top: "z"
  input_param { shape { dim: 2 dim: 9 } shape { dim: 2 } shape { dim: 2 dim: 9 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "y" top: "loss" }
layer { name: "top3" type: "Accuracy" bottom: "x" bottom: "y" top: "top3"
  accuracy_param { top_k: 3 axis: -1 } }
layer { name: "other" type: "Accuracy" bottom: "z" bottom: "y" top: "other"
  accuracy_param { ignore_label: 4 } }
"""


def graph_of(text):
    return compile_net(parse_net(text), NetState(phase=Phase.Value("TEST")), Plan("cpu")).graph


def test_layers_on_the_same_blobs_are_one_head():
    assert heads(graph_of(NET)) == (
        Head(("loss", "top3"), "x", "y", 1, 9, None, (1, 3, 5)),
        Head(("other",), "z", "y", 1, 9, 4, (1, 5)),
    )


def test_a_net_that_does_not_classify(tmp_path):
    graph = graph_of(
        'name: "n" layer { name: "in" type: "Input" top: "x" input_param { shape {} } }'
    )
    with pytest.raises(UsageError, match="net 'n' has no SoftmaxWithLoss or Accuracy layer"):
        Report(graph, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_names_fit_the_classes_or_are_refused(tmp_path):
    (tmp_path / "names").write_text("".join(f"class {i}\n" for i in range(9)))
    graph = graph_of(NET)
    report = Report(graph, str(tmp_path / "out"), str(tmp_path / "names"))
    assert report.names[0][8] == "class 8" and report.values == ("x", "y", "z")
    (tmp_path / "names").write_text("one\n")
    with pytest.raises(UsageError, match="1 names, but 'x' has 9 classes"):
        Report(graph, str(tmp_path), str(tmp_path / "names"))
    (tmp_path / "names").write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="the names of classes are not UTF-8 text"):
        Report(graph, str(tmp_path), str(tmp_path / "names"))


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"-report .*file: File exists"):
        Report(graph_of(NET), str(tmp_path / "file"))


def test_tables_are_even_and_numbers_stand_to_the_right():
    told = aligned_table(("class", "n"), [("a|b", "1"), ("c", "-")])
    assert told == ("| class |   n |\n| ----- | --: |\n| a\\|b  |   1 |\n| c     |   - |")


def test_many_classes_have_their_worst_pairs_and_no_matrix():
    many = head(30, top_k=(1,))
    scores = np.eye(30)
    scores[3] = scores[7]
    counts = count(many, scores, np.arange(30))
    told = as_text(many, counts, [f"c{i}" for i in range(30)])
    assert "Labels down" not in told
    assert "Most often confused:" in told and "| c3    | c7        |     1 |" in told
    assert as_data(many, counts, [f"c{i}" for i in range(30)])["confusion"][3][7] == 1
    right = count(many, np.eye(30), np.arange(30))
    assert "confused" not in as_text(many, right, ["c"] * 30)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    solver = tiny.changed(tiny.SOLVER, max_iter=2, test_interval=2)
    tiny.write_files(tmp_path, tiny.SMALL, solver)
    monkeypatch.chdir(tmp_path)
    tiny.run()
    return tmp_path


def test_the_command_agrees_with_the_accuracy_layer(folder, capfd):
    (folder / "names.txt").write_text("cat\ndog\nemu\n")
    test = ["test", "-model", "net.prototxt", "-weights", "tiny_iter_2.caffemodel"]
    assert main([*test, "-iterations", "5"]) == 0
    plain = capfd.readouterr()
    assert main([*test, "-iterations", "5", "-names", "names.txt", "-report"]) == 0
    told = capfd.readouterr()
    stampless = [[t.partition("] ")[2] for t in x.err.splitlines()] for x in (plain, told)]
    assert stampless[0] == stampless[1] and plain.out == ""
    assert told.out == (folder / "report" / "report.md").read_text()
    data = json.loads((folder / "report" / "report.json").read_text())
    (found,) = data["heads"]
    assert found["layers"] == ["accuracy", "loss"] and found["count"] == 20
    accuracy = next(t for t in stampless[0] if t.startswith("accuracy = "))
    assert f"{found['top_k']['1']:.6g}" == accuracy.removeprefix("accuracy = ")
    assert [row["name"] for row in found["classes"]] == ["cat", "dog", "emu"]
    assert sum(map(sum, found["confusion"])) == 20
    assert [sum(row) for row in found["confusion"]] == [row["count"] for row in found["classes"]]
    for words in ("| cat ", "| mean ", "Labels down, predictions across:", "top 1: "):
        assert words in told.out


def test_names_without_a_report(folder, capfd):
    test = ["test", "-model", "net.prototxt", "-weights", "tiny_iter_2.caffemodel"]
    capfd.readouterr()
    assert main([*test, "-names", "names.txt"]) == 2
    assert "-names goes with -report" in capfd.readouterr().err
