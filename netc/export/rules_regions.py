"""Layers of detectors: regions, pooling of them, and what is found in the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.export.calls import Call, Site, f, rule
from netc.export.rules_common import reshaped
from netc.layers.proposal import Rule, proposal_rule, spread
from netc.layers.rois import pooled_size
from netc.layers.rpn import proposal_layer_rule
from netc.layers.ssd import check_predictions, entry
from netc.schema import PriorBoxParameter


@rule("DetectionOutput")
def detection_output(site: Site) -> Any:
    p = site.p.detection_output_param
    if p.nms_param.eta < 1:
        site.refuse(f"a threshold that falls, by {p.nms_param.eta:g} with every box", "eta")
    _, priors, _ = check_predictions(site.d, p)
    confidence, entering = entry(p, priors)
    rest = {
        "background": (p.background_label_id, 0),
        "shared": (p.share_location, True),
        "encoded": (p.variance_encoded_in_target, False),
        "confidence": (confidence, -np.inf),
        "top_k": (entering, priors),
        "keep_top_k": (p.keep_top_k, min(p.keep_top_k, -1)),
        "extra": (0.0 if p.normalized_bbox else 1.0, 0.0),
    }
    return f.detection_output(
        *site.x[:3],
        priors=priors,
        classes=p.num_classes,
        code=PriorBoxParameter.CodeType.Name(p.code_type),
        threshold=p.nms_param.nms_threshold,
        **{name: value for name, (value, usual) in rest.items() if value != usual},
    )


@rule("Proposal")
def proposal(site: Site) -> Any:
    return _proposed(site, proposal_rule(site.d))


@rule("Python")
def python(site: Site) -> Any:
    p = site.p.python_param
    if (p.module, p.layer) != ("rpn.proposal_layer", "ProposalLayer"):
        site.refuse(f"{p.module}.{p.layer} is Python code", "layer")
    return _proposed(site, proposal_layer_rule(site.d))


def _proposed(site: Site, how: Rule) -> Any:
    height, width = site.shape[2:]
    every = spread(how.anchors, how.stride, height, width).T.astype(np.float32)
    entering = min(how.entering, len(every))
    call = f.proposals(
        *site.x,
        every.reshape(height, width, -1, 4),
        smallest=float(how.smallest),
        entering=entering,
        staying=min(how.staying, entering),
        threshold=how.threshold,
    )
    rois, scores = call[0], call[1]
    if len(site.tops) == 1:
        return rois
    top = site.tops[1]
    return rois, reshaped(scores, top[:1], top)


def _regions(site: Site) -> Any:
    shape = site.d.bottoms[1].shape
    return reshaped(site.x[1], shape, (shape[0], 5))


@rule("ROIPooling")
def roi_pooling(site: Site) -> Call:
    scale = site.p.roi_pooling_param.spatial_scale
    options = {"scale": scale} if scale != 1 else {}
    return f.roi_pool(site.x[0], _regions(site), size=pooled_size(site.d), **options)


@rule("PSROIPooling")
def psroi_pooling(site: Site) -> Call:
    p = site.p.psroi_pooling_param
    return f.position_sensitive_pool(
        site.x[0], _regions(site), group=p.group_size, scale=p.spatial_scale
    )


@rule("Filter")
def filter_(site: Site) -> tuple[Call, ...]:
    *items, selector = site.x
    count = site.d.bottoms[-1].shape[:1]
    chosen = f.not_equal(reshaped(selector, site.d.bottoms[-1].shape, count), 0.0)
    return tuple(f.compress(chosen, x, axis=0) for x in items)
