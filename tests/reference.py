"""Layers as plain formulas and loops in NumPy float64, channels first."""

from __future__ import annotations

import math

import numpy as np

from .lowering import reference as loops

FLT_MIN = np.finfo(np.float32).tiny


def per_axis(value, rank):
    return tuple(value) if isinstance(value, tuple) else (value,) * rank


def inner_product(x, w, b=0, *, axis=1, transpose=False):
    rows = x.reshape(math.prod(x.shape[:axis]), -1)
    y = np.array([[row @ column for column in (w.T if transpose else w)] for row in rows])
    return (y + b).reshape(*x.shape[:axis], -1)


def convolution(x, w, b=None, *, stride=1, pad=0, dilation=1, group=1, axis=1):
    rank = x.ndim - axis - 1
    images = x.reshape(-1, *x.shape[axis:])
    how = {"stride": stride, "pad": pad, "dilation": dilation}
    how = {k: per_axis(v, rank) for k, v in how.items()}
    y = loops.convolve(images, w, group=group, **how)
    if b is not None:
        y = y + b.reshape(-1, *(1,) * rank)
    return y.reshape(*x.shape[:axis], *y.shape[1:])


def pooling(x, method, *, kernel=None, stride=1, pad=0, ceil=True):
    """MAX gives (y, mask); kernel None is global_pooling."""
    how = {
        "kernel": x.shape[2:] if kernel is None else per_axis(kernel, 2),
        "stride": per_axis(stride, 2),
        "pad": per_axis(pad, 2),
        "ceil": ceil,
    }
    operation = {"MAX": loops.max_pool, "AVE": loops.ave_pool}[method]
    return operation(x, None, **how)[:-1]


def expected_pooling(x, *, kernel, stride=1, ceil=True):
    """STOCHASTIC in TEST: each element weighted by its share of the window."""
    (weighted,) = pooling(x * x, "AVE", kernel=kernel, stride=stride, ceil=ceil)
    (total,) = pooling(x, "AVE", kernel=kernel, stride=stride, ceil=ceil)
    return np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)


def lrn(x, *, size=5, alpha=1.0, beta=0.75, k=1.0, within=False):
    if within:
        return loops.lrn_within(x, size=size, alpha=alpha, beta=beta)
    return loops.lrn_across(x, size=size, alpha=alpha, beta=beta, k=k)


def softmax(x, axis=1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def positions(x, label, axis, ignore):
    """Scores of all classes and the label of each position that is not ignored."""
    scores = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    pairs = zip(scores, label.ravel().astype(int), strict=True)
    return [(score, true) for score, true in pairs if true != ignore]


def softmax_loss(x, label, *, axis=1, ignore=None, norm="VALID"):
    """(loss, probabilities)"""
    probabilities = softmax(x, axis)
    counted = positions(probabilities, label, axis, ignore)
    total = sum(-math.log(max(p[true], FLT_MIN)) for p, true in counted)
    outer = math.prod(x.shape[:axis])
    by = {"VALID": len(counted), "FULL": label.size, "BATCH_SIZE": outer, "NONE": 1}[norm]
    return np.array(total / max(by, 1)), probabilities


def euclidean_loss(a, b):
    return np.array(sum((p - q) ** 2 for p, q in zip(a.flat, b.flat, strict=True)) / (2 * len(a)))


def accuracy(x, label, *, top_k=1, axis=1, ignore=None):
    """(overall, per class)"""
    right, seen = np.zeros(x.shape[axis]), np.zeros(x.shape[axis])
    for scores, true in positions(x, label, axis, ignore):
        seen[true] += 1
        right[true] += sum(scores >= scores[true]) <= top_k
    overall = right.sum() / max(seen.sum(), 1)
    return np.array(overall), right / np.maximum(seen, 1)
