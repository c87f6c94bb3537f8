"""Average precision of detections: the three ways, and where tests report it."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from netc.cli import main
from netc.errors import SolverError
from netc.load import parse_solver
from netc.train.nets import check_solver
from netc.train.precision import average_precision, mean_precision

from ..cases import ssd
from . import tiny

NET = """
layer { name: "data" type: "HDF5Data" top: "found" top: "boxes"
  hdf5_data_param { source: "files.txt" batch_size: 1 } }
layer { name: "eval" type: "DetectionEvaluate" bottom: "found" bottom: "boxes" top: "eval"
  include { phase: TEST } detection_evaluate_param { num_classes: 4 } }
layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 } } }
layer { name: "sum" type: "Reduction" bottom: "p" top: "sum" loss_weight: 1
  reduction_param { operation: SUMSQ } }
"""


def points(marks):
    """Detections in falling order of their score: 1 for right, 0 for wrong."""
    return np.array([[0, 1, 1 - i / 10, m, 1 - m] for i, m in enumerate(marks)])[::-1]


@pytest.mark.parametrize(
    ("marks", "positives", "integral", "greatest", "eleven"),
    [([1, 1], 2, 1, 1, 1),
     ([0, 0, 1], 1, 1 / 3, 1 / 3, 1 / 3),
     ([1, 0, 1, 1], 4, (1 + 2 / 3 + 3 / 4) / 4, (1 + 3 / 4 + 3 / 4) / 4, (3 + 5 * 3 / 4) / 11),
     ([], 3, 0, 0, 0), ([0], 0, 0, 0, 0)],
)  # fmt: skip
def test_one_class(marks, positives, integral, greatest, eleven):
    found = points(marks) if marks else np.zeros((0, 5))
    for version, want in (("Integral", integral), ("MaxIntegral", greatest), ("11point", eleven)):
        assert average_precision(found, positives, version) == pytest.approx(want)


def test_classes_count_alike_and_boxes_of_batches_add_up():
    first = np.array([[-1, 1, 1, -1, -1], [-1, 2, 0, -1, -1], [0, 1, 0.9, 1, 0], [0] * 5])
    second = np.array([[-1, 1, 1, -1, -1], [-1, 2, 3, -1, -1], [0, 2, 0.5, 0, 0], [0] * 5])
    assert mean_precision([first, second], "Integral") == pytest.approx(0.25)
    assert mean_precision([first], "Integral") == pytest.approx(0.5)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("data.h5", "w") as f:
        f["found"], f["boxes"] = ssd.FOUND.astype(np.float32), ssd.BOXES.astype(np.float32)
    (tmp_path / "files.txt").write_text("data.h5\n")
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path


def test_a_test_net_in_training(folder):
    session = tiny.session(tiny.SOLVER + 'ap_version: "11point"')
    # Class 1: right 0.95, 0.6, wrong 0.9 (twice), 0.7, 0.3, 0.2, of 3 boxes; 2: right, wrong.
    precisions = [(4 * 1 + 3 * 2 / 4) / 11, 1, 0]
    assert session.test(0)["eval"] == pytest.approx(np.mean(precisions), rel=1e-6)
    session.close()


def test_from_the_command_line(folder, capfd):
    session = tiny.session(tiny.SOLVER)
    session.close()
    weights = folder / "w.npz"
    np.savez(weights, **{"p/0": np.zeros(2, np.float32)})
    words = ["test", "-model", "net.prototxt", "-weights", str(weights), "-iterations", "1"]
    assert main(words) == 0
    told = capfd.readouterr().err
    assert "eval = 0.5\n" in told and "Batch 0, eval" not in told


def test_an_unknown_way_is_refused():
    text = 'net: "n" base_lr: 1 max_iter: 1 lr_policy: "fixed" ap_version: "Integal"'
    with pytest.raises(SolverError, match="Unknown ap_version: Integal") as caught:
        check_solver(parse_solver(text))
    assert caught.value.hint == "did you mean 'Integral'?"
