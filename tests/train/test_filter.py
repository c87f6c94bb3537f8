"""Training and testing nets that leave items of a batch out."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from netc.errors import GraphError

from . import tiny

# The class is the selector: items of class 0 are left out.
FILTERED = """
layer { name: "f" type: "Filter" bottom: "ip" bottom: "label" bottom: "label"
  top: "some" top: "labels" }
"""
NET = (
    tiny.SMALL[: tiny.SMALL.index('layer { name: "accuracy"')]
    + FILTERED
    + """
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "some" bottom: "labels" top: "loss" }
"""
)
IGNORING = NET.replace(FILTERED, "").replace('"some"', '"ip"').replace(
    'bottom: "labels" top: "loss"',
    'bottom: "label" top: "loss" loss_param { ignore_label: 0 }'
)  # fmt: skip
OPEN = (
    NET
    + """
layer { name: "half" type: "Power" bottom: "some" top: "half" power_param { scale: 0.5 } }
"""
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("iter_size", [1, 2])
def test_leaving_items_out_is_ignoring_their_labels(folder, iter_size):
    solver = tiny.changed(tiny.SOLVER, iter_size=iter_size)
    tiny.write_files(folder)
    found = []
    for net in (NET, IGNORING):
        (folder / "net.prototxt").write_text(net)
        session = tiny.session(solver)
        losses = [float(session.step().loss) for _ in range(6)]
        found.append((losses, jax.device_get(session.blobs()), session.test(0)))
        session.close()
    (losses, blobs, tested), (want_losses, want_blobs, want_tested) = found
    np.testing.assert_allclose(losses, want_losses, rtol=1e-5)
    for key, blob in want_blobs.items():
        np.testing.assert_allclose(blobs[key], blob, rtol=1e-4, atol=1e-6)
    assert float(tested["loss"]) == pytest.approx(float(want_tested["loss"]), rel=1e-5)


def test_a_whole_run(folder, capfd):
    tiny.write_files(folder, NET, tiny.changed(tiny.SOLVER, max_iter=20, debug_info="true"))
    tiny.run()
    log = capfd.readouterr().err
    assert "Compiling for another size: layer 'f' keeps 2 items" in log
    assert "Iteration 20, loss = " in log and "nan" not in log
    assert tiny.told(log, "[Forward] Layer f, top blob some data")


def test_an_output_without_a_mean_is_refused(folder):
    tiny.write_files(folder, OPEN, tiny.SOLVER)
    session = tiny.session(tiny.SOLVER)
    session.step()
    with pytest.raises(GraphError, match=r"output 'half' is \d x 3 in one batch and 4 x 3 in") as e:
        session.test(0)
    session.close()
    assert e.value.hint == "let a Silence layer read it"
