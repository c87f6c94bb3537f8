"""netc stand-in: scripts that call Caffe from its folder, as they are."""

import os
import subprocess
import sys

import pytest

from netc.cli import main
from tests.pycaffe import nets

SHELL = """set -e
$CAFFE_ROOT/build/tools/caffe time -model=net.prototxt -iterations=1 2>log
grep -q "Benchmark ends" log
python3 "$CAFFE_ROOT/python/draw_net.py" net.prototxt net.dot --phase=TEST
$CAFFE_ROOT/tools/extra/summarize.py net.prototxt
$CAFFE_ROOT/build/tools/upgrade_net_proto_text.bin net.prototxt new.prototxt
"""
PYTHON = """
import sys
sys.path.insert(0, "caffe/python")
import caffe
import caffe.io
from caffe.proto import caffe_pb2
print(caffe.__name__, caffe_pb2.NetParameter(name="n").name, caffe.io.__name__)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "net.prototxt").write_text(nets.SCORED)
    assert main(["stand-in", "caffe"]) == 0
    assert "caffe/build/tools/caffe\n" in capsys.readouterr().out
    return tmp_path


def run(*command):
    environment = {**os.environ, "CAFFE_ROOT": os.path.abspath("caffe")}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_shell_script(folder):
    (folder / "run.sh").write_text(SHELL)
    done = run("sh", "run.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rankdir=LR" in (folder / "net.dot").read_text()
    assert "InnerProduct" in done.stdout and (folder / "new.prototxt").exists()


def test_a_python_script(folder):
    (folder / "script.py").write_text(PYTHON)
    done = run(sys.executable, "script.py")
    assert (done.stdout, done.stderr) == ("netc.pycaffe n netc.pycaffe.io\n", "")
    without = run(sys.executable, "-S", "script.py")  # a Python without netc
    assert f"netc is not installed for this Python; it is for {sys.executable}" in without.stderr


def test_exit_statuses_and_help(folder):
    caffe = str(folder / "caffe" / "build" / "tools" / "caffe")
    assert run(caffe, "train", "-solver=none.prototxt").returncode == 1
    assert run(caffe, "trian").returncode == 2
    assert "usage: netc COMMAND" in run(caffe, "help").stdout


def test_a_folder_that_cannot_be_written(folder, capsys):
    assert main(["stand-in", "net.prototxt/caffe"]) == 2
    assert (
        "net.prototxt/caffe/python/caffe/__init__.py cannot be written" in capsys.readouterr().err
    )
