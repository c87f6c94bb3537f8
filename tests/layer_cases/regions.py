"""Rows of layers of regions: pooling, proposals, hard examples."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase, labels
from .ssd_reference import decode, falling, huber, suppress

PIXEL = np.array([0, 0, 1, 1])


def halves_up(value):
    return int(np.trunc(value + np.copysign(0.5, value)))


def cut(start, end, size):
    return slice(min(max(start, 0), size), min(max(end, 0), size))


def roi_pooling(x, rois, pooled, scale=1.0):
    height, width = x.shape[2:]
    y = np.zeros((len(rois), x.shape[1], *pooled))
    for r, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (halves_up(c * scale) for c in corners)
        for i, j in np.ndindex(*pooled):
            tall, wide = max(y2 - y1 + 1, 1) / pooled[0], max(x2 - x1 + 1, 1) / pooled[1]
            rows = cut(int(i * tall) + y1, int(np.ceil((i + 1) * tall)) + y1, height)
            columns = cut(int(j * wide) + x1, int(np.ceil((j + 1) * wide)) + x1, width)
            part = x[int(image), :, rows, columns]
            if image >= 0 and part.size:
                y[r, :, i, j] = part.max((1, 2))
    return y


def psroi_pooling(x, rois, dim, group, scale):
    height, width = x.shape[2:]
    y = np.zeros((len(rois), dim, group, group))
    for r, (image, *corners) in enumerate(rois):
        x1, y1 = (halves_up(c) * scale for c in corners[:2])
        x2, y2 = ((halves_up(c) + 1) * scale for c in corners[2:])
        tall, wide = max(y2 - y1, 0.1) / group, max(x2 - x1, 0.1) / group
        for d, i, j in np.ndindex(dim, group, group):
            top, left = np.floor(i * tall + y1), np.floor(j * wide + x1)
            bottom, right = np.ceil((i + 1) * tall + y1), np.ceil((j + 1) * wide + x1)
            rows, columns = cut(int(top), int(bottom), height), cut(int(left), int(right), width)
            part = x[int(image), (d * group + i) * group + j, rows, columns]
            if image >= 0 and part.size:
                y[r, d, i, j] = part.mean()
    return y


def cell_anchors(base, ratios, scales):
    rows = []
    for ratio in ratios:
        width = round(np.sqrt(base * base / ratio))
        height = round(width * ratio)
        for scale in scales:
            half = np.array([width * scale - 1, height * scale - 1]) / 2
            center = (base - 1) / 2
            rows.append([*(center - half), *(center + half)])
    return np.array(rows)


def proposal(scores, deltas, info, *, size, ratios, scales, stride=16, base=16, least=16,
             entering=6000, staying=300, threshold=0.7):  # fmt: skip
    """The rows of all images and their scores, filled up with image -1."""
    cell = cell_anchors(base, ratios, scales)
    rows, best = [], []
    for n in range(len(scores)):
        height, width, *scale = info[n % len(info)]
        boxes, marks = [], []
        for y, x, a in np.ndindex(*scores.shape[2:], len(cell)):
            prior = cell[a] + np.array([x, y, x, y]) * stride
            # As in pixels: the last column and row belong to the box.
            box = decode("CENTER_SIZE", deltas[n, 4 * a : 4 * a + 4, y, x], prior + PIXEL, 1)
            box = np.clip(box, 0, np.array([width, height, width, height]) - 1)
            sides = box[2:] - box[:2] + 1
            if sides[0] >= least * scale[-1] and sides[1] >= least * scale[0]:
                boxes.append(box)
                marks.append(scores[n, len(cell) + a, y, x])
        kept = suppress(boxes, falling(marks)[:entering], threshold, most=staying, extra=1)
        rows += [[n, *boxes[i]] for i in kept]
        best += [marks[i] for i in kept]
    spare = size - len(rows)
    return np.array(rows + [[-1, 0, 0, 0, 0]] * spare), np.array(best + [0] * spare)


def annotate(rois, loss, label, weights, most, ignore=-1):
    label, weights = (a.reshape(*a.shape[:2], 1, 1).copy() for a in (label, weights))
    for image in set(rois[:, 0]):
        mine = [i for i in falling(loss.ravel()) if rois[i, 0] == image]
        label[mine[most:]], weights[mine[most:]] = ignore, 0
    return label, weights


def softmax_losses(x, label, ignore=None):
    """Loss, probabilities, the loss of each."""
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    label = label.astype(int)
    each = -np.log(np.take_along_axis(p, np.where(label == ignore, 0, label)[:, None], 1))[:, 0]
    each = np.where(label == ignore, 0, each)
    return each.sum() / max((label != ignore).sum(), 1), p, each


def smooth_losses(x, y, w=1.0, divisor=None):
    error = w * (x - y)
    each = np.array([huber(e) for e in np.moveaxis(error, 1, -1).reshape(-1, x.shape[1])])
    top = each.reshape(len(x), 1, *(*x.shape[2:], 1, 1)[:2])
    return each.sum() / (divisor or each.size), top


ROIS = np.array([[0, 0, 0, 11, 9], [1, 3, 2, 8, 5], [0, -4, 6, 3, 20], [1, 5, 5, 5, 5],
                 [0, 9, 8, 2, 1], [1, 30, 30, 40, 40], [-1, 0, 0, 9, 9]])  # fmt: skip
HALF_ROIS = ROIS * [1, 2, 2, 2, 2]
PICKS = np.array([[0, 1, 1, 5, 5], [1, 0, 0, 3, 3], [0, 2, 2, 9, 9], [0, 4, 4, 6, 6],
                  [1, 1, 0, 2, 3]])  # fmt: skip

# fmt: off
POOLINGS = [
    LayerCase("ROIPooling", f"roi_pooling_param {{ {fields} }}", [(2, 3, 10, 12), rois],
        [(7, 3, *pooled)], lambda x, r, p=pooled, s=scale: roi_pooling(x, r, p, s))
    for fields, rois, pooled, scale in (
        ("pooled_h: 3 pooled_w: 2", ROIS, (3, 2), 1),
        ("pooled_size: 4 spatial_scale: 0.5", HALF_ROIS, (4, 4), 0.5),
        ("pooled_size: 1 pooled_size: 3 spatial_scale: 0.25", HALF_ROIS, (1, 3), 0.25),
    )
] + [
    LayerCase("PSROIPooling",
        f"psroi_pooling_param {{ output_dim: {dim} group_size: {group} spatial_scale: {scale} }}",
        [(2, dim * group**2, 10, 12), ROIS], [(7, dim, group, group)],
        lambda x, r, d=dim, g=group, s=scale: psroi_pooling(x, r, d, g, s))
    for dim, group, scale in ((2, 3, 1.0), (3, 2, 0.5))
]

INFO = np.array([[270.0, 390.0, 1.0], [390.0, 260.0, 5.0]])
PROPOSALS = [
    LayerCase("Proposal", f"proposal_param {{ {fields} }}",
        [(2, 2 * count, 2, 3), (2, 4 * count, 2, 3), info], [(size, 5), (size,)],
        lambda *x, o=options, n=size: proposal(*x, size=n, **o), smooth=())
    for fields, count, info, size, options in (
        ("", 9, INFO, 108, {"ratios": (0.5, 1, 2), "scales": (8, 16, 32)}),
        ("ratio: 2 scale: 1 scale: 3 feat_stride: 20 base_size: 8 min_size: 12 pre_nms_topn: 9 "
            "post_nms_topn: 4 nms_thresh: 0.3", 2, np.array([[60.0, 90.0, 1.0, 2.0]]), 8,
            {"ratios": (2,), "scales": (1, 3), "stride": 20, "base": 8, "least": 12, "entering": 9,
             "staying": 4, "threshold": 0.3}),
    )
]

HARD = [
    LayerCase("BoxAnnotatorOHEM", "box_annotator_ohem_param { roi_per_img: 2 }",
        [PICKS, (5, 1), labels((5,), 3), (5, 8, 1, 1)], [(5, 1, 1, 1), (5, 8, 1, 1)],
        lambda r, e, t, w: annotate(r, e, t[:, None], w, 2), smooth=()),
    LayerCase("BoxAnnotatorOHEM", "box_annotator_ohem_param { roi_per_img: 1 ignore_label: 9 }",
        [PICKS, np.array([0.1, 0.5, 0.3, 0.3, 0.2]), labels((5, 1), 3), (5, 4)],
        [(5, 1, 1, 1), (5, 4, 1, 1)], lambda r, e, t, w: annotate(r, e, t, w, 1, 9), smooth=()),
    LayerCase("SmoothL1LossOHEM", "", [(3, 4)] * 2, [(), (3, 1, 1, 1)], smooth_losses,
        smooth=(0,)),
    LayerCase("SmoothL1LossOHEM", "loss_param { normalization: BATCH_SIZE }",
        [(2, 3, 2, 2)] * 2, [()], lambda x, y: smooth_losses(x, y, divisor=2)[0]),
    LayerCase("SmoothL1LossOHEM",
        "loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 7 }",
        [(2, 3, 2, 2), (2, 3, 2, 2), np.arange(24).reshape(2, 3, 2, 2) % 2],
        [(), (2, 1, 2, 2)], lambda x, y, w: smooth_losses(x, y, w, 7), smooth=(0,)),
    LayerCase("SoftmaxWithLossOHEM", "", [(4, 3), labels((4,), 3)], [(), (4, 3), (4,)],
        softmax_losses, smooth=(0,)),
    LayerCase("SoftmaxWithLossOHEM", "loss_param { ignore_label: 1 }",
        [(2, 3, 2, 2), labels((2, 2, 2), 3)], [(), (2, 3, 2, 2), (2, 2, 2)],
        lambda x, t: softmax_losses(x, t, 1), smooth=(0,)),
]
# fmt: on

CASES: list[LayerCase] = [*POOLINGS, *PROPOSALS, *HARD]
