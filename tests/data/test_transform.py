from typing import cast

import numpy as np
import pytest

from netc.data.transform import Transformer
from netc.errors import DataError, ParseError
from netc.schema import BlobProto, BlobShape, TransformationParameter

from .helpers import images


def transformer(phase="TEST", seed=1, **param):
    return Transformer(TransformationParameter(**param), phase, seed, "data")


def caffe(image, param, corner, mirrored, mean):
    """One image by data_transformer.cpp's loop."""
    size = param.get("crop_size") or None
    height, width = (size, size) if size else image.shape[1:]
    top = np.zeros((len(image), height, width), np.float32)
    for c in range(len(image)):
        for h in range(height):
            for w in range(width):
                y, x = corner[0] + h, corner[1] + w
                at = width - 1 - w if mirrored else w
                value = np.float32(image[c, y, x]) - np.float32(mean[c, y, x])
                top[c, h, at] = value * np.float32(param.get("scale", 1))
    return top


@pytest.fixture
def mean_file(tmp_path):
    mean = np.random.RandomState(5).rand(3, 6, 8).astype(np.float32) * 255
    proto = BlobProto(num=1, channels=3, height=6, width=8, data=mean.ravel())
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(proto.SerializeToString())
    return str(path), mean


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("crop", [0, 5])
@pytest.mark.parametrize("mean", [None, "value", "values", "file"])
@pytest.mark.parametrize("stacked", [False, True])
def test_each_image_is_one_that_caffe_could_give(phase, mirror, crop, mean, stacked, mean_file):
    param = {"scale": 0.125, "mirror": mirror, "crop_size": crop}
    values = np.zeros((3, 6, 8), np.float32)
    if mean == "file":
        param["mean_file"], values = mean_file
    elif mean:
        param["mean_value"] = [104] if mean == "value" else [104, 117, 123]
        values += np.array(param["mean_value"]).reshape(-1, 1, 1)
    pixels = images(6, channels=3, height=6, width=8)
    tops = transformer(phase, **param).batch(pixels if stacked else list(pixels), 0)
    corners = [(0, 0)]
    if crop:
        corners = [(0, 1)] if phase == "TEST" else [(y, x) for y in range(2) for x in range(4)]
    for image, top in zip(pixels, tops, strict=True):
        assert top.dtype == np.float32
        assert any(
            np.array_equal(top, caffe(image, param, corner, mirrored, values))
            for corner in corners
            for mirrored in ([False, True] if mirror else [False])
        )


def test_an_example_draws_the_same_in_every_batch():
    t = transformer("TRAIN", mirror=True, crop_size=3)
    pixels = images(12, height=9, width=9)
    whole = t.batch(pixels, 100)
    assert np.array_equal(t.batch(pixels[5:], 105), whole[5:])
    assert not np.array_equal(t.batch(pixels, 200), whole)
    assert not np.array_equal(
        transformer("TRAIN", 2, mirror=True, crop_size=3).batch(pixels, 100), whole
    )


def test_all_corners_and_both_directions_are_drawn():
    image = np.arange(20, dtype=np.uint8).reshape(1, 4, 5)
    tops = transformer("TRAIN", mirror=True, crop_size=3).batch(np.stack([image] * 300), 0)
    assert len({top.tobytes() for top in tops}) == 2 * 3 * 2


def test_mirroring_is_random_in_test_too():
    image = np.arange(2, dtype=np.uint8).reshape(1, 1, 2)
    tops = transformer("TEST", mirror=True).batch(np.stack([image] * 100), 0)
    assert 20 < (tops[:, 0, 0, 0] == 1).sum() < 80


def test_images_of_several_sizes_meet_in_the_crop():
    pixels = [np.full((1, 4 + i, 9 - i), i, np.uint8) for i in range(5)]
    tops = transformer("TEST", crop_size=4).batch(pixels, 0)
    assert tops.shape == (5, 1, 4, 4) and tops[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_float_images():
    tops = transformer(scale=2).batch([np.full((1, 1, 1), 0.25, np.float32)], 0)
    assert tops.tolist() == [[[[0.5]]]]


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ({"crop_size": 7}, "crop_size 7 is larger than the image, 6 x 9"),
        (
            {"mean_value": [1, 2]},
            r"Specify either 1 mean_value or as many as channels: 3 \(got 2\)",
        ),
    ],
)
def test_images_that_do_not_fit(param, message):
    with pytest.raises(DataError, match=message):
        transformer(**param).output_shape((3, 6, 9))


def test_the_mean_must_have_the_size_of_the_image(mean_file):
    path, _ = mean_file
    with pytest.raises(DataError, match=f"'{path}' is 3 x 6 x 8, the image 3 x 6 x 9"):
        transformer(mean_file=path, crop_size=2).output_shape((3, 6, 9))


def test_a_mean_of_any_blob_form(tmp_path):
    forms = [
        BlobProto(shape=BlobShape(dim=[3, 1, 2]), data=range(6)),
        BlobProto(shape=BlobShape(dim=[1, 3, 1, 2]), double_data=range(6)),
    ]
    for i, form in enumerate(forms):
        path = tmp_path / f"{i}.binaryproto"
        path.write_bytes(form.SerializeToString())
        top = transformer(mean_file=str(path)).batch(np.zeros((1, 3, 1, 2), np.uint8), 0)
        assert top.ravel().tolist() == [0, -1, -2, -3, -4, -5]


@pytest.mark.parametrize("shape", [(3, 1, 2), (1, 3, 1, 2)])
def test_a_mean_image_from_numpy(tmp_path, shape):
    np.save(tmp_path / "mean.npy", np.arange(6.0).reshape(shape))
    t = transformer(mean_file=str(tmp_path / "mean.npy"), crop_size=1)
    top = t.batch(np.zeros((1, 3, 1, 2), np.uint8), 0)
    assert top.ravel().tolist() == [0, -2, -4]
    with pytest.raises(DataError, match=r"mean.npy' is 3 x 1 x 2, the image 3 x 4 x 4"):
        t.output_shape((3, 4, 4))


@pytest.mark.parametrize("shape", [(3,), (3, 1, 1)])
def test_a_mean_per_channel_from_numpy(tmp_path, shape):
    np.save(tmp_path / "mean.npy", np.array([1, 2, 3], np.int32).reshape(shape))
    t = transformer(mean_file=str(tmp_path / "mean.npy"))
    assert t.batch(np.zeros((1, 3, 1, 1), np.uint8), 0).ravel().tolist() == [-1, -2, -3]
    with pytest.raises(DataError, match=r"mean.npy' is 3 x 1 x 1, the image 1 x 4 x 4"):
        t.output_shape((1, 4, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((2, 2)), "a mean is numbers of shape C x H x W or C, got float64 of shape 2 x 2"),
        (np.array(["a"]), "got <U1 of shape 1"),
        (b"\x93NUMPY\x01\x00", r"mean.npy: the \.npy file cannot be read: "),
    ],
)
def test_numpy_files_that_hold_no_mean(tmp_path, content, message):
    path = tmp_path / "mean.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(DataError, match=message):
        transformer(mean_file=str(path))


def test_mean_file_and_mean_value_exclude_each_other():
    with pytest.raises(DataError, match="Cannot specify mean_file and mean_value at the same"):
        transformer(mean_file="x", mean_value=[1])


def test_force_color_and_force_gray_exclude_each_other_when_decoding():
    with pytest.raises(DataError, match="cannot set both force_color and force_gray"):
        _ = transformer(force_color=True, force_gray=True).color
    assert transformer(force_color=True).color is True
    assert transformer(force_gray=True).color is False
    assert transformer().color is None


def test_mean_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match="mean: Failed to open file"):
        transformer(mean_file=str(tmp_path / "mean"))
    (tmp_path / "mean").write_text("one: 1 two: 2")
    with pytest.raises(DataError, match=r"mean:1:1: .*no field named"):
        transformer(mean_file=str(tmp_path / "mean"))
    (tmp_path / "mean").write_bytes(BlobProto(data=[1, 2]).SerializeToString())
    with pytest.raises(DataError, match=r"mean: a mean image needs .* got 2 values of shape"):
        transformer(mean_file=str(tmp_path / "mean"))


def test_errors_go_to_the_field():
    def fail(message, field, *, hint=None):
        raise ParseError(message, f"net.prototxt, {field}", hint)

    param = TransformationParameter(mean_file="nowhere/mean")
    with pytest.raises(ParseError, match=r"net.prototxt, mean_file: nowhere/mean: .*\nhint: "):
        Transformer(param, "TEST", fail=fail)


def test_phase_is_a_word():
    with pytest.raises(ValueError, match="'TRAIN' or 'TEST', got 0"):
        Transformer(TransformationParameter(), cast(str, 0))
