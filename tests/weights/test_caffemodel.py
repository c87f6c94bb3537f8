"""`.caffemodel` files: recorded, generated, old, damaged and large ones."""

import io
import tracemalloc
from itertools import zip_longest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from netc.errors import WeightsError
from netc.schema import (
    BlobProto,
    BlobShape,
    LayerParameter,
    NetParameter,
    V0LayerParameter,
    V1LayerParameter,
)
from netc.weights import caffemodel, read_weights
from tests.weights.recordings import recorded

EVERY_MODEL = recorded("data/*.caffemodel") + recorded("zoo/*.caffemodel")
blob_lists = st.lists(
    arrays(np.float32, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)), max_size=3
)


def without_blobs(net):
    bare = NetParameter()
    bare.CopyFrom(net)
    for layer in bare.layer:
        del layer.blobs[:]
    return bare


def dumped(net, blobs, diffs=None):
    file = io.BytesIO()
    caffemodel.write(file, net, blobs, diffs)
    return file.getvalue()


def held(weights):
    return {layer.name: layer.blobs for layer in weights.layers if layer.blobs}


def check_rewritten(data):
    message = NetParameter.FromString(data)
    weights = caffemodel.parse(data, "x")
    assert weights.name == message.name
    for layer, expected in zip_longest(weights.layers, message.layer):
        assert (layer.name, layer.type) == (expected.name, expected.type)
        for blob, proto in zip_longest(layer.blobs, expected.blobs):
            assert blob.shape == tuple(proto.shape.dim)
            np.testing.assert_array_equal(blob.ravel(), np.array(proto.data, np.float32))
    assert dumped(without_blobs(message), held(weights)) == data
    assert dumped(message, held(weights)) == data


@pytest.mark.parametrize("path", EVERY_MODEL)
def test_recorded_models_are_rewritten_byte_for_byte(path):
    check_rewritten(path.read_bytes())


@pytest.mark.parametrize("path", recorded("solvers/*.npz"))
def test_models_of_every_solver_are_rewritten_byte_for_byte(path):
    check_rewritten(np.load(path)["caffemodel"].tobytes())


@given(st.lists(blob_lists, max_size=4), st.booleans(), st.text(max_size=5))
def test_round_trip(layers, with_diffs, name):
    net = NetParameter(name=name, force_backward=True)
    for i in range(len(layers)):
        net.layer.add(name=f"l{i}", type="T", bottom=["b"], loss_weight=[1]).include.add(phase=0)
    blobs = {f"l{i}": arrays for i, arrays in enumerate(layers)}
    diffs = {key: [-a for a in value] for key, value in blobs.items()} if with_diffs else None
    data = dumped(net, blobs, diffs)
    message = NetParameter.FromString(data)
    assert message.SerializeToString() == data
    assert without_blobs(message) == net
    weights = caffemodel.parse(data, "x")
    assert [layer.name for layer in weights.layers] == list(blobs)
    for layer in weights.layers:
        for expected, blob, diff in zip_longest(blobs[layer.name], layer.blobs, layer.diffs):
            np.testing.assert_array_equal(blob, expected, strict=True)
            if with_diffs and expected.size:
                np.testing.assert_array_equal(diff, -expected, strict=True)
            else:
                assert diff is None


def test_v1_layers():
    blob = BlobProto(num=1, channels=1, height=1, width=2, data=[1, 2])
    layer = V1LayerParameter(name="c", type="CONVOLUTION", blobs=[blob], bottom=["data"])
    net = NetParameter(name="old", layers=[layer, V1LayerParameter(name="r", type="RELU")])
    first, second = caffemodel.parse(net.SerializeToString(), "x").layers
    assert (first.name, first.type, first.legacy) == ("c", "CONVOLUTION", (True,))
    np.testing.assert_array_equal(first.blobs[0], np.array([[[[1, 2]]]], np.float32), strict=True)
    assert (second.name, second.type, second.blobs) == ("r", "RELU", ())


def test_v0_layers_are_nested():
    blob = BlobProto(num=1, channels=1, height=1, width=1, data=[3])
    inner = V0LayerParameter(name="c", type="conv", blobs=[blob])
    net = NetParameter(layers=[V1LayerParameter(bottom=["data"], layer=inner)])
    (layer,) = caffemodel.parse(net.SerializeToString(), "x").layers
    assert (layer.name, layer.type, layer.legacy) == ("c", "conv", (True,))
    assert layer.blobs[0].item() == 3


def test_old_and_new_layers_together_are_refused():
    net = NetParameter(layers=[V1LayerParameter(name="a")], layer=[LayerParameter(name="b")])
    with pytest.raises(WeightsError, match="both 'layer' and 'layers' fields"):
        caffemodel.parse(net.SerializeToString(), "x")


def test_an_error_names_layer_and_blob():
    net = NetParameter(layer=[LayerParameter(name="ip1", blobs=[BlobProto(data=[1, 2])])])
    with pytest.raises(WeightsError, match="holds 2 values\nin blob 0 of layer 'ip1'"):
        caffemodel.parse(net.SerializeToString(), "x")


@given(st.data())
def test_every_cut_is_noticed_or_a_shorter_net(data):
    blob = BlobProto(shape=BlobShape(dim=[3]), data=[1, 2, 3])
    net = NetParameter(name="n", layer=[LayerParameter(name=n, blobs=[blob]) for n in "abc"])
    whole = net.SerializeToString()
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        layers = caffemodel.parse(cut, "x").layers
    except WeightsError:
        return
    assert [layer.name for layer in layers] == list("abc")[: len(layers)]
    assert all(layer.blobs[0].tolist() == [1, 2, 3] for layer in layers)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A net of 64 blobs of 256 kB."""
    path = tmp_path_factory.mktemp("large") / "l.caffemodel"
    net = NetParameter(name="large", layer=[LayerParameter(name=f"l{i}") for i in range(64)])
    array = np.ones((256, 256), np.float32)
    caffemodel.write(path, net, {layer.name: [array] for layer in net.layer})
    return path


def peak_bytes(action):
    tracemalloc.start()
    try:
        result = action()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_copies_nothing(large):
    weights, peak = peak_bytes(lambda: read_weights(large))
    assert large.stat().st_size > 16 * 2**20
    assert peak < 2**20
    for layer in weights.layers:
        assert layer.blobs[0].base is not None and layer.blobs[0].sum() == 256 * 256


def test_writing_holds_one_blob_at_a_time(tmp_path):
    class Lazy:
        """Stands for an array on a device."""

        shape = (256, 256)

        def __array__(self, dtype=None, copy=None):
            return np.zeros(self.shape, np.float32)

    net = NetParameter(layer=[LayerParameter(name=f"l{i}") for i in range(64)])
    blobs = {layer.name: [Lazy()] for layer in net.layer}
    _, peak = peak_bytes(lambda: caffemodel.write(tmp_path / "x", net, blobs))
    assert (tmp_path / "x").stat().st_size > 16 * 2**20
    assert peak < 2**20


def test_views_outlive_the_file(large, tmp_path):
    copy = tmp_path / "copy"
    copy.write_bytes(large.read_bytes())
    blob = read_weights(copy).layers[63].blobs[0]
    copy.unlink()
    assert blob.sum() == 256 * 256
    with pytest.raises(ValueError, match="read-only"):
        blob[0, 0] = 1


def test_beyond_two_gib_is_refused_before_a_byte_is_written(tmp_path):
    net = NetParameter(layer=[LayerParameter(name="fc")])
    huge = np.broadcast_to(np.float32(0), (2**29,))
    path = tmp_path / "x.caffemodel"
    with pytest.raises(WeightsError, match=r"need 2147\d+ bytes.*at most 2147483647") as caught:
        caffemodel.write(path, net, {"fc": [huge]})
    assert "HDF5" in caught.value.hint and caught.value.where == str(path)
    assert list(tmp_path.iterdir()) == []


def test_blobs_of_an_unknown_layer_are_refused():
    with pytest.raises(WeightsError, match="no layer 'b'"):
        dumped(NetParameter(layer=[LayerParameter(name="a")]), {"b": [np.zeros(1)]})


def test_a_failed_write_leaves_the_old_file(tmp_path):
    class Broken:
        shape = (1,)

        def __array__(self, dtype=None, copy=None):
            raise OSError(28, "No space left on device")

    path = tmp_path / "x.caffemodel"
    path.write_bytes(b"old")
    net = NetParameter(layer=[LayerParameter(name="a")])
    with pytest.raises(WeightsError, match=r"Couldn't write .*x\.caffemodel: No space left"):
        caffemodel.write(path, net, {"a": [Broken()]})
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == [path.name]
