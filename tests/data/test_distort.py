import cv2
import numpy as np
import pytest

from netc.data.distort import Distort, cut, distorted, expanded, resize
from netc.data.fail import plain_fail
from netc.data.noise import noisy
from netc.schema import DistortionParameter, NoiseParameter, ResizeParameter

from .boxed import noise

IMAGE = noise(0, 24, 32)
GRAY = IMAGE[..., 0]
EVERY = DistortionParameter(
    brightness_prob=0.5,
    brightness_delta=32,
    contrast_prob=0.5,
    contrast_lower=0.5,
    contrast_upper=1.5,
    saturation_prob=0.5,
    saturation_lower=0.5,
    saturation_upper=1.5,
    hue_prob=0.5,
    hue_delta=18,
    random_order_prob=0.5,
)


def test_what_is_drawn_is_within_bounds_and_half_of_it_is_done():
    distort = Distort(EVERY, 1, "data", plain_fail)
    drawn = [distort.drawn(i) for i in range(400)]
    bounds = {"brightness": (-32, 32), "contrast": (0.5, 1.5), "hue": (-18, 18)}
    for field, (low, high) in bounds.items():
        values = np.array([d[field] for d in drawn if field in d])
        assert 150 < len(values) < 250 and values.min() < low + (high - low) / 10
        assert low <= values.min() and high - (high - low) / 10 < values.max() <= high
    orders = {tuple(d["random_order"]) for d in drawn if "random_order" in d}
    assert len(orders) == 6
    both = [list(d).index("contrast") > list(d).index("hue") for d in drawn if {"contrast", "hue"}
            <= set(d)]  # fmt: skip
    assert 0.3 < np.mean(both) < 0.7


def test_colours_as_opencv_computes_them():
    light = distorted(IMAGE, {"brightness": 20.4, "contrast": 0.5})
    wanted = np.clip(np.rint(np.clip(np.rint(IMAGE + np.float32(20.4)), 0, 255) * 0.5), 0, 255)
    np.testing.assert_array_equal(light, wanted)
    hsv = cv2.cvtColor(IMAGE, cv2.COLOR_BGR2HSV)
    hsv[..., 1] = np.clip(np.rint(hsv[..., 1] * 1.5), 0, 255)
    wanted = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    np.testing.assert_array_equal(distorted(IMAGE, {"saturation": 1.5}), wanted)
    order = distorted(IMAGE, {"random_order": [2, 0, 1]})
    np.testing.assert_array_equal(order[..., 0], IMAGE[..., 2])


@pytest.mark.parametrize("image", [IMAGE, GRAY])
def test_a_larger_canvas(image):
    out, canvas = expanded(image, [2.5, 0.5, 0.25], np.array([103.6]))
    assert out.shape[:2] == (60, 80) and (out[:18] == 104).all() and (out[:, :12] == 104).all()
    np.testing.assert_array_equal(out[18:42, 12:44], image)
    np.testing.assert_allclose(canvas, [-12 / 32, -18 / 24, 68 / 32, 42 / 24], rtol=1e-6)


def test_what_a_window_shows():
    window = np.array([0.25, 0.5, 0.75, 1], np.float32)
    np.testing.assert_array_equal(cut(IMAGE, window), IMAGE[12:24, 8:24])
    assert cut(IMAGE, np.array([0.999, 0.999, 1, 1], np.float32)).shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("mode", "border"),
    [
        ("CONSTANT", cv2.BORDER_CONSTANT),
        ("MIRRORED", cv2.BORDER_REFLECT_101),
        ("REPEAT_NEAREST", cv2.BORDER_REPLICATE),
    ],
)
def test_padding(mode, border):
    p = ResizeParameter(
        height=33, width=16, resize_mode="FIT_LARGE_SIZE_AND_PAD", pad_mode=mode, pad_value=[9]
    )
    small = cv2.resize(IMAGE, (16, 12))
    wanted = cv2.copyMakeBorder(small, 10, 11, 0, 0, border, value=(9, 9, 9))
    np.testing.assert_array_equal(resize(IMAGE, p, 0), wanted)


@pytest.mark.parametrize("mode", ["NEAREST", "LINEAR", "CUBIC", "AREA", "LANCZOS4"])
def test_every_way_to_interpolate_is_drawn(mode):
    modes = ["NEAREST", "LINEAR", "CUBIC", "AREA", "LANCZOS4"]
    p = ResizeParameter(height=10, width=12, interp_mode=modes)
    wanted = cv2.resize(IMAGE, (12, 10), interpolation=getattr(cv2, f"INTER_{mode}"))
    np.testing.assert_array_equal(resize(IMAGE, p, modes.index(mode) / 5 + 0.1), wanted)


def light(image, change):
    y, *rest = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb))
    return cv2.cvtColor(cv2.merge([change(y), *rest]), cv2.COLOR_YCrCb2BGR)


NOISES = {
    "decolorize": lambda x: cv2.merge([cv2.cvtColor(x, cv2.COLOR_BGR2GRAY)] * 3),
    "gauss_blur": lambda x: cv2.GaussianBlur(x, (7, 7), 1.5),
    "hist_eq": lambda x: light(x, cv2.equalizeHist),
    "clahe": lambda x: light(x, cv2.createCLAHE(4, (8, 8)).apply),
    "erode": lambda x: cv2.erode(x, np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)),
    "posterize": lambda x: x // 64 * 64 + 32,
    "inverse": lambda x: 255 - x,
    "convert_to_hsv": lambda x: cv2.cvtColor(x, cv2.COLOR_BGR2HSV),
    "convert_to_lab": lambda x: cv2.cvtColor(x / np.float32(255), cv2.COLOR_BGR2Lab),
}


@pytest.mark.parametrize("field", NOISES)
def test_noise(field):
    found = noisy(IMAGE, NoiseParameter(**{field: True}), 1, "data", 0)
    np.testing.assert_array_equal(found, NOISES[field](IMAGE))


@pytest.mark.parametrize("field", ["decolorize", "hist_eq", "clahe", "erode"])
def test_noise_of_gray_images(field):
    assert noisy(GRAY, NoiseParameter(**{field: True}), 1, "data", 0).shape == GRAY.shape


def test_a_jpeg_of_less_quality():
    p = NoiseParameter(jpeg=20)
    data = cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_QUALITY, 20])[1]
    np.testing.assert_array_equal(noisy(IMAGE, p, 1, "data", 0), cv2.imdecode(data, 1))


def test_salt_and_pepper_belong_to_the_example():
    p = NoiseParameter(saltpepper=True, saltpepper_param={"fraction": 0.1, "value": [0, 7, 300]})
    one, again, other = (noisy(IMAGE, p, 1, "data", i) for i in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    hit = (one == (0, 7, 255)).all(-1)
    assert 0.05 * hit.size < hit.sum() <= 0.1 * hit.size
    np.testing.assert_array_equal(one[~hit], IMAGE[~hit])
