"""`netc train`."""

import json
import os

import pytest

from netc.cli import common, main
from netc.weights import read_weights


@pytest.fixture
def log(capfd):
    return lambda: capfd.readouterr().err


def train(*arguments):
    return main(["train", "solver.prototxt", *arguments])


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("prefix", ["tiny", "not/there/yet/tiny"])
@pytest.mark.parametrize("extra", ["", " snapshot_after_train: false", " snapshot_format: HDF5"])
def test_a_dry_run_leaves_nothing_behind(folder, log, prefix, extra):
    tests = f'"{prefix}" test_iter: 5 test_interval: 1{extra}'
    edit(folder / "solver.prototxt", '"tiny"', tests)
    before = sorted(os.walk("."))
    assert train("--dry-run") == 0
    assert sorted(os.walk(".")) == before
    told = log()
    assert "Dry run: iteration 0, loss = " in told and "Dry run: test net #0, " in told
    assert "was written and read back. All is well." in told


def test_a_dry_run_finds_bad_numbers(folder, log):
    assert (
        train(
            "--dry-run",
            "--set",
            "layer.ip.inner_product_param.weight_filler.type=constant",
            "--set",
            "layer.ip.inner_product_param.weight_filler.value=3e38",
        )
        == 1
    )
    assert "Iteration 0: the loss is not finite; top blob 'ip' of layer 'ip'" in log()


def test_weights_are_told_blob_by_blob(folder, log):
    edit(folder / "net.prototxt", 'name: "ip"', 'name: "new"')
    assert train("-weights", "tiny_iter_2.caffemodel", "--no-run-dir") == 0
    told = log()
    assert "Finetuning from tiny_iter_2.caffemodel" in told
    assert "Ignoring source layer ip" in told
    assert "no blob of the file fits the net: --map gives" in told
    rows = [t.split() for t in told.splitlines() if t.startswith(("new ", "ip "))]
    assert rows == [
        ["new", "0", "kept", "-", "3", "x", "4", "not", "in", "the", "file"],
        ["new", "1", "kept", "-", "3", "not", "in", "the", "file"],
        ["ip", "0", "ignored", "3", "x", "4", "-", "no", "layer", "of", "this", "name"],
        ["ip", "1", "ignored", "3", "-", "no", "layer", "of", "this", "name"],
    ]
    assert "] 2 ignored, 2 kept" in told


def test_what_is_loaded_is_not_drawn(folder, log, monkeypatch):
    def draw(filler, shape, rng):
        raise AssertionError("a filler for a blob that the file has")

    monkeypatch.setattr("netc.compile.fill", draw)
    assert train("-weights", "tiny_iter_2.caffemodel", "--no-run-dir") == 0


def test_weights_are_where_training_starts(folder, log):
    start = read_weights("tiny_iter_2.caffemodel").layers
    wanted = {layer.name: layer.blobs for layer in start if layer.blobs}
    still = ("--set", "base_lr=0", "--no-run-dir")
    files = ("nothing.caffemodel", "tiny_iter_2.caffemodel")
    edit(folder / "solver.prototxt", 'prefix: "tiny"', f'prefix: "other" weights: "{files[0]}"')
    assert train("-weights", files[1], *still) == 0  # the flag replaces the field
    found = {layer.name: layer.blobs for layer in read_weights("other_iter_2.caffemodel").layers}
    for mine, theirs in zip(found["ip"], wanted["ip"], strict=True):
        assert (mine == theirs).all()
    assert train(*still) == 1
    assert "Couldn't open nothing.caffemodel" in log()


def test_of_several_files_of_weights_the_later_wins(folder, log):
    edit(folder / "solver.prototxt", 'prefix: "tiny"', 'prefix: "other"')
    assert train("--set", "base_lr=1", "--no-run-dir") == 0
    names = ["tiny_iter_2.caffemodel", "other_iter_2.caffemodel"]
    blobs = [{x.name: x.blobs for x in read_weights(n).layers}["ip"][0] for n in names]
    assert (blobs[0] != blobs[1]).any()
    for given, wanted in ((names, blobs[1]), (names[::-1], blobs[0])):
        still = ("--set", "base_lr=0", "--set", "snapshot_prefix=last", "--no-run-dir")
        assert train("-weights", ", ".join(given), *still) == 0
        found = {x.name: x.blobs for x in read_weights("last_iter_2.caffemodel").layers}
        assert (found["ip"][0] == wanted).all()
    assert log().count("Finetuning from ") == 4


def test_a_snapshot_and_weights_are_refused(folder, log):
    assert train("-snapshot", "tiny_iter_2.solverstate", "-weights", "w") == 2
    assert log() == ("Give a snapshot to resume training or weights to finetune but not both.\n")
    assert train("-snapshot", "tiny_iter_2.solverstate", "--resume", "auto") == 2
    assert "give -snapshot or --resume, not both" in log()


def test_worker_processes_are_counted_from_none(folder, log):
    assert train("--workers", "-1") == 2
    assert log() == "--workers must not be negative, got -1\n"


WRONG_KINDS = {
    ("-weights", "tiny_iter_2.solverstate"): "-snapshot resumes from a solver state",
    ("-snapshot", "tiny_iter_2.caffemodel"): "-weights starts from a file of weights",
    ("-weights", "net.prototxt"): "nets go with -model, solvers with -solver",
    ("-snapshot", "solver.prototxt"): "nets go with -model, solvers with -solver",
}


@pytest.mark.parametrize("given", WRONG_KINDS)
def test_files_of_the_wrong_kind_name_the_right_flag(folder, log, given):
    before = sorted(os.listdir())
    assert train(*given) == 1
    told = log()
    assert f"\n{given[1]}: " in told or f"\n{given[1]}:1:1: " in told
    assert WRONG_KINDS[given] in told.partition("hint: ")[2]
    assert sorted(os.listdir()) == before


def test_a_net_is_no_solver(folder, log):
    assert main(["train", "net.prototxt"]) == 1
    assert log() == (
        "net.prototxt: this is a net, where a solver is expected\n"
        "hint: netc train takes a solver, netc test and netc time a net (-model)\n"
    )


def test_a_solver_is_named_once(folder, log):
    assert main(["train"]) == 2
    assert main(["train", "solver.prototxt", "-solver", "solver.prototxt"]) == 2
    told = log()
    assert "no file: give one, as netc ... FILE or -solver FILE" in told
    assert "both solver.prototxt and solver.prototxt" in told


def test_a_gpu_that_is_not_there(folder, log):
    assert train("-gpu", "0") == 2
    assert "-gpu 0: JAX sees no accelerator, only the CPU" in log()


NO_DEVICES = {
    ("-gpu", "0", "--cpu-devices", "2"): "give -gpu or --cpu-devices, not both",
    ("--cpu-devices", "0"): "--cpu-devices must be at least 1, got 0",
    ("-gpu", "0,1"): "-gpu 0,1: JAX sees no accelerator, only the CPU",
}


@pytest.mark.parametrize("flags", NO_DEVICES, ids=" ".join)
def test_devices_that_cannot_be(folder, log, flags):
    assert train(*flags) == 2
    assert NO_DEVICES[flags] in log()


class Accelerators:
    """JAX as it is on a machine with three GPUs."""

    def __init__(self):
        self.config, self.chosen = self, {}

    def default_backend(self):
        return "gpu"

    def devices(self):
        return ["gpu 0", "gpu 1", "gpu 2"]

    def update(self, name, value):
        self.chosen[name] = value


GPUS = {"2,0": ("gpu 2", "gpu 0"), "all": ("gpu 0", "gpu 1", "gpu 2"), "1": ("gpu 1",)}


@pytest.mark.parametrize("gpu", GPUS)
def test_the_first_device_is_the_root(monkeypatch, gpu):
    monkeypatch.setattr(common, "jax", Accelerators())
    assert common.start_jax(gpu, several=True) == "gpu"
    assert common.devices_of(gpu) == GPUS[gpu]
    assert common.jax.chosen == {"jax_default_device": GPUS[gpu][0]}


def test_other_commands_use_the_first_device(monkeypatch, caplog):
    monkeypatch.setattr(common, "jax", Accelerators())
    assert common.start_jax("1,0") == "gpu"
    assert common.jax.chosen == {"jax_default_device": "gpu 1"}
    assert caplog.messages == [
        "-gpu 1,0: only netc train uses several devices, this is on the first"
    ]


def test_overrides_and_stages(folder, log):
    edit(folder / "net.prototxt", 'name: "loss"', 'include { stage: "yes" } name: "loss"')
    assert (
        train(
            "-stage",
            "no,yes",
            "-level",
            "1",
            "--set",
            "base_lr=0.5",
            "--set",
            "display=1",
            "--no-run-dir",
            "-iterations",
            "1",
        )
        == 0
    )
    told = log()
    assert "Iteration 0, lr = 0.5" in told and "max_iter: 1\n" in told
    assert "Train net output #0: loss" in told
    assert train("--set", "base_rl=1") == 2
    assert "hint: did you mean 'base_lr'?" in log()


def test_the_run_folder(folder, log):
    assert (
        train(
            "--set",
            "display=1",
            "-snapshot",
            "tiny_iter_2.solverstate",
            "-iterations",
            "3",
            "--profile",
        )
        == 0
    )
    assert "waiting for data" in log()
    assert "max_iter: 3" in (folder / "tiny_run" / "solver.prototxt").read_text()
    (line,) = (folder / "tiny_run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line).keys() >= {"kind", "iteration", "loss", "lr"}
    assert json.loads((folder / "tiny_run" / "run.json").read_text())["start"] == 2
    (folder / "file").write_text("")
    assert train("--run-dir", "file/x") == 1
    assert "file/x: the run folder cannot be written: Not a directory" in log()


@pytest.mark.parametrize(
    ("type_", "history"), [("SGD", "60 B"), ("Adam", "120 B")], ids=["SGD", "Adam"]
)
def test_what_freezing_saves_is_told(folder, log, type_, history):
    flags = ("--set", f"type={type_}", "--set", "momentum=0.5", "--no-run-dir")
    assert train("--freeze", "i.", *flags) == 0
    told = log()
    assert "15 of 15 parameters are frozen, in layers ip: no gradient is computed for th" in told
    assert f"156 operations (50%) of a pass, 60 B of gradients, {history} of history\n" in told
    assert read_weights("tiny_iter_2.caffemodel").layers[1].blobs[1].tolist() == [0, 0, 0]


def test_a_pattern_that_freezes_nothing(folder, log):
    assert train("--freeze", "pi") == 2
    assert "--freeze pi: no layer has such a name" in log()


def test_warnings_go_to_the_log_only_when_they_matter(folder, log, monkeypatch):
    monkeypatch.setenv("GLOG_minloglevel", "2")
    assert train("--no-run-dir") == 0
    assert log() == ""


def test_weights_of_another_net(folder, log):
    edit(folder / "net.prototxt", 'name: "ip"', 'name: "new"')
    start = ("-weights", "tiny_iter_2.caffemodel", "--no-run-dir", "--dry-run")
    assert train(*start, "--map", "(i)p=new") == 0
    told = log()
    assert "2 loaded\n" in told and "no blob of the file" not in told
    edit(folder / "net.prototxt", "num_output: 3", "num_output: 4")
    assert train(*start, "--map", "ip=new") == 1
    assert "Cannot copy param 0 weights from layer 'new'" in log()
    assert train(*start, "--map", "ip=new", "--skip-mismatch") == 0
    assert "2 skipped\n" in log()
