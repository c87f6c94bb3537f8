"""The loss of single-shot detection."""

from __future__ import annotations

from typing import Any, NamedTuple

from netc import lowering
from netc.layers.base import Layer, LayerDef, dims, register, stateless
from netc.layers.distance import huber
from netc.layers.loss import normalization, normalizer, with_gradient_of
from netc.layers.softmax import MAX_NLL
from netc.layers.ssd import check_predictions
from netc.lazy import jax, jnp, lax
from netc.schema import MultiBoxLossParameter as Parameter

LEAST = 1e-6  # overlaps up to this are none
SMALL = 1e-5  # boxes of a smaller area do not enter non-maximum suppression
UNMATCHED, IGNORED = -1, -2


class Rules(NamedTuple):
    """What the fields say. each: boxes that are predicted per prior. mining: the type.

    lanes: sets of priors per image that boxes are matched to: 1, or one per class where every
    class has predictions of its own and they are what is matched.
    """

    p: Parameter
    images: int
    priors: int
    each: int
    lanes: int
    mining: int


class Truth(NamedTuple):
    """The boxes of a batch: corners (4, G), label (G,), image (G,), lane (G,) of all images.

    A box that does not count has a lane behind the last.
    """

    corners: Any
    label: Any
    image: Any
    lane: Any


@register(
    "MultiBoxLoss",
    bottoms=4,
    tops=1,
    loss=True,
    no_gradient=(2, 3),
    fields=("multibox_loss_param",),
)
def multibox_loss(d: LayerDef) -> Layer:
    """Location and confidence loss of the predictions for P priors against the boxes of a batch.

    loc (N, 4 P), or without share_location (N, 4 C P); conf (N, C P); prior (1, 2, 4 P); boxes
    (1, 1, G, 8): image, class, -, xmin, ymin, xmax, ymax, difficult; those of image -1 are none.

    Each box takes the prior that overlaps it most, the greatest overlap first; under
    PER_PREDICTION every other prior takes the box that it overlaps most, by overlap_threshold at
    least. Of the confidences count those of the matched priors and of negatives: under
    MAX_NEGATIVE neg_pos_ratio times as many, of the priors that overlap no box by neg_overlap
    those of the greatest loss; under HARD_EXAMPLE what is unmatched among the sample_size priors
    of the greatest loss, and no match outside them; under NONE all. With nms_param priors that
    overlap a worse one are passed over. L = (loc_weight L_loc + L_conf) / norm, norm the number
    of matches under VALID. A label outside the classes, or of the background, gives NaN.

    encode_variance_in_target: predictions are divided by the variances as the targets are, their
    gradient is not. The term of a bottom with propagate_down: false is left out. Both as in SSD:
    multibox_loss_layer.cpp, bbox_util.cpp.
    """
    p = d.param.multibox_loss_param
    images, priors, each = check_predictions(d, p)
    r = Rules(p, images, priors, each, 1 if p.use_prior_for_matching else each, _mining(d))
    _check(d, r)
    norm = normalizer(d, normalization(d), images, priors)
    located, classed = (tuple(d.param.propagate_down) or (True, True))[:2]

    def forward(blobs, loc, conf, prior, boxes):
        loc = jnp.moveaxis(loc.reshape(images, priors, each, 4), 3, 0)
        prior, boxes = lax.stop_gradient((prior, boxes))
        prior, variance = jnp.moveaxis(prior.reshape(2, priors, 4), -1, 1)
        decoded = lowering.boxes.decode(
            p.code_type,
            lax.stop_gradient(loc),
            prior[:, None, :, None],
            1.0 if p.encode_variance_in_target else variance[:, None, :, None],
        )
        truth = _truth(r, boxes[0, 0])
        match, overlaps = _match(r, truth, prior, decoded)
        label = truth.label[jnp.maximum(match, 0)]
        error = _location_error(r, truth, match, label, loc, prior, variance, decoded)
        loc_loss = (huber(error) if p.loc_loss_type == Parameter.SMOOTH_L1 else error**2 / 2).sum(0)
        conf_loss = _confidence_loss(r, conf.reshape(images, priors, -1), match, label)
        counts = jnp.ones((images, priors), bool)
        if r.mining != Parameter.NONE:
            cost = conf_loss + (loc_loss if r.mining == Parameter.HARD_EXAMPLE else 0)
            area = (prior[:, None], decoded[..., 0])[not p.use_prior_for_nms]
            mined = _mine(r, truth, match, overlaps, lax.stop_gradient(cost), area)
            if r.mining == Parameter.HARD_EXAMPLE:
                match = jnp.where(mined | (match < 0), match, IGNORED)
            counts = (match >= 0) | (mined & (match == UNMATCHED))
        total = norm((match >= 0).sum().astype(loc.dtype))
        loss = jnp.zeros((), loc.dtype)
        if located:
            loss += p.loc_weight * jnp.where(match >= 0, loc_loss, 0).sum() / total
        if classed:
            loss += jnp.where(counts, conf_loss, 0).sum() / total
        known = (truth.label >= 0) & (truth.label != p.background_label_id)
        if not p.map_object_to_agnostic:
            known &= truth.label < p.num_classes
        return jnp.where((known | (truth.lane == images * r.lanes)).all(), loss, jnp.nan)

    return stateless(forward)


def _mining(d: LayerDef) -> int:
    p = d.param.multibox_loss_param
    if not p.HasField("do_neg_mining"):
        return p.mining_type
    if not p.HasField("mining_type"):
        return Parameter.MAX_NEGATIVE if p.do_neg_mining else Parameter.NONE
    if p.do_neg_mining != (p.mining_type != Parameter.NONE):
        d.fail(
            f"do_neg_mining: {str(p.do_neg_mining).lower()} contradicts mining_type: "
            f"{Parameter.MiningType.Name(p.mining_type)}",
            "do_neg_mining",
            hint="mining_type alone says it",
        )
    return p.mining_type


def _check(d: LayerDef, r: Rules) -> None:
    p, truth = r.p, d.bottoms[3].shape
    if len(truth) != 4 or truth[:2] != (1, 1) or not truth[2] or truth[3] != 8:
        d.fail(
            f"the boxes '{d.param.bottom[3]}' must be 1 x 1 x G x 8, got {dims(truth)}", "bottom", 3
        )
    if r.mining != Parameter.NONE and not p.share_location:
        d.fail(
            "Currently only support negative mining if share_location is true.",
            "share_location",
            hint="mining_type: NONE",
        )
    if p.conf_loss_type == Parameter.SOFTMAX and p.background_label_id >= p.num_classes:
        d.fail(
            "background_label_id should be within [0, num_classes) for Softmax: "
            f"{p.background_label_id}, {p.num_classes} classes.",
            "background_label_id" if p.HasField("background_label_id") else "num_classes",
        )
    if r.mining == Parameter.HARD_EXAMPLE and p.sample_size <= 0:
        d.fail(f"sample_size must be greater than 0, got {p.sample_size}", "sample_size")
    if p.map_object_to_agnostic and p.num_classes != 2:
        d.fail(
            f"map_object_to_agnostic needs 2 classes, background and object, got {p.num_classes}",
            "map_object_to_agnostic",
        )


def _truth(r: Rules, rows: Any) -> Truth:
    image, label = (rows[:, i].astype(jnp.int32) for i in (0, 1))
    lane = image * r.lanes + (label if r.lanes > 1 else 0)
    counts = (image >= 0) & (image < r.images)
    if not r.p.use_difficult_gt:
        counts &= rows[:, 7] == 0
    lane = jnp.where(counts, lane, r.images * r.lanes)
    return Truth(rows[:, 3:7].T, label, jnp.where(counts, image, 0), lane)


def _match(r: Rules, truth: Truth, prior: Any, decoded: Any) -> tuple[Any, Any]:
    """The box of each prior, and the greatest overlap it has with one: (lanes, P) both.

    UNMATCHED where there is none, IGNORED for boxes that cross the border. SSD: MatchBBox.
    """
    p, lanes, count = r.p, r.images * r.lanes, truth.label.shape[0]
    if p.use_prior_for_matching:
        candidates, rivals = prior[:, None], prior[:, None]
    else:
        rivals = _by_lane(r, decoded)
        candidates = rivals[:, truth.lane]
    shared = lowering.boxes.overlap(truth.corners[:, :, None], candidates)
    match = jnp.full((lanes, r.priors), UNMATCHED, jnp.int32)
    if p.ignore_cross_boundary_bbox:
        outside = ((rivals < 0) | (rivals > 1)).any(0)
        match = jnp.where(outside, IGNORED, match)
    counts = (truth.lane < lanes)[:, None] & (match[truth.lane] == UNMATCHED)
    shared = jnp.where(counts & (shared > LEAST), shared, 0)
    most = jnp.maximum(jax.ops.segment_max(shared, truth.lane, lanes), 0)
    match = _bipartite(truth, shared, match)
    if p.match_type == Parameter.PER_PREDICTION:
        number = jnp.arange(count, dtype=match.dtype)[:, None]
        first = jnp.where(shared == most[truth.lane], number, count)
        first = jax.ops.segment_min(first, truth.lane, lanes)
        takes = (match == UNMATCHED) & (most >= max(p.overlap_threshold, LEAST))
        match = jnp.where(takes, first, match)
    return match, most


def _bipartite(truth: Truth, shared: Any, match: Any) -> Any:
    """Give each box a prior of its own, the pair with the greatest overlap (G, P) of a lane first.

    One step gives one box of every lane; of equals the first prior, then the first box is taken.
    """
    lanes, priors = match.shape
    place, number = (jnp.arange(n, dtype=jnp.int32) for n in (priors, len(truth.label)))
    member = truth.lane[None] == jnp.arange(lanes, dtype=jnp.int32)[:, None]

    def step(carry):
        match, shared, _ = carry
        most = shared.max(1)
        at = jnp.where(shared == most[:, None], place[None], priors).min(1)
        greatest = jnp.where(member, most[None], 0).max(1)
        rest = member & (most[None] == greatest[:, None]) & (greatest > 0)[:, None]
        prior = jnp.where(rest, at[None], priors).min(1)
        box = jnp.where(rest & (at[None] == prior[:, None]), number[None], len(number)).min(1)
        match = match.at[jnp.arange(lanes), prior].set(box, mode="drop")
        given = jnp.zeros(len(number), bool).at[box].set(True, mode="drop")
        taken = place[None] == prior[truth.lane][:, None]
        shared = jnp.where(taken | given[:, None], 0, shared)
        return match, shared, (shared > 0).any()

    return lax.while_loop(lambda c: c[2], step, (match, shared, (shared > 0).any()))[0]


def _by_lane(r: Rules, x: Any) -> Any:
    """(4, N, P, each) -> (4, lanes of all images, P)."""
    return jnp.moveaxis(x, 3, 2).reshape(4, -1, r.priors)


def _location_error(
    r: Rules,
    truth: Truth,
    match: Any,
    label: Any,
    loc: Any,
    prior: Any,
    variance: Any,
    decoded: Any,
) -> Any:
    """Predictions minus targets, (4, lanes, P), 0 where nothing is matched."""
    p = r.p

    def matched(x):
        if r.each == r.lanes:
            return _by_lane(r, x)
        return jnp.take_along_axis(x, label[None, ..., None], 3)[..., 0]

    corners = truth.corners[:, jnp.maximum(match, 0)]
    scale = variance[:, None]
    target = lowering.boxes.encode(p.code_type, corners, prior[:, None], scale)
    found = matched(loc)
    if p.encode_variance_in_target:
        found = with_gradient_of(found, found / scale)
    counts = jnp.broadcast_to(match >= 0, found.shape)
    if p.bp_inside:
        box = prior[:, None] if p.use_prior_for_matching else matched(decoded)
        counts &= (box >= 0) & (box <= 1)
    return jnp.where(counts, found - target, 0)


def _confidence_loss(r: Rules, conf: Any, match: Any, label: Any) -> Any:
    """(N, P): the cross entropy of every prior's scores with its class, matched or background."""
    p = r.p
    classes = jnp.arange(p.num_classes, dtype=label.dtype).reshape(1, 1, -1)
    name = jnp.full_like(label, p.background_label_id + 1) if p.map_object_to_agnostic else label
    name = jnp.where(match >= 0, name, -1).reshape(r.images, r.lanes, r.priors)
    last = name.max(1)[..., None]
    background = (last < 0) & (classes == p.background_label_id)
    if p.conf_loss_type == Parameter.SOFTMAX:
        log_p = jax.nn.log_softmax(conf, -1)
        nll = -jnp.where((last == classes) | background, log_p, 0).sum(-1)
        return with_gradient_of(nll, jnp.minimum(nll, MAX_NLL))
    true = (name[..., None] == classes[None]).any(1)
    if r.mining != Parameter.NONE:
        true |= background
    absolute, softplus = lowering.elementwise.absolute, lowering.elementwise.softplus
    each = jnp.maximum(conf, 0) - jnp.where(true, conf, 0) + softplus(-absolute(conf))
    return each.sum(-1)


def _mine(r: Rules, truth: Truth, match: Any, overlaps: Any, cost: Any, boxes: Any) -> Any:
    """Which priors (N, P) their cost chooses. boxes: (4, N or 1, P). SSD: MineHardExamples."""
    p = r.p
    if r.mining == Parameter.MAX_NEGATIVE:
        able = (match == UNMATCHED) & (overlaps < p.neg_overlap)
        count = ((match >= 0).sum(1).astype(jnp.float32) * p.neg_pos_ratio).astype(jnp.int32)
    else:
        any_box = jnp.zeros(r.images, bool).at[truth.lane].set(True, mode="drop")
        able = jnp.broadcast_to(any_box[:, None], match.shape)
        count = jnp.full(r.images, p.sample_size, jnp.int32)
    cost = jnp.where(able, cost, -jnp.inf)
    if not p.HasField("nms_param") or p.nms_param.nms_threshold <= 0:
        return able & lowering.boxes.best(cost, count)
    most = p.nms_param.top_k if p.nms_param.HasField("top_k") else -1
    most = r.priors if most < 0 else min(most, r.priors)

    def chosen(cost, able, count, boxes):
        order = jnp.argsort(-cost, stable=True)[:most]
        boxes = boxes[:, order]
        alive = able[order] & (lowering.boxes.area(boxes) >= SMALL)
        kept = lowering.boxes.suppress(boxes, alive, p.nms_param.nms_threshold)
        kept &= jnp.cumsum(kept, dtype=count.dtype) <= count
        return jnp.zeros_like(able).at[order].set(kept)

    boxes = jnp.broadcast_to(boxes, (4, *match.shape))
    return jax.vmap(chosen, (0, 0, 0, 1))(cost, able, count, boxes)
