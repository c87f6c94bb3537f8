"""netc run: scripts for pycaffe as they are."""

import logging
import sys

import pytest

import netc.pycaffe
from netc.cli import main
from tests.pycaffe import nets

SCRIPT = """
import sys
import os.path as osp
sys.path.insert(0, osp.join("caffe", "python"))
import caffe
import caffe.proto.caffe_pb2 as pb2
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2
from caffe.coord_map import crop
import beside

if __name__ == "__main__":
    caffe.set_mode_cpu()
    net = caffe.Net("net.prototxt", caffe.TEST)
    print(sys.argv, net.blobs["ip2"].data.shape, caffe_pb2 is pb2, beside.VALUE)
    caffe.log("from the script")
    sys.exit(int(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("netc.lowering.platform.persistent_cache", lambda: None)
    for name in ("argv", "path"):
        monkeypatch.setattr(sys, name, [*getattr(sys, name)])
    before, logger = dict(sys.modules), logging.getLogger("netc")
    held = logger.handlers[:], logger.level, logger.propagate
    for name in [n for n in sys.modules if n.split(".")[0] == "caffe"]:
        del sys.modules[name]
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "beside.py").write_text("VALUE = 7\n")
    (tmp_path / "net.prototxt").write_text(nets.DEPLOY)
    finders = sys.meta_path[:]
    yield
    sys.meta_path[:] = finders
    for name in [n for n in sys.modules if n.split(".")[0] in ("caffe", "beside")]:
        del sys.modules[name]
    sys.modules.update({k: v for k, v in before.items() if k.split(".")[0] == "caffe"})
    logger.handlers[:], logger.level, logger.propagate = held


def test_a_script_as_it_is(tmp_path, capsys):
    (tmp_path / "tools" / "script.py").write_text(SCRIPT)
    with pytest.raises(SystemExit) as end:
        main(["run", "tools/script.py", "--gpu=0", "3", "-h"])
    assert end.value.code == 3
    told = capsys.readouterr()
    assert told.out == "['tools/script.py', '--gpu=0', '3', '-h'] (4, 3) True 7\n"
    assert "script.py:16] from the script" in told.err
    assert sys.modules["caffe"] is netc.pycaffe


def test_a_caffe_that_is_there_already_stays(tmp_path, capsys):
    (tmp_path / "script.py").write_text("import caffe\nprint(caffe.VALUE)\n")
    sys.modules["caffe"] = type(sys)("caffe")
    vars(sys.modules["caffe"])["VALUE"] = "another"
    assert main(["run", "script.py"]) == 0
    assert capsys.readouterr().out == "another\n"


def test_modules_of_a_fork_are_found_in_its_folder(tmp_path, capsys):
    """As scripts for SSD import caffe.model_libs."""
    fork = tmp_path / "ssd" / "python" / "caffe"
    fork.mkdir(parents=True)
    (fork / "__init__.py").write_text("raise ImportError('it is not built')\n")
    (fork / "model_libs.py").write_text("from caffe import layers as L\nRELU = L.ReLU\n")
    (tmp_path / "script.py").write_text(
        "import sys\nsys.path.insert(0, 'ssd/python')\nimport caffe\n"
        "from caffe.model_libs import *\nprint(RELU is not None)\nimport caffe.nothing\n"
    )
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'caffe.nothing'"):
        main(["run", "script.py"])
    assert capsys.readouterr().out == "True\n"


def test_mistakes_name_the_line_of_the_script(tmp_path, capsys):
    (tmp_path / "script.py").write_text("import caffe\n\nnet = caffe.Net('none', caffe.TEST)\n")
    assert main(["run", "script.py"]) == 1
    assert capsys.readouterr().err.endswith(
        "Could not open file none\n  script.py:3: net = caffe.Net('none', caffe.TEST)\n"
    )
    assert main(["run", "none.py"]) == 2
    assert capsys.readouterr().err == "there is no script none.py\n"
