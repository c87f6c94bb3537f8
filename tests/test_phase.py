"""Which layers a state keeps, against Caffe's rules and sentences."""

import copy

import pytest

from netc.errors import PhaseError
from netc.load import Loaded, parse_net
from netc.phase import Dropped, filter_net, net_state
from netc.prototxt import SourceMap
from netc.schema import TEST, TRAIN, NetParameter, NetState

WHERE = "specified by a rule in layer a"
EXCLUDED = "An exclude rule of layer a matches the NetState."

STATES = {
    "train": net_state(TRAIN),
    "test": net_state(TEST),
    "level 2": net_state(TRAIN, 2),
    "level -1": net_state(TRAIN, -1),
    "stage x": net_state(TRAIN, stages=("x",)),
    "stages x y": net_state(TEST, stages=("y", "x")),
}

# rules of a layer, the state, and why the layer is dropped
CASES = [
    ("", "train", None),
    ("include { }", "test", None),
    ("include { phase: TRAIN }", "train", None),
    (
        "include { phase: TRAIN }",
        "test",
        f"The NetState phase (1) differed from the phase (0) {WHERE}",
    ),
    (
        "include { phase: TEST }",
        "train",
        f"The NetState phase (0) differed from the phase (1) {WHERE}",
    ),
    ("include { min_level: 2 }", "level 2", None),
    (
        "include { min_level: 3 }",
        "level 2",
        f"The NetState level (2) is below the min_level (3) {WHERE}",
    ),
    ("include { min_level: 0 }", "train", None),
    (
        "include { min_level: 0 }",
        "level -1",
        f"The NetState level (-1) is below the min_level (0) {WHERE}",
    ),
    ("include { max_level: 2 }", "level 2", None),
    (
        "include { max_level: 1 }",
        "level 2",
        f"The NetState level (2) is above the max_level (1) {WHERE}",
    ),
    (
        "include { max_level: -2 }",
        "level -1",
        f"The NetState level (-1) is above the max_level (-2) {WHERE}",
    ),
    ("include { min_level: 1 max_level: 3 }", "level 2", None),
    ("include { stage: 'x' }", "stage x", None),
    ("include { stage: 'x' stage: 'y' }", "stages x y", None),
    (
        "include { stage: 'x' stage: 'y' }",
        "stage x",
        f"The NetState did not contain stage 'y' {WHERE}",
    ),
    ("include { stage: 'x' }", "train", f"The NetState did not contain stage 'x' {WHERE}"),
    ("include { not_stage: 'x' }", "train", None),
    ("include { not_stage: 'x' }", "stage x", f"The NetState contained a not_stage 'x' {WHERE}"),
    (
        "include { stage: 'x' not_stage: 'y' }",
        "stages x y",
        f"The NetState contained a not_stage 'y' {WHERE}",
    ),
    ("include { phase: TEST } include { stage: 'x' }", "stage x", None),
    ("include { phase: TRAIN } include { stage: 'x' }", "stages x y", None),
    (
        "include { phase: TEST } include { min_level: 1 }",
        "train",
        f"The NetState phase (0) differed from the phase (1) {WHERE}",
    ),
    (
        "include { phase: TEST min_level: 1 stage: 'x' }",
        "test",
        f"The NetState level (0) is below the min_level (1) {WHERE}",
    ),
    ("exclude { }", "train", EXCLUDED),
    ("exclude { phase: TRAIN }", "train", EXCLUDED),
    ("exclude { phase: TRAIN }", "test", None),
    ("exclude { phase: TEST } exclude { stage: 'x' }", "stage x", EXCLUDED),
    ("exclude { phase: TEST stage: 'x' }", "stage x", None),
    ("exclude { phase: TEST } exclude { min_level: 1 }", "train", None),
]


@pytest.mark.parametrize(("rules", "state", "reason"), CASES)
def test_rules(rules, state, reason):
    net = parse_net(f"layer {{ name: 'a' {rules} }} layer {{ name: 'b' }}")
    filtered = filter_net(net, STATES[state])
    assert filtered.dropped == ((Dropped("a", reason),) if reason else ())
    assert [layer.name for layer in filtered.message.layer] == (["b"] if reason else ["a", "b"])


def test_both_kinds_of_rules():
    text = 'layer {\n  name: "a"\n  exclude { phase: TEST }\n  include { }\n}'
    with pytest.raises(PhaseError) as caught:
        filter_net(parse_net(text, "n.prototxt"), STATES["train"])
    assert (
        str(caught.value)
        == """\
n.prototxt:3:3: Specify either include rules or exclude rules; not both (layer 'a').
    exclude { phase: TEST }
    ^~~~~~~
hint: keep the one that says what you mean; an empty rule matches every state"""
    )


TEXT = """\
name: "n" state { level: 7 }
layer { name: "a" include { phase: TEST } }
layer { name: "b" }
layer { name: "c" exclude { phase: TRAIN } }
layer { name: "d" top: "e" }
"""


def test_places_follow_the_layers():
    source = filter_net(parse_net(TEXT, "n.prototxt"), STATES["train"]).source
    assert [str(node.span) for node in source.get("layer")] == ["n.prototxt:3:1", "n.prototxt:5:1"]
    assert str(source.at("layer", 1, "top", 0)) == "n.prototxt:5:24"
    assert str(source.at("name")) == "n.prototxt:1:7"


def test_state_is_written_into_a_new_net():
    net = parse_net(TEXT)
    kept = copy.deepcopy(net.message)
    filtered = filter_net(net, net_state(TRAIN, 2, ("x",))).message
    assert net.message == kept
    assert filtered.state == NetState(phase=TRAIN, level=2, stage=["x"])
    assert filtered.name == "n"


def test_net_without_places():
    net = Loaded(NetParameter(layer=[{"name": "a", "exclude": [{}]}, {"name": "b"}]), SourceMap())
    filtered = filter_net(net, STATES["test"])
    assert [layer.name for layer in filtered.message.layer] == ["b"]
    assert filtered.source.at("layer", 0) is None
