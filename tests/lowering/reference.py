"""The operations of netc.lowering as plain loops over windows, in float64, channels first."""

from __future__ import annotations

import itertools
import math

import numpy as np


def _windows(out):
    return itertools.product(*map(range, out))


def convolve(x, w, dy=None, *, stride, pad, dilation, group):
    """y, or (y, dx, dw) for a gradient dy."""
    n, c, *size = x.shape
    o, _, *kernel = w.shape
    out = [
        (i + 2 * p - d * (k - 1) - 1) // s + 1
        for i, p, d, k, s in zip(size, pad, dilation, kernel, stride, strict=True)
    ]
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pad)])
    y, dpadded, dw = np.zeros((n, o, *out)), np.zeros_like(padded), np.zeros_like(w)
    for at in _windows(out):
        under = [
            slice(i * s, i * s + d * (k - 1) + 1, d)
            for i, s, d, k in zip(at, stride, dilation, kernel, strict=True)
        ]
        for j in range(o):
            first = j // (o // group) * (c // group)
            there = (slice(None), slice(first, first + c // group), *under)
            here = (slice(None), j, *at)
            y[here] = (padded[there] * w[j]).reshape(n, -1).sum(1)
            if dy is not None:
                d = dy[here].reshape(n, *(1,) * (len(kernel) + 1))
                dpadded[there] += d * w[j]
                dw[j] += (d * padded[there]).sum(0)
    if dy is None:
        return y
    image = tuple(slice(p, p + i) for p, i in zip(pad, size, strict=True))
    return y, dpadded[(..., *image)], dw


def pooled_size(size, kernel, stride, pad, ceil):
    out = (math.ceil if ceil else math.floor)((size + 2 * pad - kernel) / stride) + 1
    while (out - 1) * stride >= size + pad:
        out -= 1
    return out


def _clipped(at, size, kernel, stride, pad):
    """The slices of a window inside the image, and the window's area."""
    inside, area = [], 1
    for i, n, k, s, p in zip(at, size, kernel, stride, pad, strict=True):
        start = i * s - p
        area *= min(start + k, n + p) - start
        inside.append(slice(max(start, 0), min(start + k, n)))
    return tuple(inside), area


def max_pool(x, dy, *, kernel, stride, pad, ceil):
    """(y, mask, dx); dy None skips dx."""
    size = x.shape[2:]
    out = [pooled_size(*a, ceil) for a in zip(size, kernel, stride, pad, strict=True)]
    y = np.zeros((*x.shape[:2], *out))
    mask, dx = np.zeros_like(y), np.zeros_like(x)
    plane = np.arange(math.prod(size)).reshape(size)
    for n, c in np.ndindex(*x.shape[:2]):
        for at in _windows(out):
            inside, _ = _clipped(at, size, kernel, stride, pad)
            best, where = -np.finfo(np.float32).max, -1
            for value, index in zip(x[n, c][inside].flat, plane[inside].flat, strict=True):
                if value > best:
                    best, where = value, index
            y[(n, c, *at)], mask[(n, c, *at)] = best, where
            if dy is not None and where >= 0:
                dx[n, c].flat[where] += dy[(n, c, *at)]
    return y, mask, dx


def ave_pool(x, dy, *, kernel, stride, pad, ceil):
    """(y, dx); dy None skips dx."""
    size = x.shape[2:]
    out = [pooled_size(*a, ceil) for a in zip(size, kernel, stride, pad, strict=True)]
    y, dx = np.zeros((*x.shape[:2], *out)), np.zeros_like(x)
    for at in _windows(out):
        inside, area = _clipped(at, size, kernel, stride, pad)
        here, there = (..., *at), (slice(None), slice(None), *inside)
        y[here] = x[there].reshape(*x.shape[:2], -1).sum(-1) / area
        if dy is not None:
            dx[there] += dy[here].reshape(*x.shape[:2], *(1,) * len(size)) / area
    return y, dx


def lrn_across(x, *, size, alpha, beta, k):
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(c - size // 2, 0) : c + size // 2 + 1]
        y[:, c] = x[:, c] * (k + alpha / size * (near**2).sum(1)) ** -beta
    return y


def lrn_within(x, *, size, alpha, beta):
    r = size // 2
    padded = np.pad(x, [(0, 0), (0, 0), *((r, r),) * (x.ndim - 2)])
    y = np.zeros_like(x)
    for at in _windows(x.shape[2:]):
        near = padded[(..., *(slice(i, i + size) for i in at))]
        mean = (near**2).reshape(*x.shape[:2], -1).sum(-1) / size ** len(at)
        y[(..., *at)] = x[(..., *at)] * (1 + alpha * mean) ** -beta
    return y
