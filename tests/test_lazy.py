"""What does not compute does not wait for the libraries that do."""

import subprocess
import sys

import pytest

from tests.test_layering import HEAVY, MODULES, ROOT, place

LIBRARIES = ("jax", "jaxlib", "optax", "h5py", "lmdb", "cv2", "rich", "tensorboardX")
LIGHT = [name for name in MODULES if place(name) not in HEAVY and name != "netc.__main__"]
NET = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""


def loaded_by(code: str) -> str:
    """The names of the heavy libraries that some code imports, in a new interpreter."""
    report = f"\nimport sys\nprint('loaded', *sorted(set({LIBRARIES!r}) & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + report],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()[-1].removeprefix("loaded").strip()


def test_no_light_module_imports_a_heavy_library():
    lines = [
        "import importlib, sys",
        f"for name in {LIGHT!r}:",
        "    importlib.import_module(name)",
        f"    heavy = set({LIBRARIES!r}) & set(sys.modules)",
        "    assert not heavy, f'{name} imports {heavy}'",
    ]
    assert loaded_by("\n".join(lines)) == ""


CODE = {
    "netc --help": "from netc.cli import main; assert main(['--help']) == 0",
    "netc": "from netc.cli import main; assert main([]) == 0",
    "netc --version": "from netc.cli import main; assert main(['--version']) == 0",
    "a wrong command": "from netc.cli import main; assert main(['trian']) == 2",
    "netc upgrade": """
import os, tempfile
from netc.cli import main
path = os.path.join(tempfile.mkdtemp(), "n.prototxt")
with open(path, "w") as file:
    file.write("layers { type: RELU }")
assert main(["upgrade", path, path]) == 0
""",
    "netc diff, netc doctor, netc draw": f"""
import os, tempfile
from netc.cli import main
path = os.path.join(tempfile.mkdtemp(), "n.prototxt")
with open(path, "w") as file:
    file.write({NET!r})
assert main(["diff", path, path]) == 0
assert main(["doctor", os.path.dirname(path)]) == 0
assert main(["draw", path, path + ".svg"]) == 0
""",
    "reading": f"from netc.load import parse_net; parse_net({NET!r})",
    "building": f"""
from netc.graph.build import build
from netc.graph.splits import insert_splits
from netc.load import parse_net
from netc.phase import filter_net, net_state
from netc.prototxt import to_text
message, source, _ = filter_net(parse_net({NET!r}), net_state(0))
assert "InnerProduct" in build(message, source).to_text()
assert "xavier" in to_text(insert_splits(message, source)[0])
""",
}


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_never_imports_a_heavy_library(code):
    assert loaded_by(code) == ""


def test_the_test_sees_what_is_imported():
    assert "jax" in loaded_by("import netc.train.step").split()


def test_lazy_modules_are_imported_when_an_attribute_is_read():
    assert loaded_by("from netc.lazy import jax, jnp, lax; import netc.fillers") == ""
    code = "from netc.lazy import jnp; assert jnp.add(1, 2) == 3"
    assert loaded_by(code).split()[0] == "jax"


def test_lazy_modules_are_the_modules():
    import jax
    import jax.numpy

    from netc import lazy

    assert lazy.jnp.zeros is jax.numpy.zeros
    assert lazy.lax.scan is jax.lax.scan
    assert lazy.jax.jit is jax.jit
    with pytest.raises(AttributeError, match="no attribute 'zzz'"):
        _ = lazy.jnp.zzz
