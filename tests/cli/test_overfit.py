"""netc overfit, in this process: what keeps a net from learning, each on purpose."""

from __future__ import annotations

import h5py
import pytest

from netc.cli import main
from netc.load import parse_solver
from netc.schema import Phase
from netc.train.overfit import memorizing
from netc.train.symptoms import Signs, findings, table
from tests.train import tiny

HEAD = """
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 16 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "act" type: "ACT" bottom: "ip1" top: "act" }
layer { name: "drop" type: "Dropout" bottom: "act" top: "act" dropout_param { dropout_ratio: 0.9 } }
layer { name: "ip2" type: "InnerProduct" bottom: "act" top: "ip2"
  inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" test_iter: 3 test_interval: 20 base_lr: 0.1 momentum: 0.9 weight_decay: 5
lr_policy: "step" gamma: 0 stepsize: 1 max_iter: 100 random_seed: 7 snapshot_prefix: "tiny"
"""


@pytest.fixture
def overfit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny.write_files(tmp_path, tiny.HDF5 + HEAD.replace("ACT", "ReLU"), SOLVER)

    def call(*arguments):
        status = main(["overfit", "solver.prototxt", *arguments])
        return status, *capsys.readouterr()

    return call


def layer(name, **fields):
    return [w for f, v in fields.items() for w in ("--set", f"layer.{name}.{f}={v}")]


def filler(name, **fields):
    parts = {f"inner_product_param.weight_filler.{k}": v for k, v in fields.items()}
    return layer(name, **parts)


def test_a_net_that_learns_whatever_hinders_it_in_the_solver(overfit, tmp_path):
    before = sorted(p.name for p in tmp_path.iterdir())
    status, out, err = overfit("-n", "12")
    assert status == 0, out
    assert out.splitlines()[0].startswith("iteration 0: loss = ")
    assert "accuracy = 1\n" in out
    assert out.splitlines()[-1].startswith("The net knows the examples by heart after ")
    assert "Creating test net" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_without_an_accuracy_the_loss_tells(overfit, tmp_path):
    net = tmp_path / "net.prototxt"
    net.write_text(
        net.read_text().replace(
            '"Accuracy" bottom: "ip2" bottom: "label"', '"ArgMax" bottom: "ip2"'
        )
    )
    status, out, _ = overfit("-n", "5")
    assert status == 0, out
    assert "accuracy" not in out


def test_a_rate_that_is_too_low(overfit):
    status, out, _ = overfit("-n", "12", "-iterations", "8", "--set", "base_lr=1e-8")
    assert status == 1
    assert "base_lr is too low: ip1, ip2 never moved by more than " in out


def test_a_rate_that_is_too_high(overfit):
    status, out, _ = overfit("-n", "12", "-iterations", "8", "--set", "base_lr=90")
    assert status == 1
    assert "- base_lr is too high: in one iteration ip1, ip2 moved by up to " in out


def test_a_rate_beyond_all_numbers(overfit):
    status, out, _ = overfit("-n", "12", "--set", "base_lr=1e25")
    assert status == 1
    assert "- base_lr is too high. Iteration " in out and "the loss is not finite; " in out


def test_weights_that_are_bad_from_the_start(overfit):
    status, out, _ = overfit("-n", "12", *filler("ip2", type="constant", value=3e38))
    assert status == 1
    assert "\n- Iteration 0: the loss is not finite; top blob 'ip2'" in out


def test_dead_relus_and_no_gradient_below_them(overfit):
    flags = layer("ip1", **{"inner_product_param.bias_filler.value": -99})
    status, out, _ = overfit("-n", "12", "-iterations", "20", *flags)
    assert status == 1
    assert "- dead: up to 100% of the channels of act are 0 for every example" in out
    assert "- zero gradient: nothing reaches the weights of ip1\n" in out


@pytest.mark.parametrize("type_", ["Sigmoid", "TanH"])
def test_saturated_activations(overfit, type_):
    flags = (*layer("act", type=type_), *filler("ip1", std=500))
    status, out, _ = overfit("-n", "12", "-iterations", "2", *flags)
    assert status == 1
    assert "- saturated: up to " in out and "of the values of act lie at the ends" in out


def test_labels_that_are_all_the_same(overfit, tmp_path):
    for name in ("a.h5", "b.h5"):
        with h5py.File(tmp_path / name, "r+") as file:
            file["label"][:] = 2
    status, out, _ = overfit()
    assert status == 1
    assert "- all 19 examples have the label 2: if the data are sorted by label" in out


def test_a_net_that_is_too_small(overfit):
    """One number is too little to tell three classes by."""
    flags = layer("ip1", **{"inner_product_param.num_output": 1})
    status, out, _ = overfit("-iterations", "60", *flags)
    assert status == 1
    assert "the loss still falls, from " in out or "no layer looks ill, but the loss went" in out


@pytest.mark.parametrize("flag", ["--examples", "--iterations"])
def test_wrong_usage(overfit, flag):
    status, _, err = overfit(flag, "0")
    assert status == 2 and f"{flag} must be at least 1, got 0" in err


def test_a_net_without_examples(overfit, tmp_path):
    net = tmp_path / "net.prototxt"
    shape = "shape { dim: 4 dim: 4 } shape { dim: 4 }"
    dummy = 'layer { name: "d" type: "DummyData" top: "data" top: "label" dummy_data_param { %s } }'
    net.write_text(dummy % shape + HEAD.replace("ACT", "ReLU"))
    status, _, err = overfit()
    assert status == 2 and "no layer of the net reads examples from files" in err


def test_augmentation_is_off():
    text = f"net_param {{ {tiny.LMDB} {HEAD.replace('ACT', 'ReLU')} }} weight_decay: 1 iter_size: 2"
    p = memorizing(parse_solver(text, "solver.prototxt"), 5).message
    data, _, *rest = p.net_param.layer
    assert (data.phase, data.transform_param.mirror) == (Phase.TEST, False)
    assert (data.transform_param.crop_size, len(data.include)) == (4, 1)
    assert [x.name for x in rest if x.HasField("phase")] == ["drop"]
    assert (p.weight_decay, p.iter_size, p.lr_policy, p.max_iter) == (0, 1, "fixed", 5)


def test_signs_as_a_table():
    signs = [Signs("conv1", "Convolution", None, None, 0.0123, 1e-3), Signs("r", "ReLU", dead=0.5)]
    assert table(signs).splitlines() == [
        "layer  type         dead  saturated  gradient  step",
        "conv1  Convolution                   0.012     0.001",
        "r      ReLU         50%",
    ]
    assert [s.partition(":")[0] for s in findings(signs)] == ["dead"]


def test_a_layer_that_does_not_move_is_no_low_rate():
    assert findings([Signs("ip", "InnerProduct", gradient=0.1, step=0.0)]) == []
