"""Caffe's update in NumPy float64, line by line. Caffe: sgd_solver.cpp, ApplyUpdate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
# (g, local rate, history of this blob, solver message, iteration, w) -> (step, new history)
Rule = Callable[..., tuple[np.ndarray, Sequence[np.ndarray]]]


def update(
    rule: Rule,
    p: Any,
    w: Arrays,
    diff: Arrays,
    history: Mapping[str, Sequence[np.ndarray]],
    *,
    lr_mult: Mapping[str, float],
    decay_mult: Mapping[str, float],
    rate: float,
    iteration: int,
    decoupled: bool = False,
    part: float = 1.0,
) -> tuple[Arrays, dict[str, Sequence[np.ndarray]]]:
    """One iteration: diff holds the sum over iter_size passes. part: of weight_decay."""
    norm = np.sqrt(sum((d**2).sum() for d in diff.values()))
    if p.clip_gradients >= 0 and norm > p.clip_gradients:
        diff = {k: d * (p.clip_gradients / norm) for k, d in diff.items()}
    new_w, new_history = {}, {}
    for k in w:
        g = diff[k] / p.iter_size
        decay = part * p.weight_decay * decay_mult[k]
        penalty = decay * {"L2": w[k], "L1": np.sign(w[k])}[p.regularization_type]
        local = rate * lr_mult[k]
        if not decoupled:
            g = g + penalty
        step, new_history[k] = rule(g, local, history[k], p, iteration, w[k])
        new_w[k] = w[k] - step - (local * penalty if decoupled else 0)
    return new_w, new_history


def average(decay: float, old: Arrays, w: Arrays) -> Arrays:
    """The mean weights after an iteration."""
    return {k: decay * old[k] + (1 - decay) * w[k] for k in w}


def sgd(g, rate, history, p, iteration, w):
    h = p.momentum * history[0] + rate * g
    return h, [h]


def nesterov(g, rate, history, p, iteration, w):
    h = p.momentum * history[0] + rate * g
    return (1 + p.momentum) * h - p.momentum * history[0], [h]


def adagrad(g, rate, history, p, iteration, w):
    h = history[0] + g**2
    return rate * g / (np.sqrt(h) + p.delta), [h]


def rmsprop(g, rate, history, p, iteration, w):
    h = p.rms_decay * history[0] + (1 - p.rms_decay) * g**2
    return rate * g / (np.sqrt(h) + p.delta), [h]


def adadelta(g, rate, history, p, iteration, w):
    h = p.momentum * history[0] + (1 - p.momentum) * g**2
    u = g * np.sqrt((history[1] + p.delta) / (h + p.delta))
    return rate * u, [h, p.momentum * history[1] + (1 - p.momentum) * u**2]


def adam(g, rate, history, p, iteration, w):
    m = p.momentum * history[0] + (1 - p.momentum) * g
    v = p.momentum2 * history[1] + (1 - p.momentum2) * g**2
    t = iteration + 1
    correction = np.sqrt(1 - p.momentum2**t) / (1 - p.momentum**t)
    return rate * correction * m / (np.sqrt(v) + p.delta), [m, v]


def adamw(g, rate, history, p, iteration, w):
    m = p.momentum * history[0] + (1 - p.momentum) * g
    v = p.momentum2 * history[1] + (1 - p.momentum2) * g**2
    m_hat = m / (1 - p.momentum ** (iteration + 1))
    v_hat = v / (1 - p.momentum2 ** (iteration + 1))
    return rate * m_hat / (np.sqrt(v_hat) + p.delta), [m, v]


def lion(g, rate, history, p, iteration, w):
    step = rate * np.sign(p.momentum * history[0] + (1 - p.momentum) * g)
    return step, [p.momentum2 * history[0] + (1 - p.momentum2) * g]


def lars(g, rate, history, p, iteration, w):
    if w.ndim > 1:
        g = g * p.local_gw_ratio * np.sqrt((w**2).sum()) / np.sqrt((g**2).sum())
    h = p.momentum * history[0] + rate * g
    return h, [h]
