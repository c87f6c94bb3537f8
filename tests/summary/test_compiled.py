"""What XLA says of a pass."""

from __future__ import annotations

from netc.schema import Phase
from netc.summary import compiled, summarize
from tests.summary.nets import FROZEN, NET, program


def test_a_pass_forward_and_back():
    whole = program()
    found = compiled(whole)
    table = summarize(whole.graph)
    blobs = 4 * table.total("params")
    inputs = 4 * (2 * 3 * 8 * 8 + 2)
    assert found.platform == "cpu"
    assert blobs + inputs <= found.arguments < blobs + inputs + 64
    assert found.outputs >= blobs
    assert found.peak == found.arguments + found.outputs + found.temporaries
    assert found.flops == found.unfrozen
    by_formula = table.total("forward") + table.total("backward")
    assert by_formula / 2 < found.flops < by_formula * 2


def test_forward_only_in_test():
    test = compiled(program(phase=Phase.TEST))
    assert test.flops == test.unfrozen < compiled(program()).flops
    assert test.outputs < 4 * 297


def test_freezing_shows_in_the_program():
    frozen = compiled(program(NET.replace('type: "Convolution"', f'type: "Convolution" {FROZEN}')))
    whole = compiled(program())
    assert frozen.flops < frozen.unfrozen == whole.flops
    assert frozen.outputs < whole.outputs


def test_a_net_of_frozen_blobs_compiles():
    assert (
        compiled(
            program(
                NET.replace('bottom: "data" top', f'{FROZEN} bottom: "data" top').replace(
                    'bottom: "pool" top', f'{FROZEN} bottom: "pool" top'
                )
            )
        ).flops
        > 0
    )
