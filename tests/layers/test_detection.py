"""Detection beyond the rows of the case table: sizes, gradients, py-faster-rcnn's Python layers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from netc.errors import DataError, ShapeError
from netc.sizes import Sizes

from ..cases import LayerCase
from ..layer_cases import ssd, ssd_reference
from ..layer_cases.regions import PIXEL, cell_anchors
from .running import compiled, net_text, run
from .test_kinks import gradients


def sized(type, fields, bottoms, tops=1):
    """The tops of a layer in exactly the size that its bottoms give them."""
    case = LayerCase(type, fields, bottoms, [()] * tops)
    fed = {f"x{i}": jnp.asarray(b, jnp.float32) for i, b in enumerate(bottoms)}
    program = Sizes(compiled(net_text(case)), exact=True).fit({}, {}, None, fed)
    return [np.asarray(t) for t in program.apply({}, {}, None, fed)[0].values()]


@pytest.mark.parametrize("least", [0.2, 9])
def test_as_many_rows_as_are_found(least):
    loc, conf = ssd.values(2, 24), ssd.values(2, 18)
    fields = f"detection_output_param {{ num_classes: 3 confidence_threshold: {least} }}"
    (found,) = sized("DetectionOutput", fields, [loc, conf, ssd.PRIORS])
    want = ssd_reference.detection_output(loc, conf, ssd.PRIORS, 3, size=0, least=least)
    np.testing.assert_allclose(found, want, rtol=1e-5)
    assert found.shape == ((1, 1, 2, 7) if least > 1 else want.shape)


def test_a_run_goes_on_with_rows_that_are_marked():
    text = net_text(LayerCase("Proposal", "", [(1, 18, 2, 2), (1, 36, 2, 2), (1, 3)], [()]))
    program = compiled(text)
    assert Sizes(program).layers == () and len(Sizes(program, exact=True).layers) == 1


def test_the_gradient_of_predictions_over_variances_is_not_divided_by_them():
    fields = "multibox_loss_param {{ num_classes: 2 mining_type: NONE overlap_threshold: 9 {} }}"
    prior = np.array([[[0, 0, 1, 1], [0.5, 0.5, 0.25, 0.25]]]).reshape(1, 2, 4)
    truth = np.array([[[[0, 1, 0, 0.0, 0.0, 0.9, 0.9, 0]]]])
    loc = np.array([[0.1, -0.1, 0.02, 0.03]])
    bottoms = loc, np.zeros((1, 2)), prior, truth
    got = gradients("MultiBoxLoss", fields.format("encode_variance_in_target: true"), *bottoms)
    variance = prior[0, 1]
    error = (loc - (truth[0, 0, 0, 3:7] - prior[0, 0])) / variance
    np.testing.assert_allclose(got[0], error, rtol=1e-4)
    assert not got[2].any() and not got[3].any()


@pytest.mark.parametrize("label", [0, -1, 3])
def test_a_label_that_is_no_class_gives_nan(label):
    truth = np.array([[[[0, label, 0, 0, 0, 50, 50, 0]]]], float)
    case = LayerCase(
        "MultiBoxLoss", "multibox_loss_param { num_classes: 3 }",
        [ssd.values(1, 24), ssd.values(1, 18), ssd.PRIORS, truth], [()],
    )  # fmt: skip
    running = run(case, "TRAIN")
    assert np.isnan(running.tops(*running.arrays())[0])


def test_the_gradient_of_normalize_is_that_of_one_factor():
    x, scale = ssd.values(2, 3, 2), np.array([1.0, -2.0, 0.5])
    fields = "norm_param { channel_shared: false across_spatial: false }"
    case = LayerCase("Normalize", fields, [x], [x.shape])
    running = run(case, "TRAIN")
    given = jnp.asarray(scale, jnp.float32), jnp.asarray(x, jnp.float32)
    seed = ssd.values(2, 3, 2)[::-1]

    def along(a, x):
        return (running.tops([a], [x])[0] * jnp.asarray(seed, jnp.float32)).sum()

    da, dx = jax.grad(along, (0, 1))(*given)
    norm = np.sqrt((x * x).sum(1, keepdims=True))
    unit = x / norm
    factor = scale.reshape(1, 3, 1)
    want = factor * (seed - unit * (unit * seed).sum(1, keepdims=True)) / norm
    np.testing.assert_allclose(dx, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(da, (unit * seed).sum((0, 2)), rtol=1e-5)


def test_evaluation_in_pixels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = [(40, 30), (9, 12)]
    (tmp_path / "sizes.txt").write_text("".join(f"a b {h} {w}\n" for h, w in sizes))
    fields = "detection_evaluate_param { num_classes: 4 name_size_file: 'sizes.txt' }"
    running = run(LayerCase("DetectionEvaluate", fields, [ssd.FOUND, ssd.BOXES], [()]), "TEST")
    (got,) = running.tops(*running.arrays())
    want = ssd_reference.detection_evaluate(ssd.FOUND, ssd.BOXES, 4, sizes=sizes)
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "Failed to open name size file: sizes.txt"), ("", "sizes.txt holds no sizes"),
     ("cat 4\n", "sizes.txt:1: expected 'name height width', got 'cat 4'")],
)  # fmt: skip
def test_sizes_that_cannot_be_read(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "sizes.txt").write_text(text)
    fields = "detection_evaluate_param { num_classes: 4 name_size_file: 'sizes.txt' }"
    case = LayerCase("DetectionEvaluate", fields, [(1, 1, 2, 7), (1, 1, 2, 8)], [()])
    with pytest.raises(DataError, match=message):
        compiled(net_text(case))


def python(layer, settings, bottoms, tops, phase="TRAIN"):
    module = {"ProposalLayer": "proposal_layer", "AnchorTargetLayer": "anchor_target_layer"}
    name = module.get(layer, "proposal_target_layer")
    fields = f'python_param {{ module: "rpn.{name}" layer: "{layer}" param_str: "{settings}" }}'
    names = ["data", "label", "other", "fourth", "fifth"][:tops]
    case = LayerCase("Python", fields, bottoms, [()] * min(tops, 3))
    text = net_text(case)
    ends = " ".join(f"top: '{t}'" for t in names[3:])
    program = compiled(text.replace("top: 'other'", f"top: 'other' {ends}"), phase)
    return program.graph.nodes[-1].set_up


BOXES = np.array([[10.0, 12, 40, 38, 2], [50, 20, 75, 60, 1], [0, 0, 90, 90, -1]], np.float32)
INFO = np.array([[96.0, 96, 1]], np.float32)
STRIDE = "'feat_stride': 16, 'scales': [1, 2]"


def test_targets_of_anchors():
    scores = np.zeros((1, 12, 6, 6), np.float32)
    layer = python("AnchorTargetLayer", f"{STRIDE}, 'rpn_batchsize': 40", [scores, BOXES, INFO], 4)
    tops, _ = layer.apply((), (), jax.random.key(0), scores, BOXES, INFO)
    label, target, inside, outside = (np.asarray(t) for t in tops)
    assert label.shape == (1, 1, 36, 6) and target.shape == (1, 24, 6, 6)
    label = label.reshape(6, 6, 6)
    cell = cell_anchors(16, (0.5, 1, 2), (1, 2))
    for a, y, x in np.ndindex(6, 6, 6):
        box = cell[a] + 16 * np.array([x, y, x, y])
        here = target[0, 4 * a : 4 * a + 4, y, x]
        shared = [ssd_reference.overlap(box, b, 1) for b in BOXES[:2, :4]]
        whole = box.min() >= 0 and box.max() < 96
        if label[a, y, x] == 1:
            assert whole and max(shared) > 0
        if label[a, y, x] == 0:
            assert whole and max(shared) < 0.3
        if whole and max(shared) >= 0.7:
            assert label[a, y, x] == 1
        if whole:
            best = BOXES[int(np.argmax(shared)), :4] + PIXEL
            want = ssd_reference.encode("CENTER_SIZE", best, box + PIXEL, 1)
            np.testing.assert_allclose(here, want, rtol=1e-4, atol=1e-5)
        assert (inside[0, 4 * a : 4 * a + 4, y, x] == (label[a, y, x] == 1)).all()
        share = (label[a, y, x] >= 0) / (label >= 0).sum()
        np.testing.assert_allclose(outside[0, 4 * a : 4 * a + 4, y, x], share, rtol=1e-6)
    assert (label == 1).any() and (label >= 0).sum() == 40
    again = layer.apply((), (), jax.random.key(1), scores, BOXES, INFO)[0][0]
    assert (np.asarray(again).reshape(6, 6, 6) != label).any()


def test_regions_to_train_on():
    rois = np.array([[0, 11, 12, 41, 38], [0, 0, 0, 20, 20], [0, 52, 22, 75, 60], [-1, 0, 0, 0, 0],
                     [0, 70, 70, 90, 90]], np.float32)  # fmt: skip
    settings = "'num_classes': 3\\n'batch_size': 8\\n'fg_fraction': 0.5"
    layer = python("ProposalTargetLayer", settings, [rois, BOXES], 5)
    tops, _ = layer.apply((), (), jax.random.key(0), rois, BOXES)
    chosen, label, target, inside, outside = (np.asarray(t) for t in tops)
    assert [t.shape for t in tops] == [(8, 5), (8,), (8, 12), (8, 12), (8, 12)]
    assert (chosen[:, 0] == 0).all()
    near = {(11, 2), (52, 1), (10, 2), (50, 1)}
    # The two that are far from the boxes are all there are, and are repeated.
    assert {(x, c) for x, c in zip(chosen[:, 1], label, strict=True) if c} == near
    assert {x for x, c in zip(chosen[:, 1], label, strict=True) if not c} == {0, 70}
    for row, c, t, w, o in zip(chosen, label.astype(int), target, inside, outside, strict=True):
        want = np.zeros((3, 4))
        if c:
            box = next(b for b in BOXES if b[4] == c)[:4] + PIXEL
            want[c] = ssd_reference.encode("CENTER_SIZE", box, row[1:] + PIXEL, 1)
            want[c] /= [0.1, 0.1, 0.2, 0.2]
        np.testing.assert_allclose(t, want.ravel(), rtol=1e-4, atol=1e-5)
        assert (w.reshape(3, 4) == (np.arange(3) == c * (c > 0))[:, None] * (c > 0)).all()
        assert (o == (w > 0)).all()


def test_more_regions_are_proposed_in_training():
    bottoms = [(1, 18, 30, 40), (1, 36, 30, 40), (1, 3)]
    for phase, most in (("TRAIN", 2000), ("TEST", 300)):
        layer = python("ProposalLayer", "'feat_stride': 16", bottoms, 2, phase)
        given = [jax.ShapeDtypeStruct(b, jnp.float32) for b in bottoms]
        tops = jax.eval_shape(layer.apply, (), (), None, *given)[0]
        assert [t.shape for t in tops] == [(most, 5), (most, 1)]


@pytest.mark.parametrize(
    ("layer", "settings", "bottoms", "message"),
    [("ProposalTargetLayer", "", [(4, 5), (2, 5)], "param_str must give num_classes"),
     ("ProposalTargetLayer", "'num_classes': 3", [(4, 4), (2, 5)],
        "'x0' must have rows of 5 numbers, got 4 x 4"),
     ("ProposalTargetLayer", "'num_classes': 'three'", [(4, 5), (2, 5)],
        "num_classes must be a number, got 'three'"),
     ("ProposalTargetLayer", "'num_clases': 3", [(4, 5), (2, 5)], "has no setting 'num_clases'"),
     ("ProposalTargetLayer", "three", [(4, 5), (2, 5)], "param_str is not a list of 'key: value'"),
     ("ProposalTargetLayer", "'num_classes': 3", [(4, 5)], "takes 2 to 2 bottoms, got 1"),
     ("AnchorTargetLayer", "'scales': 8", [(1, 12, 6, 6), (2, 5), (1, 3)],
        "scales must be numbers, got 8"),
     ("AnchorTargetLayer", "", [(2, 18, 6, 6), (2, 5), (2, 3)],
        "Only single item batches are supported, of 18 channels for 9 anchors: 'x0' is "),
    ],
)  # fmt: skip
def test_settings_and_bottoms_of_python_layers_are_checked(layer, settings, bottoms, message):
    with pytest.raises(ShapeError) as caught:
        python(layer, settings, bottoms, 4 if layer[0] == "A" else 5)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("type", "fields"),
    [("ROIPooling", "roi_pooling_param { pooled_h: 2 pooled_w: 2 }"),
     ("PSROIPooling", "psroi_pooling_param { output_dim: 1 group_size: 2 spatial_scale: 1 }")],
)  # fmt: skip
def test_a_region_of_no_image_gives_nan(type, fields):
    rois = np.array([[0, 0, 0, 3, 3], [1, 0, 0, 3, 3]])
    running = run(LayerCase(type, fields, [(1, 4, 4, 4), rois], [()]), "TEST")
    (top,) = running.tops(*running.arrays())
    assert np.isfinite(top[0]).all() and np.isnan(top[1]).all()


def test_no_region_at_all():
    fields = "roi_pooling_param { pooled_h: 2 pooled_w: 2 }"
    running = run(LayerCase("ROIPooling", fields, [(1, 4, 4, 4), np.zeros((0, 5))], [()]), "TEST")
    (top,) = running.tops(*running.arrays())
    assert top.shape == (0, 4, 2, 2)
