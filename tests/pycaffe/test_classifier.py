"""caffe.Classifier and caffe.Detector, as pycaffe has them."""

import cv2
import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.errors import DataError, UsageError
from tests.pycaffe import nets

MEAN = np.array([104.0, 117, 123])
OPTIONS = dict(mean=MEAN, raw_scale=255, channel_swap=(2, 1, 0), input_scale=0.01)


@pytest.fixture
def files(make):
    """A net that scores images of 6 x 6, its weights, and an image of 20 x 30."""
    make(nets.IMAGES, caffe.TEST).save("w.caffemodel")
    image = np.random.RandomState(0).randint(0, 256, (20, 30, 3)).astype(np.uint8)
    cv2.imwrite("a.png", image)
    return "net.prototxt", "w.caffemodel"


def scores(net, crops):
    """What the net says of crops (h, w, 3), from its blobs."""
    data = np.array([(x[..., ::-1] * 255 - MEAN) * 0.01 for x in crops]).transpose(0, 3, 1, 2)
    weight, bias = (b.data for b in net.params["ip"])
    e = np.exp(data.reshape(len(crops), -1) @ weight.T + bias)
    return e / e.sum(1, keepdims=True)


def test_the_mean_over_ten_crops(files):
    net = caffe.Classifier(*files, image_dims=(8, 9), **OPTIONS)
    image = caffe.io.load_image("a.png")
    found = net.predict([image, image[:, ::-1], image[:10]])
    resized = [caffe.io.resize_image(x, (8, 9)) for x in (image, image[:, ::-1], image[:10])]
    expected = [scores(net, caffe.io.oversample([x], (6, 6))).mean(0) for x in resized]
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_centre_of_images_of_the_inputs_size(files):
    net = caffe.Classifier(*files, **OPTIONS)
    image = caffe.io.load_image("a.png")
    found = net.predict([image], oversample=False)
    np.testing.assert_allclose(found, scores(net, [caffe.io.resize_image(image, (6, 6))]), 1e-4)
    wide = caffe.Classifier(*files, image_dims=(9, 6), **OPTIONS)
    resized = caffe.io.resize_image(image, (9, 6))
    np.testing.assert_allclose(
        wide.predict([image], oversample=False), scores(wide, [resized[1:7]]), 1e-4
    )
    small = caffe.Classifier(*files, image_dims=(5, 9))
    with pytest.raises(DataError, match="a crop of 6 x 6 does not fit an image of 5 x 9"):
        small.predict([image])


def test_windows(files):
    net = caffe.Detector(*files, **OPTIONS)
    windows = [(-1, 0, 20, 31), (3, 4, 10, 12)]
    found = net.detect_windows([("a.png", windows), ("a.png", windows[:1])])
    assert [(d["filename"], d["window"]) for d in found] == [
        ("a.png", w) for w in (*windows, windows[0])
    ]
    image = caffe.io.load_image("a.png")
    crops = [image, image[3:10, 4:12], image]
    expected = scores(net, [caffe.io.resize_image(x, (6, 6)) for x in crops])
    np.testing.assert_allclose([d["prediction"] for d in found], expected, rtol=1e-4)
    assert net.detect_windows([("a.png", [])]) == []


def test_context_around_windows_is_the_mean_beyond_the_image(files):
    net = caffe.Detector(*files, **OPTIONS, context_pad=1)
    image = caffe.io.load_image("a.png")
    inside = net.crop(image, (6, 8, 13, 15))
    # 8 pixels of window on 4 of the input: 2 around it. The box is 12 high and wide.
    np.testing.assert_allclose(inside, caffe.io.resize_image(image[4:16, 6:18], (6, 6)), atol=1e-6)
    corner = net.crop(image, (0, 0, 7, 7))
    mean = np.broadcast_to(MEAN[::-1] / 255, (6, 6, 3))
    np.testing.assert_allclose(corner[0], mean[0], rtol=1e-6)
    np.testing.assert_allclose(corner[:, 0], mean[:, 0], rtol=1e-6)
    part = caffe.io.resize_image(image[0:10, 0:10], (5, 5))
    np.testing.assert_allclose(corner[1:, 1:], part, atol=1e-6)


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ((3, 4, 3, 9), "window 3 4 3 9 holds no pixel of the image of 20 x 30"),
        ((3, 30, 9, 40), "window 3 30 9 40 holds no pixel of the image of 20 x 30"),
        ((3, 4, 5), r"a window is ymin, xmin, ymax, xmax, got \[3, 4, 5\]"),
    ],
)
def test_wrong_windows(files, window, message):
    with pytest.raises(DataError, match=message):
        caffe.Detector(*files).detect_windows([("a.png", [window])])


def test_wrong_context(files):
    with pytest.raises(UsageError, match=r"context_pad 3 needs a square input .*'data' is 6 x 6"):
        caffe.Detector(*files, context_pad=3)


def test_a_net_without_inputs(folder, files):
    data = 'layer { name: "d" type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 } } }'
    (folder / "train.prototxt").write_text(data)
    with pytest.raises(UsageError, match=r"train.prototxt: the net has no Input layer for images"):
        caffe.Classifier("train.prototxt", files[1])
