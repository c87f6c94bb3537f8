"""Rows of YOLO, and their references box by box."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase

SIDE, CLASSES = 3, 4
ANCHORS = np.array([[0.7, 0.9], [2.1, 1.3]])
BIASES = " ".join(f"biases: {b}" for b in ANCHORS.ravel())
X = (2, 18, SIDE, SIDE)
LABELS = np.zeros((2, 30, 5))
LABELS[0, :3] = [[1, 0.4, 0.3, 0.3, 0.2], [3, 0.9, 0.8, 0.6, 0.5], [0, 0.35, 0.33, 0.25, 0.35]]
LABELS[1, :2] = [[2, 0.1, 0.7, 0.25, 0.3], [2, 0.5, 0.1, 0.5, 0.4]]
LABELS[1, 5] = [1, 0.6, 0.6, 0.3, 0.3]  # after the end of the list


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def iou(a, b):
    """Of boxes of centre and size."""
    sides = [
        min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2)
        - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
        for i in (0, 1)
    ]
    if min(sides) < 0:
        return 0.0
    both = sides[0] * sides[1]
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def towards(own, anchor, target, scale):
    s = sigmoid(own[:2])
    size = own[2:4] - np.log(np.array(target[2:]) / anchor)
    return scale * np.concatenate([(s - target[:2]) * s * (1 - s), size])


def region(x, label, *, warm=True, match=True, scales=(1, 1, 0.5, 5), thresh=0.2, names=None):
    """D as (N, S, S, A, 5 + C). scales: of the object, the class, no object, the place."""
    rows = x.reshape(len(x), len(ANCHORS), -1, SIDE, SIDE).transpose(0, 3, 4, 1, 2)
    d = np.zeros(rows.shape)
    of_object, of_class, of_none, of_place = scales

    def box(own, n, i, j):
        return (
            np.array([i + sigmoid(own[0]), j + sigmoid(own[1]), *np.exp(own[2:4]) * ANCHORS[n]])
            / SIDE
        )

    for b in range(len(x)):
        truth = []
        for row in label[b]:
            if row[1] == 0:
                break
            truth.append(row)
        for j, i, n in np.ndindex(SIDE, SIDE, len(ANCHORS)):
            own, o = rows[b, j, i, n], sigmoid(rows[b, j, i, n, 4])
            best = max((iou(box(own, n, i, j), row[1:]) for row in truth), default=0)
            d[b, j, i, n, 4] = 0 if best > thresh else of_none * o * o * (1 - o)
            if warm:
                d[b, j, i, n, :4] = towards(own, ANCHORS[n], [0.5, 0.5, *ANCHORS[n]], 0.01)
        for c, cx, cy, w, h in truth:
            i, j = int(cx * SIDE), int(cy * SIDE)
            sizes = [
                ANCHORS[n] / SIDE if match else box(rows[b, j, i, n], n, i, j)[2:]
                for n in range(len(ANCHORS))
            ]
            n = int(np.argmax([iou([0, 0, *size], [0, 0, w, h]) for size in sizes]))
            own = rows[b, j, i, n]
            o, p = sigmoid(own[4]), softmax(own[5:])
            target = [cx * SIDE - i, cy * SIDE - j, w * SIDE, h * SIDE]
            p[int(c) if names is None else names[int(c)]] -= 1
            d[b, j, i, n] = [
                *towards(own, ANCHORS[n], target, of_place), of_object * (o - 1) * o * (1 - o),
                *of_class * p,
            ]  # fmt: skip
    return d


def region_loss(x, label, **how):
    return np.array((region(x, label, **how) ** 2).sum())


def detected(grids, anchors, *, limit=0.3, overlap=0.45):
    """grids: (N, A (5 + C), S, S) each; anchors of each in units of the image. Rows in order."""
    found = []
    for image in range(len(grids[0])):
        boxes = []
        for x, own in zip(grids, anchors, strict=True):
            side = x.shape[2]
            rows = x[image].reshape(len(own), -1, side, side).transpose(2, 3, 0, 1)
            for j, i, n in np.ndindex(*rows.shape[:3]):
                v = rows[j, i, n]
                place = (i + sigmoid(v[0])) / side, (j + sigmoid(v[1])) / side
                box = np.array([*place, *np.exp(v[2:4]) * own[n]])
                for c, score in enumerate(sigmoid(v[4]) * sigmoid(v[5:])):
                    if score > limit:
                        boxes.append((score, c + 1, box))
        kept = []
        for score, c, box in sorted(boxes, key=lambda b: -b[0]):
            if all(iou(box, other) < overlap for *_, other in kept):
                kept.append((score, c, box))
        for score, c, box in kept:
            half = box[2:] / 2
            found.append([image, c, score, *box[:2] - half, *box[:2] + half])
    return found


def padded(found, count, images):
    """As many rows as there could be."""
    y = -np.ones((count, 7))
    y[: len(found)] = np.array(found).reshape(-1, 7)
    if not found:
        y[:images, 0] = range(images)
    return y[None, None]


COARSE = np.random.default_rng(2).normal(size=(2, 14, 2, 2)) * 1.2
FINE = np.random.default_rng(3).normal(size=(2, 14, 3, 3)) * 1.2
PIXELS = np.array([[10, 14], [30, 20], [44, 61], [8, 9]], float)
OUTPUT = (
    "num_classes: 2 num_box: 2 anchors_scale: 32 anchors_scale: 16 mask: 1 mask: 2 mask: 0 "
    "mask: 3 " + " ".join(f"biases: {b}" for b in PIXELS.ravel())
)
OWN = PIXELS[[1, 2]] / 64, PIXELS[[0, 3]] / 48

# fmt: off
CASES = [
    LayerCase("RegionLoss", "region_loss_param { side: 3 num_class: 4 num: 2 "
        f"{BIASES} {fields} }}", [X, labels], [()], want, smooth=())
    for fields, labels, want in (
        ("", LABELS, region_loss),
        ("bias_match: 0 object_scale: 3 noobject_scale: 1 class_scale: 2 coord_scale: 1.5 "
            "thresh: 0.6", LABELS, lambda x, y: region_loss(
                x, y, match=False, scales=(3, 2, 1, 1.5), thresh=0.6)),
        ("", LABELS.reshape(2, 150), lambda x, y: region_loss(x, y.reshape(2, 30, 5))),
        ("", np.zeros((2, 30, 5)), region_loss),
    )
] + [
    LayerCase("Yolov3DetectionOutput", f"yolov3_detection_output_param {{ {OUTPUT} {fields} }}",
        [COARSE, FINE], [(1, 1, 104, 7)], lambda a, b, how=how: padded(
            detected((a, b), OWN, **how), 104, 2), smooth=())
    for fields, how in (
        ("confidence_threshold: 0.3", {}),
        ("confidence_threshold: 0.1 nms_threshold: 0.2", {"limit": 0.1, "overlap": 0.2}),
        ("confidence_threshold: 0.999", {"limit": 0.999}),
    )
]
# fmt: on
