"""Rows of layers for segmentation, and of ShuffleChannel."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase, labels


def shuffled(x, group):
    y = np.empty_like(x)
    each = x.shape[1] // group
    for c in range(x.shape[1]):
        i, j = divmod(c, each)
        y[:, j * group + i] = x[:, c]
    return y


def unpooled(x, mask, height, width):
    y = np.zeros((*x.shape[:2], height * width))
    for n, c, h, w in np.ndindex(*x.shape):
        y[n, c, int(mask[n, c, h, w])] = x[n, c, h, w]
    return y.reshape(*x.shape[:2], height, width)


def repeated(x, scale):
    return x.repeat(scale, 2).repeat(scale, 3)


def interpolated(x, height, width):
    """Align-corners bilinear, positions in float32 as in the original."""
    y = np.empty((*x.shape[:2], height, width))
    steps = [
        np.float32(n - 1) / np.float32(m - 1) if m > 1 else np.float32(0)
        for n, m in zip(x.shape[2:], (height, width), strict=True)
    ]
    for at in np.ndindex(height, width):
        total = 0.0
        places = [np.float32(s * np.float32(i)) for s, i in zip(steps, at, strict=True)]
        low = [int(p) for p in places]
        share = [float(p - np.float32(i)) for p, i in zip(places, low, strict=True)]
        for dy, dx in np.ndindex(2, 2):
            row, column = min(low[0] + dy, x.shape[2] - 1), min(low[1] + dx, x.shape[3] - 1)
            weight = (share[0] if dy else 1 - share[0]) * (share[1] if dx else 1 - share[1])
            total = total + weight * x[:, :, row, column]
        y[:, :, *at] = total
    return y


def scored(x, label, ignore=()):
    classes = x.shape[1]
    confusion = np.zeros((classes, classes))
    for n, h, w in np.ndindex(x.shape[0], *x.shape[2:]):
        true = int(label[n, 0, h, w])
        if true not in ignore:
            confusion[true, np.argmax(x[n, :, h, w])] += 1
    right, there, found = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    recall = [r / t for r, t in zip(right, there, strict=True) if t]
    union = there + found - right
    iou = [r / u if u else 1 for r, u in zip(right, union, strict=True)]
    mean = sum(recall) / max(len(recall), 1)
    return np.array([right.sum() / max(there.sum(), 1), mean, np.mean(iou)]).reshape(1, 1, 1, 3)


def balanced(x, target):
    """HED's loss, pixel by pixel."""
    total = 0.0
    for scores, targets in zip(x.reshape(len(x), -1), target.reshape(len(x), -1), strict=True):
        ones, zeros = (targets == 1).sum(), (targets == 0).sum()
        for score, t in zip(scores, targets, strict=True):
            if t in (0, 1):
                share = (zeros if t else ones) / (ones + zeros)
                total += share * np.logaddexp(0, -score if t else score)
    return np.array(total / len(x))


MASK = np.stack([np.random.default_rng(i).permutation(18)[:6] for i in range(6)])
MASK = MASK.reshape(2, 3, 2, 3)
X, MAP = (2, 3, 2, 3), (2, 1, 4, 5)
SMALL = labels(MAP, 2)

# fmt: off
CASES = [
    LayerCase("ShuffleChannel", fields, [x], [x], lambda x, g=group: shuffled(x, g))
    for fields, x, group in (
        ("", (2, 3, 2, 2), 1),
        ("shuffle_channel_param { group: 2 }", (2, 6, 2, 3), 2),
        ("shuffle_channel_param { group: 3 }", (2, 6), 3),
    )
] + [
    LayerCase("Upsample", f"upsample_param {{ {fields} }}", [X, mask], [(2, 3, h, w)],
        lambda x, m, h=h, w=w: unpooled(x, m, h, w))
    for fields, mask, h, w in (
        ("", MASK, 4, 6),
        ("scale: 2 pad_out_h: true", MASK, 3, 6),
        ("scale: 2 pad_out_w: true", MASK, 4, 5),
        ("scale_h: 2 scale_w: 3", MASK, 4, 9),
        ("upsample_h: 5 upsample_w: 5", MASK, 5, 5),
    )
] + [
    LayerCase("Upsample", f"upsample_param {{ {fields} }}", [X], [(2, 3, 2 * n, 3 * n)],
        lambda x, n=n: repeated(x, n))
    for fields, n in (("", 1), ("scale: 2", 2), ("scale: 3", 3))
] + [
    LayerCase("Interp", f"interp_param {{ {fields} }}", [x], [(*x[:2], h, w)],
        lambda x, h=h, w=w, crop=crop: interpolated(x[:, :, crop, crop], h, w))
    for fields, x, h, w, crop in (
        ("zoom_factor: 2", (2, 3, 3, 4), 5, 7, slice(None)),
        ("shrink_factor: 2", (1, 2, 5, 8), 3, 4, slice(None)),
        ("shrink_factor: 2 zoom_factor: 3", (1, 2, 5, 8), 7, 10, slice(None)),
        ("height: 5 width: 3", (2, 2, 3, 7), 5, 3, slice(None)),
        ("height: 1 width: 1", (1, 2, 3, 4), 1, 1, slice(None)),
        ("height: 4 width: 3", (1, 2, 1, 1), 4, 3, slice(None)),
        ("height: 3 width: 9", (1, 2, 3, 4), 3, 9, slice(None)),
        ("height: 9 width: 9 shrink_factor: 1 zoom_factor: 2", (1, 1, 3, 4), 9, 9, slice(None)),
        ("height: 9 width: 9 zoom_factor: 1", (1, 1, 3, 4), 3, 4, slice(None)),
        ("pad_beg: -1 pad_end: -2 zoom_factor: 2", (1, 2, 6, 7), 5, 7, slice(1, -2)),
    )
] + [
    LayerCase("Interp", "", [(2, 3, 3, 4), (2, 1, 6, 5)], [(2, 3, 6, 5)],
        lambda x, like: interpolated(x, 6, 5)),
] + [
    LayerCase("SigmoidCrossEntropyLoss", "", [MAP, target], [()], balanced, dialect="hed")
    for target in (
        SMALL, labels(MAP, 3), np.zeros(MAP, int), np.full(MAP, 2), labels((2, 20), 2),
    )
] + [
    LayerCase("Crop", "crop_param { offset: 1 }", [(2, 3, 6, 5), (2, 3, 4, 4)], [(2, 3, 4, 4)],
        lambda x, like: x[:, :, 1:5, 1:5], dialect="fcn"),
] + [
    LayerCase("SegAccuracy", f"seg_accuracy_param {{ {fields} }}", [(2, 3, 4, 5), label],
        [(1, 1, 1, 3)], lambda x, y, ignore=ignore: scored(x, y, ignore), smooth=())
    for fields, label, ignore in (
        ("", labels(MAP, 3), ()),
        ("reset: false", labels(MAP, 3), ()),
        ("metric: PixelIOU ignore_label: 255", np.where(SMALL == 0, 255, SMALL), (255,)),
        ("ignore_label: 0 ignore_label: 1", SMALL, (0, 1)),
        ("ignore_label: 2", labels(MAP, 3), (2,)),
    )
]
# fmt: on
