"""Net, as pycaffe has it."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.errors import NetcError
from netc.schema import NetParameter
from tests.pycaffe import nets


def dense(x, blobs):
    return x @ blobs[0].data.T + blobs[1].data


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_what_a_net_is_made_of(make):
    net = make()
    assert net.name == "plain"
    net.name = "mine"
    assert net.name == "mine"
    assert list(net.blobs) == ["data", "label", "ip1", "ip2", "loss"] == net._blob_names
    assert [(k, [b.shape for b in v]) for k, v in net.params.items()] == [
        ("ip1", [(6, 5), (6,)]),
        ("ip2", [(3, 6), (3,)]),
    ]
    assert net._layer_names == ["in", "ip1", "relu", "ip2", "loss"] == list(net.layer_dict)
    assert [layer.type for layer in net.layers] == [
        "Input",
        "InnerProduct",
        "ReLU",
        "InnerProduct",
        "SoftmaxWithLoss",
    ]
    assert len(net.layers[1].blobs) == 2 and net.layer_dict["relu"].blobs == []
    assert net.inputs == ["data", "label"] and net.outputs == ["loss"]
    assert net.top_names["relu"] == ["ip1"] and net.bottom_names["loss"] == ["ip2", "label"]
    assert net.blob_loss_weights == {"data": 0, "label": 0, "ip1": 0, "ip2": 0, "loss": 1}
    assert net._blobs == list(net.blobs.values()) and net._blob_loss_weights == [0, 0, 0, 0, 1]
    assert (net._inputs, net._outputs) == ([0, 1], [4])
    assert net._top_ids(0) == [0, 1] and net._top_ids(2) == [2] and net._bottom_ids(4) == [3, 1]


def test_split_layers_are_listed_and_outputs_are_in_order_of_name(make):
    net = make(nets.SCORED, caffe.TEST)
    assert net.outputs == ["accuracy", "loss"]
    assert "ip2_ip2_0_split" in net._layer_names and "label_in_1_split" in net._layer_names
    assert {"ip2_ip2_0_split_0", "ip2_ip2_0_split_1"} < set(net.blobs)
    assert net.bottom_names["accuracy"] == ["ip2_ip2_0_split_0", "label_in_1_split_0"]
    assert net.bottom_names["loss"] == ["ip2_ip2_0_split_1", "label_in_1_split_1"]


def test_phase_level_and_stages(make):
    staged = nets.DEPLOY + (
        'layer { name: "a" type: "ReLU" bottom: "ip2" top: "a" include { stage: "s" } }'
        'layer { name: "b" type: "ReLU" bottom: "ip2" top: "b" include { min_level: 2 } }'
    )
    assert make(staged).outputs == ["ip2"]
    assert make(staged, stages=["s"]).outputs == ["a"]
    assert make(staged, level=2, stages=["s"]).outputs == ["a", "b"]


def test_forward_returns_views(make, inputs):
    net = make()
    found = net.forward(blobs=["ip2"], **inputs)
    assert set(found) == {"loss", "ip2"}
    hidden = np.maximum(dense(inputs["data"], net.params["ip1"]), 0)
    np.testing.assert_allclose(net.blobs["ip1"].data, hidden, rtol=1e-5)
    np.testing.assert_allclose(found["ip2"], dense(hidden, net.params["ip2"]), rtol=1e-4)
    held, before = found["ip2"], found["ip2"].copy()
    net.forward(data=inputs["data"] * 2, label=inputs["label"])
    assert not np.array_equal(held, before)
    np.testing.assert_array_equal(held, net.blobs["ip2"].data)


def test_arrays_written_in_place_are_read(make, inputs):
    net = make()
    net.blobs["data"].data[...] = inputs["data"]
    net.blobs["label"].data[...] = inputs["label"]
    weight, bias = net.params["ip2"][0].data, net.params["ip2"][1].data
    weight[...] = 0
    assert net.forward()["loss"] == pytest.approx(np.log(3), 1e-6)
    bias[0] = 50  # the array is held since before the pass
    assert net.forward()["loss"] == pytest.approx(50 * 3 / 4, 1e-5)


def test_inputs_must_be_all_and_fit(make, inputs):
    net = make()
    with pytest.raises(NetcError, match="Input blob arguments do not match net inputs"):
        net.forward(data=inputs["data"])
    with pytest.raises(NetcError, match="Input is not batch sized: 'data' takes"):
        net.forward(data=inputs["data"][:2], label=inputs["label"])
    with pytest.raises(NetcError, match="no layer 'ip3'") as error:
        net.forward(end="ip3", **inputs)
    assert error.value.hint and "did you mean 'ip" in error.value.hint
    with pytest.raises(NetcError, match="no blob 'ip9'"):
        net.forward(blobs=["ip9"], **inputs)


def test_part_of_a_pass(make, inputs):
    net = make()
    net.forward(**inputs)
    whole = net.blobs["ip2"].data.copy()
    assert list(net.forward(end="ip1", **inputs)) == ["ip1"]
    assert (net.blobs["ip1"].data < 0).any()  # the ReLU in place has not run
    assert list(net.forward(start="relu", end="ip2")) == ["ip2"]
    np.testing.assert_allclose(net.blobs["ip2"].data, whole, rtol=1e-6)
    net.blobs["ip2"].data[...] = 0
    assert net.forward(start="loss")["loss"] == pytest.approx(np.log(3), 1e-6)


def gradients(net, inputs):
    """Of the loss, by hand: of ip2, of its blobs, of ip1 and of the data."""
    hidden = np.maximum(dense(inputs["data"], net.params["ip1"]), 0)
    p = softmax(dense(hidden, net.params["ip2"]))
    p[range(4), inputs["label"].astype(int)] -= 1
    d_ip2 = p / 4
    d_hidden = (d_ip2 @ net.params["ip2"][0].data) * (hidden > 0)
    return d_ip2, d_ip2.T @ hidden, d_ip2.sum(0), d_hidden, d_hidden @ net.params["ip1"][0].data


def test_backward(make, inputs):
    net = make(nets.PLAIN + "force_backward: true")
    net.forward(**inputs)
    found = net.backward(diffs=["ip2"])
    assert list(found) == ["data", "label", "ip2"]
    d_ip2, d_weight, d_bias, d_hidden, d_data = gradients(net, inputs)
    close = {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(found["ip2"], d_ip2, **close)
    np.testing.assert_allclose(net.params["ip2"][0].diff, d_weight, **close)
    np.testing.assert_allclose(net.params["ip2"][1].diff, d_bias, **close)
    np.testing.assert_allclose(net.blobs["ip1"].diff, d_hidden, **close)
    np.testing.assert_allclose(found["data"], d_data, **close)


def test_gradients_of_blobs_add_up_until_they_are_cleared(make, inputs):
    net = make()
    net.forward(**inputs)
    net.backward()
    once = net.params["ip1"][0].diff.copy()
    held = net.params["ip1"][0].diff
    net.backward()
    np.testing.assert_allclose(net.params["ip1"][0].diff, 2 * once, rtol=1e-6)
    np.testing.assert_allclose(held, 2 * once, rtol=1e-6)
    net.clear_param_diffs()
    assert not held.any()
    assert not any(b.diff.any() for blobs in net.params.values() for b in blobs)
    net.backward()
    np.testing.assert_allclose(held, once, rtol=1e-6)


def test_part_of_the_way_back(make, inputs):
    net = make(nets.PLAIN + "force_backward: true")
    net.forward(**inputs)
    net.backward()
    whole = {b: net.blobs[b].diff.copy() for b in ("ip2", "ip1", "data")}
    net.clear_param_diffs()
    assert list(net.backward(end="ip2")) == ["ip1"]
    assert net.params["ip2"][0].diff.any() and not net.params["ip1"][0].diff.any()
    net.backward(start="relu", end="ip1")
    for blob, diff in whole.items():
        np.testing.assert_allclose(net.blobs[blob].diff, diff, rtol=1e-5, atol=1e-7)


def test_force_backward_overrules_propagate_down(make, inputs):
    cut = nets.PLAIN.replace('top: "ip2"', 'top: "ip2" propagate_down: false')
    for text, flows in ((cut, False), (cut + "force_backward: true", True)):
        net = make(text)
        net.forward(**inputs)
        net.backward()
        assert net.params["ip2"][0].diff.any()
        assert net.params["ip1"][0].diff.any() == flows == net.blobs["data"].diff.any()


IN_PLACE = """
force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 } } }
layer { name: "tanh" type: "TanH" bottom: "x" top: "x" }
layer { name: "slope" type: "PReLU" bottom: "x" top: "x" }
"""


WHOLE, HALVES = [(None, None)], [(None, "tanh"), ("slope", None)]


@pytest.mark.parametrize("ends, back", [(WHOLE, WHOLE), (HALVES, HALVES), (WHOLE, HALVES)])
def test_going_back_through_layers_that_write_over_an_input(make, ends, back):
    net = make(IN_PLACE)
    draw = np.random.RandomState(3)
    slope = net.params["slope"][0].data.copy()
    for _ in range(2):
        x, dy = draw.standard_normal((2, 3, 2)).astype(np.float32)
        net.blobs["x"].data[...] = x
        for start, end in ends:
            net.forward(start=start, end=end)
        y = np.tanh(x)
        np.testing.assert_allclose(net.blobs["x"].data, np.where(y > 0, y, slope * y), rtol=1e-5)
        net.blobs["x"].diff[...] = dy
        net.clear_param_diffs()
        for start, end in reversed(back):
            net.backward(start=end, end=start)
        d_slope = (dy * y * (y <= 0)).sum(0)
        np.testing.assert_allclose(net.params["slope"][0].diff, d_slope, rtol=1e-4)
        dx = dy * np.where(y > 0, 1, slope) * (1 - y * y)
        np.testing.assert_allclose(net.blobs["x"].diff, dx, rtol=1e-4)


def test_gradients_may_be_given(make, inputs):
    net = make(nets.DEPLOY + "force_backward: true")
    net.forward(data=inputs["data"])
    diff = np.ones((4, 3), np.float32)
    found = net.backward(ip2=diff)
    hidden = net.blobs["ip1"].data > 0
    wanted = ((diff @ net.params["ip2"][0].data) * hidden) @ net.params["ip1"][0].data
    np.testing.assert_allclose(found["data"], wanted, rtol=1e-4, atol=1e-6)
    with pytest.raises(NetcError, match="Top diff arguments do not match net outputs"):
        net.backward(ip1=diff)


def test_the_gradient_of_the_loss_is_its_weight_and_may_be_changed(make, inputs):
    net = make(nets.PLAIN.replace('top: "loss"', 'top: "loss" loss_weight: 2'))
    assert net.blobs["loss"].diff == 2
    net.forward(**inputs)
    net.backward()
    twice = net.params["ip2"][0].diff.copy()
    net.clear_param_diffs()
    net.blobs["loss"].diff[...] = 1
    net.backward()
    np.testing.assert_allclose(twice, 2 * net.params["ip2"][0].diff, rtol=1e-5)


def test_forward_all_pads_the_last_batch(make, inputs):
    net = make(nets.DEPLOY)
    data = np.random.RandomState(1).standard_normal((10, 5)).astype(np.float32)
    found = net.forward_all(blobs=["ip1"], data=data)
    assert found["ip2"].shape == (10, 3) and found["ip1"].shape == (10, 6)
    hidden = np.maximum(dense(data, net.params["ip1"]), 0)
    np.testing.assert_allclose(found["ip1"], hidden, rtol=1e-5)
    before = found["ip2"].copy()
    net.forward_all(data=data * 0)
    np.testing.assert_array_equal(found["ip2"], before)


@pytest.mark.parametrize("how", ["save", "save .h5", "save_hdf5"])
def test_weights_come_back(make, inputs, how):
    net = make(nets.PLAIN)
    name = "w.caffemodel" if how == "save" else "w.h5"
    (net.save_hdf5 if how == "save_hdf5" else net.save)(name)
    caffe.set_random_seed(2)
    other = make(nets.DEPLOY, name="deploy.prototxt")
    held = other.params["ip1"][0].data
    assert not np.array_equal(held, net.params["ip1"][0].data)
    (other.load_hdf5 if how == "save_hdf5" else other.copy_from)(name)
    np.testing.assert_array_equal(held, net.params["ip1"][0].data)
    given = caffe.Net("deploy.prototxt", caffe.TEST, weights=name)
    older = caffe.Net("deploy.prototxt", name, caffe.TEST)
    for same in (other, given, older):
        assert same.forward(data=inputs["data"])["ip2"] == pytest.approx(
            net.forward(blobs=["ip2"], **inputs)["ip2"], 1e-6
        )


def test_files_are_caffes(make, folder):
    net = make(nets.SCORED, caffe.TEST)
    net.save("w.caffemodel")
    message = NetParameter.FromString((folder / "w.caffemodel").read_bytes())
    assert [layer.name for layer in message.layer] == net._layer_names
    assert [len(layer.blobs) for layer in message.layer if layer.name == "ip1"] == [2]
    net.save("w.h5")
    with h5py.File("w.h5") as file:
        assert set(net._layer_names) >= set(file["data"])
        np.testing.assert_array_equal(file["data/ip2/1"], net.params["ip2"][1].data)


def test_a_blob_shared_by_count_has_the_shape_of_each_layer(make, inputs):
    net = make(
        nets.INPUT
        + """
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
          param { name: "w" } convolution_param { num_output: 2 axis: 1 bias_term: false } }
        layer { name: "row" type: "Reshape" bottom: "data" top: "row"
          reshape_param { shape { dim: 2 dim: 10 } } }
        layer { name: "ip" type: "InnerProduct" bottom: "row" top: "ip" param { name: "w"
          share_mode: PERMISSIVE } inner_product_param { num_output: 1 bias_term: false } }
        """
    )
    (owned,), (shared,) = net.params["conv"], net.params["ip"]
    assert (owned.shape, shared.shape, shared.count) == ((2, 5), (1, 10), 10)
    shared.data[...] = np.arange(10)
    np.testing.assert_array_equal(owned.data, np.arange(10).reshape(2, 5))
    rows = inputs["data"].reshape(2, 10)
    net.forward(data=inputs["data"], label=inputs["label"])
    np.testing.assert_allclose(net.blobs["ip"].data, rows @ shared.data.T, rtol=1e-5)
    owned.diff[...] = 3
    assert shared.diff.tolist() == [[3] * 10]
    net.save("w.caffemodel")
    message = NetParameter.FromString(Path("w.caffemodel").read_bytes())
    assert [list(layer.blobs[0].shape.dim) for layer in message.layer if layer.blobs] == [
        [2, 5],
        [1, 10],
    ]


def test_mismatched_weights_are_told(make):
    make().save("w.caffemodel")
    other = make(nets.PLAIN.replace("num_output: 6", "num_output: 7"))
    with pytest.raises(NetcError, match="Cannot copy param 0 weights from layer 'ip1'; shape mis"):
        other.copy_from("w.caffemodel")


def test_share_with(make, inputs):
    net = make()
    caffe.set_random_seed(2)
    other = make(nets.DEPLOY, name="deploy.prototxt")
    other.share_with(net)
    net.params["ip2"][0].data[...] = 0
    net.params["ip2"][1].data[...] = [1, 2, 3]
    assert other.forward(data=inputs["data"])["ip2"].tolist() == [[1, 2, 3]] * 4
    assert other.params["ip1"][0] is net.params["ip1"][0]


def test_reshape(make, inputs):
    net = make(nets.DEPLOY)
    wanted = net.forward(**{"data": inputs["data"]})["ip2"].copy()
    weights = net.params["ip1"][0]
    net.blobs["data"].reshape(2, 5)
    net.reshape()
    assert net.blobs["ip2"].shape == (2, 3) and net.params["ip1"][0] is weights
    np.testing.assert_allclose(net.forward(data=inputs["data"][:2])["ip2"], wanted[:2], rtol=1e-5)
    net.blobs["data"].reshape(2, 6)
    changed = r"another size changes a blob from 6 x 5 to 6 x 6 \(layer 'ip1'"
    with pytest.raises(NetcError, match=changed):
        net.reshape()


def test_reshape_back_after_a_pass_in_another_size(make, inputs):
    net = make(nets.DEPLOY)
    net.blobs["data"].reshape(2, 5)
    net.forward()
    assert net.blobs["ip2"].shape == (2, 3)
    net.blobs["data"].reshape(4, 5)
    net.reshape()
    assert net.blobs["ip2"].shape == (4, 3)


def test_the_seed_decides(make):
    drop = nets.DEPLOY + 'layer { name: "d" type: "Dropout" bottom: "ip2" top: "d" }'
    data = np.ones((4, 5), np.float32)
    caffe.set_random_seed(5)
    one, two = make(drop), make(drop)
    first = one.forward(data=data)["d"].copy()
    np.testing.assert_array_equal(first, two.forward(data=data)["d"])
    caffe.set_random_seed(6)
    assert not np.array_equal(make(drop).params["ip1"][0].data, one.params["ip1"][0].data)


def test_data_that_fillers_draw_is_new_in_every_pass(make):
    shape = "dummy_data_param { shape { dim: 8 } data_filler { type: 'gaussian' } }"
    net = make(f'layer {{ name: "d" type: "DummyData" top: "d" {shape} }}')
    one, two = (net.forward()["d"].copy() for _ in range(2))
    assert not np.array_equal(one, two)


def test_every_pass_draws_anew_and_backward_draws_the_same(make):
    net = make(
        'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 64 } } } '
        'layer { name: "d" type: "Dropout" bottom: "data" top: "d" } force_backward: true'
    )
    masks = []
    for _ in range(3):
        masks.append(net.forward(data=np.ones(64, np.float32))["d"].copy())
        net.blobs["d"].diff[...] = 1
        np.testing.assert_array_equal(net.backward()["data"], masks[-1])
    assert not np.array_equal(masks[0], masks[1]) and not np.array_equal(masks[1], masks[2])


def test_names_of_the_module():
    types = caffe.layer_type_list()
    assert types == sorted(types) and {"Convolution", "InnerProduct", "Input"} <= set(types)
    assert (caffe.TRAIN, caffe.TEST, caffe.__version__) == (0, 1, "1.0.0")
    caffe.set_mode_cpu()
    with pytest.raises(NetcError, match="set_mode_gpu: JAX sees no accelerator"):
        caffe.set_mode_gpu()


def test_a_missing_file(make):
    make()
    for arguments in (("none.prototxt", caffe.TEST), ("net.prototxt", "none.h5", caffe.TEST)):
        with pytest.raises(RuntimeError, match=r"Could not open file none") as error:
            caffe.Net(*arguments)
        assert isinstance(error.value, NetcError)
    with pytest.raises(RuntimeError, match=r"net.prototxt.h5\nhint: did you mean 'net.prototxt'"):
        caffe.Net("net.prototxt", caffe.TEST, weights="net.prototxt.h5")
