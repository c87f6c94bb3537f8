"""The command line as a whole: help, commands, flags in every spelling, exit statuses."""

import argparse
import importlib
import subprocess
import sys

import pytest

from netc import __version__
from netc.cli import COMMANDS, main
from netc.cli import train as train_command
from netc.errors import NetcError

HEAVY = ("jax", "h5py", "lmdb", "cv2", "rich", "optax", "tensorboardX")


def modules_after(*arguments):
    code = f"""
import sys
from netc.cli import main
try:
    main({list(arguments)!r})
except SystemExit:
    pass
print("LOADED", *sorted(m for m in {HEAVY!r} if m in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def test_help_lists_every_command(capsys):
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        assert main(arguments) == 0
        told = capsys.readouterr().out
        assert all(f"  {name}" in told and text in told for name, text in COMMANDS.items())


def test_help_imports_nothing_heavy():
    assert modules_after("--help") == []
    assert modules_after("train", "--help") == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    told = capsys.readouterr().out
    assert end.value.code == 0 and f"usage: netc {name}" in told
    what = importlib.import_module(f"netc.cli.{name.replace('-', '_')}").__doc__.splitlines()[0]
    assert what in told


def test_version(capsys):
    assert main(["--version"]) == main(["-version"]) == 0
    assert capsys.readouterr().out == f"netc {__version__}\n" * 2


def test_an_unknown_command(capsys):
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == "no command 'trian'\nhint: did you mean 'train'?\n"
    assert main(["xyzzy"]) == 2
    assert capsys.readouterr().err == "no command 'xyzzy'\nhint: see netc --help\n"


def test_exit_statuses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text('name: "n"')
    assert main(["show", "net.prototxt"]) == 0
    assert main(["show", "nothing.prototxt"]) == 1
    assert main(["show"]) == 2
    with pytest.raises(SystemExit) as end:
        main(["show", "--no-such-flag"])
    assert end.value.code == 2
    capsys.readouterr()


def test_a_traceback_only_with_debug(capsys):
    assert main(["show", "nothing.prototxt"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(NetcError):
        main(["show", "nothing.prototxt", "--debug"])


def test_ctrl_c(monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(train_command, "run", interrupted)
    assert main(["train", "solver.prototxt"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


CALLED_BACK = """
import signal, sys, time, weakref
import netc.cli.layers
def run(args):
    things = set()
    kept = weakref.ref(things, lambda _: signal.raise_signal(signal.SIGINT))
    del things
    time.sleep(60)
netc.cli.layers.run = run
sys.argv = ["netc", "layers"]
sys.exit(netc.cli.main())
"""


def test_ctrl_c_in_a_callback_is_not_lost():
    done = subprocess.run([sys.executable, "-c", CALLED_BACK], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


CAFFES_FLAGS = {
    "train": {
        "solver": "s",
        "snapshot": "a",
        "weights": "w",
        "gpu": "0",
        "level": "1",
        "stage": "a,b",
        "sigint_effect": "none",
        "sighup_effect": "stop",
        "phase": "TRAIN",
        "iterations": "5",
    },
    "test": {
        "model": "m",
        "weights": "w",
        "iterations": "5",
        "gpu": "0",
        "level": "1",
        "stage": "a",
    },
    "time": {
        "model": "m",
        "phase": "TEST",
        "level": "1",
        "stage": "a",
        "iterations": "5",
        "gpu": "0",
    },
    "device_query": {"gpu": "0"},
    "convert_imageset": {
        "gray": None,
        "shuffle": None,
        "backend": "lmdb",
        "resize_width": "3",
        "resize_height": "4",
        "check_size": None,
        "encoded": None,
        "encode_type": "png",
    },
}
SPELLINGS = ("-{0} {1}", "--{0} {1}", "-{0}={1}", "--{0}={1}")
REQUIRED = {"test": ["-weights=w"], "convert_imageset": ["root/", "list", "db"]}


def parsed(command, monkeypatch, *arguments):
    """What the command's own code is given."""
    found = []
    module = importlib.import_module(f"netc.cli.{command}")
    monkeypatch.setattr(module, "run", lambda args: found.append(args) or 0)
    assert main([command, *arguments, *REQUIRED.get(command, [])]) == 0
    return found[0]


@pytest.mark.parametrize(
    "command, name", [(c, n) for c, flags in CAFFES_FLAGS.items() for n in flags]
)
def test_flags_of_caffe_in_every_spelling(command, name, monkeypatch):
    value = CAFFES_FLAGS[command][name]
    if value is None:
        for yes, no in ((f"-{name}", f"-no{name}"), (f"--{name}", f"--no{name}")):
            assert getattr(parsed(command, monkeypatch, yes), name) is True
            assert getattr(parsed(command, monkeypatch, no), name) is False
        for value, texts in ((True, "true 1 T Yes y"), (False, "false 0 F NO n")):
            for text in texts.split():
                for dashes in ("-", "--"):
                    args = parsed(command, monkeypatch, f"{dashes}{name}={text}")
                    assert getattr(args, name) is value
        return
    for spelling in SPELLINGS:
        args = parsed(command, monkeypatch, *spelling.format(name, value).split(" "))
        assert isinstance(args, argparse.Namespace) and str(getattr(args, name)) == value


def test_flags_of_glog(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GLOG_log_dir", "")
    monkeypatch.setenv("GLOG_minloglevel", "0")
    net = tmp_path / "net.prototxt"
    net.write_text("layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 2 } } }")
    flags = ["--logtostderr=1", "-alsologtostderr", "-minloglevel", "1", "-v", "2"]
    flags += ["-nolog_prefix", "--vmodule=net*=2", "-max_log_size=5", "-logbufsecs", "0"]
    assert main(["time", "-model", str(net), "-iterations", "1", *flags]) == 0
    assert "Benchmark" not in capsys.readouterr().err
    flags = ["-minloglevel=0", f"-log_dir={tmp_path}"]
    assert main(["time", "-model", str(net), "-iterations", "1", *flags]) == 0
    assert "Benchmark ends" in (tmp_path / "netc.INFO").read_text()
    assert main(["time", "-model", str(net), f"-log_dir={tmp_path / 'none'}"]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_an_empty_phase_is_none(monkeypatch):
    """As `caffe time -phase=$PHASE` has it where PHASE is not set."""
    assert parsed("time", monkeypatch, "-model=m", "-phase=").phase == ""


def test_a_switch_that_is_neither_on_nor_off(capsys):
    with pytest.raises(SystemExit) as end:
        main(["convert_imageset", "root/", "list", "db", "-shuffle=perhaps"])
    assert end.value.code == 2
    assert "ignored explicit argument 'perhaps'" in capsys.readouterr().err
