"""A net as jax.export's file."""

import jax
import numpy as np
import pytest

from netc.errors import UsageError
from netc.export.checked import computed, samples
from netc.export.stablehlo import write_stablehlo

from .nets import net_of
from .test_onnx import SMALL


def read(path):
    return jax.export.deserialize(bytearray(path.read_bytes()))


def test_a_batch_of_any_size(tmp_path):
    net, path = net_of(SMALL), tmp_path / "n.bin"
    report = write_stablehlo(net, path)
    assert f"{path}: StableHLO for cpu, cuda, tpu; the batch is of any size" in report
    again = read(path)
    assert again.platforms == ("cpu", "cuda", "tpu")
    inputs = samples(net.graph)
    want = computed(net, net.program, inputs)["prob"]
    got = again.call({"data": np.concatenate([inputs["data"]] * 3)})["prob"]
    np.testing.assert_allclose(got, np.concatenate([want] * 3), atol=1e-5)


def test_weights_as_arguments(tmp_path):
    net, path = net_of(SMALL), tmp_path / "n.bin"
    write_stablehlo(net, path, ["cpu"], apart=True)
    inputs = samples(net.graph)
    got = read(path).call(net.stored, {"data": inputs["data"]})["prob"]
    np.testing.assert_allclose(got, computed(net, net.program, inputs)["prob"], atol=1e-5)
    other = {key: 0 * value for key, value in net.stored.items()}
    np.testing.assert_allclose(read(path).call(other, {"data": inputs["data"]})["prob"], 1 / 3)


MIXING = (
    'type: "BatchNorm" batch_norm_param { use_global_stats: false }',
    'type: "Reduction"',
)


@pytest.mark.parametrize("fields", MIXING)
def test_a_net_that_mixes_examples(fields, tmp_path):
    text = f"""
    layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 4 dim: 2 }} }} }}
    layer {{ name: "mix" bottom: "x" top: "y" {fields} }}"""
    report = write_stablehlo(net_of(text), tmp_path / "n.bin", ["cpu"])
    assert "the size of the batch is fixed: its layers mix the examples of a batch" in report
    assert read(tmp_path / "n.bin").in_avals[0].shape == (4, 2)


def test_outputs_without_a_batch(tmp_path):
    text = """
    layer { name: "in" type: "Input" top: "x" top: "image"
            input_param { shape { dim: 2 dim: 1 dim: 2 dim: 2 }
                          shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
    layer { name: "prior" type: "PriorBox" bottom: "x" bottom: "image" top: "prior"
            prior_box_param { min_size: 2 } }
    layer { name: "r" type: "ReLU" bottom: "x" top: "y" }"""
    write_stablehlo(net_of(text), tmp_path / "n.bin", ["cpu"])
    inputs = {"x": np.ones((5, 1, 2, 2), np.float32), "image": np.ones((5, 3, 8, 8), np.float32)}
    got = read(tmp_path / "n.bin").call(inputs)
    assert {k: v.shape for k, v in got.items()} == {"prior": (1, 2, 16), "y": (5, 1, 2, 2)}


@pytest.mark.parametrize(
    ("platforms", "message"),
    [(["cpu", "gpu"], "no platform 'gpu'; there are cpu, cuda, tpu"), ([], "no platform is given")],
)
def test_platforms_that_there_are_not(platforms, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        write_stablehlo(net_of(SMALL), tmp_path / "n.bin", platforms)
    assert list(tmp_path.iterdir()) == []
