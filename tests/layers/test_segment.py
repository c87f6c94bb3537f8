"""What SegAccuracy counts from batch to batch, and what Upsample does with places that coincide."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from netc.layers.segment import CARRY

from ..cases import LayerCase
from ..layer_cases.segment import scored
from .running import run

SHAPES = [(2, 3, 4, 5), (2, 1, 4, 5)]


def accuracy(fields):
    case = LayerCase("SegAccuracy", f"seg_accuracy_param {{ {fields} }}", SHAPES, [(1, 1, 1, 3)])
    return run(case, "TEST").layer


def batch(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=SHAPES[0]).astype(np.float32), rng.integers(0, 3, SHAPES[1])


def test_counts_go_on_without_reset():
    layer = accuracy("reset: false")
    memory = tuple(jnp.zeros(m.shape) for m in layer.memory)
    batches = [batch(seed) for seed in range(3)]
    for x, label in batches:
        (top,), memory = layer.apply((), memory, None, jnp.asarray(x), jnp.asarray(label))
    every = [np.concatenate(arrays) for arrays in zip(*batches, strict=True)]
    np.testing.assert_allclose(top, scored(*every), rtol=1e-6)


def test_no_pixel_is_lost_in_a_large_count():
    layer = accuracy("reset: false")
    memory = np.zeros(layer.memory[0].shape, np.float32)
    memory[:, 0, 0] = CARRY - 1, 1000
    x, label = np.zeros(SHAPES[0], np.float32), np.zeros(SHAPES[1], int)
    (_,), (after,) = layer.apply((), (jnp.asarray(memory),), None, x, label)
    np.testing.assert_array_equal(after[:, 0, 0], [39, 1001])


def test_nothing_is_kept_with_reset():
    assert accuracy("").memory == ()


def test_of_two_values_for_one_place_the_last_stays_and_both_have_its_gradient():
    x = np.array([[[[1, 2], [3, 4]]]], np.float32)
    mask = np.array([[[[5, 7], [5, 0]]]])
    layer = run(LayerCase("Upsample", "", [x, mask], [(1, 1, 4, 4)]), "TRAIN").layer

    def top(x):
        return layer.apply((), (), None, x, jnp.asarray(mask, jnp.float32))[0][0]

    want = np.zeros(16)
    want[[5, 7, 0]] = 3, 2, 4
    np.testing.assert_array_equal(np.ravel(top(x)), want)
    dy = jnp.arange(16.0).reshape(1, 1, 4, 4)
    np.testing.assert_array_equal(jax.vjp(top, x)[1](dy)[0], [[[[5, 7], [5, 0]]]])
