"""examples/finetune: what its README says to type, for a few iterations."""

from __future__ import annotations

import numpy as np

from netc.cli import main
from netc.weights import read_weights

from .conftest import commands


def test_the_commands_of_the_readme(example, capfd):
    folder = example("finetune")
    few = [("--set", s) for s in ("max_iter=2", "test_interval=0", "test_iter=[]")]
    for command in commands(folder / "README.md"):
        words = [w.replace("iter_400", "iter_2") for w in command]
        extra = [w for pair in few for w in pair] if words[0] == "train" else []
        assert main([*words, *extra]) == 0, command
    told = capfd.readouterr().err
    assert "6 loaded, 2 ignored, 2 kept" in told
    assert "25570 of 428575 parameters are frozen, in layers conv1, conv2" in told
    low, high = (
        {x.name: x.blobs for x in read_weights(folder / f"run/{part}_iter_2.caffemodel").layers}
        for part in ("low", "high")
    )
    for layer, moved in {"conv1": False, "conv2": False, "ip1": True}.items():
        assert np.array_equal(low[layer][0], high[layer][0]) != moved, layer
    assert "ip2" not in high and high["ip2_high"][0].shape == (5, 500)
