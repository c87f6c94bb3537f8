"""Fields that count in epochs, and tests of every example once."""

import numpy as np
import pytest

from netc.cli import main
from netc.errors import Errors, GraphError, ShapeError, SolverError
from netc.load import parse_solver
from netc.train.nets import check_solver
from tests.train import tiny

# 17 images, 5 in a pass, 2 passes in an iteration: an epoch is 1.7 iterations.
PLAIN = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" iter_size: 2 random_seed: 1
snapshot_prefix: "tiny" test_iter: 1 test_interval: 5 max_iter: 9
"""
COUNTED = {
    "max_epoch: 10": ("max_iter", 17),
    "max_epoch: 1": ("max_iter", 2),
    "max_epoch: 0.1": ("max_iter", 1),
    "max_epoch: 1e30": ("max_iter", 2**31 - 1),
    "test_interval_epoch: 1": ("test_interval", 2),
    "snapshot_epoch: 2": ("snapshot", 4),
    "warmup_epoch: 3": ("warmup_iter", 6),
    'lr_policy: "step" gamma: 0.5 stepsize_epoch: 30': ("stepsize", 51),
    'lr_policy: "multistep" gamma: 0.5 stepvalue_epoch: [1, 1.5, 10]': ("stepvalue", [2, 3, 17]),
    'lr_policy: "cosine_restarts" restart_period_epoch: 10': ("restart_period", 17),
}


def with_fields(text):
    """PLAIN with other fields, and without those that count the same in iterations."""
    dropped = {"max_epoch": "max_iter", "test_interval_epoch": "test_interval"}
    fields = {other: None for name, other in dropped.items() if name in text}
    fields |= {"lr_policy": None} if "lr_policy" in text else {}
    return tiny.changed(PLAIN, **fields) + text


@pytest.mark.parametrize("text", COUNTED)
def test_epochs_are_counted_in_iterations(folder, text):
    field, value = COUNTED[text]
    session = tiny.session(with_fields(text))
    session.close()
    found = getattr(session.p, field)
    assert (list(found) if isinstance(value, list) else found) == value


def test_exp_may_fall_by_gamma_per_epoch(folder, lines):
    text = 'lr_policy: "exp" gamma: 0.5 stepsize_epoch: 10 display: 1'  # 17 iterations
    loop = tiny.loop(tiny.changed(with_fields(text), max_iter=3))
    loop.solve()
    loop.session.close()
    rates = [float(t.split()[-1]) for t in lines if ", lr = " in t]
    assert rates == pytest.approx([0.1 * 0.5 ** (i / 17) for i in range(3)], rel=1e-5)


def test_a_run_of_epochs(folder, monkeypatch):
    """`-iterations` ends it sooner, and the run folder has the solver as it was written."""
    solver = with_fields("max_epoch: 10 snapshot_epoch: 6 test_interval_epoch: 5")
    (folder / "solver.prototxt").write_text(solver)
    tiny.run("-iterations", "3")
    assert [p.name for p in folder.glob("*.solverstate")] == ["tiny_iter_3.solverstate"]
    tiny.run("--resume", "auto", "--run-dir", "told")
    states = {p.name for p in folder.glob("*.solverstate")}
    assert states == {f"tiny_iter_{i}.solverstate" for i in (3, 11, 17)}


def test_the_run_folder_has_the_epochs(folder):
    (folder / "solver.prototxt").write_text(with_fields("max_epoch: 1"))
    assert main(["train", "solver.prototxt", "--run-dir", "told"]) == 0
    written = (folder / "told" / "solver.prototxt").read_text()
    assert "max_epoch: 1" in written and "max_iter" not in written
    assert main(["train", "told/solver.prototxt", "--no-run-dir"]) == 0


WRONG = {
    "max_epoch: 1": "max_iter and max_epoch are both given",
    "snapshot_epoch: 0": "snapshot_epoch must be greater than 0, got 0",
    "snapshot_epoch: -2": "snapshot_epoch must be greater than 0, got -2",
    "snapshot_epoch: nan": "snapshot_epoch must be greater than 0, got nan",
    "snapshot_epoch: inf": "snapshot_epoch must be greater than 0, got inf",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_are_told_before_the_nets_are_read(text):
    with pytest.raises(SolverError, match=WRONG[text]) as caught:
        check_solver(parse_solver(f"{PLAIN}\n{text}", "solver.prototxt"))
    assert caught.value.where.line == 1 + f"{PLAIN}\n".count("\n")


def test_steps_in_epochs_must_not_fall():
    text = 'lr_policy: "multistep" gamma: 1\nstepvalue_epoch: [2.5, 1] max_epoch: 0'
    with pytest.raises(Errors) as caught:
        check_solver(parse_solver(tiny.changed(PLAIN, lr_policy=None, max_iter=None) + text))
    assert [e.message for e in caught.value.errors] == [
        "stepvalue_epoch must not fall, got 1 after 2.5",
        "max_epoch must be greater than 0, got 0",
    ]


NO_END = """
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 4 dim: 2 } shape { dim: 4 } } }
"""
TWO = """
layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "images" batch_size: 5 backend: LMDB } }
layer { name: "more" type: "Data" top: "more" top: "again"
  data_param { source: "images" batch_size: 4 backend: LMDB } }
layer { name: "none" type: "Silence" bottom: "more" bottom: "again" }
"""
ENDLESS = {
    NO_END: "which its data layers do not tell: there is none",
    TWO: "do not tell: 'data' has 17, 5 a pass; 'more' has 17, 4 a pass",
}


@pytest.mark.parametrize("data", ENDLESS, ids=["no end", "two"])
@pytest.mark.parametrize(
    ("text", "wants", "hint"),
    [
        ("max_epoch: 1", "max_epoch", "give max_iter instead"),
        ("test_iter: auto", "test_iter: auto", "give the number of batches"),
    ],
)
def test_a_source_without_an_end_has_no_epochs(folder, data, text, wants, hint):
    (folder / "net.prototxt").write_text(f'name: "tiny" {data}{tiny.HEAD}')
    field = text.split(":")[0]
    solver = tiny.changed(PLAIN, **{field: None, "max_iter": None}) + f"\n{text}"
    solver += "" if field == "max_epoch" else " max_iter: 9"
    with pytest.raises(SolverError, match=ENDLESS[data]) as caught:
        tiny.session(solver)
    assert caught.value.message.startswith(f"{wants} asks how many examples the ")
    assert caught.value.hint == hint and caught.value.where.line == solver.count("\n") + 1


def test_every_example_is_tested_once(folder):
    """17 images in batches of 4: as in batches of 1, again and again, wherever training is."""
    session = tiny.session(tiny.changed(PLAIN, test_iter="auto"))
    net = (folder / "net.prototxt").read_text().replace("batch_size: 4", "batch_size: 1")
    (folder / "net.prototxt").write_text(net)
    single = tiny.session(tiny.changed(PLAIN, test_iter=17))
    once, again, wanted = session.test(0), session.test(0), single.test(0)
    assert once.keys() == wanted.keys() == {"accuracy", "loss", ""}
    for name in wanted:
        np.testing.assert_allclose(once[name], wanted[name], rtol=1e-6)
        assert again[name] == once[name]
    right = float(once["accuracy"]) * 17
    assert right == pytest.approx(round(right), abs=1e-5)
    session.close()
    single.close()


def test_every_example_once_divides_evenly_too(folder):
    net = (folder / "net.prototxt").read_text().replace("batch_size: 4", "batch_size: 17")
    (folder / "net.prototxt").write_text(net)
    whole = tiny.session(tiny.changed(PLAIN, test_iter="auto"))
    one = tiny.session(tiny.changed(PLAIN, test_iter=1))
    assert whole.tests[0].iterations == 1
    assert float(whole.test(0)["loss"]) == float(one.test(0)["loss"])
    whole.close()
    one.close()


def test_auto_and_minus_one_are_the_same():
    for text in ("test_iter: auto", "test_iter: -1", "test_iter: [auto]"):
        assert list(parse_solver(text).message.test_iter) == [-1]


def test_the_epoch_is_told(folder, lines):
    tiny.session(tiny.changed(PLAIN, max_iter=None) + "max_epoch: 10").close()
    assert [t for t in lines if "epoch" in t] == ["An epoch is 1.7 iterations of 10 examples"]


FIXED = """
layer { name: "shape" type: "Reshape" bottom: "data" top: "wide"
  reshape_param { shape { dim: 4 dim: -1 } } include { phase: TEST } }
layer { name: "shape" type: "Flatten" bottom: "data" top: "wide" include { phase: TRAIN } }
"""
SCORES = 'layer { name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }'
SHORT = {
    "shape": (
        tiny.LMDB + FIXED + tiny.HEAD.replace('bottom: "data"', 'bottom: "wide"'),
        "a batch of another size changes a blob from 6 x 16 to 6 x 4",
    ),
    "output": (tiny.LMDB + tiny.HEAD + SCORES, "output 'prob' is 1 x 3 in one batch and 4 x 3 in"),
}


@pytest.mark.parametrize("net, message", SHORT.values(), ids=list(SHORT))
def test_a_net_that_takes_no_shorter_batch_is_refused_at_the_start(folder, net, message):
    (folder / "net.prototxt").write_text(f'name: "tiny" {net}')
    with pytest.raises((GraphError, ShapeError), match=message) as caught:
        tiny.session(tiny.changed(PLAIN, test_iter="auto"))
    assert caught.value.__notes__ == [
        "with test_iter: auto the last batch has 1 of 4 examples, unless batch_size divides 17"
    ]
    tiny.session(tiny.changed(PLAIN, test_iter=2)).close()
