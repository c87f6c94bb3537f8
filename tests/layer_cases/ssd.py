"""Rows of single-shot detection."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase
from . import ssd_reference as ref


def boxes(count, seed, span=100):
    """Corners of boxes in whole numbers, (count, 4)."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, span // 2, (count, 2))
    return np.concatenate([first, first + rng.integers(span // 5, span // 2, (count, 2))], 1)


def priors(count, seed=1, variance=(1, 1, 2, 2), span=100):
    """In whole numbers, so that no gradient is asked for."""
    return np.stack([boxes(count, seed, span), np.tile(variance, (count, 1))]).reshape(1, 2, -1)


def truth(*rows):
    """(image, label, difficult) with boxes: (1, 1, G, 8)."""
    given = boxes(len(rows), 7)
    return np.array([[i, c, 0, *box, d] for (i, c, d), box in zip(rows, given, strict=True)])[
        None, None
    ]


PRIORS, VARIANCES = priors(6), priors(6, 3, (1, 2, 3, 1))
FRACTIONS = np.array(
    [[[-0.1, 0.1, 0.5, 0.6], [0.2, 0.2, 0.7, 0.8], [0.4, 0.5, 1.1, 0.9], [0.1, 0.0, 0.4, 0.3],
      [0.2, 0.1, 0.5, 0.4], [0.6, 0.7, 0.8, 0.9]],
     [[0.1, 0.1, 0.2, 0.2]] * 6]).reshape(1, 2, 24)  # fmt: skip
TRUTH = truth((0, 1, 0), (0, 2, 0), (2, 1, 0), (0, 1, 1), (-1, 0, 0), (2, 2, 0), (9, 1, 0))
INSIDE = np.array([[[[0, 1, 0, 0.0, 0.1, 0.5, 0.7, 0], [0, 2, 0, 0.3, 0.4, 0.9, 1, 0],
                     [1, 1, 0, 0.2, 0.1, 0.4, 0.3, 0], *[[-1] * 8] * 4]]])  # fmt: skip
NONE = -np.ones((1, 1, 7, 8), int)


def values(*shape):
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape)


# fmt: off
LOSSES = [
    LayerCase("MultiBoxLoss", f"multibox_loss_param {{ num_classes: 3 {fields} }} {more}",
        [(3, 24 if options.get("share", True) else 72), (3, 18), prior, TRUTH], [()],
        lambda *x, o=options: ref.multibox_loss(*x, 3, **o),
        smooth=() if options.get("encoded") else None)
    for fields, more, prior, options in (
        ("code_type: CENTER_SIZE neg_pos_ratio: 0.7", "", PRIORS,
            {"code": "CENTER_SIZE", "ratio": 0.7}),
        ("loc_loss_type: L2 match_type: BIPARTITE code_type: CORNER_SIZE loc_weight: 0.5",
            "loss_param { normalization: FULL }", VARIANCES,
            {"l2": True, "per_prediction": False, "norm": "FULL", "code": "CORNER_SIZE",
             "loc_weight": 0.5}),
        ("conf_loss_type: LOGISTIC overlap_threshold: 0.2 neg_overlap: 0.3",
            "loss_param { normalize: false }", VARIANCES,
            {"logistic": True, "threshold": 0.2, "norm": "BATCH_SIZE", "neg_overlap": 0.3}),
        ("do_neg_mining: false use_difficult_gt: false", "loss_param { normalization: NONE }",
            PRIORS, {"mining": "NONE", "difficult": False, "norm": "NONE"}),
        ("mining_type: HARD_EXAMPLE sample_size: 3 overlap_threshold: 0.3 "
            "use_prior_for_matching: false", "", PRIORS,
            {"mining": "HARD_EXAMPLE", "sample": 3, "threshold": 0.3, "by_prior": False}),
        ("mining_type: HARD_EXAMPLE nms_param { nms_threshold: 0.2 } overlap_threshold: 0.3", "",
            PRIORS, {"mining": "HARD_EXAMPLE", "nms": 0.2, "threshold": 0.3}),
        ("nms_param { nms_threshold: 0.1 top_k: 3 } use_prior_for_nms: true "
            "encode_variance_in_target: true code_type: CENTER_SIZE", "", VARIANCES,
            {"nms": 0.1, "top_k": 3, "nms_prior": True, "encoded": True, "code": "CENTER_SIZE"}),
        ("share_location: false mining_type: NONE", "", PRIORS,
            {"share": False, "mining": "NONE"}),
        ("share_location: false mining_type: NONE use_prior_for_matching: false "
            "overlap_threshold: 0.2 conf_loss_type: LOGISTIC", "", PRIORS,
            {"share": False, "mining": "NONE", "by_prior": False, "threshold": 0.2,
             "logistic": True}),
    )
] + [
    LayerCase("MultiBoxLoss", f"multibox_loss_param {{ num_classes: 3 {fields} }}",
        [values(3, 24), values(3, 18), FRACTIONS, INSIDE], [()],
        lambda *x, o=options: ref.multibox_loss(*x, 3, **o), smooth=())
    for fields, options in (
        ("ignore_cross_boundary_bbox: true", {"inside": True}),
        ("bp_inside: true use_prior_for_matching: false",
            {"bp_inside": True, "by_prior": False}),
    )
] + [
    LayerCase("MultiBoxLoss", "multibox_loss_param { num_classes: 2 map_object_to_agnostic: true } "
        "propagate_down: true propagate_down: true propagate_down: false propagate_down: false",
        [(3, 24), (3, 12), PRIORS, TRUTH], [()],
        lambda *x: ref.multibox_loss(*x, 2, agnostic=True)),
    LayerCase("MultiBoxLoss", "multibox_loss_param { num_classes: 3 background_label_id: 2 }",
        [(3, 24), (3, 18), PRIORS, NONE], [()], lambda *x: np.zeros(())),
]

OUTPUTS = [
    LayerCase("DetectionOutput", f"detection_output_param {{ num_classes: 3 {fields} }}",
        [(2, 24 if options.get("share", True) else 72), (2, 18), prior], [(1, 1, size, 7)],
        lambda *x, o=options, n=size: ref.detection_output(*x, 3, size=n, **o), smooth=())
    for fields, prior, size, options in (
        ("code_type: CENTER_SIZE keep_top_k: 3 confidence_threshold: 0.1", PRIORS, 6,
            {"code": "CENTER_SIZE", "keep": 3, "least": np.float32(0.1)}),
        ("code_type: CORNER_SIZE nms_param { nms_threshold: 0.6 top_k: 4 eta: 0.7 }", VARIANCES,
            16, {"code": "CORNER_SIZE", "threshold": 0.6, "top_k": 4, "eta": np.float32(0.7)}),
        ("share_location: false background_label_id: -1 keep_top_k: 5 "
            "variance_encoded_in_target: true", PRIORS, 10,
            {"share": False, "background": -1, "keep": 5, "encoded": True}),
        ("confidence_threshold: 5", PRIORS, 24, {"least": 5}),
        ("nms_param { nms_threshold: 0 } normalized_bbox: false", PRIORS, 24,
            {"threshold": 0, "extra": 1}),
    )
]

FOUND = np.array([[0, 1, 0.9, 0.1, 0.1, 0.5, 0.5], [0, 1, 0.95, 0.1, 0.1, 0.5, 0.55],
    [0, 2, 0.5, 0.3, 0.3, 0.8, 0.8], [-1, 1, 0, 0, 0, 0, 0], [2, 2, 0.4, 0, 0, 0.4, 0.3],
    [2, 1, 0.3, 0.5, 0.5, 0.9, 1.2], [2, 1, 0.6, 0.5, 0.5, 0.9, 0.9], [1, 1, 0.2, 0, 0, 1, 1],
    [1, 1, 0.7, 0, 0, 1, 1], [-1] * 7])[None, None]
BOXES = np.array([[0, 1, 0, 0.1, 0.1, 0.5, 0.5, 0], [0, 2, 0, 0.2, 0.3, 0.8, 0.8, 1],
    [2, 1, 0, 0.5, 0.5, 0.9, 0.9, 0], [2, 1, 0, 0.1, 0.5, 0.2, 0.9, 0], [-1, 1, 0, 0, 0, 1, 1, 0],
    [2, 3, 0, 0.1, 0.5, 0.2, 0.9, 0]])[None, None]

EVALUATIONS = [
    LayerCase("DetectionEvaluate", f"detection_evaluate_param {{ num_classes: 4 {fields} }}",
        [FOUND, truth], [(1, 1, 13, 5)],
        lambda *x, o=options: ref.detection_evaluate(*x, 4, **o), smooth=())
    for fields, truth, options in (
        ("", BOXES, {}),
        ("evaluate_difficult_gt: false overlap_threshold: 0.9", BOXES,
            {"difficult": False, "threshold": np.float32(0.9)}),
        ("evaluate_difficult_gt: false", BOXES, {"difficult": False}),
        ("", BOXES[:, :, :0], {}),
    )
]


def prior_box(sizes, shape=(2, 3), image=(30, 45), step=None, offset=((0.5, 0.5),), clip=False,
              variance=(0.1,)):
    """sizes: (width, height) of each box."""
    step = step or (image[0] / shape[0], image[1] / shape[1])
    rows = []
    for y in range(shape[0]):
        for x in range(shape[1]):
            for width, height in sizes:
                for at_x, at_y in offset:
                    cx, cy = (x + at_x) * step[1], (y + at_y) * step[0]
                    rows.append([(cx - width / 2) / image[1], (cy - height / 2) / image[0],
                                 (cx + width / 2) / image[1], (cy + height / 2) / image[0]])
    rows = np.clip(rows, 0, 1) if clip else np.array(rows)
    return np.stack([rows, np.broadcast_to(variance, rows.shape)]).reshape(1, 2, -1)


HALF, THREE, MEAN = np.sqrt(0.5), np.sqrt(3), np.sqrt(10 * 20)
PRIOR_BOXES = [
    LayerCase("PriorBox", f"prior_box_param {{ {fields} }}", bottoms, [(1, 2, 24 * count)],
        lambda *x, o=options: prior_box(**o), smooth=())
    for fields, bottoms, count, options in (
        ("min_size: 10", [(2, 3, 2, 3), (2, 3, 30, 45)], 1, {"sizes": [(10, 10)]}),
        ("min_size: 10.9 max_size: 20.2 aspect_ratio: 2 aspect_ratio: 1 aspect_ratio: 0.5",
            [(1, 1, 2, 3), (1, 1, 30, 45)], 4,
            {"sizes": [(10, 10), (MEAN, MEAN), (10 / HALF, 10 * HALF), (10 * HALF, 10 / HALF)]}),
        ("min_size: 8 min_size: 4 aspect_ratio: 3 flip: false clip: true variance: 0.5 "
            "img_size: 20 step: 9 offset: 0.25", [(1, 1, 2, 3)], 4,
            {"sizes": [(8, 8), (8 * THREE, 8 / THREE), (4, 4), (4 * THREE, 4 / THREE)],
             "clip": True, "variance": (0.5,), "image": (20, 20), "step": (9, 9),
             "offset": ((0.25, 0.25),)}),
        ("min_size: 8 img_h: 20 img_w: 30 step_h: 9 step_w: 8 variance: 0.1 variance: 0.1 "
            "variance: 0.2 variance: 0.3", [(1, 1, 2, 3)], 1,
            {"sizes": [(8, 8)], "image": (20, 30), "step": (9, 8),
             "variance": (0.1, 0.1, 0.2, 0.3)}),
        ("width: 5 width: 6.5 height: 7 height: 8 offset_w: 0.5 offset_w: 0 offset_h: 0.25 "
            "offset_h: 1", [(1, 1, 2, 3), (1, 1, 30, 45)], 4,
            {"sizes": [(5, 7), (6.5, 8)], "offset": ((0.5, 0.25), (0, 1))}),
    )
]
# fmt: on

CASES: list[LayerCase] = [*LOSSES, *OUTPUTS, *EVALUATIONS, *PRIOR_BOXES]
