"""`netc test` and `netc time`."""

import re

import numpy as np
import pytest

from netc.cli import main

MODEL = ("-model", "net.prototxt")
WEIGHTS = ("-weights", "tiny_iter_2.caffemodel")


@pytest.fixture
def log(capfd):
    """The texts of the log lines since last asked, without their stamps."""
    return lambda: [t.partition("] ")[2] or t for t in capfd.readouterr().err.splitlines()]


def test_batches_then_means(folder, log):
    assert main(["test", *MODEL, *WEIGHTS, "-iterations", "3"]) == 0
    lines = log()
    assert lines[0] == "Running for 3 iterations."
    batches = [re.fullmatch(r"Batch (\d), (\w+) = (\S+)", t).groups() for t in lines[1:7]]
    assert [(b, n) for b, n, _ in batches] == [
        (str(k), n) for k in range(3) for n in ("accuracy", "loss")
    ]
    values = {n: [float(v) for _, m, v in batches if m == n] for n in ("accuracy", "loss")}
    loss, accuracy, weighted = lines[7:]
    assert loss == f"Loss: {weighted.split()[2]}"
    assert float(accuracy.removeprefix("accuracy = ")) == pytest.approx(
        np.mean(values["accuracy"]), 1e-5
    )
    mean, weight, product = re.fullmatch(
        r"loss = (\S+) \(\* (\S+) = (\S+) loss\)", weighted
    ).groups()
    assert float(mean) == pytest.approx(np.mean(values["loss"]), 1e-5)
    assert (weight, product) == ("1", mean)


def test_the_test_is_that_of_training(folder, log):
    tests = " test_iter: 5 test_interval: 2 test_initialization: false"
    (folder / "solver.prototxt").write_text((folder / "solver.prototxt").read_text() + tests)
    assert main(["train", "solver.prototxt", "--no-run-dir"]) == 0
    trained = [t.partition(": ")[2] for t in log() if "Test net output" in t]
    assert main(["test", *MODEL, *WEIGHTS, "-iterations", "5"]) == 0
    assert log()[-2:] == trained


def test_mistakes_of_test(folder, log):
    assert main(["test", *MODEL, *WEIGHTS, "-iterations", "0"]) == 2
    assert log() == ["-iterations must be at least 1, got 0"]
    assert main(["test", *MODEL, "-weights", "none.caffemodel"]) == 1
    assert "Couldn't open none.caffemodel" in log()[0]
    assert main(["test", *WEIGHTS]) == 2
    with pytest.raises(SystemExit) as end:
        main(["test", *MODEL])
    assert end.value.code == 2
    log()
    assert main(["test", "-model", "solver.prototxt", *WEIGHTS]) == 1
    assert log()[0] == "solver.prototxt: this is a solver, where a net is expected"


def test_time_has_a_line_each_way_for_every_layer(folder, log):
    assert main(["time", *MODEL, "-iterations", "2"]) == 0
    text = "\n".join(log())
    number = r"[\d.e+-]+"
    assert re.search(r"Initial loss: \S+\n\*\*\* Benchmark begins \*\*\*\n", text)
    assert "Testing for 2 iterations.\nAverage time per layer: \n" in text
    for layer in ("data", "ip", "loss"):
        for way in ("forward", "backward"):
            assert re.search(rf"^ *{layer}\t{way}: {number} ms\.$", text, re.MULTILINE)
    for what in ("Forward pass", "Backward pass", "Forward-Backward"):
        assert re.search(rf"^Average {what}: {number} ms\.$", text, re.MULTILINE)
    assert re.search(rf"^Total Time: {number} ms\.$", text, re.MULTILINE)
    assert text.endswith("*** Benchmark ends ***")


def test_time_in_phase_test(folder, log):
    assert main(["time", *MODEL, "-iterations", "1", "-phase", "TEST"]) == 0
    assert any(re.match(r" *accuracy\tforward: ", t) for t in log())
    with pytest.raises(SystemExit) as end:
        main(["time", *MODEL, "-phase", "BOTH"])
    assert end.value.code == 2
    assert main(["time", *MODEL, "-iterations", "0"]) == 2


def test_time_fills_the_inputs_of_a_deploy_net(folder, log):
    (folder / "deploy.prototxt").write_text(
        'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }'
        'layer { name: "relu" type: "ReLU" bottom: "data" top: "out" }'
    )
    assert main(["time", "deploy.prototxt", "-iterations", "1"]) == 0
    assert any("relu\tforward: " in t for t in log())


def test_weights_of_another_net(folder, log):
    net = folder / "net.prototxt"
    net.write_text(net.read_text().replace('name: "ip"', 'name: "new"'))
    assert main(["test", *MODEL, *WEIGHTS, "-iterations", "1"]) == 0
    assert "Ignoring source layer ip" in log()
    assert main(["test", *MODEL, *WEIGHTS, "-iterations", "1", "--map", "ip=new"]) == 0
    assert log()[0] == "Running for 1 iterations."
