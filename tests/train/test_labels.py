"""Labels and indices that come from data layers and are outside their range."""

from __future__ import annotations

import pytest

from netc.errors import DataError

from . import tiny

EMBED = """
layer { name: "embed" type: "Embed" bottom: "label" top: "embed"
  embed_param { input_dim: 2 num_output: 3 weight_filler { type: "xavier" } } }
"""
RULES = {
    EMBED: (
        "index 2 is outside 0..1, which layer 'embed' takes",
        "the layer has 2 items to choose from",
    ),
    'layer { name: "h" type: "HingeLoss" bottom: "two" bottom: "label" top: "h" }': (
        "label 2 is outside the 2 classes 0..1 that layer 'h' scores",
        "num_output of the last layer must be the largest label + 1",
    ),
}
TWO = """
layer { name: "two" type: "InnerProduct" bottom: "data" top: "two"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
"""


@pytest.mark.parametrize("layer", RULES)
def test_the_record_is_named(tmp_path, monkeypatch, layer):
    monkeypatch.chdir(tmp_path)
    tiny.write_files(tmp_path, tiny.SMALL + TWO + layer)
    session = tiny.session(tiny.SOLVER)
    with pytest.raises(DataError) as caught:
        session.step()
    session.close()
    message, hint = RULES[layer]
    assert caught.value.message == message and caught.value.hint == hint
    assert "a.h5" in str(caught.value.where)
