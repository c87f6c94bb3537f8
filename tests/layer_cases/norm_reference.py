"""Normalization, group by group, in float64."""

from __future__ import annotations

import numpy as np

BATCH_NORM_EPS, MVN_EPS = np.float32(1e-5), np.float32(1e-9)


def batch_norm(x, eps=BATCH_NORM_EPS):
    """Every channel by its own mean and variance."""
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        v = x[:, c]
        mean = sum(v.ravel()) / v.size
        variance = sum((v.ravel() - mean) ** 2) / v.size
        y[:, c] = (v - mean) / np.sqrt(variance + eps)
    return y


def mvn(x, across=False, normalize=True, eps=MVN_EPS):
    """Every channel of every example, or every example, as (N, C, H, W)."""
    x = x.reshape((*x.shape, 1, 1, 1, 1)[:4])
    y = np.empty_like(x)
    for n, c in np.ndindex(*x.shape[:2]):
        group = x[n] if across else x[n, c]
        centred = x[n, c] - sum(group.ravel()) / group.size
        spread = np.sqrt(sum((group.ravel() - group.mean()) ** 2) / group.size)
        y[n, c] = centred / (spread + eps) if normalize else centred
    return y
