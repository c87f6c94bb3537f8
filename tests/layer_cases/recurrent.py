"""Rows of LSTM, RNN and LSTMUnit."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def unit(c, gates, cont):
    """(c, h) of one stream after one step."""
    i, f, o, g = gates.reshape(4, -1)
    c = cont * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return c, sigmoid(o) * np.tanh(c)


def lstm_unit(c, gates, cont):
    pairs = [unit(*each) for each in zip(c[0], gates[0], cont[0], strict=True)]
    return tuple(np.stack(s)[None] for s in zip(*pairs, strict=True))


def flat(x):
    return x.reshape(-1)


def lstm(x, cont, w, b, w_h, *, static=None, w_s=None, first=None):
    """(h, last h, last c), stream by stream and step by step."""
    steps, streams, size = *cont.shape, w_h.shape[1]
    y = np.zeros((steps, streams, size))
    last = np.zeros((2, 1, streams, size))
    for n in range(streams):
        h, c = np.zeros((2, size)) if first is None else (s[0, n] for s in first)
        for t in range(steps):
            gates = w @ flat(x[t, n]) + b + w_h @ (cont[t, n] * h)
            if static is not None:
                gates = gates + w_s @ flat(static[n])
            c, h = unit(c, gates, cont[t, n])
            y[t, n] = h
        last[:, 0, n] = h, c
    return y, *last


def rnn(x, cont, w, b, w_h, w_o, b_o, *, static=None, w_s=None, first=None):
    """(o, last h), stream by stream and step by step."""
    steps, streams, size = *cont.shape, w_h.shape[1]
    y, last = np.zeros((steps, streams, size)), np.zeros((1, streams, size))
    for n in range(streams):
        h = np.zeros(size) if first is None else first[0, n]
        for t in range(steps):
            z = w @ flat(x[t, n]) + b + w_h @ (cont[t, n] * h)
            if static is not None:
                z = z + w_s @ flat(static[n])
            h = np.tanh(z)
            y[t, n] = np.tanh(w_o @ h + b_o)
        last[0, n] = h
    return y, last


def going_on(steps, streams):
    """cont: every stream starts somewhere, the first ones in the middle."""
    cont = np.ones((steps, streams), int)
    cont[0, 1:] = 0
    cont[steps // 2, 0] = 0
    return cont


def whole_numbers(*shape):
    """States before the first step that get no gradient."""
    return np.random.default_rng(5).integers(-2, 3, shape)


CONT, LINE = going_on(4, 3), going_on(5, 1)
FILLED = (
    "weight_filler { type: 'uniform' min: -0.3 max: 0.3 } bias_filler { type: 'gaussian' std: 1 } "
    "debug_info: true"
)
OPEN = "propagate_down: true propagate_down: false"

# fmt: off
CASES = [
    LayerCase("LSTM", "recurrent_param { num_output: 5 }", [(4, 3, 2), CONT], [(4, 3, 5)],
        lambda *a: lstm(*a)[0], [(20, 2), (20,), (20, 5)]),
    LayerCase("LSTM", f"recurrent_param {{ num_output: 1 {FILLED} }}", [(5, 1, 2, 3), LINE],
        [(5, 1, 1)], lambda *a: lstm(*a)[0], [(4, 6), (4,), (4, 1)]),
    LayerCase("LSTM", "recurrent_param { num_output: 2 }", [(1, 2, 3), np.ones((1, 2), int)],
        [(1, 2, 2)], lambda *a: lstm(*a)[0], [(8, 3), (8,), (8, 2)]),
    LayerCase("LSTM", "recurrent_param { num_output: 2 }", [(4, 3, 2), CONT, (3, 2, 2)],
        [(4, 3, 2)],
        lambda x, cont, s, w, b, w_s, w_h: lstm(x, cont, w, b, w_h, static=s, w_s=w_s)[0],
        [(8, 2), (8,), (8, 4), (8, 2)]),
    LayerCase("LSTM", "recurrent_param { num_output: 2 expose_hidden: true }",
        [(4, 3, 2), CONT, whole_numbers(1, 3, 2), whole_numbers(1, 3, 2)],
        [(4, 3, 2), (1, 3, 2), (1, 3, 2)],
        lambda x, cont, h, c, *blobs: lstm(x, cont, *blobs, first=(h, c)),
        [(8, 2), (8,), (8, 2)]),
    LayerCase("LSTM", f"recurrent_param {{ num_output: 2 expose_hidden: true }} {OPEN} "
        "propagate_down: true propagate_down: true propagate_down: true",
        [(4, 3, 2), CONT, (3, 4), (1, 3, 2), (1, 3, 2)], [(4, 3, 2), (1, 3, 2), (1, 3, 2)],
        lambda x, cont, s, h, c, w, b, w_s, w_h:
            lstm(x, cont, w, b, w_h, static=s, w_s=w_s, first=(h, c)),
        [(8, 2), (8,), (8, 4), (8, 2)]),
    LayerCase("RNN", "recurrent_param { num_output: 5 }", [(4, 3, 2), CONT], [(4, 3, 5)],
        lambda *a: rnn(*a)[0], [(5, 2), (5,), (5, 5), (5, 5), (5,)]),
    LayerCase("RNN", f"recurrent_param {{ num_output: 1 {FILLED} }}", [(5, 1, 2, 3), LINE],
        [(5, 1, 1)], lambda *a: rnn(*a)[0], [(1, 6), (1,), (1, 1), (1, 1), (1,)]),
    LayerCase("RNN", "recurrent_param { num_output: 2 }", [(4, 3, 2), CONT, (3, 5)], [(4, 3, 2)],
        lambda x, cont, s, w, b, w_s, *rest: rnn(x, cont, w, b, *rest, static=s, w_s=w_s)[0],
        [(2, 2), (2,), (2, 5), (2, 2), (2, 2), (2,)]),
    LayerCase("RNN", "recurrent_param { num_output: 2 expose_hidden: true }",
        [(4, 3, 2), CONT, whole_numbers(1, 3, 2)], [(4, 3, 2), (1, 3, 2)],
        lambda x, cont, h, *blobs: rnn(x, cont, *blobs, first=h),
        [(2, 2), (2,), (2, 2), (2, 2), (2,)]),
    LayerCase("RNN", f"recurrent_param {{ num_output: 2 expose_hidden: true }} {OPEN} "
        "propagate_down: true propagate_down: true",
        [(4, 3, 2), CONT, (3, 2, 2), (1, 3, 2)], [(4, 3, 2), (1, 3, 2)],
        lambda x, cont, s, h, w, b, w_s, *rest:
            rnn(x, cont, w, b, *rest, static=s, w_s=w_s, first=h),
        [(2, 2), (2,), (2, 4), (2, 2), (2, 2), (2,)]),
    LayerCase("LSTMUnit", "", [(1, 3, 4), (1, 3, 16), np.array([[1, 0, 1]])], [(1, 3, 4)] * 2,
        lstm_unit),
    LayerCase("LSTMUnit", "", [(1, 1, 1), (1, 1, 4), np.array([[1]])], [(1, 1, 1)] * 2, lstm_unit),
]
# fmt: on
