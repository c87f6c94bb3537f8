"""A file is a net or a solver; its nets come in their states; data can be stood in for."""

from __future__ import annotations

import pytest

from netc.errors import ParseError, UsageError
from netc.load import parse_net
from netc.opening import in_state, is_solver, open_nets, stand_in
from netc.schema import Phase

NET = """name: "n" state { level: 2 stage: "a" }
layer { name: "d" type: "Data" top: "data" top: "label" }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 9'
TESTS = " test_iter: 1 test_interval: 5"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)

    def put(text: str) -> str:
        (tmp_path / "file").write_text(text)
        return "file"

    return put


@pytest.mark.parametrize(
    ("text", "solver"),
    [
        (NET, False),
        (SOLVER, True),
        ("", False),
        ("debug_info: true", False),
        ("layer { name: ", False),
        (NET.replace("Data", "Data' "), False),
        ("base_lr 0.1\n" + SOLVER.replace("base_lr: 0.1", ""), True),
        ("base_lr: 0.1 mox_iter: 100", True),
        ('layer { nme: "x" } layr { }', False),
    ],
)
def test_told_apart_by_what_is_in_it(write, text, solver):
    assert is_solver(write(text)) is solver


def test_a_binary_file_is_a_net(tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(parse_net(NET).message.SerializeToString())
    assert not is_solver(path)
    assert open_nets(path)[0].net.message.name == "n"


def test_a_missing_file_is_named(write):
    with pytest.raises(ParseError, match=r"nte\.prototxt: Failed to open file"):
        is_solver("nte.prototxt")


def test_a_net_is_opened_in_train_unless_told(write):
    (net,) = open_nets(write(NET), level=3, stages=("b",))
    assert (net.state.phase, net.state.level, list(net.state.stage)) == (Phase.TRAIN, 3, ["a", "b"])
    (net,) = open_nets(write(NET), Phase.TEST)
    assert (net.state.phase, net.state.level, list(net.state.stage)) == (Phase.TEST, 2, ["a"])


def test_a_state_leaves_its_net_alone():
    loaded = parse_net(NET)
    in_state(loaded, Phase.TEST, 5, ("z",))
    assert loaded.message.state.level == 2 and list(loaded.message.state.stage) == ["a"]


def test_a_solver_opens_all_its_nets(write):
    file = write(SOLVER + TESTS)
    assert [n.state.phase for n in open_nets(file)] == [Phase.TRAIN, Phase.TEST]
    assert [n.state.phase for n in open_nets(file, Phase.TEST)] == [Phase.TEST]


def test_a_solver_without_test_nets_cannot_be_tested(write):
    with pytest.raises(UsageError, match="file: the solver has no test net"):
        open_nets(write(SOLVER), Phase.TEST)


def test_stand_ins_take_the_place_of_data():
    net = parse_net(NET)
    layer = stand_in(net, {"data": (8, 3, 4, 4)}).message.layer[0]
    assert (layer.name, layer.type, list(layer.top)) == ("d", "Input", ["data", "label"])
    assert [list(s.dim) for s in layer.input_param.shape] == [[8, 3, 4, 4], [8]]
    assert net.message.layer[0].type == "Data"


@pytest.mark.parametrize(("name", "hint"), [("dat", "did you mean 'data'"), ("ip", "data, label")])
def test_a_stand_in_for_nothing_is_refused(name, hint):
    with pytest.raises(UsageError, match=hint):
        stand_in(parse_net(NET), {name: (1,)})
