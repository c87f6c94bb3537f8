"""Logs of all kinds as numbers."""

import json
import math
from pathlib import Path

import pytest

from netc.errors import ParseError
from netc.logs.read import read_log

GOLDEN = Path(__file__).parents[1] / "golden" / "data" / "caffe_train.log"
YEAR_2016 = """
I1231 23:59:58.000000  7 solver.cpp:228] Iteration 0, Testing net (#0)
I1231 23:59:58.500000  7 solver.cpp:397]     Test net output #0: accuracy = 0.1
I1231 23:59:58.500000  7 solver.cpp:397]     Test net output #1: loss = 2.3 (* 1 = 2.3 loss)
I1231 23:59:59.000000  7 solver.cpp:228] Iteration 0, loss = 2.5
I1231 23:59:59.000000  7 solver.cpp:244]     Train net output #0: loss = 2.25 (* 2 = 4.5 loss)
I1231 23:59:59.250000  7 sgd_solver.cpp:106] Iteration 0, lr = 1e-05
I0101 00:00:01.000000  7 solver.cpp:228] Iteration 10, loss = nan
I0101 00:00:01.000000  7 solver.cpp:244]     Train net output #0: loss = -inf (* 1 = -inf loss)
I0101 00:00:01.000000  7 sgd_solver.cpp:106] Iteration 10, lr = 5e-06, m = 0.9, lrm = 5e-05
I0229 00:00:01.000000  7 solver.cpp:228] Iteration 20, Testing net (#0)
I0229 00:00:01.000000  7 solver.cpp:397]     Test net output #0: accuracy = 1
"""


@pytest.fixture
def read(tmp_path):
    def reading(text):
        (tmp_path / "train.log").write_text(text)
        return read_log(tmp_path / "train.log")

    return reading


def test_a_log_of_caffes():
    log = read_log(GOLDEN)
    assert [row.iteration for row in log.train] == list(range(0, 400, 20))
    assert [row.iteration for row in log.tests[0]] == [0, 100, 200, 300, 400]
    second, tested = log.train[1], log.tests[0][1]
    assert second.values == {"loss": 1.86587} and second.rate == 0.00998503
    assert tested.values == {"accuracy": 0.836111, "loss": 0.737381}
    assert tested.rate == log.train[5].rate == 0.00992565  # of the iteration that follows
    assert log.tests[0][0].seconds < 0.001 < second.seconds < tested.seconds < 1
    assert log.train[0].loss == 2.31692


def test_stamps_without_a_year_and_values_that_are_none(read):
    log = read(YEAR_2016)
    one, two = log.train
    assert (one.iteration, one.seconds, one.rate, one.loss) == (0, 1, 1e-5, 2.5)
    assert (two.iteration, two.seconds, two.rate) == (10, 3, 5e-6)
    assert math.isnan(two.loss) and two.values == {"loss": -math.inf}
    first, last = log.tests[0]
    assert (first.seconds, first.rate, last.seconds) == (0, 1e-5, 59 * 86400 + 3)
    assert last.values == {"accuracy": 1}


def test_seconds_are_counted_from_what_is_solved(read):
    log = read(
        "I1231 23:00:00.000000  7 a.cpp:1] x\nI1231 23:59:57.0 7 s.cpp:1] Solving N\n" + YEAR_2016
    )
    assert log.train[0].seconds == 2


def test_logs_without_outputs_or_stamps(read):
    log = read("Iteration 5, loss = 0.5\nIteration 5, lr = 0.1\nIteration 6, loss = 0.25\n")
    assert [(r.iteration, r.loss, r.rate, r.values) for r in log.train] == [
        (5, 0.5, 0.1, {}), (6, 0.25, 0.1, {}),
    ]  # fmt: skip
    assert math.isnan(log.train[0].seconds) and log.tests == {}


def test_logs_of_2013(read):
    log = read(
        "I0101 00:00:00.000000 1 s.cpp:1] Iteration 100, Testing net\n"
        "I0101 00:00:01.000000 1 s.cpp:1] Test score #0: 0.95\n"
        "I0101 00:00:01.000000 1 s.cpp:1] Test score #1: 0.2\n"
    )
    assert log.tests[0][0].values == {"score 0": 0.95, "score 1": 0.2}


def test_several_test_nets_and_blobs_of_several_values(read):
    log = read(
        "Iteration 0, Testing net (#0)\n    Test net output #0: acc = 0.5\n"
        "    Test net output #1: acc = 0.25\nIteration 0, Testing net (#1)\n"
        "    Test net output mAP #0: detection_eval = 0.75\n"
    )
    assert log.tests[0][0].values == {"acc": 0.5, "acc[1]": 0.25}
    assert log.tests[1][0].values == {"detection_eval": 0.75}


def test_what_stands_before_the_lines_is_passed_over(read):
    log = read("2020-01-01T00:00:00Z I0102 03:04:05.678901 12 s.cpp:9] Iteration 3, loss = 1\n")
    assert (log.train[0].iteration, log.train[0].seconds) == (3, 0)


def test_a_run_that_goes_on_in_the_same_log(read):
    log = read("".join(f"Iteration {i}, loss = {i}\n" for i in (0, 10, 5, 15)))
    assert [row.iteration for row in log.train] == [0, 10, 5, 15]


def test_metrics_of_a_run_folder(read):
    lines = [
        {"kind": "test 0", "iteration": 0, "time": 5.0, "accuracy": 0.1, "loss_sum": 2},
        {"kind": "train", "iteration": 0, "time": 6.0, "loss": 2.0, "lr": 0.1, "per": [1.0, 2.0]},
        {"kind": "test 1", "iteration": 2, "time": 7.0, "accuracy": 0.5},
    ]
    log = read("".join(json.dumps(line) + "\n" for line in lines) + '{"kind": "trai')
    (row,) = log.train
    assert (row.seconds, row.rate, row.loss) == (1, 0.1, 2)
    assert row.values == {"loss": 2, "per": 1, "per[1]": 2}
    assert log.tests[0][0].values == {"accuracy": 0.1, "loss_sum": 2}
    assert (log.tests[0][0].rate, log.tests[1][0].seconds) == (0.1, 2)


def test_what_is_no_log(read, tmp_path):
    for text in ("", "Iteration none\n", "{}\n"):
        with pytest.raises(ParseError, match="no iteration is told of in this log"):
            read(text)
    with pytest.raises(ParseError, match=r"none.log: Failed to open file"):
        read_log(tmp_path / "none.log")
