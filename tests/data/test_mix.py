import numpy as np
import pytest

from netc.data.fail import plain_fail
from netc.data.mix import Mix
from netc.errors import DataError
from netc.schema import AugmentParameter

LABELS = np.arange(64, dtype=np.float32) % 10


def mix(seed=1, **param):
    return Mix(AugmentParameter(classes=10, **param), seed, "data", plain_fail)


def flat(labels):
    """Images of 8 x 8 that hold their label everywhere."""
    return np.broadcast_to(labels.reshape(-1, 1, 1, 1), (len(labels), 2, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("ways", [("mixup",), ("cutmix",), ("mixup", "cutmix")])
def test_labels_are_mixed_as_the_images_are(ways):
    images, rows = mix(**dict.fromkeys(ways, 1.0))(flat(LABELS), LABELS, 0)
    assert rows.shape == (64, 10) and rows.dtype == images.dtype == np.float32
    assert np.allclose(rows.sum(1), 1) and rows.min() >= 0
    assert np.allclose(images.mean((1, 2, 3)), rows @ np.arange(10), atol=1e-4)
    cut = np.array([len(np.unique(image)) == 2 for image in images])
    assert cut.any() == ("cutmix" in ways)
    assert (np.ptp(images, axis=(1, 2, 3)) == 0).any() == ("mixup" in ways or not cut.all())


def test_mixing_is_a_function_of_the_example():
    first, again = (
        mix(mixup=0.4)(flat(LABELS), LABELS, 64),
        mix(mixup=0.4)(flat(LABELS), LABELS, 64),
    )
    assert all(map(np.array_equal, first, again))
    for other in (
        mix(2, mixup=0.4)(flat(LABELS), LABELS, 64),
        mix(mixup=0.4)(flat(LABELS), LABELS, 0),
    ):
        assert not np.array_equal(other[1], first[1])


@pytest.mark.parametrize(("alpha", "spread"), [(0.2, 0.25 / 1.4), (1, 0.25 / 3), (8, 0.25 / 17)])
def test_shares_have_the_variance_of_beta(alpha, spread):
    labels = np.arange(4000, dtype=np.float32) % 2
    _, rows = Mix(AugmentParameter(mixup=alpha, classes=2), 1, "data", plain_fail)(
        np.zeros((4000, 1, 1, 1), np.float32), labels, 0
    )
    kept = rows[(rows > 0).all(1), 0]
    assert kept.var() == pytest.approx(spread, rel=0.1) and abs(kept.mean() - 0.5) < 0.02


def test_labels_of_more_axes_are_mixed_as_they_are():
    several = np.stack([LABELS, 2 * LABELS], 1)
    _, rows = mix(mixup=1)(flat(LABELS), several, 0)
    assert rows.shape == (64, 2) and np.allclose(rows[:, 1], 2 * rows[:, 0])


def test_off_is_off():
    images = flat(LABELS)
    same, labels = mix()(images, LABELS, 0)
    assert same is images and labels is LABELS


def test_a_label_of_no_class():
    with pytest.raises(DataError, match=r"label 10 of example 67 .* classes 0..9(.|\n)*largest"):
        mix(mixup=1)(flat(LABELS[:4]), np.array([0, 1, 2, 10], np.float32), 64)
