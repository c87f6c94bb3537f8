"""The lattice against one that is built point by point, and against a Gaussian."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.lowering.permutohedral import Lattice, filtered, lattices

from ..layer_cases.crf_reference import lattice_filter

RNG = np.random.default_rng(0)
VALUES = RNG.uniform(size=(60, 9)).astype(np.float32)


def points(d, spread=2.0):
    return (np.random.default_rng(d).normal(size=(60, d)) * spread).astype(np.float32)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("spread", [0.1, 2, 3000])
def test_it_is_that_of_the_paper(d, spread):
    found = Lattice(points(d, spread)).filtered(VALUES)
    want = lattice_filter(points(d, spread), VALUES)
    assert np.abs(found - want).max() < (2e-6 if spread < 3000 else 2e-2) * want.max()


def test_keys_that_one_whole_number_has_no_room_for():
    far = points(5, 3000)
    keys = Lattice(np.concatenate([points(5), points(5) + far[:1], far])).filtered(np.eye(180, 7))
    near = Lattice(points(5)).filtered(np.eye(60, 7))
    np.testing.assert_allclose(keys[:60], near, atol=1e-6)


def test_it_is_about_a_gaussian():
    p = points(3, 0.8)
    weight = np.exp(-((p[:, None] - p[None]) ** 2).sum(-1) / 2)
    want = weight @ VALUES / weight.sum(1, keepdims=True)
    lattice = Lattice(p)
    found = lattice.filtered(VALUES) / lattice.filtered(np.ones((60, 1), np.float32))
    assert np.abs(found - want).max() < np.ptp(want) / 4


def test_points_of_nan_are_not_there():
    p, some = points(5), np.arange(60) % 3 > 0
    hidden = np.where(some[:, None], p, np.nan)
    found = Lattice(hidden).filtered(VALUES)
    np.testing.assert_array_equal(found[~some], 0)
    np.testing.assert_allclose(found[some], Lattice(p[some]).filtered(VALUES[some]), atol=1e-6)
    np.testing.assert_array_equal(Lattice(np.full((4, 2), np.nan)).filtered(VALUES[:4]), 0)


def test_the_gradient_is_the_transpose():
    p, x, dy = points(5), jnp.asarray(VALUES.T[None]), RNG.normal(size=(1, 9, 60))
    dy = jnp.asarray(dy, jnp.float32)
    dp, dx = jax.jit(jax.grad(lambda p, x: (filtered(p, x) * dy).sum(), (0, 1)))(p[None], x)
    whole = Lattice(p).filtered(np.eye(60, dtype=np.float32))
    np.testing.assert_allclose(dx[0], np.asarray(dy[0]) @ whole, rtol=1e-4, atol=1e-5)
    assert not dp.any()


def test_lattices_of_the_last_points_are_kept():
    p = points(2)[None]
    assert lattices(p)[0] is lattices(p.copy())[0]
    assert lattices(p)[0] is not lattices(p + 1)[0]
