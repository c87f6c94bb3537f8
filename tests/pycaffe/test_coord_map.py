"""caffe.coord_map on tops of NetSpec."""

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.errors import UsageError
from netc.load import parse_net
from netc.pycaffe import layers as L
from netc.pycaffe import params as P
from netc.pycaffe.coord_map import (
    AxisMismatchException,
    UndefinedMapException,
    compose,
    conv_params,
    coord_map,
    coord_map_from_to,
    crop,
    crop_params,
    inverse,
)

INPUT = L.Input(shape=dict(dim=[1, 3, 40, 40]))


def conv(bottom, **fields):
    return L.Convolution(bottom, **{"num_output": 4, "kernel_size": 3, **fields})


@pytest.mark.parametrize(
    ("top", "a", "b"),
    [
        (conv(INPUT), [1], [-1]),
        (conv(INPUT, pad=1), [1], [0]),
        (conv(INPUT, kernel_size=5, stride=2, pad=1), [0.5], [-0.5]),
        (conv(INPUT, dilation=2), [1], [-2]),
        (conv(INPUT, kernel_size=[3, 5], stride=[1, 2]), [1, 0.5], [-1, -1]),
        (L.Convolution(INPUT, convolution_param=dict(num_output=1, kernel_size=3)), [1], [-1]),
        (L.Deconvolution(INPUT, convolution_param=dict(kernel_size=4, stride=2)), [2], [1.5]),
        (L.Pooling(INPUT, kernel_size=2, stride=2, pool=P.Pooling.MAX), [0.5], [-0.25]),
        (L.Pooling(INPUT, pooling_param=dict(kernel_size=3, stride=1)), [1], [-1]),
        (L.Crop(INPUT, INPUT, offset=[2, 3]), 1, [-2, -3]),
    ],
)
def test_maps(top, a, b):
    axis, scale, shift = coord_map(top.fn)
    assert axis == 1
    np.testing.assert_allclose(scale, a)
    np.testing.assert_allclose(shift, b)
    np.testing.assert_allclose(compose((axis, scale, shift), inverse((axis, scale, shift)))[2], 0)


@pytest.mark.parametrize("kind", ["ReLU", "Dropout", "Eltwise", "LRN", "Scale", "Split", "PReLU"])
def test_layers_that_move_nothing(kind):
    assert coord_map(getattr(L, kind)(INPUT).fn) == (None, 1, 0)


def test_crop_aligns_a_skip_connection(folder):
    """FCN's: what is cut out is where the top of the other way lies, pixel on pixel."""
    n = caffe.NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 1, 16, 16]))
    fields = dict(num_output=1, weight_filler=dict(type="constant", value=1))
    n.conv = L.Convolution(n.data, kernel_size=3, pad=10, **fields)
    n.relu = L.ReLU(n.conv, in_place=True)
    n.pool = L.Pooling(n.relu, kernel_size=2, stride=2, pool=P.Pooling.AVE)
    filler = dict(type="constant", value=1)
    up = dict(num_output=1, kernel_size=2, stride=2, bias_term=False, weight_filler=filler)
    n.up = L.Deconvolution(n.pool, convolution_param=up)
    n.score = crop(n.up, n.data)
    layer = n.to_proto().layer[-1]
    assert list(layer.crop_param.offset) == [9] and layer.crop_param.axis == 2
    (folder / "net.prototxt").write_text(str(n.to_proto()))
    net = caffe.Net("net.prototxt", caffe.TEST)
    net.blobs["data"].data[0, 0, 5, 9] = 1
    score = net.forward()["score"][0, 0]
    assert score.shape == (16, 16)
    rows, columns = np.nonzero(score)
    assert abs(rows.mean() - 5) <= 0.5 and abs(columns.mean() - 9) <= 0.5


def test_rectangles_and_no_shift():
    n = caffe.NetSpec()
    n.data = INPUT
    n.conv = conv(INPUT, kernel_size=[3, 5], pad=[4, 5])
    n.crop = crop(n.conv, n.data)
    n.same = crop(L.ReLU(n.data), n.data)
    cropped, relu, same = (n.to_proto().layer[i] for i in (2, 3, 4))
    assert list(cropped.crop_param.offset) == [3, 3] and relu.type == "ReLU"
    assert list(same.crop_param.offset) == [0] and same.crop_param.axis == 2
    parse_net(str(n.to_proto()))


def test_other_axes():
    top = conv(INPUT, axis=2)
    assert coord_map(top.fn)[0] == 2 and conv_params(top.fn)[0] == 2
    assert crop_params(L.Crop(INPUT, INPUT).fn) == (2, 0)
    with pytest.raises(AxisMismatchException, match="from 1 on, the other from 2"):
        coord_map_from_to(conv(top), INPUT)


@pytest.mark.parametrize(
    ("top", "said"),
    [
        (L.Pooling(INPUT, kernel_size=2, stride=2), r"scale mismatch on crop \(a = \[2"),
        (conv(INPUT), r"cannot crop negative offset \(b = \[1"),
        (conv(INPUT, kernel_size=4, pad=6), r"cannot crop noninteger offset \(b = \[-4.5"),
        (conv(INPUT, kernel_h=3), r"legacy _h/_w params: Convolution has kernel_h"),
        (L.Convolution(INPUT, num_output=1), "the windows of Convolution have no kernel_size"),
    ],
)
def test_what_cannot_be_cropped(top, said):
    with pytest.raises(UsageError, match=said):
        crop(top, INPUT)


def test_tops_that_nothing_connects():
    flat = L.InnerProduct(INPUT, num_output=3)
    with pytest.raises(UndefinedMapException, match="InnerProduct says nothing of coordinates"):
        coord_map(flat.fn)
    for other in (flat, L.Input()):
        with pytest.raises(RuntimeError, match="Could not compute map between tops"):
            coord_map_from_to(other, INPUT)
