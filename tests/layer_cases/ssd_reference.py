"""Single-shot detection by plain loops in NumPy."""

from __future__ import annotations

import math

import numpy as np


def area(box, extra=0):
    width, height = box[2] - box[0], box[3] - box[1]
    return 0.0 if width < 0 or height < 0 else (width + extra) * (height + extra)


def overlap(a, b, extra=0):
    width = min(a[2], b[2]) - max(a[0], b[0]) + extra
    height = min(a[3], b[3]) - max(a[1], b[1]) + extra
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (area(a, extra) + area(b, extra) - shared)


def decode(code, found, prior, variance):
    found = found * variance
    if code == "CORNER":
        return prior + found
    size = prior[2:] - prior[:2]
    if code == "CORNER_SIZE":
        return prior + found * np.tile(size, 2)
    center = (prior[:2] + prior[2:]) / 2 + found[:2] * size
    half = np.exp(found[2:]) * size / 2
    return np.concatenate([center - half, center + half])


def encode(code, box, prior, variance):
    size = prior[2:] - prior[:2]
    if code == "CENTER_SIZE":
        moved = (box[:2] + box[2:] - prior[:2] - prior[2:]) / 2 / size
        return np.concatenate([moved, np.log((box[2:] - box[:2]) / size)]) / variance
    return (box - prior) / (1 if code == "CORNER" else np.tile(size, 2)) / variance


def suppress(boxes, order, threshold, eta=1.0, most=math.inf, extra=0):
    """The indices in `order` that no kept one overlaps too much."""
    kept = []
    for i in order:
        if len(kept) < most and all(overlap(boxes[i], boxes[k], extra) <= threshold for k in kept):
            kept.append(i)
            if eta < 1 and threshold > 0.5:
                threshold *= eta
    return kept


def falling(scores):
    return sorted(range(len(scores)), key=lambda i: -scores[i])


def detection_output(
    loc, conf, prior, classes, *, size, code="CORNER", share=True, background=0, threshold=0.3,
    eta=1.0, top_k=None, keep=None, least=-math.inf, encoded=False, extra=0,
):  # fmt: skip
    """The rows of all images, filled up to `size` with -1."""
    corners, variance = prior.reshape(2, -1, 4)
    rows = []
    for n in range(len(loc)):
        found = loc[n].reshape(len(corners), -1, 4)
        scores = conf[n].reshape(len(corners), classes)
        kept = []
        for c in range(classes):
            if c == background:
                continue
            boxes = [
                decode(code, found[i, 0 if share else c], corners[i], 1 if encoded else variance[i])
                for i in range(len(corners))
            ]
            order = [i for i in falling(scores[:, c]) if scores[i, c] > least][:top_k]
            kept += [
                (c, scores[i, c], *boxes[i])
                for i in suppress(boxes, order, threshold, eta, extra=extra)
            ]
        if keep is not None and len(kept) > keep:
            best = sorted(kept, key=lambda row: -row[1])[:keep]
            kept = [row for row in kept if row in best]
        rows += [(n, *row) for row in kept]
    rows = rows or [(n, *[-1] * 6) for n in range(len(loc))]
    return np.array(rows + [[-1] * 7] * (size - len(rows)))[None, None]


def detection_evaluate(found, truth, classes, *, threshold=0.5, difficult=True, sizes=None):
    found, truth = found[0, 0], truth[0, 0]
    truth = truth[truth[:, 0] != -1]
    counted = truth if difficult else truth[truth[:, 7] == 0]
    rows = [[-1, c, (counted[:, 1] == c).sum(), -1, -1] for c in range(1, classes)]
    places = sorted({tuple(r[:2]) for r in found if r[0] != -1})
    images = sorted({i for i, _ in places})
    for image, label in places:
        scale = [1, 1, 1, 1]
        if sizes:
            height, width = sizes[images.index(image) % len(sizes)]
            scale = [width, height, width, height]

        def corners(box, scale=scale):
            return (box.clip(0, 1) if sizes else box) * scale

        mine = [r for r in truth if tuple(r[:2]) == (image, label)]
        group = [r for r in found if tuple(r[:2]) == (image, label)]
        if mine:
            group.sort(key=lambda r: -r[2])
        hit = set()
        for r in group:
            shared = [overlap(corners(r[3:]), corners(m[3:7]), bool(sizes)) for m in mine]
            at = int(np.argmax(shared)) if shared else -1
            right = bool(shared) and shared[at] >= threshold
            ignored = right and not difficult and mine[at][7]
            rows.append(
                [
                    *r[:3],
                    *(
                        (0, 0)
                        if ignored
                        else (right and at not in hit, not (right and at not in hit))
                    ),
                ]
            )
            if right:
                hit.add(at)
    total = classes - 1 + len(found)
    return np.array(rows + [[0] * 5] * (total - len(rows)), float)[None, None]


def cross_entropy(scores, targets, logistic):
    """targets: the classes that are true."""
    if not logistic:
        return math.log(np.exp(scores - scores[max(targets)]).sum())
    true = np.isin(np.arange(len(scores)), list(targets))
    return (np.log1p(np.exp(scores)) - scores * true).sum()


def huber(e):
    return sum(v * v / 2 if abs(v) < 1 else abs(v) - 0.5 for v in e)


def match_boxes(boxes, rivals, per_prediction, threshold, inside):
    """The box of each rival, -1 or -2, and the greatest overlap of each."""
    ignored = [inside and any(v < 0 or v > 1 for v in r) for r in rivals]
    match = [-2 if i else -1 for i in ignored]
    shared = np.array(
        [[0 if i else overlap(r, b) for b in boxes] for r, i in zip(rivals, ignored, strict=True)]
    ).reshape(len(rivals), len(boxes))
    shared[shared <= 1e-6] = 0
    most = shared.max(1, initial=0)
    left, waiting = shared.copy(), len(boxes)
    while waiting and left.max() > 0:
        i, j = np.unravel_index(left.argmax(), left.shape)
        match[i], waiting = int(j), waiting - 1
        left[i], left[:, j] = 0, 0
    for i in range(len(rivals)):
        if per_prediction and match[i] == -1 and most[i] > 0 and most[i] >= threshold:
            match[i] = int(shared[i].argmax())
    return match, most


def multibox_loss(
    loc, conf, prior, truth, classes, *, code="CORNER", share=True, l2=False, logistic=False,
    loc_weight=1.0, per_prediction=True, threshold=0.5, by_prior=True, background=0,
    difficult=True, mining="MAX_NEGATIVE", ratio=3.0, neg_overlap=0.5, encoded=False,
    agnostic=False, inside=False, bp_inside=False, sample=64, nms=None, top_k=None,
    nms_prior=False, norm="VALID",
):  # fmt: skip
    corners, variance = prior.reshape(2, -1, 4)
    count = len(corners)
    loc_loss = conf_loss = matches = 0
    for n in range(len(loc)):
        found = loc[n].reshape(count, -1, 4)
        scores = conf[n].reshape(count, classes)
        mine = [r for r in truth[0, 0] if r[0] == n and (difficult or not r[7])]
        boxes, labels = [r[3:7] for r in mine], [int(r[1]) for r in mine]

        def decoded(i, c, found=found):
            return decode(code, found[i, c], corners[i], 1 if encoded else variance[i])

        # pairs: prior, its class of predictions, its box
        rivals = [decoded(i, 0) for i in range(count)] if share and not by_prior else corners
        pairs, most = [], np.zeros(count)
        match = [-1] * count
        if by_prior or share:
            match, most = match_boxes(boxes, rivals, per_prediction, threshold, inside)
            pairs = [(i, 0 if share else labels[j], j) for i, j in enumerate(match) if j >= 0]
        else:
            for c in range(classes):
                own = [j for j in range(len(boxes)) if labels[j] == c]
                rivals = [decoded(i, c) for i in range(count)]
                found_boxes = [boxes[j] for j in own]
                part, _ = match_boxes(found_boxes, rivals, per_prediction, threshold, inside)
                pairs += [(i, c, own[j]) for i, j in enumerate(part) if j >= 0]

        def located(i, c, j, found=found, boxes=boxes, decoded=decoded):
            target = encode(code, boxes[j], corners[i], variance[i])
            error = found[i, c] / (variance[i] if encoded else 1) - target
            if bp_inside:
                box = corners[i] if by_prior else decoded(i, c)
                error = np.where((box < 0) | (box > 1), 0, error)
            return (error @ error) / 2 if l2 else huber(error)

        def named(j, labels=labels):
            return background + 1 if agnostic else labels[j]

        cost = [cross_entropy(scores[i], {background}, logistic) for i in range(count)]
        for i, _, j in pairs:
            cost[i] = cross_entropy(scores[i], {named(j)}, logistic)
        if mining == "NONE":
            for i in range(count):
                true = {named(j) for k, _, j in pairs if k == i}
                true = true or (set() if logistic else {background})
                conf_loss += cross_entropy(scores[i], true, logistic)
        elif mine:
            hard = list(cost)
            if mining == "HARD_EXAMPLE":
                for i, c, j in pairs:
                    hard[i] += located(i, c, j)
                able, limit = list(range(count)), sample
            else:
                able = [i for i in range(count) if match[i] == -1 and most[i] < neg_overlap]
                limit = int(len(pairs) * ratio)
            order = sorted(able, key=lambda i: -hard[i])
            if nms is not None:
                rivals = corners if nms_prior else [decoded(i, 0) for i in range(count)]
                order = [i for i in order[:top_k] if area(rivals[i]) >= 1e-5]
                order = suppress(rivals, order, nms)
            chosen = set(order[:limit])
            if mining == "HARD_EXAMPLE":
                pairs = [pair for pair in pairs if pair[0] in chosen]
            chosen = {i for i in chosen if match[i] == -1} | {i for i, _, _ in pairs}
            conf_loss += sum(cost[i] for i in chosen)
        matches += len(pairs)
        loc_loss += sum(located(*pair) for pair in pairs)
    divisor = {"VALID": matches, "FULL": len(loc) * count, "BATCH_SIZE": len(loc), "NONE": 1}[norm]
    return np.array((loc_weight * loc_loss + conf_loss) / max(divisor, 1))
