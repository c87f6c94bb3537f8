import cv2
import numpy as np
import pytest

from netc.data.transform import Transformer
from netc.errors import DataError
from netc.schema import AugmentParameter, TransformationParameter

from .helpers import images

ALL = {
    "area": [0.3, 1],
    "aspect": [0.5, 2],
    "zoom": [0.8, 1.25],
    "rotation": 20,
    "shift": 0.1,
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.4,
    "hue": 0.1,
    "gray": 0.2,
    "blur": 1.5,
    "noise": 5,
    "cutout": 4,
}


def transformer(phase="TRAIN", seed=1, augment=None, **param):
    changes = AugmentParameter(**(augment or {}))
    return Transformer(TransformationParameter(augment=changes, **param), phase, seed, "data")


def one(image, times=1, **augment):
    """What `times` examples make of one image (C, H, W)."""
    return transformer(augment=augment).batch([image] * times, 0)


@pytest.fixture
def photo():
    """A smooth image (3, 24, 32), so that moving it by parts of a pixel changes little."""
    noise = np.random.RandomState(3).randint(0, 256, (24, 32, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3).transpose(2, 0, 1) * 2 - 128


@pytest.mark.parametrize("change", ALL)
def test_each_change_is_a_function_of_the_example(change, photo):
    t = transformer(augment={change: ALL[change]}, crop_size=20, mirror=True)
    pixels = np.stack([photo] * 12)
    whole = t.batch(pixels, 100)
    assert np.array_equal(t.batch(pixels[5:], 105), whole[5:])
    assert not np.array_equal(t.batch(pixels, 200), whole)
    plain = transformer(crop_size=20, mirror=True).batch(pixels, 100)
    assert not np.array_equal(plain, whole)
    assert whole.shape == plain.shape and np.isfinite(whole).all()
    other = transformer(seed=2, augment={change: ALL[change]}, crop_size=20, mirror=True)
    assert not np.array_equal(other.batch(pixels, 100), whole)


def test_test_images_stay_as_they_are(photo):
    plain = transformer("TEST", crop_size=20).batch([photo], 7)
    assert np.array_equal(transformer("TEST", augment=ALL, crop_size=20).batch([photo], 7), plain)


@pytest.mark.parametrize(
    "nothing",
    [
        {},
        {"area": [1, 1]},
        {"zoom": [1, 1]},
        {"rotation": 0, "shift": 0, "brightness": 0, "noise": 0, "cutout": 0},
    ],
)
def test_no_change_is_no_change(nothing, photo):
    assert np.array_equal(one(photo, **nothing), photo[None])


def test_one_change_does_not_alter_what_another_draws(photo):
    size = [(24, 32)] * 4
    first = transformer(augment={"rotation": 20}).describe(size, 0)
    both = transformer(augment={"rotation": 20, "blur": 2}).describe(size, 0)
    assert [told.partition(", blur")[0] for told in both] == first


def test_a_window_of_the_image_is_resized_to_the_crop(photo):
    augment = {"area": [0.25, 0.25]}
    tops = transformer(augment=augment, crop_size=48).batch([photo] * 20, 0)
    assert tops.shape == (20, 3, 48, 48)
    # A quarter of the image, at four (and three) times the scale: neighbours are closer.
    assert np.abs(np.diff(tops)).mean() < 0.6 * np.abs(np.diff(photo.astype(float))).mean()


def test_the_aspect_stretches():
    image = np.zeros((1, 40, 40), np.uint8)
    image[0, 10:30, 10:30] = 255
    (top,) = one(image, area=[0.9999, 1], aspect=[4, 4])
    # The window is 40 wide and 20 high, and is shown 40 x 40.
    assert (top[0].max(axis=0) > 128).sum() == 20
    assert (top[0].max(axis=1) > 128).sum() > 20


def test_zoom_enlarges_around_the_centre():
    image = np.zeros((1, 41, 41), np.uint8)
    image[0, 15:26, 15:26] = 255
    (top,) = one(image, zoom=[2, 2])
    assert top.sum() / 255 == pytest.approx(4 * 11 * 11, rel=0.02)
    assert np.allclose(top[0], top[0, ::-1]) and np.allclose(top[0], top[0].T)


def test_rotation_turns_by_all_angles_in_the_range():
    image = np.zeros((1, 41, 41), np.uint8)
    image[0, 19:22, 20:] = 255
    y, x = np.mgrid[-20:21, -20:21]
    tops = one(image, 200, rotation=30)[:, 0]
    turned = np.degrees(np.arctan2((tops * y).sum((1, 2)), (tops * x).sum((1, 2))))
    assert turned.min() < -25 and turned.max() > 25 and np.abs(turned).max() < 31


def test_shift_moves_either_way():
    image = np.zeros((1, 40, 20), np.uint8)
    image[0, 20, 10] = 255
    tops = one(image, 200, shift=0.1)[:, 0].astype(float)
    weight = tops.sum((1, 2))
    down = (tops.sum(2) * np.arange(40)).sum(1) / weight - 20
    right = (tops.sum(1) * np.arange(20)).sum(1) / weight - 10
    for moved, most in ((down, 4), (right, 2)):
        assert np.abs(moved).max() <= most + 0.1
        assert moved.min() < -0.8 * most and moved.max() > 0.8 * most


def test_brightness_scales_and_stays_in_range():
    image = np.full((3, 2, 2), 100, np.uint8)
    tops = one(image, 200, brightness=0.5)[:, 0, 0, 0]
    assert 50 <= tops.min() < 55 and 145 < tops.max() <= 150
    assert one(np.full((3, 2, 2), 250, np.uint8), 50, brightness=0.5).max() == 255


def test_contrast_scales_around_the_mean_gray(photo):
    for top in one(photo // 2 + 64, 20, contrast=0.5):
        mean = np.tensordot([0.114, 0.587, 0.299], (photo // 2 + 64).mean((1, 2)), 1)
        share = (top - mean) / ((photo // 2 + 64) - mean)
        assert share.std() < 1e-3 and 0.5 <= share.mean() <= 1.5


def test_saturation_and_hue_leave_gray_alone():
    gray = np.full((3, 4, 4), 90, np.uint8)
    assert np.allclose(one(gray, 20, saturation=1, hue=0.5), 90, atol=0.05)
    assert np.array_equal(one(gray[:1], saturation=1, hue=0.5), gray[None, :1])


def test_hue_keeps_the_luma_and_turns_the_colour():
    image = np.stack([np.full((2, 2), v, np.uint8) for v in (90, 110, 130)])
    luma = [0.114, 0.587, 0.299]
    tops = one(image, 50, hue=0.5)
    assert np.allclose(np.einsum("c,nchw->nhw", luma, tops), luma @ image[:, 0, 0], atol=0.05)
    assert np.ptp(tops[:, 2, 0, 0]) > 20


def test_gray_takes_the_colours_of_its_share():
    image = np.stack([np.full((2, 2), v, np.uint8) for v in (10, 110, 210)])
    tops = one(image, 400, gray=0.25)
    gray = np.ptp(tops[:, :, 0, 0], axis=1) < 1e-3
    assert 70 < gray.sum() < 130 and np.array_equal(tops[~gray][0], image)


def test_blur_smooths_and_keeps_the_mean(photo):
    rough = images(1, 3, 24, 32)[0]
    tops = one(rough, 20, blur=3)
    assert np.allclose(tops.mean((1, 2, 3)), rough.mean(), atol=6)
    assert min(top.std() for top in tops) < 0.5 * rough.std()


def test_noise_is_normal_and_of_the_asked_size():
    image = np.full((1, 60, 60), 128, np.float32)
    tops = one(image, 100, noise=10) - 128
    spread = tops.std((1, 2, 3))
    assert spread.max() < 10.5 and spread.min() < 1 and abs(tops.mean()) < 0.1
    each = tops / spread[:, None, None, None]
    assert (each**4).mean() == pytest.approx(3, abs=0.05)


def test_cutout_sets_a_square_to_the_mean():
    image = np.full((2, 20, 20), 50, np.uint8)
    t = transformer(augment={"cutout": 6}, mean_value=[10], scale=0.5)
    tops = t.batch([image] * 100, 0)
    assert set(np.unique(tops)) == {0, 20}
    holes = (tops == 0).sum((2, 3))
    assert holes.max() == 36 and holes.min() < 36 and (holes[:, 0] == holes[:, 1]).all()


def test_a_mean_image_moves_with_the_image(tmp_path, photo):
    np.save(tmp_path / "mean.npy", photo)
    geometry = {k: ALL[k] for k in ("area", "aspect", "zoom", "rotation", "shift")}
    t = transformer(augment=geometry, mean_file=str(tmp_path / "mean.npy"), crop_size=16)
    assert np.abs(t.batch([photo] * 8, 0)).max() <= 1  # uint8 is rounded, the mean is not


def test_a_label_image_moves_with_its_image(photo):
    labels = (photo[:1] > 128).astype(np.uint8)
    as_pixels = labels * np.uint8(255)
    t = transformer(augment=ALL | {"noise": 0, "cutout": 0, "blur": 0}, mirror=True, crop_size=20)
    geometry = {k: ALL[k] for k in ("area", "aspect", "zoom", "rotation", "shift")}
    same = transformer(augment=geometry, mirror=True, crop_size=20)
    moved = t.label_images([labels] * 30, 5)
    shown = same.batch([as_pixels] * 30, 5) / 255
    assert set(np.unique(moved)) == {0, 1} and moved.dtype == np.float32
    assert (np.abs(moved - shown) <= 0.51).mean() > 0.99  # but for corners
    assert 0.1 < moved.mean() < 0.9


def test_label_images_without_augmentation_are_cropped_and_mirrored(photo):
    t = transformer(crop_size=9, mirror=True, mean_value=[3], scale=2)
    tops = t.batch([photo] * 9, 40)
    assert np.array_equal(t.label_images([photo] * 9, 40), tops / 2 + 3)


def test_describe_tells_what_was_drawn():
    told = transformer(augment={"rotation": 10}, crop_size=4, mirror=True).describe([(9, 9)] * 8, 0)
    assert all(line.startswith("crop 4 x 4 at (") and "rotation " in line for line in told)
    assert 0 < sum("mirrored" in line for line in told) < 8


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ({"area": [0.5]}, r"area takes two values, the lower one first, got \[0.5\]"),
        ({"zoom": [2, 1]}, r"zoom takes two values, the lower one first, got \[2, 1\]"),
        ({"area": [0, 1]}, "area must be in 0.0001 to 1, got 0"),
        ({"aspect": [1, 1000]}, "aspect must be in 0.01 to 100, got 1000"),
        ({"rotation": -1}, "rotation must be in 0 to 180, got -1"),
        ({"shift": 2}, "shift must be in 0 to 1, got 2"),
        ({"hue": 0.6}, "hue must be in 0 to 0.5, got 0.6"),
        ({"noise": float("nan")}, "noise must be in 0 to 1e[+]06, got nan"),
        ({"mixup": -1}, "mixup must be in 0 to 1000, got -1"),
        ({"cutmix": 1}, "cutmix needs the number of classes, got 0"),
    ],
)
def test_fields_out_of_bounds(augment, message):
    with pytest.raises(DataError, match=message):
        transformer(augment=augment)


def test_colours_need_colours():
    with pytest.raises(DataError, match="hue needs images of 1 or 3 channels, got 4"):
        transformer(augment={"hue": 0.1}).output_shape((4, 5, 5))
    assert one(images(1, 4)[0], brightness=0.1, contrast=0.1).shape == (1, 4, 4, 5)
