"""Fields set from the command line."""

import pytest

from netc.errors import UsageError
from netc.load import parse_net, parse_solver
from netc.overrides import override_net, override_solver

NET = """
layer { name: "conv1" type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "conv1.a" type: "Convolution" param { lr_mult: 2 } param { lr_mult: 4 } }
layer { name: "drop" type: "Dropout" include { phase: TRAIN } }
layer { name: "drop" type: "Dropout" include { phase: TEST } }
"""


def solver(*settings, text='net: "net.prototxt" base_lr: 0.1 stepvalue: 5 type: "SGD"'):
    return override_solver(parse_solver(text, "solver.prototxt"), settings).message


def net(*settings):
    return override_net(parse_net(NET, "net.prototxt"), settings).message


def test_scalars_strings_and_lists():
    p = solver("base_lr=0.5", "type=Adam", "max_iter = 7", "stepvalue=[1, 2]", "debug_info=true")
    assert (p.base_lr, p.type, p.max_iter, p.debug_info) == (0.5, "Adam", 7, True)
    assert list(p.stepvalue) == [1, 2]
    assert list(solver("test_iter=3").test_iter) == [3]
    assert solver("snapshot_format=HDF5").snapshot_format == 0
    assert solver('snapshot_prefix="a b"').snapshot_prefix == "a b"
    assert solver("snapshot_prefix=a\\b").snapshot_prefix == "a\\b"
    assert solver("train_state.level=2").train_state.level == 2


def test_the_last_setting_counts_and_the_rest_stays():
    p = solver("base_lr=1", "base_lr=2")
    assert (p.base_lr, list(p.stepvalue)) == (2, [5])


def test_layers_by_name():
    message = net("layer.conv1.convolution_param.num_output=9", "layer.drop.top=x")
    assert message.layer[0].convolution_param.num_output == 9
    assert message.layer[0].convolution_param.kernel_size == [3]
    assert [list(layer.top) for layer in message.layer[2:]] == [["x"], ["x"]]


def test_multipliers_of_all_blobs():
    message = net("layer.conv1.lr_mult=0", "layer.conv1.a.decay_mult=3")
    assert [p.lr_mult for p in message.layer[0].param] == [0, 0]
    assert [(p.lr_mult, p.decay_mult) for p in message.layer[1].param] == [(2, 3), (4, 3)]


def test_layers_of_a_solvers_net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    p = solver("layer.conv1.lr_mult=0", "base_lr=3")
    assert not p.HasField("net") and p.base_lr == 3
    assert [s.lr_mult for s in p.net_param.layer[0].param] == [0, 0]


def test_what_is_given_stays_as_it_was():
    loaded = parse_solver("base_lr: 0.1", "s")
    override_solver(loaded, ["base_lr=2"])
    assert loaded.message.base_lr == pytest.approx(0.1)


WRONG = {
    "base_lr": ("--set takes FIELD=VALUE, got 'base_lr'", None),
    "=3": ("--set takes FIELD=VALUE, got '=3'", None),
    "base_rl=1": ("SolverParameter has no field 'base_rl'", "did you mean 'base_lr'?"),
    "base_lr=fast": ("base_lr takes a number, not 'fast'", None),
    "base_lr.x=1": ("base_lr is a value and holds no 'x'", None),
    "net_param=1": ("name a single field inside net_param", None),
    "snapshot_format=HDF": ("HDF", "did you mean 'HDF5'?"),
}


@pytest.mark.parametrize("setting", WRONG)
def test_mistakes(setting):
    message, hint = WRONG[setting]
    with pytest.raises(UsageError) as caught:
        solver(setting)
    assert message in caught.value.message and caught.value.hint == hint


def test_a_value_is_pointed_at():
    with pytest.raises(UsageError) as caught:
        solver("base_lr=fast")
    assert caught.value.render() == (
        "--set:1:9: --set base_lr=fast: base_lr takes a number, not 'fast'.\n"
        "    base_lr=fast\n"
        "            ^"
    )


@pytest.mark.parametrize("setting", ["layer.cnov1.lr_mult=0", "layer.conv1.lr_mul=0", "layer.=1"])
def test_mistakes_in_layers(setting):
    with pytest.raises(UsageError) as caught:
        net(setting)
    assert setting in caught.value.message
    if "cnov" in setting:
        assert "no layer 'cnov1'" in caught.value.message
        assert caught.value.hint == "did you mean 'conv1'?"


def test_an_override_of_a_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.prototxt").write_text(NET)
    from netc.errors import NetcError

    with pytest.raises(NetcError, match=r"net\.prototxt") as caught:
        solver("layer.conv1.lr_mult=0")
    assert caught.value.hint == "did you mean 'nets.prototxt'?"
