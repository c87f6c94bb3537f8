"""netc draw, in this process."""

import pytest

from netc.cli import main
from tests.pycaffe import nets


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(nets.SCORED)
    (tmp_path / "solver.prototxt").write_text(nets.SOLVER)
    return tmp_path


@pytest.mark.parametrize("name", ["net.svg", "net.dot", "net.mmd", "new/net.svg"])
def test_pictures_that_need_nothing(folder, name):
    assert main(["draw", "net.prototxt", name]) == 0
    text = (folder / name).read_text()
    assert all(word in text for word in ("ip1", "InnerProduct", "accuracy", "loss"))


def test_flags_of_draw_net(folder):
    flags = ["--rankdir=LR", "--phase", "TRAIN", "--display_lrm"]
    net = nets.SCORED.replace('top: "ip1"\n', 'top: "ip1" param { lr_mult: 3 }\n', 1)
    (folder / "net.prototxt").write_text(net)
    assert main(["draw", "net.prototxt", "a.dot", *flags]) == 0
    text = (folder / "a.dot").read_text()
    assert "rankdir=LR" in text and "accuracy" not in text and "lr_mult 3" in text
    assert main(["draw", "net.prototxt", "b.dot", "-phase=ALL", "-rankdir", "BT"]) == 0
    text = (folder / "b.dot").read_text()
    assert "rankdir=BT" in text and "accuracy" in text and "lr_mult" not in text


def test_shapes(folder):
    assert main(["draw", "net.prototxt", "a.mmd", "--shapes"]) == 0
    assert "relu ReLU<br/>4×6" in (folder / "a.mmd").read_text()
    data = nets.SCORED.replace('type: "Input"', 'type: "HDF5Data"').replace(
        "input_param { shape { dim: 4 dim: 5 } shape { dim: 4 } }",
        'hdf5_data_param { source: "none.txt" batch_size: 2 }',
    )
    (folder / "net.prototxt").write_text(data)
    assert main(["draw", "net.prototxt", "b.mmd", "--shape", "data=7,5"]) == 0
    text = (folder / "b.mmd").read_text()
    assert "relu ReLU<br/>7×6" in text and "accuracy" not in text
    assert "HDF5Data · none.txt · batch_size 2<br/>7×5, 7" in text and "<br/>()" not in text


def test_mistakes_are_told(folder, capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    for arguments, status, said in (
        (["net.prototxt", "a.png"], 2, "the program dot, which is not installed\nhint: install Gr"),
        (["net.prototxt", "a"], 2, "'a' has no ending that says what to draw"),
        (["none.prototxt", "a.svg"], 1, "none.prototxt: Failed to open file"),
        (["solver.prototxt", "a.svg"], 1, "this is a solver, where a net is expected"),
        (["net.prototxt", "net.prototxt/a.svg"], 2, "net.prototxt/a.svg cannot be written: "),
    ):
        assert main(["draw", *arguments]) == status
        assert said in capsys.readouterr().err
