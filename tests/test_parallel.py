"""Two devices, made of the CPU: what they compute together, and how a run on them goes on."""

import json
import re
import subprocess
import sys
from base64 import b64decode
from typing import NamedTuple

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from netc.solvers import schedule

from netc.data.datum import encode_raw
from netc.data.writer import write_database
from netc.parallel import Replicas
from netc.train.step import optimizer, pass_loss
from netc.transfer import by_key, targets
from netc.weights import read_weights
from netc.weights.match import match
from tests.train import tiny
from tests.train.test_resume import MEMORY

DEVICES, LAST, MIDDLE = 2, 9, 5
NORM = """
layer { name: "bn" type: "BatchNorm" bottom: "states" top: "normal" }
"""
WRITTEN = """
layer { name: "out" type: "HDF5Output" bottom: "ip2" bottom: "label"
  include { phase: TRAIN } hdf5_output_param { file_name: "out.h5" } }
"""
NET = tiny.LMDB + MEMORY + NORM + tiny.HEAD.replace('"data"', '"normal"') + WRITTEN
PLAIN = tiny.changed(tiny.SOLVER, test_iter=None, test_interval=None, display=1, average_loss=1)
PLAIN += " clip_gradients: 2 "
RICH = (
    tiny.changed(tiny.SOLVER, test_interval=2)
    + """ema_decay: 0.9
plateau { monitor: "loss" patience: 1 factor: 0.5 }
early_stop { monitor: "loss" phase: TRAIN patience: 99 }
"""
)
FILTERED = (
    tiny.HDF5
    + tiny.HEAD
    + """
layer { name: "few" type: "Filter" bottom: "ip1" bottom: "label" top: "some" }
"""
)
UNCROPPED = tiny.LMDB.replace("crop_size: 4 ", "").replace("batch_size: 5", "batch_size: 1")
SYNC = tiny.SMALL.replace(
    'layer { name: "ip"',
    'layer { name: "bn" type: "SyncBN" bottom: "data" top: "data" }\nlayer { name: "ip"',
)
# Trains in folders one after the other: which devices there are, a process chooses once.
RUNNER = """
import contextlib, io, json, os, sys
from netc.cli import main
for folder, *arguments in json.load(sys.stdin):
    os.chdir(folder)
    with contextlib.redirect_stderr(io.StringIO()) as log:
        status = main(["train", "solver.prototxt", "--no-run-dir", *arguments])
    print(json.dumps([status, log.getvalue()]))
"""


class Ran(NamedTuple):
    status: int
    log: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("devices")


@pytest.fixture(scope="module")
def ran(folder):
    """The runs of this module by name, each in the folder of that name."""
    runs = {}
    for name, net, solver, *stops in (
        ("plain", NET, PLAIN, LAST),
        ("straight", NET, RICH, LAST),
        ("parts", NET, RICH, MIDDLE, LAST),
        ("filtered", FILTERED, PLAIN, 1),
        ("sizes", UNCROPPED + tiny.HEAD, PLAIN, 1),
        ("not finite", tiny.SMALL, PLAIN, 1),
        ("sync", SYNC, PLAIN, 3),
        ("epochs", tiny.LMDB + tiny.HEAD, tiny.changed(PLAIN, max_iter=None) + "max_epoch: 3"),
    ):
        place = tiny.write_files(folder / name, net, solver)
        for stop in stops or [0]:
            limit = ["-iterations", str(stop)] if stop else []
            runs[f"{name} {stop}"] = [str(place), "--resume", "auto", *limit]
    with write_database(str(folder / "sizes" / "mixed")) as writer:
        for i in range(4):
            writer.put(b"%d" % i, encode_raw(np.zeros((1, 4 + i % 2, 4), np.uint8), 0))
    text = (folder / "sizes" / "net.prototxt").read_text()
    (folder / "sizes" / "net.prototxt").write_text(text.replace('"images"', '"mixed"'))
    with h5py.File(folder / "not finite" / "a.h5", "r+") as file:
        file["data"][7] = np.nan
    made = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps([[*run, "--cpu-devices", str(DEVICES)] for run in runs.values()]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = (Ran(*json.loads(line)) for line in made.stdout.splitlines())
    return dict(zip(runs, told, strict=True))


def losses(log):
    return [float(x) for x in re.findall(r"Train net output #\d+: loss = (\S+)", log)]


def test_gradients_are_averaged(ran, folder, monkeypatch):
    """Pass k n + i is device i's: its batch, its dropout, its memory; all else is the root's."""
    assert ran["plain 9"].status == 0, ran["plain 9"].log
    monkeypatch.chdir(folder / "plain")
    session = tiny.session(PLAIN)
    program, p = session.train, session.p
    each = jax.jit(jax.value_and_grad(pass_loss(program), has_aux=True))
    update, rate = jax.jit(optimizer(program, p).update), schedule(p)
    (blobs, state), history = session.arguments(), session.carry.history
    states, shown, rows = [state] * DEVICES, [], []
    for it in range(LAST):
        total = None
        for k in range(it * p.iter_size * DEVICES, (it + 1) * p.iter_size * DEVICES):
            i, key = k % DEVICES, session.pass_key(k)
            made, grads = each(blobs, {}, states[i], key, session.batches.at(k))
            loss, (values, states[i]) = made
            grads = jax.tree.map(lambda g: g / DEVICES, grads)
            total = grads if total is None else jax.tree.map(jnp.add, total, grads)
            rows.append(values["ip2"])
            if not i:
                root = loss
        shown.append(float(root))
        decay = jnp.float32(1)
        updates, history = update(total, history, blobs, rate=rate(it), iteration=it, decay=decay)
        blobs = optax.apply_updates(blobs, updates)
        memory = [{k: s[k] for k in program.graph.memory} for s in states]
        states = [{**states[0], **m} for m in memory]
    session.close()
    written = read_weights(f"tiny_iter_{LAST}.caffemodel")
    saved = by_key(program.graph, match(targets(program.graph), written))
    wanted = blobs | {k: states[0][k] for k in saved if k in states[0]}
    assert saved.keys() == wanted.keys()
    for key, value in saved.items():
        np.testing.assert_allclose(value, wanted[key], 1e-6, 1e-6, err_msg=key)
    np.testing.assert_allclose(losses(ran["plain 9"].log), shown, 1e-5)
    with h5py.File("out.h5") as file:
        np.testing.assert_allclose(file["data"][..., 0, 0], np.concatenate(rows), 1e-5, 1e-5)
    for key, packed in tiny.kept(folder / "plain", LAST).run["memory"].items():
        whole = np.frombuffer(b64decode(packed), np.float32)
        own = np.concatenate([np.ravel(s[key]) for s in states])
        np.testing.assert_allclose(whole, own, 1e-5, 1e-6)


def test_a_run_goes_on_bit_for_bit(ran, folder):
    for name in ("straight 9", "parts 5", "parts 9"):
        assert ran[name].status == 0, ran[name].log
    assert tiny.kept(folder / "parts", LAST) == tiny.kept(folder / "straight", LAST)
    average = f"tiny_iter_{LAST}.ema.caffemodel"
    parts, straight = folder / "parts", folder / "straight"
    assert (parts / average).read_bytes() == (straight / average).read_bytes()
    assert "learning rate times 0.5" in ran["parts 9"].log
    with h5py.File(parts / "out.h5") as one, h5py.File(straight / "out.h5") as other:
        assert (one["data"][()] == other["data"][()]).all()


def test_statistics_of_all_devices(ran, folder, monkeypatch):
    """Two batches of 4 on two devices are to SyncBN what one of 8 is."""
    assert ran["sync 3"].status == 0, ran["sync 3"].log
    whole = SYNC.replace("batch_size: 4", "batch_size: 8")
    monkeypatch.chdir(tiny.write_files(folder / "whole", whole, PLAIN))
    tiny.run("-iterations", "3")
    one, two = (read_weights(f"{folder}/{n}/tiny_iter_3.caffemodel") for n in ("whole", "sync"))
    for layer, other in zip(one.layers, two.layers, strict=True):
        for blob, same in zip(layer.blobs, other.blobs, strict=True):
            np.testing.assert_allclose(blob, same, 1e-5, 1e-6, err_msg=layer.name)


def test_an_epoch_is_shared(ran):
    assert ran["epochs 0"].status == 0
    assert "An epoch is 0.85 iterations of 20 examples" in ran["epochs 0"].log


FAILURES = {
    "filtered 1": """net.prototxt:17:1: how many items the top of layer 'few' (Filter) has depends \
on values: it may differ between 2 devices
    layer { name: "few" type: "Filter" bottom: "ip1" bottom: "label" top: "some" }
    ^~~~~
hint: train on one device
""",
    "sizes 1": """batches of 1 x 1 x 4 x 4 and 1 x 1 x 5 x 4 for 'data' at once: on 2 devices they \
must be of one size
hint: set crop_size, or new_height and new_width
""",
    "not finite 1": "Iteration 0: the loss is not finite; top blob 'data' of layer 'data'",
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_cannot_be(ran, name):
    status, log = ran[name]
    assert status == 1 and FAILURES[name] in log, log


def test_devices_have_as_many_rows_of_boxes():
    replicas = Replicas((jax.devices()[0],) * 2)
    parts = [{"label": jnp.ones((1, 1, n, 8)), "data": jnp.zeros((n, 1, 2, 2))} for n in (8, 16)]
    few, many = replicas.even(parts, {"label"})
    assert few["label"].shape == many["label"].shape == (1, 1, 16, 8)
    assert (few["label"][0, 0, 8:] == -1).all() and (few["label"][0, 0, :8] == 1).all()
    assert few["data"] is parts[0]["data"] and many["label"] is parts[1]["label"]
