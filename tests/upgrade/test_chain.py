"""Old files to the current format: before and after."""

import copy

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from netc.errors import UpgradeError
from netc.load import parse_net, parse_solver
from netc.prototxt import SourceMap, parse
from netc.schema import NetParameter, SolverParameter
from netc.upgrade import SOLVER_TYPES, upgrade_net, upgrade_solver
from netc.upgrade.v0 import TYPES
from tests.messages import messages

SHAPED = """\
name: "n"
layer { name: "ip" type: "InnerProduct" bottom: "a" }
input: "a"
input: "b"
input_shape { dim: 1 dim: 2 }
input_shape { dim: 3 }
"""

NETS = {
    "shapes": (
        SHAPED,
        """name: "n"
        layer { name: "input" type: "Input" top: "a" top: "b"
          input_param { shape { dim: 1 dim: 2 } shape { dim: 3 } } }
        layer { name: "ip" type: "InnerProduct" bottom: "a" }""",
    ),
    "four dims each": (
        'input: "a" input_dim: [1, 2, 3, 4] input: "b" input_dim: [5, 6, 7, 8] debug_info: true',
        """debug_info: true
        layer { name: "input" type: "Input" top: "a" top: "b"
          input_param { shape { dim: [1, 2, 3, 4] } shape { dim: [5, 6, 7, 8] } } }""",
    ),
    "shapes win over dims": (
        'input: "a" input_dim: 7 input_shape { dim: 1 }',
        'layer { name: "input" type: "Input" top: "a" input_param { shape { dim: 1 } } }',
    ),
    "no dims at all": ('input: "a" layer { name: "b" }', 'layer { name: "b" }'),
    "nothing old": ('layer { name: "b" }', 'layer { name: "b" }'),
    "dims without inputs": ("input_dim: 3", "input_dim: 3"),
    "statistics with rates": (
        """layer { name: "a" type: "BatchNorm" param { lr_mult: 1 decay_mult: 2 name: "m" }
          param { } param { lr_mult: 3 share_mode: PERMISSIVE } }
        layer { name: "b" type: "Scale" param { lr_mult: 1 } param { } param { } }""",
        """layer { name: "a" type: "BatchNorm" param { lr_mult: 0 decay_mult: 0 name: "m" }
          param { lr_mult: 0 decay_mult: 0 }
          param { lr_mult: 0 decay_mult: 0 share_mode: PERMISSIVE } }
        layer { name: "b" type: "Scale" param { lr_mult: 1 } param { } param { } }""",
    ),
    "two or four are no upgrade": (
        'layer { type: "BatchNorm" param { } param { } } layer { type: "BatchNorm" param { } '
        "param { } param { } param { } }",
        'layer { type: "BatchNorm" param { } param { } } layer { type: "BatchNorm" param { } '
        "param { } param { } param { } }",
    ),
}


@pytest.mark.parametrize(("before", "after"), NETS.values(), ids=NETS)
def test_net(before, after):
    net = parse(before, NetParameter).message
    kept = copy.deepcopy(net)
    assert upgrade_net(net, SourceMap())[0] == text_format.Parse(after, NetParameter())
    assert net == kept, "a step must leave what it is given alone"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("layer", 0), "3:8"),
        (("layer", 0, "top", 1), "4:8"),
        (("layer", 0, "input_param"), "5:1"),
        (("layer", 0, "input_param", "shape", 1), "6:1"),
        (("layer", 0, "input_param", "shape", 1, "dim", 0), "6:20"),
        (("layer", 1), "2:1"),
        (("layer", 1, "bottom", 0), "2:49"),
        (("name",), "1:7"),
    ],
)
def test_upgraded_fields_keep_their_places(path, place):
    source = parse_net(SHAPED, "old.prototxt").source
    assert str(source.at(*path)) == f"old.prototxt:{place}"


def test_binary_net_without_places():
    net = parse(SHAPED, NetParameter).message
    upgraded, source, _ = upgrade_net(net, SourceMap())
    assert len(upgraded.layer) == 2
    assert source.at("layer", 1, "bottom", 0) is None


NET_ERRORS = {
    "shapes": (
        'input: "a" input: "b"\ninput_shape { dim: 1 }',
        """\
n.prototxt:2:1: 2 inputs need 2 input_shape entries, got 1.
    input_shape { dim: 1 }
    ^~~~~~~~~~~
hint: give one input_shape { dim: ... } per input""",
    ),
    "dims": (
        'input: "a"\ninput_dim: 1 input_dim: 3',
        """\
n.prototxt:2:12: 1 inputs need 4 input_dim entries, got 2.
    input_dim: 1 input_dim: 3
               ^
hint: give four per input""",
    ),
}


@pytest.mark.parametrize(("text", "block"), NET_ERRORS.values(), ids=NET_ERRORS)
def test_net_error(text, block):
    with pytest.raises(UpgradeError) as caught:
        parse_net(text, "n.prototxt")
    assert str(caught.value) == block


@pytest.mark.parametrize(("number", "name"), list(enumerate(SOLVER_TYPES)))
def test_solver_type(number, name):
    solver, source = parse_solver(f"base_lr: 1 solver_type: {number}", "s.prototxt")[:2]
    assert solver == SolverParameter(base_lr=1, type=name)
    assert str(source.at("type")) == "s.prototxt:1:25"


def test_solver_types_are_the_enum():
    enum = SolverParameter.DESCRIPTOR.fields_by_name["solver_type"].enum_type
    assert [v.name for v in enum.values] == [name.upper() for name in SOLVER_TYPES]
    assert [v.number for v in enum.values] == list(range(len(SOLVER_TYPES)))


def test_both_solver_types():
    with pytest.raises(UpgradeError) as caught:
        parse_solver('type: "Adam"\nsolver_type: SGD', "s.prototxt")
    assert (
        str(caught.value)
        == """\
s.prototxt:2:14: Failed to upgrade solver: old solver_type field (enum) and new type field \
(string) cannot be both specified in solver proto text.
    solver_type: SGD
                 ^~~
hint: keep type: "Adam" and drop the older solver_type"""
    )


SOLVER = """\
solver_type: ADAM
net_param { input: "a" input_shape { dim: 1 } }
test_net_param { name: "b" }
test_net_param { input: "c" input_shape { dim: 2 } layer { name: "d" } }
"""


def test_nets_in_a_solver():
    before, source, _ = parse(SOLVER, SolverParameter, "s.prototxt")
    kept, fields = copy.deepcopy(before), {k: list(v) for k, v in source.fields.items()}
    solver, nodes, _ = upgrade_solver(before, source)
    assert before == kept and source.fields == fields
    assert solver == text_format.Parse(
        """type: "Adam"
        net_param { layer {
          name: "input" type: "Input" top: "a" input_param { shape { dim: 1 } } } }
        test_net_param { name: "b" }
        test_net_param {
          layer { name: "input" type: "Input" top: "c" input_param { shape { dim: 2 } } }
          layer { name: "d" } }""",
        SolverParameter(),
    )
    assert str(nodes.at("net_param", 0, "layer", 0)) == "s.prototxt:2:20"
    assert str(nodes.at("test_net_param", 1, "layer", 1, "name")) == "s.prototxt:4:66"


@given(
    messages(NetParameter),
    st.sampled_from(sorted(TYPES)),
    st.integers(0, 3),
    st.sampled_from(["input_shape", "input_dim", ""]),
)
def test_upgrading_a_net_twice_changes_nothing(net, v0_type, inputs, given_as):
    if net.layers:
        net.ClearField("layer")
    for layer in net.layers:
        if layer.HasField("layer"):
            layer.layer.type = v0_type
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)
    net.input.extend(f"in{i}" for i in range(inputs))
    if given_as == "input_shape":
        for i in range(inputs):
            net.input_shape.add(dim=[i, 2])
    elif given_as:
        net.input_dim.extend(range(4 * inputs))
    once = upgrade_net(net, SourceMap())[0]
    assert not once.input and not once.layers
    assert upgrade_net(once, SourceMap())[0].SerializePartialToString(
        deterministic=True
    ) == once.SerializePartialToString(deterministic=True)


@given(st.sampled_from(range(len(SOLVER_TYPES))), messages(SolverParameter, depth=1))
def test_upgrading_a_solver_twice_changes_nothing(number, solver):
    solver.ClearField("type")
    solver.solver_type = number
    once = upgrade_solver(solver, SourceMap())[0]
    assert not once.HasField("solver_type")
    assert upgrade_solver(once, SourceMap())[0].SerializePartialToString(
        deterministic=True
    ) == once.SerializePartialToString(deterministic=True)
