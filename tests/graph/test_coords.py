"""The offset that a Crop layer of FCN's branch finds."""

from __future__ import annotations

import pytest

from netc.errors import GraphError
from netc.graph.coords import offsets

from .nets import built, inferred, inputs


def layer(name, type, bottoms, fields=""):
    ends = " ".join(f'bottom: "{b}"' for b in bottoms)
    return f'layer {{ name: "{name}" type: "{type}" {ends} top: "{name}" {fields} }}\n'


def conv(name, bottom, fields, type="Convolution"):
    return layer(name, type, [bottom], f"convolution_param {{ num_output: 1 {fields} }}")


def pool(name, bottom, fields):
    return layer(name, "Pooling", [bottom], f"pooling_param {{ {fields} }}")


X = inputs(x=(1, 1, 40, 44))
CROP = layer("crop", "Crop", ["up", "x"])


def offset(text):
    graph = built(text)
    return offsets(graph.nodes, graph.nodes[-1])


@pytest.mark.parametrize(
    ("layers", "want"),
    [
        (layer("up", "ReLU", ["x"]), (0, 0)),
        (conv("up", "x", "kernel_size: 1 pad: 19"), (19, 19)),
        (conv("up", "x", "kernel_size: 3 pad: 5"), (4, 4)),
        (conv("up", "x", "kernel_size: 3 dilation: 2 pad: 5"), (3, 3)),
        (conv("up", "x", "kernel_h: 3 kernel_w: 5 pad_h: 2 pad_w: 9"), (1, 7)),
        (conv("up", "x", "kernel_size: 3 kernel_size: 1 pad: 1 pad: 2"), (0, 2)),
        # FCN-32s, FCN-8s in small: pad 100, then pooling, then up again.
        (
            conv("a", "x", "kernel_size: 3 pad: 100")
            + pool("b", "a", "kernel_size: 2 stride: 2")
            + conv("c", "b", "kernel_size: 7")
            + conv("up", "c", "kernel_size: 4 stride: 2", "Deconvolution"),
            (94, 94),
        ),
        (
            pool("a", "x", "kernel_size: 3 stride: 2 pad: 1")
            + layer("b", "ReLU", ["a"])
            + conv("up", "b", "kernel_size: 3 stride: 2 pad: 0", "Deconvolution"),
            (1, 1),
        ),
        (
            conv("a", "x", "kernel_size: 1 pad: 9")
            + layer("up", "Crop", ["a", "x"], "crop_param { offset: 4 offset: 6 }"),
            (5, 3),
        ),
        (
            conv("a", "x", "kernel_size: 1 pad: 9")
            + layer("up", "Crop", ["a", "x"], "crop_param { axis: 3 offset: 6 }"),
            (9, 3),
        ),
    ],
)
def test_offset(layers, want):
    assert offset(X + layers + CROP) == want


def test_the_paths_meet_at_a_common_ancestor():
    layers = conv("a", "x", "kernel_size: 1 pad: 50") + conv("up", "a", "kernel_size: 1 pad: 2")
    low = conv("low", "a", "kernel_size: 1 pad: 1")
    assert offset(X + layers + low + layer("crop", "Crop", ["up", "low"])) == (1, 1)


def test_the_dialect_fills_it_in():
    layers = conv("up", "x", "kernel_size: 3 pad: 5") + layer("again", "Crop", ["up", "x"])
    text = f'dialect: "fcn"\n{X}{layers}' + layer("crop", "Crop", ["again", "x"])
    graph = inferred(text)
    assert [list(n.param.crop_param.offset) for n in graph.nodes[-2:]] == [[4, 4], [0, 0]]
    assert graph.shapes["crop"] == (1, 1, 40, 44)
    given = text.replace(
        'bottom: "x" top: "again"', 'bottom: "x" top: "again" crop_param { offset: 1 }'
    )
    assert list(built(given).nodes[-2].param.crop_param.offset) == [1]
    plain = built(text.replace('dialect: "fcn"', ""))
    assert not any(n.param.crop_param.offset for n in plain.nodes)


HINT = "crop_param { offset: ... } says where to start"


@pytest.mark.parametrize(
    ("layers", "message", "hint"),
    [
        (
            inputs(y=(1, 1, 50, 50)) + layer("up", "ReLU", ["y"]),
            "Cannot align apparently disconnected blobs: 'up' and 'x' (layer 'crop', Crop)",
            HINT,
        ),
        (
            pool("up", "x", "kernel_size: 2 stride: 2"),
            "Cannot align blobs of different scales (one is 2 times the other)",
            HINT,
        ),
        (conv("up", "x", "kernel_size: 3"), "Cannot align blobs that are -1 pixels apart", HINT),
        (conv("up", "x", "kernel_size: 4 pad: 3"), "blobs that are 1.5 pixels apart", HINT),
        (
            layer("up", "Interp", ["x"], "interp_param { zoom_factor: 2 }"),
            "Cannot align through layer 'up' (Interp), which says nothing of coordinates",
            None,
        ),
    ],
)
def test_no_offset(layers, message, hint):
    with pytest.raises(GraphError) as caught:
        built(f'dialect: "hed"\n{X}{layers}{CROP}')
    assert message in str(caught.value) and caught.value.hint == hint
