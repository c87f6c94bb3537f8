"""Layers of detectors in both ways, with many settings, and the real rows against loops."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest

from netc.errors import RunError
from netc.export import operators
from netc.export.calls import Unsupported
from netc.export.onnx import write_onnx
from netc.export.source import write_source

from ..layers.running import run
from .nets import DETECTION, WRITABLE, answers, case_net, in_both, inputs, net_of

RECORDINGS = Path(__file__).parents[1] / "golden" / "fork_layers"
REGIONS = [c for c in WRITABLE if c.type in DETECTION]


@pytest.mark.parametrize("case", REGIONS, ids=str)
def test_the_rows_of_the_table(case, tmp_path):
    """With the table's numbers: the rows that are found, and no others."""
    write_onnx(case_net(case), tmp_path / "n.onnx")
    given = run(case, "TEST").bottoms
    there = [b[b[:, 0] >= 0] if case.type.endswith("Pooling") and i else b
             for i, b in enumerate(given)]  # fmt: skip
    got = answers(tmp_path / "n.onnx", **{f"x{i}": b for i, b in enumerate(there)})
    want = case.want(*there)
    for ours, theirs in zip(got, want if isinstance(want, tuple) else (want,), strict=True):
        real = theirs
        if case.type == "DetectionOutput":
            real = theirs[:, :, theirs[0, 0, :, 0] >= 0]
        elif case.type == "Proposal":
            first = want[0] if isinstance(want, tuple) else want
            real = theirs[first[:, 0] >= 0]
        np.testing.assert_allclose(ours, real, atol=1e-4)


@pytest.mark.parametrize("name", ["center", "corner", "variance_in_target"])
def test_what_caffe_found(name, tmp_path):
    with np.load(RECORDINGS / f"DetectionOutput_{name}.npz") as recording:
        text = recording["net"].tobytes().decode()
        given = {k[3:]: recording[k] for k in recording.files if k.startswith("in/")}
        want = recording["out/y"]
    write_onnx(net_of(text), tmp_path / "n.onnx")
    (got,) = answers(tmp_path / "n.onnx", **given)
    np.testing.assert_allclose(got, want, atol=1e-5)


def detector(fields, priors=80, classes=5, shared=True, images=3):
    boxes = priors * (1 if shared else classes)
    fields += "" if shared else " share_location: false"
    return inputs(loc=(images, 4 * boxes), conf=(images, priors * classes),
                  prior=(1, 2, 4 * priors)) + f"""
layer {{ name: "found" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "prior"
        top: "found" detection_output_param {{ num_classes: {classes} {fields} }} }}"""  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "shared"),
    [
        ("code_type: CENTER_SIZE confidence_threshold: 0.3 keep_top_k: 20 "
            "nms_param { nms_threshold: 0.45 top_k: 40 }", True),
        ("code_type: CENTER_SIZE confidence_threshold: 0.3 keep_top_k: 20 "
            "nms_param { nms_threshold: 0.45 top_k: 40 }", False),
        ("code_type: CENTER_SIZE nms_param { nms_threshold: 1.5 } keep_top_k: 500", True),
        ("code_type: CORNER_SIZE confidence_threshold: 1 keep_top_k: 7 background_label_id: 2",
            False),
        ("code_type: CORNER background_label_id: -1 nms_param { nms_threshold: 0 top_k: 7 }",
            False),
        ("code_type: CENTER_SIZE normalized_bbox: false nms_param { top_k: 30 } keep_top_k: 12",
            True),
        ("code_type: CENTER_SIZE variance_encoded_in_target: true keep_top_k: 1", True),
        ("keep_top_k: 0", True),
        ("nms_param { top_k: 0 }", False),
        ("confidence_threshold: 100", True),
    ],
)  # fmt: skip
def test_settings_of_detections(fields, shared, tmp_path):
    in_both(net_of(detector(fields, shared=shared)), tmp_path)


def test_how_a_detection_reads(tmp_path):
    text = detector("code_type: CENTER_SIZE confidence_threshold: 0.01 keep_top_k: 200 "
                    "nms_param { nms_threshold: 0.45 top_k: 400 }", priors=500)  # fmt: skip
    write_source(net_of(text), tmp_path / "n.py")
    assert """
    found = (
        detection_output(loc, conf, prior, priors=500, classes=5, code='CENTER_SIZE',
        threshold=0.45, confidence=0.01, top_k=400, keep_top_k=200)
    )
""" in (tmp_path / "n.py").read_text()


def test_the_number_of_detections_is_free(tmp_path):
    path = tmp_path / "n.onnx"
    write_onnx(net_of(detector("confidence_threshold: 0.5", priors=2, classes=2)), path)
    assert onnxruntime.InferenceSession(path).get_outputs()[0].shape == [1, 1, None, 7]
    prior = np.array([[0, 0, 0.2, 0.2, 0.5, 0.5, 1, 1], [0.1] * 8])[None]
    loc = np.zeros((3, 8))
    conf = np.zeros((3, 4))
    (none,) = answers(path, loc=loc, conf=conf, prior=prior)
    np.testing.assert_array_equal(none, [[[[i, *[-1] * 6] for i in range(3)]]])
    conf[1, 3] = 0.75
    (one,) = answers(path, loc=loc, conf=conf, prior=prior)
    np.testing.assert_allclose(one, [[[[1, 1, 0.75, 0.5, 0.5, 1, 1]]]])


def test_a_threshold_that_falls_is_refused(tmp_path):
    text = detector("nms_param { eta: 0.7 }")
    for write, name in ((write_onnx, "n.onnx"), (write_source, "n.py")):
        with pytest.raises(Unsupported) as raised:
            write(net_of(text), tmp_path / name)
        assert raised.value.render().startswith(
            "<text>:4:79: cannot be exported: a threshold that falls, by 0.7 with every box "
            "(layer 'found', DetectionOutput)"
        )
    assert list(tmp_path.iterdir()) == []


def rpn(layer, images=2, anchors=9, info=3, size=(5, 7), tops='top: "rois"'):
    names = "".join(f'bottom: "{name}" ' for name in ("scores", "deltas", "info"))
    shapes = {"scores": (images, 2 * anchors, *size), "deltas": (images, 4 * anchors, *size)}
    return inputs(**shapes, info=(images, info)) + (
        f'layer {{ name: "p" {layer} {names} {tops} }}\n'
    )


BEST = 'top: "rois" top: "best"'


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        ('type: "Proposal" proposal_param { post_nms_topn: 20 }', {"tops": BEST}),
        ('type: "Proposal" proposal_param { pre_nms_topn: 50 nms_thresh: 0.3 min_size: 60 }',
            {"info": 4}),
        ('type: "Proposal" proposal_param { ratio: 1 scale: 2 scale: 4 feat_stride: 8 }',
            {"anchors": 2, "images": 1}),
        ('type: "Python" python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" '
            'param_str: "feat_stride: 16, rpn_post_nms_top_n: 30" }', {"tops": BEST}),
    ],
)  # fmt: skip
def test_settings_of_proposals(layer, shapes, tmp_path):
    in_both(net_of(rpn(layer, **shapes)), tmp_path)


def test_no_region_at_all(tmp_path):
    """No anchor is as large as min_size: layers after it have no rows to work on."""
    text = (
        rpn('type: "Proposal" proposal_param { post_nms_topn: 4 }')
        + """
    layer { name: "pool" type: "ROIPooling" bottom: "scores" bottom: "rois" top: "pool"
            roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.0625 } }
    layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
            inner_product_param { num_output: 3 } }"""
    )
    write_onnx(net_of(text), tmp_path / "n.onnx")
    numbers = {"scores": np.ones((2, 18, 5, 7)), "deltas": np.zeros((2, 36, 5, 7))}
    (ip,) = answers(tmp_path / "n.onnx", **numbers, info=[[80, 112, 1]] * 2)
    assert ip.shape == (8, 3)
    (ip,) = answers(tmp_path / "n.onnx", **numbers, info=[[80, 112, 100]] * 2)
    assert ip.shape == (0, 3)


POOLINGS = (
    'type: "ROIPooling" roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.25 }',
    'type: "PSROIPooling" psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.25 }',
)


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("layer", POOLINGS)
def test_the_number_of_regions_is_free(layer, images, tmp_path):
    text = (
        inputs(x=(images, 18, 9, 11), rois=(images, 5))
        + f"""
    layer {{ name: "pool" {layer} bottom: "x" bottom: "rois" top: "y" }}
    layer {{ name: "flat" type: "Flatten" bottom: "y" top: "flat" }}"""
    )
    in_both(net_of(text), tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx")
    assert [i.shape for i in session.get_inputs()] == [["N", 18, 9, 11], [None, 5]]
    rois = [[0, 0, 0, 9, 9]] * 11
    assert len(answers(tmp_path / "n.onnx", x=np.ones((1, 18, 9, 11)), rois=rois)[0]) == 11


@pytest.mark.parametrize("layer", POOLINGS)
def test_regions_over_edges(layer, tmp_path):
    """Random regions, some outside, inside out, or with corners between two pixels."""
    text = inputs(x=(2, 18, 9, 11), rois=(4, 5))
    text += f'layer {{ name: "pool" {layer} bottom: "x" bottom: "rois" top: "y" }}'
    net = net_of(text)
    write_onnx(net, tmp_path / "n.onnx")
    rng = np.random.default_rng(2)
    corners = np.round(rng.uniform(-20, 60, (400, 4)) * 4) / 4
    rois = np.concatenate([rng.integers(0, 2, (400, 1)), corners], 1).astype(np.float32)
    x = jnp.asarray(rng.standard_normal((2, 18, 9, 11)), jnp.float32)
    (got,) = answers(tmp_path / "n.onnx", x=x, rois=rois)
    pool = net.given.graph.nodes[-1].set_up.apply
    want = jax.vmap(lambda four: pool((), (), None, x, four)[0][0])(rois.reshape(-1, 4, 5))
    np.testing.assert_allclose(got, want.reshape(got.shape), atol=1e-5)


def test_items_that_are_kept(tmp_path):
    text = (
        inputs(x=(4, 3), s=(4, 1))
        + """
    layer { name: "f" type: "Filter" bottom: "x" bottom: "s" top: "y" }
    layer { name: "ip" type: "InnerProduct" bottom: "y" top: "z"
            inner_product_param { num_output: 2 bias_term: false } }"""
    )
    net = net_of(text)
    write_onnx(net, tmp_path / "n.onnx")
    x = np.arange(15.0).reshape(5, 3)
    (z,) = answers(tmp_path / "n.onnx", x=x, s=[[1], [0], [0], [-2], [1]])
    np.testing.assert_allclose(z, x[[0, 3, 4]] @ net.blobs["ip/0"].T, rtol=1e-5)
    with pytest.raises(Unsupported) as raised:
        write_source(net, tmp_path / "n.py")
    assert (
        "cannot be exported as JAX code, whose shapes are fixed: how many items are kept depends "
        "on values (layer 'f', Filter)"
    ) in raised.value.render()


def test_other_rows_than_netc_finds(tmp_path, monkeypatch):
    monkeypatch.setitem(operators.WRITERS, "compress", lambda w, chosen, x, axis: x)
    text = (
        inputs(x=(4, 3), s=(4, 1))
        + """
    layer { name: "f" type: "Filter" bottom: "x" bottom: "s" top: "y" }
    layer { name: "t" type: "Threshold" bottom: "y" top: "z" }"""
    )
    with pytest.raises(
        RunError,
        match=r"onnxruntime computes 'y' \d x 3 otherwise than netc: it is 1 x 3 "
        r"\(layer 'f', Filter; ",
    ):
        write_onnx(net_of(text), tmp_path / "n.onnx")
    assert list(tmp_path.iterdir()) == []


FIXED_ROWS = """
layer { name: "cut" type: "Slice" bottom: "rois" top: "a" top: "b"
        slice_param { axis: 0 slice_point: 1 } }"""


def test_a_layer_that_knows_the_number_of_regions(tmp_path):
    text = rpn('type: "Proposal" proposal_param { post_nms_topn: 4 }') + FIXED_ROWS
    with pytest.raises(Unsupported) as raised:
        write_onnx(net_of(text), tmp_path / "n.onnx")
    rendered = raised.value.render()
    assert "cannot be exported: layer 'cut' (Slice) is made for it: sizes is (1, 7)" in rendered
    assert "how many items a layer before it keeps depends on values" in rendered
    assert "the size of the batch is fixed: layer 'cut'" in write_source(
        net_of(text), tmp_path / "n.py"
    )


def test_python_code_is_refused(tmp_path):
    text = (
        inputs(x=(2, 3))
        + """
    layer { name: "code" type: "Python" bottom: "x" top: "y" python_param {
            module: "tests.layer_cases.python_layers" layer: "Square" } }"""
    )
    with pytest.raises(Unsupported, match=r"python_layers\.Square is Python code \(layer 'code'"):
        write_onnx(net_of(text), tmp_path / "n.onnx")
