"""What docs/training.md shows is a solver that runs."""

import re
from pathlib import Path

from tests.train import tiny

TEXT = (Path(__file__).parents[2] / "docs" / "training.md").read_text()


def test_the_fields_shown_train(folder):
    shown = "\n".join(re.findall(r"^    (.*)", TEXT, re.MULTILINE))
    fields = dict.fromkeys(
        ("test_iter", "test_interval", "lr_policy", "gamma", "max_iter", "power"), None
    )
    solver = tiny.changed(tiny.SOLVER, **fields) + "\n" + shown
    (folder / "solver.prototxt").write_text(solver)
    tiny.run()
    assert (folder / "tiny_best.caffemodel").exists()
    assert (folder / "tiny_iter_34.ema.caffemodel").exists()
