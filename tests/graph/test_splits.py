"""The Split layers that Caffe inserts: its names, its rewiring, its own files."""

import copy

import numpy as np
import pytest

from netc.graph.splits import insert_splits, split_layer_name
from netc.load import parse_net
from netc.phase import filter_net, net_state
from netc.prototxt import SourceMap
from netc.schema import TRAIN, NetParameter
from tests.weights.recordings import recorded


def wired(net: NetParameter) -> list[str]:
    """Each layer as `name: bottoms -> tops`."""
    return [f"{y.name}: {' '.join(y.bottom)} -> {' '.join(y.top)}" for y in net.layer]


def layers(*lines: str, **weights: list[float]) -> str:
    """A net from lines as `wired` gives them; loss weights by layer name."""
    text = ""
    for line in lines:
        name, rest = line.split(":")
        bottoms, tops = rest.split("->")
        text += (
            f"layer {{ name: '{name}' bottom: {bottoms.split()} top: {tops.split()} "
            f"loss_weight: {weights.get(name, [])} }}\n"
        )
    return text


CASES = {
    "one reader": (layers("a: -> x", "b: x -> y"), ["a:  -> x", "b: x -> y"]),
    "no reader": (layers("a: -> x"), ["a:  -> x"]),
    "two readers": (
        layers("a: -> x", "b: x -> y", "c: x -> z"),
        [
            "a:  -> x",
            "x_a_0_split: x -> x_a_0_split_0 x_a_0_split_1",
            "b: x_a_0_split_0 -> y",
            "c: x_a_0_split_1 -> z",
        ],
    ),
    "twice in a layer": (
        layers("a: -> x", "b: x x -> y"),
        [
            "a:  -> x",
            "x_a_0_split: x -> x_a_0_split_0 x_a_0_split_1",
            "b: x_a_0_split_0 x_a_0_split_1 -> y",
        ],
    ),
    "the second top": (
        layers("a: -> w x", "b: x -> y", "c: w x -> z"),
        [
            "a:  -> w x",
            "x_a_1_split: x -> x_a_1_split_0 x_a_1_split_1",
            "b: x_a_1_split_0 -> y",
            "c: w x_a_1_split_1 -> z",
        ],
    ),
    "both tops": (
        layers("a: -> w x", "b: x w -> y", "c: w x -> z"),
        [
            "a:  -> w x",
            "w_a_0_split: w -> w_a_0_split_0 w_a_0_split_1",
            "x_a_1_split: x -> x_a_1_split_0 x_a_1_split_1",
            "b: x_a_1_split_0 w_a_0_split_0 -> y",
            "c: w_a_0_split_1 x_a_1_split_1 -> z",
        ],
    ),
    "behind an in-place chain": (
        layers("a: -> x", "r: x -> x", "t: x -> x", "b: x -> y", "c: x -> z"),
        [
            "a:  -> x",
            "r: x -> x",
            "t: x -> x",
            "x_t_0_split: x -> x_t_0_split_0 x_t_0_split_1",
            "b: x_t_0_split_0 -> y",
            "c: x_t_0_split_1 -> z",
        ],
    ),
    "a weight and no reader": (layers("a: -> x", a=[1]), ["a:  -> x"]),
    "a weight counts as a reader": (
        layers("a: -> x", "b: x -> y", a=[0.5]),
        [
            "a:  -> x",
            "x_a_0_split: x -> x_a_0_split_0 x_a_0_split_1",
            "b: x_a_0_split_1 -> y",
        ],
    ),
    "a weight of zero does not": (
        layers("a: -> x", "b: x -> y", a=[0]),
        ["a:  -> x", "b: x -> y"],
    ),
    "a weight of the other top": (
        layers("a: -> w x", "b: x -> y", "c: w -> z", a=[0, 2]),
        [
            "a:  -> w x",
            "x_a_1_split: x -> x_a_1_split_0 x_a_1_split_1",
            "b: x_a_1_split_1 -> y",
            "c: w -> z",
        ],
    ),
    "unknown bottoms stay": (layers("b: x -> y", "c: x -> z"), ["b: x -> y", "c: x -> z"]),
}


@pytest.mark.parametrize(("text", "after"), CASES.values(), ids=CASES)
def test_splits(text, after):
    net = parse_net(text).message
    kept = copy.deepcopy(net)
    assert wired(insert_splits(net, SourceMap())[0]) == after
    assert net == kept


@pytest.mark.parametrize(("text", "after"), CASES.values(), ids=CASES)
def test_splitting_twice_changes_nothing(text, after):
    once, source = insert_splits(parse_net(text).message, SourceMap())
    once.layer[0].ClearField("loss_weight")
    assert insert_splits(once, source)[0] == once


def test_name():
    assert split_layer_name("ip1", "score", 2) == "score_ip1_2_split"


def test_places():
    net = parse_net(layers("a: -> x", "b: x -> y", "c: x -> z"), "n.prototxt")
    split, source = insert_splits(net.message, net.source)
    places = [str(source.at("layer", i)) for i in range(len(split.layer))]
    assert places == [f"n.prototxt:{line}:1" for line in (1, 1, 2, 3)]
    assert str(source.at("layer", 3, "bottom", 0)).startswith("n.prototxt:3:")


@pytest.mark.parametrize("path", recorded("solvers/*.npz"))
def test_layers_are_those_of_the_model_caffe_wrote(path):
    with np.load(path) as recording:
        net = parse_net(bytes(recording["net"]).decode())
        theirs = NetParameter.FromString(bytes(recording["caffemodel"]))
    message, source, _ = filter_net(net, net_state(TRAIN))
    ours = insert_splits(message, source)[0]
    assert [(y.type, y.name) for y in ours.layer] == [(y.type, y.name) for y in theirs.layer]
    assert wired(ours) == wired(theirs)
