"""Rows of the layers of optical flow and disparity, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np

from ..cases import LayerCase


def correlation(a, b, k, reach, pad=0, s1=1, s2=1, rows=True, direction=0, subtract=False):
    """Where the patch of b reaches over the padded image, there are zeros."""
    radius, down = reach // s2, reach * rows
    around = ((0, 0), (0, 0), (pad * rows,) * 2, (pad,) * 2)
    a, b = np.pad(a, around), np.pad(b, around)
    spare = reach + s2
    b = np.pad(b, ((0, 0), (0, 0), (spare, spare), (spare, spare)))
    lowest = {0: -radius, 1: 0, -1: -radius - 1}[direction]
    across = [(lowest + i) * s2 for i in range(radius + 1 if direction else 2 * radius + 1)]
    shifts = [(dy, dx) for dy in (across if rows else [0]) for dx in across]
    height = math.ceil((a.shape[2] - 2 * down - k + 1) / s1)
    width = math.ceil((a.shape[3] - 2 * reach - k + 1) / s1)
    y = np.zeros((len(a), len(shifts), height, width))
    for d, i, j in np.ndindex(*y.shape[1:]):
        top, left = i * s1 + down, j * s1 + reach
        dy, dx = top + shifts[d][0] + spare, left + shifts[d][1] + spare
        one, other = a[:, :, top : top + k, left : left + k], b[:, :, dy : dy + k, dx : dx + k]
        each = abs(one - other) if subtract else one * other
        y[:, d, i, j] = each.mean((1, 2, 3))
    return y


def warped(x, flow):
    (height, width), y = x.shape[2:], np.zeros(x.shape)
    for n, i, j in np.ndindex(len(x), height, width):
        at = i + flow[n, 1, i, j], j + flow[n, 0, i, j]
        if not (0 <= at[0] < height and 0 <= at[1] < width):
            continue
        (top, left), (down, right) = map(math.floor, at), (v % 1 for v in at)
        below, beside = min(top + 1, height - 1), min(left + 1, width - 1)
        upper = (1 - right) * x[n, :, top, left] + right * x[n, :, top, beside]
        lower = (1 - right) * x[n, :, below, left] + right * x[n, :, below, beside]
        y[n, :, i, j] = (1 - down) * upper + down * lower
    return y


def lpq(a, b=0.0, *, p, q, p_eps=0.0, q_eps=0.01, mean=False, entries=False):
    error = abs(a - b)
    known = ~np.isnan(error)
    energy = ((np.where(known, error, 0) + p_eps) ** p).sum(1) / (a.shape[1] if mean else 1)
    count = known.sum() / a.shape[1] if entries else len(a)
    return ((energy + q_eps) ** q).sum() / count


def linear(x):
    return max(0, 1 - abs(x))


def cubic(x):
    """Interpolation with the third powers of Catmull and Rom."""
    x = abs(x)
    near = (3 * x**3 - 5 * x**2 + 2) / 2
    return near if x <= 1 else (-(x**3) + 5 * x**2 - 8 * x + 4) / 2 if x < 2 else 0


def resampled(x, height, width, kernel=linear, antialias=True):
    fy, fx = x.shape[2] / height, x.shape[3] / width
    ay, ax = (1 / fy, 1 / fx) if antialias and max(fy, fx) > 1 else (1, 1)
    y = np.zeros((*x.shape[:2], height, width))
    for i, j in np.ndindex(height, width):
        down, right = i * fy + fx / 2 - 0.5, j * fx + fy / 2 - 0.5
        weights = np.array(
            [
                [kernel(ay * (down - m)) * kernel(ax * (right - n)) for n in range(x.shape[3])]
                for m in range(x.shape[2])
            ]
        )
        if weights.sum():
            y[:, :, i, j] = (weights * x).sum((2, 3)) / weights.sum()
    return y


def nearest(x, height, width):
    fy, fx = x.shape[2] / height, x.shape[3] / width
    rows = [min(math.floor(i * fy + fx / 2), x.shape[2] - 1) for i in range(height)]
    columns = [min(math.floor(j * fx + fy / 2), x.shape[3] - 1) for j in range(width)]
    return x[:, :, rows][..., columns]


def shrunk(x, height, width):
    """Triangles that reach to the next pixel of the top, corners on corners; NaN left out."""
    step = [math.inf if m == 1 else (n - 1) / (m - 1) for n, m in zip(
        x.shape[2:], (height, width), strict=True)]  # fmt: skip
    y = np.zeros((*x.shape[:2], height, width))
    for i, j in np.ndindex(height, width):
        at = [0 if s == math.inf else k * s for k, s in zip((i, j), step, strict=True)]
        weights = np.array(
            [
                [linear((at[0] - m) / step[0]) * linear((at[1] - n) / step[1])
                 for n in range(x.shape[3])]
                for m in range(x.shape[2])
            ]
        )  # fmt: skip
        known = ~np.isnan(x)
        value, share = (np.where(known, v, 0) * weights for v in (x, 1))
        y[:, :, i, j] = value.sum((2, 3)) / share.sum((2, 3))
    return y


def enlarged(x, height, width):
    y = np.zeros((*x.shape[:2], height, width))
    for i, j in np.ndindex(height, width):
        at = [k * (n - 1) / (m - 1) for k, n, m in zip(
            (i, j), x.shape[2:], (height, width), strict=True)]  # fmt: skip
        for m, n in np.ndindex(*x.shape[2:]):
            y[:, :, i, j] += linear(at[0] - m) * linear(at[1] - n) * x[:, :, m, n]
    return y


def joined(*bottoms, size):
    return np.concatenate([enlarged(x, *size) for x in bottoms], 1)


def holes(*shape):
    """Numbers with NaN here and there."""
    count = np.arange(np.prod(shape)).reshape(shape)
    return np.where(count % 11 == 4, np.nan, np.cos(3.0 * count))


FLOW = np.random.default_rng(4).normal(0, 1.5, (2, 2, 4, 5))

# fmt: off
CORRELATIONS = [
    LayerCase(type, f"correlation_param {{ {fields} }}", [x, x], [y],
        lambda a, b, arguments=arguments: correlation(a, b, **arguments))
    for type, fields, x, y, arguments in (
        ("Correlation", "kernel_size: 1 max_displacement: 2 pad: 2", (2, 3, 4, 5), (2, 25, 4, 5),
            {"k": 1, "reach": 2, "pad": 2}),
        ("Correlation", "kernel_size: 3 max_displacement: 2 pad: 3 stride_1: 2 stride_2: 2",
            (1, 2, 6, 7), (1, 9, 3, 4), {"k": 3, "reach": 2, "pad": 3, "s1": 2, "s2": 2}),
        ("Correlation", "kernel_size: 1 max_displacement: 3 pad: 4 stride_1: 3 stride_2: 2",
            (1, 2, 5, 6), (1, 9, 3, 3), {"k": 1, "reach": 3, "pad": 4, "s1": 3, "s2": 2}),
        ("Correlation", "kernel_size: 3 max_displacement: 1 correlation_type: SUBTRACT pad: 1 "
            "stride_1: 2", (2, 2, 5, 6), (2, 9, 2, 2),
            {"k": 3, "reach": 1, "pad": 1, "s1": 2, "subtract": True}),
        ("Correlation", "kernel_size: 1 max_displacement: 0 do_abs: true", (1, 3, 3, 4),
            (1, 1, 3, 4), {"k": 1, "reach": 0}),
        ("Correlation1D", "kernel_size: 1 max_displacement: 4 pad: 4 stride_2: 2", (2, 2, 3, 6),
            (2, 5, 3, 6), {"k": 1, "reach": 4, "pad": 4, "s2": 2, "rows": False}),
        ("Correlation1D", "kernel_size: 1 max_displacement: 3 pad: 3 single_direction: -1",
            (1, 3, 2, 6), (1, 4, 2, 6),
            {"k": 1, "reach": 3, "pad": 3, "rows": False, "direction": -1}),
        ("Correlation1D", "kernel_size: 3 max_displacement: 2 pad: 1 single_direction: 1 "
            "stride_1: 2", (2, 2, 6, 9), (2, 3, 2, 3),
            {"k": 3, "reach": 2, "pad": 1, "rows": False, "direction": 1, "s1": 2}),
        ("Correlation1D", "kernel_size: 1 max_displacement: 2 single_direction: -1 stride_2: 2 "
            "correlation_type: SUBTRACT", (1, 2, 3, 7), (1, 2, 3, 3),
            {"k": 1, "reach": 2, "s2": 2, "rows": False, "direction": -1, "subtract": True}),
    )
]

WARPS = [
    LayerCase("FlowWarp", fields, [(2, 3, 4, 5), flow], [(2, 3, 4, 5)], warped)
    for fields, flow in (
        ("", FLOW),
        ("flow_warp_param { fill_value: NOT_A_NUMBER }", FLOW.clip(0.1, 0.9)),
    )
]

LENGTHS = [
    LayerCase("ChannelNorm", "", [(2, 3, 4, 5)], [(2, 1, 4, 5)],
        lambda x: np.linalg.norm(x, axis=1, keepdims=True)),
    LayerCase("ChannelNorm", "", [np.zeros((1, 2, 2, 2))], [(1, 1, 2, 2)],
        lambda x: np.zeros((1, 1, 2, 2)), smooth=()),
]

LPQS = [
    LayerCase("LpqLoss", f"lpq_loss_param {{ {fields} }}", bottoms, [()],
        lambda *xs, arguments=arguments: lpq(*xs, **arguments), smooth=smooth)
    for fields, bottoms, arguments, smooth in (
        ("p: 2 q: 0.5", [(2, 3, 2, 2)] * 2, {"p": 2, "q": 0.5}, None),
        ("p: 0.5 q: 1.5 p_epsilon: 0.125 q_epsilon: 0.5 l2_prescale_by_channels: true",
            [(2, 3, 4)], {"p": 0.5, "q": 1.5, "p_eps": 0.125, "q_eps": 0.5, "mean": True}, None),
        ("p: 1 q: 1 normalize_by_num_entries: true", [(1, 2, 3, 2), holes(1, 2, 3, 2)],
            {"p": 1, "q": 1, "entries": True}, ()),
        ("p: 2 q: 0.5 p: 0.5 q: 1 pq_episode_starts_at_iter: 0 pq_episode_starts_at_iter: 10",
            [(2, 3, 2, 2)] * 2, {"p": 2, "q": 0.5}, None),
    )
]

CHANNELS = np.array([0.5, -1])[:, None, None]

MEANS = [
    LayerCase("Mean", f"mean_param {{ {fields} }}", bottoms, bottoms, want)
    for fields, bottoms, want in (
        ("operation: SUBTRACT value: 0.5 value: -1 value: 2", [(2, 3, 3, 4)],
            lambda x: x - np.array([0.5, -1, 2])[:, None, None]),
        ("operation: ADD value: 2 mean_scale: 0.5 input_scale: 3 output_scale: 0.25",
            [(2, 3, 2, 2), (1, 1, 2, 3)],
            lambda x, y: (0.25 * (3 * x + 1), 0.25 * (3 * y + 1))),
        ("operation: ADD value: 0.5 value: -1", [(1, 4, 2, 2)],
            lambda x: x + np.tile(CHANNELS, (2, 1, 1))),
    )
]

RESAMPLES = [
    LayerCase("Resample", f"resample_param {{ {fields} }}", bottoms, [y], want)
    for fields, bottoms, y, want in (
        ("height: 6 width: 8", [(2, 3, 3, 4)], (2, 3, 6, 8), lambda x: resampled(x, 6, 8)),
        ("height: 2 width: 2", [(1, 2, 6, 6)], (1, 2, 2, 2), lambda x: resampled(x, 2, 2)),
        ("height: 3 width: 3 antialias: false", [(1, 2, 7, 7)], (1, 2, 3, 3),
            lambda x: resampled(x, 3, 3, antialias=False)),
        ("height: 9 width: 3", [(1, 2, 6, 6)], (1, 2, 9, 3), lambda x: resampled(x, 9, 3)),
        ("type: CUBIC", [(1, 2, 3, 4), (2, 5, 7, 6)], (1, 2, 7, 6),
            lambda x, like: resampled(x, 7, 6, cubic)),
        ("type: CUBIC height: 3 width: 4", [(1, 2, 8, 7)], (1, 2, 3, 4),
            lambda x: resampled(x, 3, 4, cubic)),
        ("type: CUBIC factor: 0.5 antialias: false", [(1, 2, 8, 7)], (1, 2, 4, 3),
            lambda x: resampled(x, 4, 3, cubic, antialias=False)),
        ("type: NEAREST factor: 2", [(1, 2, 3, 4)], (1, 2, 6, 8), lambda x: nearest(x, 6, 8)),
        ("type: NEAREST height: 4 width: 2", [(1, 2, 6, 7)], (1, 2, 4, 2),
            lambda x: nearest(x, 4, 2)),
    )
]

SHRUNK = [
    LayerCase("Downsample", f"downsample_param {{ {fields} }}", bottoms, [y], want, smooth=smooth)
    for fields, bottoms, y, want, smooth in (
        ("top_height: 3 top_width: 4", [(2, 3, 7, 9)], (2, 3, 3, 4),
            lambda x: shrunk(x, 3, 4), ()),
        ("", [holes(1, 2, 7, 6), (2, 5, 4, 3)], (1, 2, 4, 3), lambda x, like: shrunk(x, 4, 3), ()),
        ("top_height: 1 top_width: 2", [(1, 2, 3, 4)], (1, 2, 1, 2), lambda x: shrunk(x, 1, 2),
            ()),
        ("top_height: 3 top_width: 4", [(1, 2, 3, 4)], (1, 2, 3, 4), lambda x: x, None),
    )
]

JOINED = [
    LayerCase("Accum", f"accum_param {{ {fields} }}", bottoms, [y], want)
    for fields, bottoms, y, want in (
        ("", [(2, 3, 4, 5), (2, 2, 3, 7)], (2, 5, 4, 7), lambda *xs: joined(*xs, size=(4, 7))),
        ("have_reference: true", [(1, 2, 3, 4), (1, 1, 2, 2), (5, 6, 7, 5)], (1, 3, 7, 5),
            lambda x, y, like: joined(x, y, size=(7, 5))),
        ("size_divisible_by: 4", [(1, 2, 3, 5), (1, 1, 1, 2)], (1, 3, 4, 8),
            lambda *xs: joined(*xs, size=(4, 8))),
        ("top_height: 6 top_width: 5", [(1, 2, 3, 4)], (1, 2, 6, 5),
            lambda x: joined(x, size=(6, 5))),
        ("top_height: 6 top_width: 4", [(1, 2, 3, 4)], (1, 2, 3, 4), lambda x: x),
    )
]

FILES = [
    LayerCase(type, "writer_param { folder: 'out' }", [x], [], lambda *_: ())
    for type, x in (
        ("FLOWriter", (2, 2, 3, 4)),
        ("PFMWriter", (2, 1, 3, 4)),
        ("FloatWriter", (2, 5, 3, 4)),
        ("ImgWriter", (2, 3, 3, 4)),
    )
] + [
    LayerCase("ImgReader", "reader_param { file: 'images/p01.png' num: 2 } transform_param { "
        "crop_size: 20 }", [], [(2, 3, 20, 20)]),
    LayerCase("FloatReader", "reader_param { file: '../../layer_cases/ramp.float3' num: 3 }", [],
        [(3, 2, 3, 4)]),
]
# fmt: on

CASES = [
    *CORRELATIONS,
    *WARPS,
    *LENGTHS,
    *LPQS,
    *MEANS,
    *RESAMPLES,
    *SHRUNK,
    *JOINED,
    *FILES,
]
