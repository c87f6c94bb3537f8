"""`.caffemodel.h5` files: a recorded one, names with "/", shared and missing blobs, other files."""

import h5py
import numpy as np
import pytest

from netc.errors import WeightsError
from netc.schema import LayerParameter, NetParameter
from netc.weights import hdf5, read_weights, write_weights
from tests.weights.recordings import recorded


def net_of(*names):
    return NetParameter(layer=[LayerParameter(name=name) for name in names])


def array(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def tree(path):
    """Every group and dataset of a file."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: _leaf(item)}))
    return found


def _leaf(item):
    if isinstance(item, h5py.Group):
        return "group"
    return str(item.dtype), item.shape, item[()].tobytes()


def held(weights):
    return {
        layer.name: [None if b is None else b.tolist() for b in layer.blobs]
        for layer in weights.layers
    }


@pytest.mark.parametrize("path", recorded("data/*.caffemodel.h5"))
def test_a_recorded_file_is_rewritten_alike(path, tmp_path):
    weights = read_weights(path)
    assert weights.shared_once and len(weights.layers) == 9
    net = net_of(*(layer.name for layer in weights.layers))
    copy = tmp_path / "copy.caffemodel.h5"
    write_weights(copy, net, {layer.name: layer.blobs for layer in weights.layers})
    assert tree(copy) == tree(path)


def test_round_trip_with_diffs(tmp_path):
    path = tmp_path / "x.h5"
    blobs = {"conv": [array(2, 3), array(2)], "scalar": [array()], "none": [array(0, 2)]}
    diffs = {name: [-a for a in arrays] for name, arrays in blobs.items()}
    write_weights(path, net_of("data", *blobs), blobs, diffs)
    layers = {layer.name: layer for layer in read_weights(path).layers}
    assert layers.keys() == {"data", *blobs} and layers["data"].blobs == ()
    for name, arrays in blobs.items():
        for a, b, d in zip(arrays, layers[name].blobs, layers[name].diffs, strict=True):
            np.testing.assert_array_equal(b, a, strict=True)
            np.testing.assert_array_equal(d, -a, strict=True)
            assert not b.flags.writeable


def test_slashes_nest_groups(tmp_path):
    path = tmp_path / "x.h5"
    blobs = {
        "inception/3x3": [array(2)],
        "inception": [array(1)],
        "inception/3x3/bn": [array(3), array(3)],
        "7": [array(1)],
        "7/1": [array(2)],
    }
    write_weights(path, net_of(*blobs, "a/relu"), blobs, blobs)
    assert held(read_weights(path)) == {
        "a/relu": [],
        **{name: [a.tolist() for a in arrays] for name, arrays in blobs.items()},
    }
    assert "data/inception/3x3/bn/1" in tree(path)


def test_a_blob_left_to_its_owner(tmp_path):
    path = tmp_path / "x.h5"
    write_weights(path, net_of("a", "b"), {"a": [array(2), array(1)], "b": [None, array(1)]})
    assert held(read_weights(path)) == {"a": [[0, 1], [0]], "b": [None, [0]]}


@pytest.mark.parametrize(
    "names", [["a", "a"], [""], ["/a"], ["a/"], ["a//b"], ["./a"], ["a", "a/0"], ["a", "a/0/b"]]
)
def test_names_that_hdf5_cannot_tell_apart(tmp_path, names):
    with pytest.raises(WeightsError, match="cannot name a group of an HDF5 file"):
        write_weights(tmp_path / "x.h5", net_of(*names), {"a": [array(1)]})
    assert list(tmp_path.iterdir()) == []


def test_whole_numbers_are_read_and_text_is_not(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["data/a/0"] = np.array([1, 2])
    assert held(read_weights(path)) == {"a": [[1, 2]]}
    with h5py.File(path, "w") as file:
        file["data/a/0"] = "words"
    with pytest.raises(WeightsError, match="/data/a/0 holds object, not numbers"):
        read_weights(path)


def test_other_hdf5_files(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["data"], file["label"] = array(2), array(2)
    with pytest.raises(WeightsError, match="an HDF5 file of data, label, not a file of weights"):
        read_weights(path)
    with h5py.File(path, "w") as file:
        file.create_group("history")
    with pytest.raises(WeightsError, match="a solver state") as caught:
        read_weights(path)
    assert "-snapshot" in caught.value.hint
    with h5py.File(path, "w"):
        pass
    with pytest.raises(WeightsError, match="an HDF5 file of nothing"):
        read_weights(path)


def test_damaged(tmp_path):
    path = tmp_path / "x.h5"
    write_weights(path, net_of("a"), {"a": [array(1000)]})
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(WeightsError, match=r"HDF5 cannot read it: .*truncated") as caught:
        read_weights(path)
    assert caught.value.where == str(path)


def test_a_user_block_in_front(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["data/a/0"] = array(1)
    assert held(read_weights(path)) == {"a": [[0]]}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise OSError(28, "No space left on device")

    path = tmp_path / "x.h5"
    path.write_bytes(b"old")
    with pytest.raises(WeightsError, match=r"Couldn't write .*x\.h5: No space left"):
        hdf5.write(path, net_of("a"), {"a": [Broken()]})
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == [path.name]
