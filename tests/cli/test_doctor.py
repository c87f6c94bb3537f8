"""`netc doctor` as a user calls it."""

import json

import pytest

from netc.cli import ALIASES, COMMANDS, flags, main
from netc.tools import TOOLS, translated

NET = 'layer { name: "x" type: "Input" top: "x" }\n'


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "net.prototxt").write_text(NET)
    (tmp_path / "p" / "run.sh").write_text("caffe train --solver=s.prototxt -gpu all\n")


def test_report_and_status(capsys, tmp_path):
    assert main(["doctor", "p"]) == 0
    assert capsys.readouterr().out == (
        "net.prototxt: net\n"
        "  supported  Input 1\n\n"
        "run.sh: script\n"
        "  supported  run.sh:1: caffe train\n"
        "             -> netc train --solver=s.prototxt -gpu all\n\n"
        "1 net, 1 script\n"
        "     2 supported  works\n"
    )
    (tmp_path / "p" / "net.prototxt").write_text(NET + 'layer { name: "f" type: "Fancy" }')
    assert main(["doctor", "p"]) == 1
    assert "     1 missing    netc has nothing for it\n" in capsys.readouterr().out


def test_json(capsys):
    assert main(["doctor", "p", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["healthy"] is True and [f["path"] for f in found["files"]] == [
        "net.prototxt",
        "run.sh",
    ]
    (call,) = found["files"][1]["findings"]
    assert call == {
        "mark": "supported",
        "what": "caffe train",
        "where": "run.sh:1",
        "instead": "netc train --solver=s.prototxt -gpu all",
    }


def test_nothing_to_see(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert main(["doctor", "empty"]) == 0
    assert capsys.readouterr().out == "no nets, solvers or scripts\n"
    assert main(["doctor", "none"]) == 2
    assert "none is no folder" in capsys.readouterr().err


def test_every_program_of_caffes_has_a_command():
    for name, tool in TOOLS.items():
        known = flags(tool.command)
        assert known, name
        call = translated(name, ["2", "b", "c", "d", "e", *tool.flags])
        given = {word.partition("=")[0] for word in call if word.startswith("-")}
        assert given <= known, name
    assert flags("no-such-command") is None
    assert set(COMMANDS) >= {tool.command for tool in TOOLS.values()} - set(ALIASES)
