"""Recurrent layers: a state that goes from step to step, and from batch to batch."""

from __future__ import annotations

import math
from typing import Any

from netc import lowering
from netc.layers.base import (
    LAYERS,
    BlobSpec,
    Layer,
    LayerDef,
    count_error,
    dims,
    register,
    stateless,
)
from netc.lazy import jax, jnp, lax


def _lstm(z, cont, states):
    """The states (h, c) after one step from gate pre-activations in the order i, f, o, g."""
    i, f, o, g = jnp.split(z, 4, -1)
    c = cont * jax.nn.sigmoid(f) * states[-1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _rnn(z, cont, states):
    return (jnp.tanh(z),)


@register("LSTMUnit", bottoms=3, tops=2)
def lstm_unit(d: LayerDef) -> Layer:
    """One step of an LSTM: c (1, N, H), gates (1, N, 4 H) and cont (1, N) -> c', h' (1, N, H).

    c' = cont sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c'); gates in the order
    i, f, o, g. No gradient to cont. Caffe: lstm_unit_layer.cpp.
    """
    shape = d.bottoms[0].shape
    n, h = shape[1:3] if len(shape) == 3 else (0, 0)
    for i, want in enumerate([(1, n, h), (1, n, 4 * h), (1, n)]):
        if d.bottoms[i].shape != want or len(shape) != 3:
            d.fail(
                "LSTMUnit takes the cell state 1 x N x H, gates 1 x N x 4 H and cont 1 x N: "
                f"bottom[{i}] '{d.param.bottom[i]}' is {dims(d.bottoms[i].shape)}, "
                f"bottom[0] {dims(shape)}",
                "bottom",
                i,
            )

    def forward(blobs, c, gates, cont):
        hidden, cell = _lstm(gates, lax.stop_gradient(cont)[..., None], (c,))
        return cell, hidden

    return stateless(forward)


def _check(d: LayerDef, states: int) -> bool:
    """Whether there is a static input, once all shapes are right. Caffe: recurrent_layer.cpp."""
    exposed = states if d.param.recurrent_param.expose_hidden else 0
    least = 2 + exposed
    rules = LAYERS[d.param.type]._replace(bottoms=(least, least + 1), tops=1 + exposed)
    if wrong := count_error(rules, len(d.bottoms), d.tops):
        d.fail(wrong, "bottom" if len(d.bottoms) not in (least, least + 1) else "top")
    x, cont = d.bottoms[0].shape, d.bottoms[1].shape
    if len(x) < 3:
        d.fail(
            "bottom[0] must have at least 3 axes -- (#timesteps, #streams, ...): "
            f"'{d.param.bottom[0]}' is {dims(x)}",
            "bottom",
            0,
            hint="one number per step is T x N x 1",
        )
    if x[0] == 0:
        d.fail(f"there are no timesteps: '{d.param.bottom[0]}' is {dims(x)}", "bottom", 0)
    if cont != x[:2]:
        d.fail(
            "bottom[1] must have exactly 2 axes -- (#timesteps, #streams): "
            f"'{d.param.bottom[1]}' is {dims(cont)}, '{d.param.bottom[0]}' is {dims(x)}",
            "bottom",
            1,
        )
    if len(d.bottoms) > least:
        fixed = d.bottoms[2].shape
        if len(fixed) < 2 or fixed[0] != x[1]:
            d.fail(
                f"The static input must be (#streams, ...): '{d.param.bottom[2]}' is "
                f"{dims(fixed)}, '{d.param.bottom[0]}' ({dims(x)}) has {x[1]} streams",
                "bottom",
                2,
            )
    h = d.param.recurrent_param.num_output
    if h == 0:
        d.fail(
            "num_output must be positive, got 0",
            "num_output" if d.param.recurrent_param.HasField("num_output") else "recurrent_param",
        )
    for i in range(len(d.bottoms) - exposed, len(d.bottoms)):
        if d.bottoms[i].shape != (1, x[1], h):
            d.fail(
                f"bottom[{i}] shape must match hidden state input shape: {dims((1, x[1], h))}, "
                f"'{d.param.bottom[i]}' is {dims(d.bottoms[i].shape)}",
                "bottom",
                i,
            )
    if d.param.propagate_down and d.param.propagate_down[1]:
        d.fail("Cannot backpropagate to sequence indicators.", "propagate_down", 1)
    return len(d.bottoms) > least


def _recurrent(d: LayerDef, cell, gates: int, states: int, output: bool) -> Layer:
    """What LSTM and RNN share.

    cell: the step, on pre-activations of gates x num_output numbers. states: how many it carries.
    output: whether an inner product and a tanh follow, with blobs of their own.
    """
    static, p = _check(d, states), d.param.recurrent_param
    steps, streams, *rest = d.bottoms[0].shape
    h, inputs = p.num_output, math.prod(rest)

    def weight(*shape: int) -> BlobSpec:
        return d.blob(shape, p.weight_filler, "weight_filler")

    def bias(*shape: int) -> BlobSpec:
        return d.blob(shape, p.bias_filler, "bias_filler")

    blobs = [weight(gates * h, inputs), bias(gates * h)]
    if static:
        fixed = math.prod(d.bottoms[2].shape[1:])
        blobs.append(weight(gates * h, fixed))
    blobs.append(weight(gates * h, h))
    if output:
        blobs += [weight(h, h), bias(h)]
    exposed = range(2 + static, len(d.bottoms))
    # Caffe: no gradient reaches exposed initial states; here it does where it is asked for.
    asked = [bool(d.param.propagate_down) and d.param.propagate_down[i] for i in exposed]

    def first_states(memory, dtype, bottoms):
        if not exposed:
            return tuple(m.astype(dtype) for m in memory)
        given = [b.reshape(streams, h) for b in bottoms[exposed.start :]]
        pairs = zip(given, asked, strict=True)
        return tuple(s if open_ else lax.stop_gradient(s) for s, open_ in pairs)

    def apply(blobs, memory, rng, *bottoms):
        x, cont = bottoms[0], lax.stop_gradient(bottoms[1]).astype(bottoms[0].dtype)
        w, b, *others = blobs
        z = x.reshape(steps * streams, inputs) @ w.T + b[None]
        z = z.reshape(steps, streams, gates * h)
        if static:
            z = z + (bottoms[2].reshape(streams, fixed) @ others.pop(0).T)[None]
        first = first_states(memory, x.dtype, bottoms)
        every: tuple[Any, ...] = lowering.recurrent.recur(
            d.plan, cell, z, others.pop(0), cont[..., None], first
        )
        top = every[0]
        if output:
            w_out, b_out = others
            top = jnp.tanh(top @ w_out.T + b_out[None, None])
        last = [s[-1] for s in every]
        if exposed:
            return (top, *(s[None] for s in last)), memory
        return (top,), tuple(s.astype(m.dtype) for s, m in zip(last, memory, strict=True))

    memory = () if exposed else (BlobSpec((streams, h)),) * states
    return Layer(apply, tuple(blobs), memory=memory)


@register("LSTM", bottoms=(2, 5), tops=(1, 3), no_gradient=(1,))
def lstm(d: LayerDef) -> Layer:
    """Long short-term memory over time: x (T, N, ...), cont (T, N) -> h (T, N, num_output).

    i, f, o, g = W_xc x_t + b_c + W_hc (cont_t h_{t-1}) [+ W_xs s];
    c_t = cont_t sigmoid(f) c_{t-1} + sigmoid(i) tanh(g); h_t = sigmoid(o) tanh(c_t).
    Blobs: W_xc, b_c, [W_xs], W_hc. A third bottom is a static input s (N, ...). cont is 0 where a
    sequence starts, else 1. With expose_hidden the states before and after, h then c, (1, N,
    num_output) each, are the last bottoms and tops; without it a batch goes on where the one
    before ended. Caffe: lstm_layer.cpp, recurrent_layer.cpp.
    """
    return _recurrent(d, _lstm, gates=4, states=2, output=False)


@register("RNN", bottoms=(2, 4), tops=(1, 2), no_gradient=(1,))
def rnn(d: LayerDef) -> Layer:
    """A plain recurrent net: x (T, N, ...), cont (T, N) -> o (T, N, num_output).

    h_t = tanh(W_xh x_t + b_h + W_hh (cont_t h_{t-1}) [+ W_xs s]); o_t = tanh(W_ho h_t + b_o).
    Blobs: W_xh, b_h, [W_xs], W_hh, W_ho, b_o. Bottoms, tops and expose_hidden as for LSTM, with
    the one state h. Caffe: rnn_layer.cpp, recurrent_layer.cpp.
    """
    return _recurrent(d, _rnn, gates=1, states=1, output=True)
