"""Fields set from the command line."""

import pytest

from netc.compile import compile_net
from netc.errors import UsageError
from netc.load import parse_net, parse_solver
from netc.lowering.plan import Plan
from netc.overrides import freeze_net, override_net, override_solver
from netc.phase import net_state

NET = """
layer { name: "conv1" type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "conv1.a" type: "Convolution" param { lr_mult: 2 } param { lr_mult: 4 } }
layer { name: "drop" type: "Dropout" include { phase: TRAIN } }
layer { name: "drop" type: "Dropout" include { phase: TEST } }
"""


LEARNT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 } } }
layer { name: "cont" type: "Input" top: "cont" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "lstm1" type: "LSTM" bottom: "data" bottom: "cont" top: "h"
  param { lr_mult: 1 name: "w" } param { lr_mult: 2 } recurrent_param { num_output: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "h" top: "ip1"
  inner_product_param { num_output: 2 bias_term: false } }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  param { lr_mult: 5 } inner_product_param { num_output: 2 } }
"""


def multipliers(net, field="lr_mult"):
    """Of every blob of a net, by its key."""
    graph = compile_net(net, net_state(0), Plan("cpu")).graph
    return {p.key: getattr(p, field) for p in graph.params}


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


@pytest.mark.parametrize("field", ["lr_mult", "decay_mult"])
def test_multipliers_of_all_blobs(field):
    """However many a layer has: a bias or none, three of a recurrent one."""
    loaded = parse_net(LEARNT, "net.prototxt")
    settings = [f"layer.lstm1.{field}=0", f"layer.ip1.{field}=0", f"layer.ip2.{field}=3"]
    found = multipliers(override_net(loaded, settings), field)
    assert found == {"lstm1/0": 0, "lstm1/1": 0, "lstm1/2": 0, "ip1/0": 0, "ip2/0": 3, "ip2/1": 3}


def test_a_blobs_own_multiplier_goes_before_the_layers():
    text = LEARNT.replace('name: "ip2"', 'name: "ip2" lr_mult: 7 decay_mult: 0')
    loaded = parse_net(text, "net.prototxt")
    assert [multipliers(loaded)[f"ip2/{i}"] for i in (0, 1)] == [5, 7]
    assert [multipliers(loaded, "decay_mult")[f"ip2/{i}"] for i in (0, 1)] == [0, 0]


@pytest.mark.parametrize(
    ("patterns", "still"),
    [
        (["ip[12]"], {"ip1", "ip2"}),
        (["ip1, lstm.*"], {"ip1", "lstm1"}),
        (["ip1", "ip2"], {"ip1", "ip2"}),
        (["[a,i]p1"], {"ip1"}),
        (["ip\\d{1,2}"], {"ip1", "ip2"}),
        (["data|ip2"], {"ip2"}),
        ([], set()),
    ],
)
def test_freezing_by_name(patterns, still):
    found = multipliers(freeze_net(parse_net(LEARNT, "net.prototxt"), patterns))
    assert {key.split("/")[0] for key, mult in found.items() if not mult} == still
    assert all(mult == 0 for key, mult in found.items() if key.split("/")[0] in still)


@pytest.mark.parametrize(
    ("pattern", "message", "hint"),
    [
        ("ip", "--freeze ip: no layer has such a name", "did you mean 'ip2'?"),
        ("ip1,res.*", "--freeze res.*: no layer has such a name", "a pattern is for the whole"),
        ("ip[", "--freeze ip[: not a regular expression: unterminated character set", None),
    ],
)
def test_mistakes_in_freezing(pattern, message, hint):
    with pytest.raises(UsageError) as caught:
        freeze_net(parse_net(LEARNT, "net.prototxt"), [pattern])
    assert caught.value.message.startswith(message)
    assert (hint or "") in (caught.value.hint or "")


@pytest.mark.parametrize("inline", [False, True])
def test_layers_of_a_solvers_net(tmp_path, monkeypatch, inline):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(LEARNT)
    text = f"net_param {{ {LEARNT} }}" if inline else 'net: "net.prototxt"'
    loaded = parse_solver(text, "solver.prototxt")
    p = override_solver(loaded, ["layer.ip1.name=a", "base_lr=3"], ["a", "ip2"]).message
    assert not p.HasField("net") and p.base_lr == 3
    assert {x.name for x in p.net_param.layer if x.lr_mult == 0} == {"a", "ip2"}
    assert [x.name for x in loaded.message.net_param.layer if x.lr_mult == 0] == []


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
        "            ^~~~"
    )


def test_what_is_set_stands_on_the_command_line():
    text = 'net: "net.prototxt" stepvalue: 5 plateau { patience: 3 }'
    settings = ["stepvalue=[7, 6]", "plateau.monitor=loss", "early_stop.patience=0"]
    source = override_solver(parse_solver(text, "solver.prototxt"), settings).source
    places = {
        ("stepvalue", 1): "--set:1:11",
        ("plateau", "monitor"): "--set:1:17",
        ("plateau", "patience"): "solver.prototxt:1:54",
        ("early_stop", "patience"): "--set:1:21",
        ("net",): "solver.prototxt:1:6",
    }
    assert {path: str(source.at(*path)) for path in places} == places


def test_what_is_set_in_layers_stands_on_the_command_line():
    layers = override_net(parse_net(NET, "net.prototxt"), ["layer.drop.top=x"]).source
    assert [str(layers.at("layer", i, "top", 0)) for i in (2, 3)] == ["--set:1:16"] * 2
    assert str(layers.at("layer", 3, "include", 0, "phase")) == "net.prototxt:5:55"


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
