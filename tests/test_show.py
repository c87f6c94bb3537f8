"""A net can be printed after every pass, and only the last needs JAX."""

from __future__ import annotations

import subprocess
import sys

import pytest

from netc.errors import ParseError
from netc.load import parse_net
from netc.schema import Phase
from netc.show import PASSES, show

NET = """name: "n" input: "data" input_dim: 2 input_dim: 3 input_dim: 4 input_dim: 4
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 5 } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" include { phase: TEST } }
"""
SOLVER = 'net: "net.prototxt" solver_type: ADAM base_lr: 0.1 test_iter: 1 test_interval: 2'


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)


def test_parse_shows_the_file_as_it_is():
    assert parse_net(show("net.prototxt", "parse")).message == parse_net(NET).message
    assert 'input: "data"' in show("net.prototxt", "parse")


def test_upgrade_shows_the_current_format():
    text = show("net.prototxt", "upgrade")
    assert 'type: "Input"' in text and 'input: "data"' not in text


def test_phase_shows_what_is_kept_and_why_the_rest_is_not():
    text = show("net.prototxt", "phase", Phase.TRAIN)
    assert text.startswith("# dropped 'prob': The NetState phase")
    assert 'name: "prob"' not in text
    assert [layer.name for layer in parse_net(text).message.layer] == ["input", "ip", "relu"]
    assert 'name: "prob"' in show("net.prototxt", "phase", Phase.TEST)


def test_build_shows_the_graph():
    assert show("net.prototxt", "build", Phase.TEST).splitlines() == [
        "net 'n' in phase TEST",
        "  data = Input 'input'()",
        "  ip = InnerProduct 'ip'(data)",
        "  ip'1 = ReLU 'relu'(ip)",
        "  prob = Softmax 'prob'(ip'1)",
        "  outputs: prob",
    ]


def test_infer_shows_shapes():
    text = show("net.prototxt", "infer")
    assert "ip: 2 x 5 = InnerProduct 'ip'(data) with ip/0: 5 x 48; ip/1: 5" in text
    assert "data: 7 x 1 = Input" in show("net.prototxt", "infer", shapes={"data": (7, 1)})


def test_levels_and_stages_are_heeded():
    text = NET.replace("include { phase: TEST }", 'include { stage: "deploy" min_level: 2 }')
    with open("net.prototxt", "w") as file:
        file.write(text)
    assert "Softmax" not in show("net.prototxt", "build", level=2)
    assert "Softmax" in show("net.prototxt", "build", level=2, stages=("deploy",))


def test_a_solver_is_shown_itself_and_then_as_its_nets():
    assert "solver_type: ADAM" in show("solver.prototxt", "parse")
    assert 'type: "Adam"' in show("solver.prototxt", "upgrade")
    text = show("solver.prototxt", "build")
    assert text.count("net 'n' in phase") == 2
    assert "# TRAIN net of the solver, from net file: net.prototxt\n" in text
    assert show("solver.prototxt", "build", Phase.TEST).count("net 'n' in phase TEST") == 1


def test_binary_files(tmp_path):
    binary = parse_net(NET).message.SerializeToString()
    (tmp_path / "net.caffemodel").write_bytes(binary)
    assert parse_net(show("net.caffemodel", "parse")).message == parse_net(NET).message
    (tmp_path / "broken").write_bytes(b"\x00\xff\xfe\x80" * 10)
    with pytest.raises(ParseError, match="40 bytes that are no NetParameter"):
        show("broken", "parse")


@pytest.mark.parametrize("after", [p for p in PASSES if p != "infer"])
def test_no_jax_before_infer(after):
    code = (
        "import sys; from netc.show import show\n"
        f"for f in ('net.prototxt', 'solver.prototxt'): show(f, {after!r})\n"
        "assert 'jax' not in sys.modules, 'jax was imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
