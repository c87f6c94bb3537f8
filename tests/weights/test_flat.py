"""`.npz` and `.safetensors`: round trips, what others write, damage."""

import io
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import save, save_file

from netc.errors import WeightsError
from netc.schema import NetParameter
from netc.weights import read_weights, write_weights

SUFFIXES = (".npz", ".safetensors")
float32 = arrays(np.float32, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))


def net(*names):
    return NetParameter(name="net", layer=[{"name": name, "type": "T"} for name in names])


def stored(suffix, values):
    """The bytes of a file of named arrays."""
    if suffix == ".safetensors":
        return save(values)
    file = io.BytesIO()
    np.savez(file, **values)
    return file.getvalue()


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(layers=st.lists(st.lists(float32, min_size=1, max_size=3), max_size=3))
def test_round_trip(suffix, layers, tmp_path_factory):
    path = tmp_path_factory.mktemp("x") / f"x{suffix}"
    names = [f"a/{i}/conv é" for i in range(len(layers))]
    write_weights(path, net("data", *names), dict(zip(names, layers, strict=True)))
    weights = read_weights(path)
    assert {layer.name for layer in weights.layers} == set(names)
    for layer in weights.layers:
        for got, want in zip(layer.blobs, layers[names.index(layer.name)], strict=True):
            np.testing.assert_array_equal(got, want, strict=True)
            assert not got.flags.writeable
        assert len(layer.diffs) == len(layer.legacy) == len(layer.blobs)


def test_the_name_of_the_net(tmp_path):
    for suffix, name in ((".npz", ""), (".safetensors", "net")):
        write_weights(tmp_path / f"x{suffix}", net("a"), {"a": [np.ones(1)]})
        assert read_weights(tmp_path / f"x{suffix}").name == name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_types_become_float32(suffix, tmp_path):
    values = {"a/0": np.array([[1, -2]], np.float16), "a/1": np.array([7], np.int64)}
    (tmp_path / "x").write_bytes(stored(suffix, values))
    (layer,) = read_weights(tmp_path / "x").layers
    assert [b.tolist() for b in layer.blobs] == [[[1, -2]], [7]]
    assert {b.dtype for b in layer.blobs} == {np.dtype(np.float32)}


BAD = {
    "conv1.weight": "the array 'conv1.weight' is not named LAYER/INDEX\nhint: arrays are",
    "a/b": "the array 'a/b' is not named LAYER/INDEX",
    "a/1": "there are 1 arrays a/..., but no a/0",
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", BAD)
def test_arrays_that_are_no_blobs(suffix, name, tmp_path):
    (tmp_path / "x").write_bytes(stored(suffix, {name: np.ones(1)}))
    with pytest.raises(WeightsError) as caught:
        read_weights(tmp_path / "x")
    assert BAD[name] in str(caught.value) and str(tmp_path / "x") in str(caught.value)


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "x.npz", **{"a/0": np.array([print], object)}, allow_pickle=True)
    with pytest.raises(WeightsError, match="Object arrays cannot be loaded"):
        read_weights(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", **{"a/0": np.array(["text"])})
    with pytest.raises(WeightsError, match="a/0 holds <U4, not numbers"):
        read_weights(tmp_path / "y.npz")


def test_bfloat16_is_refused(tmp_path):
    data = save({"a/0": np.ones(2, np.int16)}).replace(b'"I16"', b'"BF16"'.ljust(5))
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(WeightsError, match="safetensors cannot read it"):
        read_weights(tmp_path / "x")


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(data=st.data())
def test_damage_is_an_error_or_other_numbers(suffix, data, tmp_path_factory):
    whole = stored(suffix, {"a/0": np.arange(6, dtype=np.float32), "a/1": np.ones(2, np.float32)})
    start = 8 if suffix == ".safetensors" else 4
    at = data.draw(st.integers(start + 1, len(whole) - 1))
    cut = data.draw(st.booleans())
    bad = whole[:at] if cut else whole[:at] + data.draw(st.binary(min_size=1)) + whole[at + 1 :]
    path = tmp_path_factory.mktemp("x") / "x"
    path.write_bytes(bad)
    try:
        read_weights(path)
    except WeightsError as error:
        assert str(path) in str(error)


def test_a_huge_array_that_is_not_there(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (2**45,)}
    )
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("a/0.npy", header.getvalue())
    with pytest.raises(WeightsError, match="NumPy cannot read it"):
        read_weights(tmp_path / "x.npz")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_cannot_be_written(suffix, tmp_path):
    ones = {"a": [np.ones(1)]}
    with pytest.raises(WeightsError, match="two layers are called 'a'"):
        write_weights(tmp_path / f"x{suffix}", net("a", "a"), ones)
    with pytest.raises(WeightsError, match="this format holds no gradients"):
        write_weights(tmp_path / f"x{suffix}", net("a"), ones, ones)
    assert list(tmp_path.iterdir()) == []


def test_without_the_package(tmp_path, monkeypatch):
    save_file({"a/0": np.ones(1)}, tmp_path / "x.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for use in (
        lambda: read_weights(tmp_path / "x.safetensors"),
        lambda: write_weights(tmp_path / "y.safetensors", net("a"), {}),
    ):
        with pytest.raises(WeightsError, match=r"needs the package safetensors\nhint: pip install"):
            use()
