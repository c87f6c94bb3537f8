"""The gradients of CenterLoss, which are not those of its value."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ..cases import LayerCase
from .running import run

LABEL = np.array([0, 2, 0, 0])


def test_features_follow_the_loss_weight_and_centres_do_not():
    case = LayerCase("CenterLoss", "center_loss_param { num_output: 3 }", [(4, 2), LABEL], [()])
    running = run(case, "TRAIN")
    (centers,), (x, label) = running.arrays()

    def loss(centers, x, weight):
        return weight * running.tops((centers,), (x, label))[0]

    apart = np.asarray(x - centers[LABEL])
    want = np.zeros((3, 2))
    for row, y in zip(apart, LABEL, strict=True):
        want[y] -= row
    want /= np.array([[4], [1], [2]])
    for weight in (1.0, 0.008):
        d_centers, dx = jax.grad(loss, (0, 1))(centers, x, jnp.float32(weight))
        np.testing.assert_allclose(dx, weight * apart / 4, rtol=1e-5)
        np.testing.assert_allclose(d_centers, want, rtol=1e-5)
