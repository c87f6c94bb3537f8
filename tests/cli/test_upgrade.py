"""`netc upgrade`: nets and solvers, text and binary."""

import pytest

from netc.cli import main
from netc.schema import NetParameter, SolverParameter

OLD = '# old\nlayers { name: "a" type: RELU }\n'
NEW = '# old\nlayer {\n  name: "a"\n  type: "ReLU"\n}\n'
LAYERS = NetParameter(layers=[{"name": "a", "type": 18}]).SerializeToString()
LAYER = NetParameter(layer=[{"name": "a", "type": "ReLU"}]).SerializeToString()
FILES = {
    "net": (OLD.encode(), NEW.encode()),
    "binary net": (LAYERS, LAYER),
    "solver": (b'net: "n" solver_type: ADAM', b'net: "n"\ntype: "Adam"\n'),
    "binary solver": (
        SolverParameter(net="n", base_lr=1, solver_type=5).SerializeToString(),
        SolverParameter(net="n", base_lr=1, type="Adam").SerializeToString(),
    ),
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        "upgrade",
        "upgrade_net_proto_text",
        "upgrade_net_proto_binary",
        "upgrade_solver_proto_text",
    ],
)
def test_every_name_of_the_command(command, tmp_path, capsys):
    (tmp_path / "old").write_text(OLD)
    assert main([command, "old", "new"]) == 0
    assert (tmp_path / "new").read_text() == NEW
    assert capsys.readouterr().err == "old: upgraded\n"


@pytest.mark.parametrize(("old", "new"), FILES.values(), ids=FILES)
def test_twice_is_once(old, new, tmp_path, capsys):
    (tmp_path / "f").write_bytes(old)
    assert main(["upgrade", "f", "f"]) == 0
    assert (tmp_path / "f").read_bytes() == new
    assert main(["upgrade", "f", "f"]) == 0
    assert (tmp_path / "f").read_bytes() == new
    assert capsys.readouterr().err == "f: upgraded\nf: already in the current format\n"


def test_current_files_are_copied_as_they_are(tmp_path):
    text = b"# gr\xfc\xdfe\n  layer  {name:'a'  }  # x"
    (tmp_path / "f").write_bytes(text)
    assert main(["upgrade", "f", "g"]) == 0
    assert (tmp_path / "g").read_bytes() == text


def test_text_is_printed(tmp_path, capsys):
    (tmp_path / "old").write_text(OLD)
    assert main(["upgrade", "old"]) == 0
    assert capsys.readouterr().out == NEW


def test_binary_is_not_printed(tmp_path, capsys):
    (tmp_path / "old").write_bytes(LAYERS)
    assert main(["upgrade", "old"]) == 2
    assert capsys.readouterr().err == (
        "old is binary: name the file to write, netc upgrade FILE OUT\n"
    )


def test_what_is_left_out_is_told(tmp_path, capsys):
    (tmp_path / "old").write_text('layers { layer { type: "relu" num_output: 3 } }')
    assert main(["upgrade", "old", "new"]) == 0
    told = capsys.readouterr().err
    assert told.startswith("old:1:43: Unknown parameter num_output for layer type relu\n")


@pytest.mark.parametrize(
    ("text", "out", "message"),
    [
        (OLD, "folder", "Couldn't write folder: Is a directory"),
        (OLD + "layer { }", "new", "old:2:1: Refusing to upgrade inconsistent NetParameter input"),
        ("layer { nmae: 'a' }", "new", "old:1:9: Message type"),
    ],
)
def test_errors_leave_no_file(text, out, message, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "old").write_text(text)
    assert main(["upgrade", "old", out]) == 1
    assert capsys.readouterr().err.startswith(message)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "old"]
