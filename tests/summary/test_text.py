"""Summaries as text and as data."""

from __future__ import annotations

import json

import pytest

from netc.schema import Phase
from netc.summary import Compiled, summarize
from netc.summary.text import as_data, operations, plain, print_rich, size
from netc.weights.match import Match, Row
from tests.summary.nets import FROZEN, NET, program

COMPILED = Compiled("cpu", 4e6, 8e6, 2048, 1024, 512, None)


@pytest.mark.parametrize(
    ("n", "text"),
    [(None, "?"), (0, "0"), (999, "999"), (1234567, "1.23 M"), (999_600, "1 M"), (5e15, "5e+03 T")],
)
def test_operations(n, text):
    assert operations(n) == text


@pytest.mark.parametrize(("n", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (3 * 2**40, "3072.0 GiB")])
def test_size(n, text):
    assert size(n) == text


def test_plain_text_is_aligned():
    lines = plain(summarize(program().graph)).splitlines()
    assert lines[0] == "net 'small' in phase TRAIN"
    header, *rows = lines[2:8]
    assert header.split("  ")[0] == "layer"
    assert "frozen" not in header
    ends = header.index("memory") + len("memory")
    assert all(len(row) == ends for row in rows)
    assert rows[1].split() == [
        "conv",
        "Convolution",
        "2",
        "x",
        "4",
        "x",
        "6",
        "x",
        "6",
        "112",
        "15.6",
        "k",
        "15.6",
        "k",
        "1.1",
        "KiB",
    ]


def test_columns_that_say_nothing_are_left_out():
    assert "backward" not in plain(summarize(program(phase=Phase.TEST).graph))
    frozen = summarize(
        program(NET.replace('type: "Convolution"', f'type: "Convolution" {FROZEN}')).graph
    )
    text = plain(frozen)
    assert "frozen" in text.splitlines()[2]
    assert "297, 112 of them frozen" in text
    assert "freezing saves" in text


def test_what_the_compiler_said():
    text = plain(summarize(program().graph), COMPILED)
    assert "4 M operations as XLA counts; 8 M with nothing frozen, so freezing saves 50%" in text
    assert "3.5 KiB (2.0 KiB in, 1.0 KiB out, 512 B temporary)" in text
    assert "device" not in text


@pytest.mark.parametrize(("limit", "said"), [(4096, ", fits into"), (1024, ", does not fit into")])
def test_whether_it_fits(limit, said):
    assert said in plain(summarize(program().graph), COMPILED._replace(limit=limit))


def test_blobs_that_a_file_of_weights_does_not_fill():
    rows = (Row("conv", 0, "loaded"), Row("ip", 1, "kept", None, (5,), "not in the file"))
    text = plain(summarize(program().graph), match=Match(rows, {}, ()))
    assert "1 loaded, 1 kept" in text
    assert "not in the file" in text


def test_a_terminal_gets_a_table(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    print_rich(summarize(program().graph), COMPILED)
    text = capsys.readouterr().out
    assert "2 x 4 x 6 x 6" in text and "as XLA counts" in text


def test_data_survives_json():
    found = summarize(program().graph)
    data = json.loads(json.dumps(as_data(found, COMPILED)))
    assert data["totals"]["params"] == 297
    assert data["layers"][1]["tops"] == [{"blob": "conv", "shape": [2, 4, 6, 6]}]
    assert data["compiled"]["peak"] == COMPILED.peak
    assert data["memory_required_for_data"] == found.data_memory
