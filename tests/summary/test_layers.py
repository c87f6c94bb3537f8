"""The table against hand counts and against what Caffe printed."""

from __future__ import annotations

import re

import pytest

from netc.compile import compile_net
from netc.load import read_net
from netc.lowering.plan import Plan
from netc.opening import in_state
from netc.schema import Phase
from netc.summary import summarize
from tests.summary.nets import FROZEN, NET, program


def test_parameters_and_memory_of_each_layer():
    rows = {r.name: r for r in summarize(program().graph).rows}
    assert {n: r.params for n, r in rows.items() if r.params} == {"conv": 112, "ip": 185}
    assert rows["conv"].tops == (("conv", (2, 4, 6, 6)),)
    assert rows["conv"].memory == 2 * 4 * 6 * 6 * 4
    assert rows["input"].memory == (2 * 3 * 8 * 8 + 2) * 4


def test_totals():
    found = summarize(program().graph)
    assert (found.name, found.phase, found.trained) == ("small", "TRAIN", True)
    assert found.total("params") == 297
    assert (found.total("frozen"), found.saved, found.uncounted) == (0, 0, [])


def test_freezing_saves_what_the_backward_pass_no_longer_does():
    whole = summarize(program().graph)
    frozen = summarize(
        program(NET.replace('type: "Convolution"', f'type: "Convolution" {FROZEN}')).graph
    )
    assert frozen.total("frozen") == 112
    assert frozen.saved == whole.total("backward") - frozen.total("backward") > 0


def test_in_test_nothing_is_frozen_and_nothing_goes_back():
    found = summarize(program(phase=Phase.TEST).graph)
    assert not found.trained
    assert (found.total("frozen"), found.total("backward"), found.saved) == (0, 0, 0)


def test_a_shared_blob_counts_once():
    shared = NET.replace('type: "InnerProduct"', 'type: "InnerProduct" param { name: "w" }') + (
        'layer { name: "ip2" type: "InnerProduct" bottom: "pool" top: "ip2" param { name: "w" } '
        "inner_product_param { num_output: 5 } }"
    )
    rows = {r.name: r for r in summarize(program(shared).graph).rows}
    assert (rows["ip"].params, rows["ip"].shared) == (185, 0)
    assert (rows["ip2"].params, rows["ip2"].shared) == (5, 180)


def test_a_type_without_a_formula_is_named():
    graph = program().graph
    graph.nodes[1].param.type = "Mine"
    assert summarize(graph).uncounted == ["Mine"]


@pytest.mark.parametrize("phase", [Phase.TRAIN, Phase.TEST])
def test_memory_required_for_data_is_what_caffe_printed(golden, monkeypatch, phase):
    folder = golden("data")
    monkeypatch.chdir(folder)
    lines = (folder / "caffe_train.log").read_text().split("Creating test net")
    log = lines[0 if phase == Phase.TRAIN else 1]
    printed = [int(n) for n in re.findall(r"Memory required for data: (\d+)", log)]
    net, state, _ = in_state(read_net("lenet_train_test.prototxt"), phase)
    assert summarize(compile_net(net, state, Plan("cpu")).graph).data_memory == printed[-1]
