"""Python layers in a net: passes, gradients, memory between passes, and what goes wrong."""

from __future__ import annotations

import logging
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.cli import main
from netc.errors import NetcError, RunError, ShapeError
from netc.train.batches import Batches
from netc.usercode import naming_user_code

from ..layer_cases import python_layers
from .running import compiled

MODULE = python_layers.__name__

X = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
IP = """layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""


def layer(name, ends, more="", module=MODULE, param_str=""):
    return (
        f"layer {{ name: '{name}' type: 'Python' {ends} {more} python_param {{ "
        f"module: '{module}' layer: '{name}' param_str: '{param_str}' }} }}\n"
    )


def failing(method, more=""):
    return X + IP + layer("Failing", "bottom: 'ip' top: 'y'", more, param_str=method)


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    """Writes a module of the user's in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    names = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        names.append(name)
        return tmp_path / f"{name}.py"

    yield write
    for name in names:
        sys.modules.pop(name, None)


LOSS = layer("EuclideanLoss", "bottom: 'ip' bottom: 'x' top: 'loss'", "loss_weight: 2")


@pytest.mark.parametrize("passes", [1, 3])
def test_trains_as_the_built_in_layer(passes):
    """Also when several passes go forward before the first goes back."""
    built_in = LOSS.replace("Python", "EuclideanLoss").partition("python_param")[0] + "}"
    inputs = jax.random.normal(jax.random.key(0), (passes, 2, 3))

    def gradient(text):
        program = compiled(X + IP + text)
        blobs, state = program.init(0)

        def total(blobs, inputs):
            each = (program.apply(blobs, state, None, {"x": x})[0] for x in inputs)
            return sum(program.loss(values) for values in each)

        return jax.jit(jax.value_and_grad(total))(blobs, inputs)

    mine, want = gradient(LOSS), gradient(built_in)
    for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_loss_has_no_weight_by_default():
    program = compiled(X + layer("EuclideanLoss", "bottom: 'x' bottom: 'x' top: 'l'"))
    assert program.graph.weights == {}


def test_a_source_is_asked_once_in_every_pass():
    batches = Batches(compiled(layer("Counter", "top: 'n'")), kept=2)
    assert [float(next(batches)["n"][0, 0]) for _ in range(3)] == [1, 2, 3]
    assert [float(batches.at(k)["n"][0, 0]) for k in (1, 2, 3)] == [2, 3, 4]
    assert float(next(batches)["n"][0, 0]) == 4  # which `at` has asked for


def test_a_layer_without_tops_runs():
    program = compiled(X + layer("Sink", "bottom: 'x'"))
    python_layers.Sink.seen.clear()
    run = jax.jit(lambda x: program.apply({}, {}, None, {"x": x})[0])
    for value in (1, 2):
        run(jnp.full((2, 3), value, jnp.float32))
    jax.effects_barrier()
    assert python_layers.Sink.seen == [6, 12]


def test_blobs_start_as_setup_leaves_them():
    mixed = layer("Mixed", "bottom: 'x' bottom: 'x' top: 'a' top: 'b'", param_str='{"scale": 2}')
    blobs, _ = compiled(X + mixed).init(0)
    np.testing.assert_array_equal(blobs["Mixed/0"], [0, 1, 2])


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (LOSS, [True, False]),
        (LOSS.replace("loss_weight", "propagate_down: [true, true] loss_weight"), [True, True]),
        (LOSS.replace("loss_weight", "propagate_down: [false, true] loss_weight"), [False, True]),
        ("force_backward: true " + LOSS, [True, True]),
    ],
)
def test_propagate_down(text, want, monkeypatch):
    asked = []
    backward = python_layers.EuclideanLoss.backward

    def spy(self, top, propagate_down, bottom):
        asked.append(propagate_down)
        backward(self, top, propagate_down, bottom)

    monkeypatch.setattr(python_layers.EuclideanLoss, "backward", spy)
    program = compiled(X + IP + text)
    blobs, state = program.init(0)

    def loss(blobs, x):
        return program.loss(program.apply(blobs, state, None, {"x": x})[0])

    jax.block_until_ready(jax.jit(jax.grad(loss, (0, 1)))(blobs, jnp.ones((2, 3))))
    assert asked == [want]


def test_in_pycaffe(tmp_path):
    (tmp_path / "net.prototxt").write_text("force_backward: true\n" + X + IP + LOSS)
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TRAIN)
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    loss = net.forward(x=x)["loss"]
    net.backward()
    difference = net.blobs["ip"].data - x
    np.testing.assert_allclose(loss, [(difference**2).sum() / 4], rtol=1e-5)
    np.testing.assert_allclose(net.blobs["ip"].diff, difference, rtol=1e-5)
    assert issubclass(python_layers.EuclideanLoss, caffe.Layer)


@pytest.mark.parametrize("method", ["setup", "reshape"])
def test_a_failure_at_set_up_names_layer_file_and_line(method):
    with pytest.raises(RunError) as caught:
        compiled(failing(method))
    text = str(caught.value)
    place = f"{python_layers.__file__}:"
    assert f"ZeroDivisionError: in {method}, in {method} of Failing (layer 'Failing'" in text
    assert place in text.splitlines()[0]
    assert "Traceback" in text and "raise ZeroDivisionError" in text and "hosted.py" not in text


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_a_failure_in_a_pass_comes_out_of_the_program(method, caplog):
    program = compiled(failing(method, "loss_weight: 1"))
    blobs, state = program.init(0)

    def loss(blobs):
        return program.loss(program.apply(blobs, state, None, {"x": jnp.ones((2, 3))})[0])

    message = f"python_layers.py:.*ZeroDivisionError: in {method}, in {method} of Failing"
    with (
        caplog.at_level(logging.DEBUG, "jax._src.callback"),
        pytest.raises(RunError, match=message),
        naming_user_code(),
    ):
        jax.block_until_ready(jax.jit(jax.grad(loss))(blobs))
    assert not [r for r in caplog.records if r.name == "jax._src.callback"]


@pytest.mark.parametrize(
    ("param_str", "message"),
    [
        ("grow", "Failing leaves top[0].data with shape 9 x 9, which was 2 x 3 when the net"),
        ("grow diff", "Failing leaves the diff of a 2 x 3 blob with shape 4, which was 2 x 3"),
    ],
)
def test_shapes_are_fixed(param_str, message):
    program = compiled(failing(param_str, "loss_weight: 1"))
    blobs, state = program.init(0)

    def loss(blobs):
        return program.loss(program.apply(blobs, state, None, {"x": jnp.ones((2, 3))})[0])

    with pytest.raises(RunError) as caught, naming_user_code():
        jax.block_until_ready(jax.grad(loss)(blobs))
    assert message in str(caught.value)


def test_other_failures_pass_through():
    with pytest.raises(KeyError), naming_user_code():
        raise KeyError("x")
    with pytest.raises(NetcError, match="mine"), naming_user_code():
        raise ShapeError("mine")


def test_a_function_that_fails():
    with pytest.raises(RunError, match=r"python_layers.py:\d+: NameError: .*, in wrong \(layer"):
        compiled(X + layer("wrong", "bottom: 'x' top: 'y'"))


def test_a_module_in_the_current_folder(user_module):
    user_module("mine_at_hand", "import mine_beside\nf = mine_beside.f\n")
    user_module("mine_beside", "def f(x):\n    return 3 * x\n")
    program = compiled(X + layer("f", "bottom: 'x' top: 'y'", module="mine_at_hand"))
    values, _ = program.apply({}, {}, None, {"x": jnp.ones((2, 3))})
    assert float(values["y"][0, 0]) == 3


def test_a_misspelt_module(user_module):
    user_module("mine_at_hand", "")
    with pytest.raises(ShapeError) as caught:
        compiled(X + layer("f", "bottom: 'x' top: 'y'", module="mine_at_hnd"))
    assert caught.value.hint == "did you mean 'mine_at_hand'?"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\nimport numpyy\n", "2: ModuleNotFoundError: No module named 'numpyy'"),
        ("import caffe\ncaffe.none\n", "2: AttributeError: module 'netc.pycaffe' has no attribute"),
        ("x = 1 / 0\n", "1: ZeroDivisionError: division by zero"),
        ("def f(:\n", "1: SyntaxError: "),
    ],
)
def test_a_module_that_fails(text, place, user_module):
    path = user_module("mine_broken", text)
    with pytest.raises(RunError) as caught:
        compiled(X + layer("f", "bottom: 'x' top: 'y'", module="mine_broken"))
    assert f"{path}:{place}" in str(caught.value).splitlines()[0]
    assert "importing module 'mine_broken' (layer 'f', Python)" in str(caught.value)


def test_a_failure_in_a_command_is_one_block(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("netc.lowering.platform.persistent_cache", lambda: None)
    (tmp_path / "net.prototxt").write_text(failing("forward"))
    assert main(["time", str(tmp_path / "net.prototxt"), "-iterations", "1"]) == 1
    err = capfd.readouterr().err
    block = err[err.index(f"{tmp_path}/net.prototxt:4:1: {python_layers.__file__}:") :]
    assert block.count("Traceback") == 1 and "jax" not in block
