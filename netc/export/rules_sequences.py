"""Layers with matrices, tables, and states over time."""

from __future__ import annotations

import math
from typing import Any

from netc.export.calls import Call, Site, f, rule
from netc.export.rules_common import along, matrix, reshaped


@rule("InnerProduct")
def inner_product(site: Site) -> Any:
    p, shape, top = site.p.inner_product_param, site.shape, site.tops[0]
    rows = matrix(site.x[0], shape, site.d.axis(p.axis))
    options = {"transpose": True} if p.transpose else {}
    y = f.inner_product(rows, *site.w, **options)
    return reshaped(y, (math.prod(top[:-1]), top[-1]), top)


@rule("Embed")
def embed(site: Site) -> Any:
    table, *summand = site.w
    y = f.rows_at(table, site.x[0])
    rank = len(site.tops[0])
    return f.add(y, along(summand[0], rank, rank - 1)) if summand else y


@rule("BatchReindex")
def batch_reindex(site: Site) -> Any:
    return f.rows_at(*site.x)


@rule("Parameter")
def parameter(site: Site) -> Any:
    return site.w[0]


@rule("LSTMUnit")
def lstm_unit(site: Site) -> Any:
    c, gates, cont = site.x
    size = site.shape[2]
    i, g_f, o, g = map(f.split(gates, sizes=(size,) * 4, axis=2).__getitem__, range(4))
    kept = f.multiply(f.reshape(cont, shape=(*site.shape[:2], 1)), f.multiply(f.sigmoid(g_f), c))
    cell = f.add(kept, f.multiply(f.sigmoid(i), f.tanh(g)))
    return cell, f.multiply(f.sigmoid(o), f.tanh(cell))


@rule("LSTM")
def lstm(site: Site) -> Any:
    z, rest = _inputs(site, 4)
    every = f.lstm(z, site.x[1], rest[0], *_first_states(site, 2))
    return every if len(site.tops) > 1 else every[0]


@rule("RNN")
def rnn(site: Site) -> Any:
    z, (w, w_out, b_out) = _inputs(site, 1)
    states = f.rnn(z, site.x[1], w, *_first_states(site, 1))
    top = site.tops[0]
    rows = f.reshape(states[0], shape=(top[0] * top[1], top[2]))
    out = f.tanh(f.reshape(f.inner_product(rows, w_out, b_out), shape=top))
    return (out, states[1]) if len(site.tops) > 1 else out


def _first_states(site: Site, count: int) -> tuple[Any, ...]:
    return site.x[-count:] if site.p.recurrent_param.expose_hidden else ()


def _inputs(site: Site, gates: int) -> tuple[Call, tuple[Any, ...]]:
    """What the gates get from the inputs, (T, N, gates num_output), and the blobs that are left."""
    steps, streams, *_ = site.shape
    size = gates * site.p.recurrent_param.num_output
    w, b, *rest = site.w
    z = f.inner_product(matrix(site.x[0], site.shape, 2), w, b)
    z = f.reshape(z, shape=(steps, streams, size))
    least = 2 + (len(site.tops) - 1)
    if len(site.x) > least:
        fixed = f.inner_product(matrix(site.x[2], site.d.bottoms[2].shape, 1), rest.pop(0))
        z = f.add(z, f.reshape(fixed, shape=(1, streams, size)))
    return z, tuple(rest)
