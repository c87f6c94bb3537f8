"""Losses as loops over positions in NumPy float64."""

from __future__ import annotations

import math

import numpy as np

from ..reference import FLT_MIN, softmax

LOG_THRESHOLD = 1e-20
EPSILON = float(np.float32(0.01))


def divisor(norm, *, counted, positions, outer):
    by = {"VALID": counted, "FULL": positions, "BATCH_SIZE": outer, "NONE": 1}
    return max(by[norm] if isinstance(norm, str) else norm, 1)


def positions(x, axis):
    """(rows of scores, number of positions before the axis), positions in the order of labels."""
    return np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]), math.prod(x.shape[:axis])


def weighted_softmax_loss(
    x, label, weight=None, *, axis=1, ignore=None, norm: str | float = "VALID", by_class=None,
    smoothing=0.0, gamma=0.0, count_weights=True,
):  # fmt: skip
    """SoftmaxWithLoss with what netc adds; weight: one per position.

    label: classes, or class probabilities of the shape of x.
    """
    rows, outer = positions(softmax(x, axis), axis)
    classes = x.shape[axis]
    by_class = np.ones(classes) if by_class is None else np.asarray(by_class, float)
    weight = np.ones(len(rows)) if weight is None else np.ravel(weight)
    total, counted, entered = 0.0, 0, 0.0
    if label.shape == x.shape:
        shares, ignored = positions(label, axis)[0], np.zeros(len(rows))
    else:
        shares, ignored = np.eye(classes)[label.ravel().astype(int)], label.ravel() == ignore
    for p, share, skip, a in zip(rows, shares, ignored, weight, strict=True):
        if skip:
            continue
        for c in range(classes):
            target = (1 - smoothing) * share[c] + smoothing / classes
            focus = (1 - p[c]) ** gamma
            total -= a * target * by_class[c] * focus * math.log(max(p[c], FLT_MIN))
        counted, entered = counted + 1, entered + a * (share @ by_class)
    if norm == "VALID" and count_weights:
        return np.array(total / (entered or 1))
    return np.array(total / divisor(norm, counted=counted, positions=len(rows), outer=outer))


def multinomial_loss(p, label):
    rows = p.reshape(len(p), -1)
    picked = [row[int(true)] for row, true in zip(rows, label.ravel(), strict=True)]
    return np.array(-sum(math.log(max(q, LOG_THRESHOLD)) for q in picked) / len(p))


def hinge_loss(x, label, power=1):
    total = 0.0
    for row, true in zip(x.reshape(len(x), -1), label.ravel(), strict=True):
        for c, score in enumerate(row):
            total += max(0, 1 - score if c == true else 1 + score) ** power
    return np.array(total / len(x))


def infogain_loss(x, label, gains, *, axis=1, ignore=None, norm="VALID"):
    rows, outer = positions(softmax(x, axis), axis)
    gains = gains.reshape(x.shape[axis], -1)
    total, counted = 0.0, 0
    for p, true in zip(rows, label.ravel().astype(int), strict=True):
        if true == ignore:
            continue
        total -= sum(
            g * math.log(max(q, LOG_THRESHOLD)) for g, q in zip(gains[true], p, strict=True)
        )
        counted += 1
    return np.array(total / divisor(norm, counted=counted, positions=len(rows), outer=outer))


def sigmoid_loss(x, target, *, ignore=None, norm="BATCH_SIZE"):
    total, counted = 0.0, 0
    for score, t in zip(x.flat, target.flat, strict=True):
        if int(t) != ignore:
            log_p, log_q = -np.logaddexp(0, -score), -np.logaddexp(0, score)
            total -= t * log_p + (1 - t) * log_q
            counted += 1
    return np.array(total / divisor(norm, counted=counted, positions=x.size, outer=len(x)))


def contrastive_loss(a, b, similar, *, margin=1.0, legacy=False):
    a, b = a.reshape(len(a), -1), b.reshape(len(a), -1)
    total = 0.0
    for p, q, same in zip(a, b, similar.ravel(), strict=True):
        square = sum((p - q) ** 2)
        if int(same):
            total += square
        else:
            total += max(margin - square, 0) if legacy else max(margin - math.sqrt(square), 0) ** 2
    return np.array(total / (2 * len(a)))


def smooth_l1_loss(a, b, inner=None, outer=None, *, sigma=1.0):
    ones = np.ones(a.size)
    weights = [ones if w is None else w.ravel() for w in (inner, outer)]
    total = 0.0
    for p, q, i, o in zip(a.flat, b.flat, *weights, strict=True):
        e = abs(i * (p - q))
        total += o * ((sigma * e) ** 2 / 2 if e < 1 / sigma**2 else e - 0.5 / sigma**2)
    return np.array(total / len(a))


def l1_loss(a, b=None, *, plateau=0.0, by_entries=False):
    e = np.abs(a if b is None else a - b.reshape(a.shape))
    known = ~np.isnan(e)
    total = sum(v for v in e[known] if v >= plateau)
    return np.array(total / (known.sum() / a.shape[1] if by_entries else len(a)))


def end_point_error(a, b, *, epsilon=EPSILON, plateau=0.0, mean=False, by_entries=False):
    e = a - b
    known = ~np.isnan(e)
    square = np.where(known, e, 0) ** 2
    energy = square.mean(1) if mean else square.sum(1)
    total = sum(math.sqrt((v if v >= plateau**2 else 0) + epsilon) for v in energy.flat)
    return np.array(total / (known.sum() / a.shape[1] if by_entries else len(a)))
