"""Layer types from a file or an installed package, and the examples of docs/extending.md."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from netc.cli import main
from netc.compile import compile_net
from netc.errors import GraphError, NetcError, RunError, UsageError
from netc.layers import LAYERS, plugins
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.schema import NetState

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {b.split()[1]: b for kind, b in BLOCKS if kind in ("python", "prototxt")}
COMMANDS = [line for kind, b in BLOCKS if kind == "sh" for line in b.splitlines()]
TWICE = """import netc
@netc.register("Twice", bottoms=1, tops=1)
def twice(d):
    factor = float(d.param.python_param.param_str or 2)
    return netc.stateless(lambda blobs, x: factor * x)
"""
NET = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }
layer { name: "y" type: "Twice" bottom: "x" top: "y" python_param { param_str: "3" } }
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder; what a test registers and imports is forgotten."""
    types, modules = dict(LAYERS), set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("netc.lowering.platform.persistent_cache", lambda: None)
    plugins._load_installed.cache_clear()
    yield tmp_path
    plugins._load_installed.cache_clear()
    LAYERS.clear()
    LAYERS.update(types)
    for name in (set(sys.modules) - modules) & {"my_layers", "my_functions", "my_classes", "mine"}:
        del sys.modules[name]


def program(text):
    return compile_net(parse_net(text, "net.prototxt"), NetState(), Plan("cpu"))


def top(text, x):
    net = program(text)
    blobs, state = net.init(0)
    return net.apply(blobs, state, None, {"x": jnp.asarray(x, jnp.float32)})[0]["y"]


def install(folder, name, text):
    """A package with an entry point, as pip leaves it."""
    (folder / f"{name}.py").write_text(text)
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[netc.layers]\nlayers_of_{name} = {name}\n")
    sys.path.insert(0, str(folder))


def test_a_file_registers_types(here):
    (here / "my_layers.py").write_text(TWICE)
    plugins.load_file("my_layers.py")
    plugins.load_file("my_layers.py")
    np.testing.assert_array_equal(top(NET, [1, 2]), [3, 6])


@pytest.mark.parametrize("command", ["check", "show --after=infer", "summary --no-compile", "time"])
def test_commands_take_plugins(command, here, capsys):
    (here / "my_layers.py").write_text(TWICE)
    (here / "net.prototxt").write_text(NET)
    words = command.split()
    if words == ["time"]:
        words += ["-iterations", "1"]
    assert main([*words, "net.prototxt", "--plugin", "my_layers.py"]) == 0
    assert "Unknown layer type" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("command", ["train", "test", "time", "check", "show", "summary"])
def test_every_command_loads_them(command, here, capsys):
    (here / "net.prototxt").write_text(NET)
    (here / "s.prototxt").write_text("net: 'net.prototxt' base_lr: 1 lr_policy: 'fixed'\n")
    words = [command, "s.prototxt" if command == "train" else "net.prototxt"]
    words += ["-weights", "w.caffemodel"] if command == "test" else []
    assert main([*words, "--plugin", "absent.py"]) == 2
    assert "--plugin absent.py: no such Python file" in capsys.readouterr().err


def test_an_installed_package_registers_types(here):
    install(here, "mine", TWICE)
    np.testing.assert_array_equal(top(NET, [1, 2]), [3, 6])


def test_an_installed_package_that_fails(here):
    install(here, "mine", "\nimport nothing_like_that\n")
    with pytest.raises(RunError) as caught:
        program(NET)
    first = str(caught.value).splitlines()[0]
    assert "No module named 'nothing_like_that', loading the plug-in 'layers_of_mine'" in first
    assert first.endswith("of mine 1.2")
    assert f"{here}/mine.py" in str(caught.value)


def test_packages_are_not_loaded_for_built_in_types(here):
    install(here, "mine", "1 / 0")
    program(NET.replace("Twice", "ReLU"))


def test_an_unknown_type_is_still_unknown(here):
    install(here, "mine", TWICE)
    with pytest.raises(GraphError) as caught:
        program(NET.replace("Twice", "Twixe"))
    assert caught.value.hint == "did you mean 'Twice'?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import netc\nnetc.regster\n",
            "my_layers.py:2: AttributeError: module 'netc' has no attribute 'regster'"),
        (TWICE.replace("Twice", "ReLU"),
            "my_layers.py:2: ValueError: layer type ReLU is registered already"),
        ("def f(:\n", "my_layers.py:1: SyntaxError"),
    ],
)  # fmt: skip
def test_a_file_that_fails(text, message, here):
    (here / "my_layers.py").write_text(text)
    with pytest.raises(RunError) as caught:
        plugins.load_file("my_layers.py")
    assert message in str(caught.value)
    assert "loading the plug-in my_layers.py" in str(caught.value).splitlines()[0]


@pytest.mark.parametrize("path", ["absent.py", "text.txt", "folder.py"])
def test_a_path_that_is_no_python_file(path, here):
    (here / "text.txt").write_text("")
    (here / "folder.py").mkdir()
    with pytest.raises(UsageError, match="no such Python file"):
        plugins.load_file(path)


def test_names_of_the_package_are_those_of_the_layers():
    import netc.layers

    for name in netc.LAYERS:
        assert getattr(netc, name) is getattr(netc.layers, name)
        assert name in dir(netc)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = netc.nothing  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing():
    code = "import netc, sys; assert not {'netc.layers', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


@pytest.fixture
def page(here):
    for name, text in FILES.items():
        (here / name).write_text(text)


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page(command, capsys):
    words = shlex.split(command)
    assert words[0] == "netc" and main(words[1:]) == 0, capsys.readouterr()


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("name", [n for n in FILES if n.endswith(".prototxt")])
def test_nets_of_the_page(name):
    """Their gradients are those of what they compute."""
    plugins.load_file("my_layers.py")
    net = program("force_backward: true\n" + FILES[name])
    blobs, state = net.init(1)
    shapes = {k: net.graph.shapes[k] for k in net.graph.inputs}
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        inputs = {k: jnp.asarray(rng.normal(size=s)) for k, s in shapes.items()}
        blobs = {k: jnp.asarray(b, jnp.float64) for k, b in blobs.items()}

        def outputs(blobs, inputs):
            return net.apply(blobs, state, None, inputs)[0]

        check_grads(outputs, (blobs, inputs), order=1, modes=["rev"], atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("page")
def test_the_type_of_the_page_points_at_its_field():
    plugins.load_file("my_layers.py")
    with pytest.raises(NetcError, match=r"net.prototxt:5:3: Cosine needs a num_output"):
        program(FILES["type.prototxt"].replace("num_output: 5", ""))
