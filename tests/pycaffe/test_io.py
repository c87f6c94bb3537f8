"""caffe.io, as pycaffe has it."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import zoom

import netc.pycaffe as caffe
from netc.errors import DataError, UsageError
from netc.schema import BlobProto

COLOR = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10


@pytest.mark.parametrize(
    ("pixels", "color", "expected"),
    [
        (COLOR, True, COLOR[..., ::-1] / 255),
        (np.dstack([COLOR, COLOR[..., :1]]), True, COLOR[..., ::-1] / 255),
        (COLOR[..., 0], True, COLOR[..., :1].repeat(3, 2) / 255),
        (COLOR[..., 0], False, COLOR[..., :1] / 255),
        (COLOR, False, COLOR[..., ::-1] / 255 @ [[0.2125], [0.7154], [0.0721]]),
        (COLOR[..., 0].astype(np.uint16) * 250, False, COLOR[..., :1] * (250 / 65535)),
    ],
    ids=["color", "alpha", "gray in color", "gray", "color in gray", "16 bits"],
)
def test_load_image(folder, pixels, color, expected):
    cv2.imwrite("a.png", pixels)
    image = caffe.io.load_image("a.png", color)
    assert image.dtype == np.float32 and image.shape == expected.shape
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_load_image_that_is_none(folder):
    (folder / "a.jpg").write_bytes(b"abc")
    with pytest.raises(DataError, match=r"Could not load a.jpg: 3 bytes that are no image"):
        caffe.io.load_image("a.jpg")
    with pytest.raises(DataError, match=r"Could not load b.jpg: No such file[^?]*did you mean 'a"):
        caffe.io.load_image("b.jpg")


@pytest.mark.parametrize("size", [(5, 7), (3, 11), (13, 2), (4, 4), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_resize_image_takes_pixels_as_areas_with_the_least_value_around(size, channels):
    image = np.random.RandomState(0).uniform(-1, 1, (5, 7, channels)).astype(np.float32)
    least, factors = image.min(), (size[0] / 5, size[1] / 7, 1)
    expected = zoom(image.astype(float) - least, factors, order=1, mode="grid-constant",
                    grid_mode=True) + least  # fmt: skip
    found = caffe.io.resize_image(image, size)
    assert found.dtype == np.float32 and found.shape == (*size, channels)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_resize_image_of_a_constant_or_of_other_channels():
    assert (caffe.io.resize_image(np.full((2, 3, 3), 0.5), (4, 5)) == 0.5).all()
    image = np.random.RandomState(0).uniform(0, 1, (3, 3, 2)).astype(np.float32)
    grown = caffe.io.resize_image(image, (5, 5))
    np.testing.assert_allclose(grown[::2, ::2], image, atol=1e-6)
    np.testing.assert_allclose(grown[1, 0], (image[0, 0] + image[1, 0]) / 2, atol=1e-6)
    assert caffe.io.resize_image(image[..., :1], (6, 6), interp_order=0).shape == (6, 6, 1)


def test_oversample():
    images = np.random.RandomState(0).uniform(0, 1, (2, 6, 7, 3)).astype(np.float32)
    crops = caffe.io.oversample(images, (3, 4))
    assert crops.shape == (20, 3, 4, 3) and crops.dtype == np.float32
    for image, ten in zip(images, crops.reshape(2, 10, 3, 4, 3), strict=True):
        np.testing.assert_array_equal(ten[0], image[:3, :4])
        np.testing.assert_array_equal(ten[1], image[:3, 3:])
        np.testing.assert_array_equal(ten[2], image[3:, :4])
        np.testing.assert_array_equal(ten[3], image[3:, 3:])
        np.testing.assert_array_equal(ten[4], image[1:4, 1:5])
        np.testing.assert_array_equal(ten[5:], ten[:5, :, ::-1])
    with pytest.raises(DataError, match="a crop of 7 x 4 does not fit an image of 6 x 7"):
        caffe.io.oversample(images, (7, 4))


def transformer():
    made = caffe.io.Transformer({"data": (2, 3, 4, 5)})
    made.set_transpose("data", (2, 0, 1))
    made.set_channel_swap("data", (2, 0, 1))
    made.set_raw_scale("data", 255)
    made.set_mean("data", np.array([10.0, 20, 30]))
    made.set_input_scale("data", 0.5)
    return made


def test_preprocess_in_the_fixed_order():
    image = np.random.RandomState(0).uniform(0, 1, (4, 5, 3)).astype(np.float32)
    before = image.copy()
    found = transformer().preprocess("data", image)
    expected = (before[..., [2, 0, 1]] * 255 - [10, 20, 30]) * 0.5
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), rtol=1e-5)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_allclose(transformer().deprocess("data", found), before, atol=1e-6)
    np.testing.assert_allclose(transformer().deprocess("data", found[None]), before, atol=1e-6)


def test_preprocess_resizes_to_the_input():
    image = np.random.RandomState(0).uniform(0, 1, (8, 3, 3)).astype(np.float32)
    plain = caffe.io.Transformer({"data": (2, 3, 4, 5)})
    found = plain.preprocess("data", image)
    np.testing.assert_array_equal(found, caffe.io.resize_image(image, (4, 5)))


def test_means():
    made, mean = transformer(), np.random.RandomState(0).uniform(0, 255, (3, 8, 10))
    made.set_mean("data", mean)
    resized = caffe.io.resize_image(mean.transpose(1, 2, 0), (4, 5)).transpose(2, 0, 1)
    np.testing.assert_array_equal(made.mean["data"], resized)
    gray = caffe.io.Transformer({"data": (1, 1, 2, 2)})
    gray.set_mean("data", np.eye(2))
    assert gray.mean["data"].shape == (1, 2, 2)
    with pytest.raises(UsageError, match=r"Mean channels incompatible with input: the mean is 2, "):
        made.set_mean("data", np.zeros(2))
    with pytest.raises(UsageError, match=r"Mean shape invalid: it is C or C x H x W, got 1 x 3 x "):
        made.set_mean("data", np.zeros((1, 3, 4, 5)))


def test_what_a_transformer_does_not_take():
    made = transformer()
    with pytest.raises(UsageError, match="dat is not one of the net inputs: data"):
        made.set_raw_scale("dat", 1)
    with pytest.raises(UsageError, match=r"Transpose order needs .*: an order of 0 to 2, got \(0,"):
        made.set_transpose("data", (0, 1))
    with pytest.raises(UsageError, match=r"Channel swap needs .*: an order of 0 to 2, got \(2, 1,"):
        made.set_channel_swap("data", (2, 1, 3))


def test_blobs():
    values = np.arange(6.0).reshape(2, 3)
    blob = caffe.io.array_to_blobproto(values, -values)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob), values)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob, return_diff=True), -values)
    old = BlobProto(num=1, channels=2, height=1, width=3, data=range(6))
    assert caffe.io.blobproto_to_array(old).shape == (1, 2, 1, 3)
    vector = caffe.io.arraylist_to_blobprotovector_str([values, values[0]])
    for back, array in zip(
        caffe.io.blobprotovector_str_to_arraylist(vector), (values, values[0]), strict=True
    ):
        np.testing.assert_array_equal(back, array)
    with pytest.raises(DataError, match="a blob of 1 x 2 x 1 x 3 with 5 values"):
        caffe.io.blobproto_to_array(BlobProto(num=1, channels=2, height=1, width=3, data=range(5)))


def test_datums():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    datum = caffe.io.array_to_datum(pixels, 7)
    assert datum.label == 7 and datum.data == pixels.tobytes()
    np.testing.assert_array_equal(caffe.io.datum_to_array(datum), pixels)
    floats = caffe.io.array_to_datum(pixels / 2)
    assert not floats.HasField("label") and caffe.io.datum_to_array(floats).dtype == float
    np.testing.assert_array_equal(caffe.io.datum_to_array(floats), pixels / 2)
    with pytest.raises(UsageError, match="Incorrect array shape: a Datum is C x H x W, got 2 x 2"):
        caffe.io.array_to_datum(pixels[0])
