import numpy as np
import pytest

from netc.data import boxes
from netc.schema import BatchSampler, ResizeParameter

RNG = np.random.default_rng(0)
UNIFORM = RNG.random((200, 4))
OBJECTS = np.array([[0.2, 0.2, 0.6, 0.7], [0.5, 0.1, 0.9, 0.4]], np.float32)


def overlap(a, b):
    """Intersection and areas of two boxes, one by one."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return width * height, (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])


MEASURES = {
    "jaccard_overlap": lambda common, a, b: common / (a + b - common),
    "sample_coverage": lambda common, a, b: common / a,
    "object_coverage": lambda common, a, b: common / b,
}


def sampler(**constraint):
    return BatchSampler(
        sampler={"min_scale": 0.1, "min_aspect_ratio": 0.5, "max_aspect_ratio": 2.0},
        sample_constraint=constraint,
        max_trials=200,
    )


def test_windows_lie_in_the_image_and_have_the_scale_and_aspect_asked_for():
    windows = boxes.sampled(sampler(), OBJECTS, UNIFORM)
    assert windows.shape == (200, 4) and windows.min() >= 0 and windows.max() <= 1
    width, height = (windows[:, 2:] - windows[:, :2]).T
    assert ((width / height > 0.49) & (width / height < 2.01)).all()
    scale = np.sqrt(width * height)
    np.testing.assert_allclose(scale, 0.1 + 0.9 * UNIFORM[:, 0], rtol=1e-4)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("bounds", [{"min": 0.3}, {"max": 0.2}, {"min": 0.1, "max": 0.4}])
def test_windows_meet_their_constraint_with_some_box(name, bounds):
    constraint = {f"{end}_{name}": value for end, value in bounds.items()}
    every = boxes.sampled(sampler(), OBJECTS, UNIFORM)

    def fits(window):
        values = [MEASURES[name](*overlap(window, box)) for box in OBJECTS]
        return any(bounds.get("min", 0) <= v <= bounds.get("max", 1) for v in values)

    wanted = np.array([window for window in every if fits(window)])
    assert 0 < len(wanted) < 200
    np.testing.assert_array_equal(boxes.sampled(sampler(**constraint), OBJECTS, UNIFORM), wanted)


def test_all_constraints_count_for_one_box():
    found = boxes.sampled(
        sampler(max_jaccard_overlap=0.1, min_object_coverage=0.3), OBJECTS, UNIFORM
    )

    def fits(window, box):
        jaccard, coverage = (
            MEASURES[f](*overlap(window, box)) for f in ("jaccard_overlap", "object_coverage")
        )
        return jaccard <= 0.1 and coverage >= 0.3

    every = boxes.sampled(sampler(), OBJECTS, UNIFORM)
    wanted = [window for window in every if any(fits(window, box) for box in OBJECTS)]
    assert wanted
    np.testing.assert_array_equal(found, wanted)


def test_no_box_meets_no_constraint_and_max_sample_ends_the_search():
    none = OBJECTS[:0]
    assert not len(boxes.sampled(sampler(min_jaccard_overlap=0.1), none, UNIFORM))
    few = sampler()
    few.max_sample = 3
    every = boxes.sampled(sampler(), none, UNIFORM)
    np.testing.assert_array_equal(boxes.sampled(few, none, UNIFORM), every[:3])
    few.use_original_image = False
    assert not len(boxes.sampled(few, none, UNIFORM))


@pytest.mark.parametrize(
    ("mode", "size", "fitted"),
    [
        ("WARP", (20, 40), (30, 50)),
        ("FIT_LARGE_SIZE_AND_PAD", (20, 40), (25, 50)),
        ("FIT_LARGE_SIZE_AND_PAD", (40, 20), (30, 15)),
        ("FIT_SMALL_SIZE", (20, 40), (30, 60)),
        ("FIT_SMALL_SIZE", (21, 35), (30, 50)),
        ("FIT_LARGE_SIZE_AND_PAD", (21, 35), (30, 50)),
        ("FIT_SMALL_SIZE", (40, 20), (100, 50)),
    ],
)
def test_boxes_of_a_resized_image(mode, size, fitted):
    p = ResizeParameter(height=30, width=50, resize_mode=mode)
    assert boxes.fitted_size(size, p) == fitted
    rows = np.zeros((2, 8), np.float32)
    rows[:, boxes.CORNERS] = [[0, 0, 1, 1], [0.25, 0.5, 0.5, 0.75]]
    padded = mode == "FIT_LARGE_SIZE_AND_PAD"
    whole = np.array((30, 50) if padded else fitted)[[1, 0, 1, 0]]
    inner = np.array(fitted)[[1, 0, 1, 0]]
    wanted = (rows[:, boxes.CORNERS] * inner + (whole - inner) / 2) / whole
    np.testing.assert_allclose(boxes.resized(rows, size, p)[:, boxes.CORNERS], wanted, rtol=1e-6)
