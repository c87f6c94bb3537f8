"""Inputs, as Caffe's data layers, its classification and its classify.py make them."""

import cv2
import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.data.feeds import open_feed
from netc.data.mean import write_mean
from netc.errors import DataError, UsageError
from netc.load import parse_net
from netc.predict.preprocess import Options, pipeline
from netc.predict.stored import Stored
from netc.schema import TransformationParameter

NOTHING = Stored(TransformationParameter())
IMAGES = "photos/a.png", "photos/b.jpg"


def made(path, stored=NOTHING, crop=(6, 6), channels=3, **options):
    return pipeline(channels, crop, Options(**options), stored)(path)


@pytest.fixture
def mean(folder):
    """A mean image of 8 x 9."""
    mean = np.random.RandomState(1).uniform(90, 140, (3, 8, 9)).astype(np.float32)
    write_mean("mean.binaryproto", mean)
    np.save("mean.npy", mean)
    return mean


@pytest.mark.parametrize("path", IMAGES)
@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ('mean_file: "mean.binaryproto" scale: 0.1', None),
        ("mean_value: 100 mean_value: 110 mean_value: 120 scale: 0.5", (7, 10)),
        ("mean_value: 5", (6, 6)),
    ],
)
def test_training_is_what_a_data_layer_does_in_test(mean, path, fields, size):
    height, width = size or (8, 9)
    param = parse_net(
        f"""layer {{ name: "d" type: "ImageData" top: "data" top: "label"
        transform_param {{ crop_size: 6 {fields} }}
        image_data_param {{ source: "list" new_height: {height} new_width: {width} }} }}"""
    ).message.layer[0]
    with open("list", "w") as file:
        file.write(f"{path} 0\n")
    expected = open_feed(param, "TEST", 0).batch(0)[0]
    found = made(path, Stored(param.transform_param, size))
    np.testing.assert_allclose(found.rows, expected, rtol=1e-5, atol=1e-5)
    assert found.rows.dtype == np.float32
    assert found.size == cv2.imread(path).shape[:2]


def test_options_come_before_what_is_stored(mean):
    stored = Stored(TransformationParameter(mean_value=[1, 2, 3], scale=0.1), (8, 8))
    found = made(IMAGES[0], stored, mean="9", input_scale=2.0, raw_scale=0.5, size=(6, 6),
                 channel_swap=(2, 1, 0))  # fmt: skip
    pixels = cv2.resize(cv2.imread(IMAGES[0]), (6, 6))[..., ::-1]
    np.testing.assert_allclose(found.rows[0], (pixels.transpose(2, 0, 1) * 0.5 - 9) * 2)


def test_ten_crops_each_less_its_part_of_the_mean_image(mean):
    found = made(IMAGES[0], mean="mean.npy", ten_crops=True).rows
    whole = cv2.resize(cv2.imread(IMAGES[0]), (9, 8)).transpose(2, 0, 1) - mean
    np.testing.assert_allclose(found[3], whole[:, 2:, 3:], rtol=1e-6)
    np.testing.assert_allclose(found[8], whole[:, 2:, 3:][..., ::-1], rtol=1e-6)
    assert found.shape == (10, 3, 6, 6)


@pytest.mark.parametrize("path", IMAGES)
def test_cpp_takes_the_whole_image_and_the_mean_of_each_channel(mean, path):
    found = made(path, style="cpp", mean="mean.npy").rows
    pixels = cv2.resize(cv2.imread(path, cv2.IMREAD_UNCHANGED), (6, 6)).astype(np.float32)
    expected = pixels.transpose(2, 0, 1) - mean.mean((1, 2))[:, None, None]
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


@pytest.mark.parametrize("ten", [True, False])
def test_python_is_what_pycaffes_classifier_does(mean, ten):
    net = caffe.Classifier("deploy.prototxt", "w.caffemodel", (11, 13), mean, 0.1, 255, (2, 1, 0))
    options = {"style": "python", "mean": "mean.npy", "input_scale": 0.1, "size": (11, 13)}
    found = made(IMAGES[0], **options, ten_crops=ten).rows
    expected = net.predict([caffe.io.load_image(IMAGES[0])], oversample=ten)
    scores = net.forward_all(data=found)["prob"].mean(0, keepdims=True)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    assert made(IMAGES[0], style="python").rows.shape == (10, 3, 6, 6)


@pytest.mark.parametrize("style", ["training", "cpp", "python"])
def test_gray_nets_and_gray_images(folder, style):
    gray = np.arange(36, dtype=np.uint8).reshape(6, 6)
    cv2.imwrite("g.png", gray)
    cv2.imwrite("c.png", np.dstack([gray] * 3))
    cv2.imwrite("alpha.png", np.dstack([gray] * 4))
    options = {"style": style, "size": (6, 6), "ten_crops": False, "mean": "1"}
    for file in ("g.png", "c.png", "alpha.png"):
        found = made(file, channels=1, **options).rows
        np.testing.assert_allclose(found[0, 0], gray - 1.0, rtol=1e-4, atol=1e-4)
        found = made(file, **options).rows
        np.testing.assert_allclose(found[0], [gray - 1.0] * 3, rtol=1e-4, atol=1e-4)


def test_what_is_done_is_told(mean):
    def told(stored=NOTHING, **options):
        return pipeline(3, (6, 6), Options(**options), stored).describe()

    assert told() == "resized to 6 x 6, x"
    stored = Stored(TransformationParameter(mean_value=[104, 117, 123], scale=0.5), (8, 8))
    assert told(stored) == "resized to 8 x 8, the centre of 6 x 6, (x - (104 117 123)) * 0.5"
    channels = " ".join(f"{m:.4g}" for m in mean.mean((1, 2)))
    assert told(style="python", mean="mean.npy").startswith(
        "resized to 256 x 256, 10 crops of 6 x 6, channels 2,1,0, x * 255 - a mean image of ("
    )
    assert told(mean="mean.npy").endswith(f"x - a mean image of ({channels})")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"channels": 4}, UsageError, "images have 1 or 3 channels, the net's input 4"),
        ({"size": (5, 9)}, DataError, "a crop of 6 x 6 does not fit an image of 5 x 9"),
        (
            {"mean": "mean.npy", "size": (9, 9)},
            UsageError,
            "the mean image is 3 x 8 x 9, images are resized to 9 x 9\nhint: --images_dim 8,9",
        ),
        ({"mean": "1,2"}, UsageError, "Mean channels incompatible with input: the mean is 2"),
        ({"mean": "meen.npy"}, DataError, "meen.npy: Failed to open file.*\nhint: did you mean"),
        ({"mean": "names.txt"}, DataError, "names.txt:1:1: "),
        ({"mean": "1,x"}, DataError, "1,x: Failed to open file"),
        ({"channel_swap": (0, 1)}, UsageError, "--channel_swap is an order of 0 to 2, got 0,1"),
    ],
)
def test_mistakes(mean, options, error, message):
    with pytest.raises(error, match=message):
        made(IMAGES[0], **options)


def test_a_stored_mean_file_that_is_not_here(folder):
    stored = Stored(TransformationParameter(mean_file="/old/mean.binaryproto"))
    with pytest.raises(DataError, match=r"/old/mean.binaryproto: Failed to open[^\n]*\nhint: "):
        made(IMAGES[0], stored)
