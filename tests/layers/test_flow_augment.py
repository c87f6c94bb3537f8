"""What the augmentations draw, what they store, and what they make of files."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.layers.flow_coefficients import NAMES
from netc.weights.content import LayerWeights

from ..cases import LayerCase
from ..layer_cases.flow_augment import AXES_GIVEN, CROP, by_name, coefficients, matrix
from .running import run

COUNT = 200


def layer(type, fields, *shapes, phase="TRAIN", tops=1):
    made = run(LayerCase(type, fields, shapes, [()] * tops), phase).layer
    return made._replace(apply=jax.jit(made.apply))


def generated(fields, schedule="", iteration=0, mode="add", base=None):
    """The absolute coefficients that are drawn for images of 40 x 60, by name."""
    fields = f"augmentation_param {{ mode: '{mode}' {fields} }} {schedule}"
    shapes = (COUNT, 42, 1, 1), (COUNT, 3, 40, 60), (COUNT, 3, 20, 30)
    made = layer("GenerateAugmentationParameters", fields, *shapes)
    base = np.zeros(shapes[0]) if base is None else np.tile(base, (COUNT, 1, 1, 1))
    bottoms = [jnp.asarray(base, jnp.float32), *(jnp.zeros(s) for s in shapes[1:])]
    (found,), _ = made.apply((), (jnp.float32(iteration),), jax.random.key(3), *bottoms)
    return dict(zip(NAMES, np.asarray(found)[:, :, 0, 0].T, strict=True))


def test_what_is_not_asked_for_stays():
    found = generated("gamma { rand_type: 'gaussian' mean: 0.5 spread: 0.2 exp: true }")
    gamma = found.pop("gamma")
    assert abs(gamma.mean() - 0.5) < 0.05 and abs(gamma.std() - 0.2) < 0.04
    assert not any(v.any() for v in found.values())


@pytest.mark.parametrize(
    ("fields", "least", "most", "share"),
    [
        ("spread: 0.5", -0.5, 0.5, 1),
        ("mean: 1 spread: 0.5 multiplier: 2", 1, 3, 1),
        ("mean: 1 spread: 0.2 prob: 0.25 rand_type: 'uniform_bernoulli'", 0.8, 1.2, 0.25),
        ("rand_type: 'bernoulli' prob: 0.5 multiplier: 3", 3, 3, 0.5),
        ("spread: 2 discretize: true multiplier: 0.5", -1, 1, 0.75),
    ],
)
def test_kinds_of_random_numbers(fields, least, most, share):
    drawn = generated(f"brightness {{ {fields} }}")["brightness"]
    there = drawn[drawn != 0]
    assert least - 1e-6 <= there.min() and there.max() <= most + 1e-6
    assert abs(len(there) / COUNT - share) < 5 * np.sqrt(0.25 / COUNT)


def test_movements_show_no_edge():
    fields = "translate { spread: 0.6 } rotate { spread: 0.4 } zoom { spread: 0.3 exp: true } "
    found = generated(fields + "squeeze { spread: 0.2 exp: true }")
    assert found["angle"].std() > 0.05
    rows = np.stack([found[n] for n in NAMES], 1)[..., None, None]
    corners = np.array([[0, 29, 0, 29], [0, 0, 19, 19], [1, 1, 1, 1]])
    for row in rows:
        x, y, _ = matrix(by_name(row), (20, 30), (40, 60)) @ corners
        assert x.min() > -1e-4 and x.max() < 59 and y.min() > -1e-4 and y.max() < 39


def test_movements_that_all_show_an_edge_are_none():
    found = generated("translate { mean: 3 } brightness { mean: 0.5 }")
    assert not found["dx"].any() and (found["brightness"] == 0.5).all()


@pytest.mark.parametrize(("iteration", "share"), [(0, 0.0), (9, 0.5), (10**6, 1.0)])
def test_spreads_follow_the_iteration(iteration, share):
    schedule = "coeff_schedule_param { half_life: 10 initial_coeff: 0 final_coeff: 1 }"
    fields = "brightness { spread: 1 } contrast { spread: 1 apply_schedule: false exp: true }"
    found = generated(fields, schedule, iteration)
    assert abs(np.abs(found["brightness"]).max() - share) < 0.06
    assert np.abs(found["contrast"]).max() > 0.9


@pytest.mark.parametrize(("mode", "want"), [("add", 0.75), ("replace", 0.5), ("regenerate", 0.5)])
def test_modes(mode, want):
    base = coefficients({"brightness": 0.25, "noise": 0.125})
    found = generated("brightness { mean: 0.5 }", mode=mode, base=base)
    np.testing.assert_allclose(found["brightness"], want)
    np.testing.assert_allclose(found["noise"], 0 if mode == "regenerate" else 0.125)


ALL = f"""augmentation_param {{ {CROP} max_multiplier: 1 {AXES_GIVEN}
  mirror {{ rand_type: 'bernoulli' prob: 0.5 }} rotate {{ spread: 0.1 }}
  color {{ spread: 0.2 exp: true }} col_rotate {{ spread: 1 }}
  shadow_strength {{ mean: 0.3 }} }}"""


def test_a_second_image_is_augmented_alike():
    shape = (2, 3, 6, 7)
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 1, shape), jnp.float32)
    first = layer("DataAugmentation", ALL, shape, tops=2)
    second = layer("DataAugmentation", ALL, shape, (2, 42, 1, 1))
    passes = (jnp.zeros((1, 1, 1, 1)),)
    (y, told), _ = first.apply((), passes, jax.random.key(1), x)
    (z,), _ = second.apply((), passes, jax.random.key(2), x, told)
    np.testing.assert_allclose(y, z, atol=1e-6)
    (other, _), _ = first.apply((), passes, jax.random.key(3), x)
    assert np.abs(other - y).max() > 0.01


def test_noise():
    noise = f"augmentation_param {{ {CROP} noise {{ mean: 0.5 }} }}"
    made = layer("DataAugmentation", noise, (20, 3, 6, 7))
    x, passes = jnp.full((20, 3, 6, 7), 0.5), (jnp.zeros((1, 1, 1, 1)),)
    (y,), _ = made.apply((), passes, jax.random.key(1), x)
    assert abs(np.mean(y) - 0.5) < 0.05 and abs(np.std(y) - 0.5) < 0.05


MEAN = "augmentation_param { recompute_mean: 2 mean_per_pixel: false }"


def test_the_mean_is_that_of_the_first_passes():
    made = layer("DataAugmentation", MEAN, (2, 1, 1, 2))
    state, tops = tuple(jnp.zeros(s.shape) for s in made.state), []
    for value in (1.0, 3.0, 50.0):
        (y,), state = made.apply((), state, None, jnp.full((2, 1, 1, 2), value))
        tops.append(float(y[0, 0, 0, 0]))
    assert tops == [0, 1, 48]
    assert [s.ravel().tolist() for s in state] == [[3], [2, 2], [2]]


@pytest.mark.parametrize(("per_pixel", "want"), [("false", 7), ("true", 2.5)])
def test_a_mean_of_another_size_is_read(per_pixel, want):
    made = layer("DataAugmentation", MEAN.replace("false", per_pixel), (2, 1, 3, 2))
    blobs = np.full((1, 1, 1, 1), 9.0), np.arange(6.0).reshape(1, 1, 2, 3), np.full((1, 1, 1, 1), 7)
    assert made.read
    read = made.read(LayerWeights("a", "DataAugmentation", blobs, (None,) * 3, (False,) * 3))
    _, image, channels = read.blobs
    assert image.shape == (1, 1, 3, 2) and (image == want).all() and (channels == want).all()
    (y,), _ = made.apply((), tuple(map(jnp.float32, read.blobs)), None, jnp.ones((2, 1, 3, 2)))
    np.testing.assert_allclose(y, 1 - want)


def test_a_mean_that_is_not_wanted_is_left_out():
    made = layer("DataAugmentation", "", (2, 1, 3, 2))
    blobs = tuple(np.ones((1, 1, n, n)) for n in (1, 2, 1))
    assert made.read
    read = made.read(LayerWeights("a", "DataAugmentation", blobs, (None,) * 3, (False,) * 3))
    assert [b.shape for b in read.blobs] == [s.shape for s in made.state]


def test_black_borders():
    fields = "black_augmentation_param { border { mean: 0.25 } }"
    made = layer("BlackAugmentation", fields, (90, 2, 4, 8))
    (y,), _ = made.apply((), (), jax.random.key(0), jnp.ones((90, 2, 4, 8)))
    kinds = {(int(s[0, 1:3].sum()), int(s[0, :, 2:6].sum())) for s in np.asarray(y)}
    assert {(8, 16), (16, 8), (8, 8)} == {(a, b) for a, b in kinds}
