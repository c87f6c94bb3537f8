"""Caffe's rules for loading a file of blobs into a net, and the table that reports them."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.errors import Errors, NetcError, Source, Span, WeightsError
from netc.weights import LayerWeights, WeightFile
from netc.weights.match import Row, Rules, TargetLayer, compare, match, render, summary


def layer(name, *shapes, legacy=False, fill=1.0):
    blobs = tuple(None if s is None else np.full(s, fill, np.float32) for s in shapes)
    return LayerWeights(name, "T", blobs, (None,) * len(blobs), (legacy,) * len(blobs))


def file(*layers, shared_once=False):
    return WeightFile("m.caffemodel", "n", layers, shared_once)


def statuses(result):
    return [(row.layer, row.index, row.status) for row in result.rows]


def test_loaded_ignored_and_kept():
    target = [TargetLayer("conv", "Convolution", ((2, 3), (2,))), TargetLayer("new", "T", ((1,),))]
    source = file(layer("data"), layer("conv", (2, 3), (2,)), layer("old", (4,)))
    result = match(target, source)
    assert statuses(result) == [
        ("conv", 0, "loaded"),
        ("conv", 1, "loaded"),
        ("new", 0, "kept"),
        ("old", 0, "ignored"),
    ]
    assert result.ignored == ("data", "old")
    assert {key: value.shape for key, value in result.values.items()} == {
        ("conv", 0): (2, 3),
        ("conv", 1): (2,),
    }
    assert np.shares_memory(result.values["conv", 0], source.layers[1].blobs[0])
    assert summary(result.rows) == "2 loaded, 1 ignored, 1 kept"


def test_types_are_not_compared_and_none_fits_none():
    result = match(
        [TargetLayer("a", "ReLU", ()), TargetLayer("b", "X", ((1,),))],
        file(layer("a"), layer("b", (1,))),
    )
    assert statuses(result) == [("b", 0, "loaded")] and result.ignored == ()


@pytest.mark.parametrize(
    ("stored", "wanted", "fits"),
    [
        ((1, 1, 4, 5), (4, 5), True),
        ((1, 1, 1, 5), (5,), True),
        ((1, 1, 1, 1), (), True),
        ((2, 3, 4, 5), (2, 3, 4, 5), True),
        ((1, 1, 5, 4), (4, 5), False),
        ((4, 5, 1, 1), (4, 5), False),
        ((1, 1, 1, 20), (4, 5), False),
        ((1, 2, 3, 4), (1, 1, 2, 3, 4), False),
        ((1, 1, 1, 4, 5), (4, 5), True),
        ((1, 1, 1, 1, 5), (5,), True),
        ((6, 2, 3, 4, 5), (6, 2, 3, 4, 5), True),
        ((1, 1, 4, 5, 1), (4, 5), False),
    ],
)
def test_old_shapes_of_four_and_five_axes(stored, wanted, fits):
    target = [TargetLayer("ip", "InnerProduct", (wanted,))]
    result = compare(target, file(layer("ip", stored, legacy=True)))
    assert statuses(result) == [("ip", 0, "loaded" if fits else "mismatch")]
    if fits:
        assert result.values["ip", 0].shape == wanted
    exact = compare(target, file(layer("ip", stored)))
    assert statuses(exact) == [("ip", 0, "loaded" if stored == wanted else "mismatch")]


def test_a_shape_mismatch_is_caffes_sentence():
    target = [TargetLayer("ip2", "InnerProduct", ((3, 500), (3,)))]
    with pytest.raises(WeightsError) as caught:
        match(target, file(layer("ip2", (10, 500), (3,))))
    assert caught.value.message == (
        "Cannot copy param 0 weights from layer 'ip2'; shape mismatch.  Source param shape is "
        "10 500 (5000); target param shape is 3 500 (1500). To learn this layer's parameters "
        "from scratch rather than copying from a saved net, rename the layer."
    )
    assert str(caught.value).startswith("m.caffemodel: Cannot copy param 0")
    assert "m.caffemodel: 1 loaded, 1 mismatch\n" in str(caught.value)
    assert "ip2    0     mismatch  10 x 500     3 x 500     shapes differ" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "wanted"), [([(1,)], []), ([], [(1,)]), ([(1,)], [(1,), (1,)]), ([(1,)] * 3, [(1,)])]
)
def test_numbers_of_blobs_must_agree(given, wanted):
    with pytest.raises(WeightsError, match="Incompatible number of blobs for layer ip1") as caught:
        match([TargetLayer("ip1", "T", tuple(wanted))], file(layer("ip1", *given)))
    assert f"({len(given)} blobs in the file, {len(wanted)} in the net)" in caught.value.message


def test_all_mismatches_come_together_with_one_table():
    source = Source("net.prototxt", "layer {}\nlayer {}\n")
    target = [
        TargetLayer("a", "T", ((1,),), span=Span(source, 0)),
        TargetLayer("b", "T", ((2,), (3,)), span=Span(source, 9)),
        TargetLayer("fine", "T", ((7,),)),
    ]
    weights = file(layer("a"), layer("b", (3,), (2,)), layer("fine", (7,)), layer("extra", (8, 9)))
    with pytest.raises(Errors) as caught:
        match(target, weights)
    text = str(caught.value)
    assert all(isinstance(error, WeightsError) for error in caught.value.errors)
    assert text.startswith("net.prototxt:1:1: Incompatible number of blobs for layer a")
    assert "net.prototxt:2:1: Cannot copy param 0" in text and "Cannot copy param 1" in text
    assert text.count("1 loaded, 3 mismatch, 1 ignored") == 1
    table = text[text.rindex("layer  ") :].splitlines()
    assert [line.split()[:3] for line in table[1:]] == [
        ["a", "all", "mismatch"],
        ["b", "0", "mismatch"],
        ["b", "1", "mismatch"],
        ["extra", "0", "ignored"],
    ]


def test_the_table_is_there_even_when_not_all_errors_are():
    names = [f"l{i}" for i in range(30)]
    with pytest.raises(Errors, match="0 in the net") as caught:
        match([TargetLayer(n, "T", ()) for n in names], file(*(layer(n, (1,)) for n in names)))
    text = str(caught.value)
    assert "30 mismatch" in text and "\nl29    all   mismatch" in text


def test_the_first_layer_of_a_name_gets_the_blobs_of_the_last():
    target = [TargetLayer("a", "T", ((1,),)), TargetLayer("a", "T", ((1,),))]
    result = match(target, file(layer("a", (1,), fill=1), layer("a", (1,), fill=2)))
    assert result.values["a", 0].tolist() == [2]
    assert statuses(result) == [("a", 0, "loaded"), ("a", 0, "loaded"), ("a", 0, "kept")]
    assert result.rows[-1].reason == "an earlier layer has this name"


def test_hdf5_leaves_shared_blobs_to_their_owner():
    owner = TargetLayer("a", "T", ((2,), (1,)))
    sharer = TargetLayer("b", "T", ((2,), (1,)), shared=(True, False))
    result = match(
        [owner, sharer], file(layer("a", (2,), (1,)), layer("b", None, (1,)), shared_once=True)
    )
    assert statuses(result)[2:] == [("b", 0, "kept"), ("b", 1, "loaded")]
    assert ("b", 0) not in result.values
    last = sharer._replace(shared=(False, True))
    assert match([last], file(layer("b", (2,)), shared_once=True)).values.keys() == {("b", 0)}


@pytest.mark.parametrize("given", [[None, (1,)], [(2,)], [], [(2,), (1,), (1,)]])
def test_hdf5_leaves_out_nothing_else(given):
    target = [TargetLayer("a", "T", ((2,), (1,)))]
    with pytest.raises(WeightsError, match="Incompatible number of blobs for layer a"):
        match(target, file(layer("a", *given), shared_once=True))


def test_a_binary_file_stores_shared_blobs_again():
    sharer = TargetLayer("b", "T", ((2,),), shared=(True,))
    assert match([sharer], file(layer("b", (2,)))).values.keys() == {("b", 0)}
    with pytest.raises(WeightsError, match="Incompatible number of blobs"):
        match([sharer], file(layer("b")))


def test_render():
    rows = [
        Row("conv1", 0, "loaded", (20, 1, 5, 5), (20, 1, 5, 5)),
        Row("s", 10, "kept", None, (), "not in the file"),
    ]
    assert render(rows).splitlines() == [
        "layer  blob  status  in the file     in the net      reason",
        "conv1  0     loaded  20 x 1 x 5 x 5  20 x 1 x 5 x 5",
        "s      10    kept    -               scalar          not in the file",
    ]
    assert summary([]) == "no blobs"


shapes = st.lists(st.sampled_from([(), (1,), (2,), (1, 2)]), max_size=3).map(tuple)
names = st.sampled_from("abcd")


@given(st.lists(st.tuples(names, shapes)), st.lists(st.tuples(names, shapes)), st.booleans())
def test_every_blob_has_a_row_and_every_value_fits(target, source, shared_once):
    layers = [TargetLayer(name, "T", s) for name, s in target]
    weights = file(*(layer(name, *s) for name, s in source), shared_once=shared_once)
    result = compare(layers, weights)
    first = {x.name: x for x in reversed(layers)}
    assert result.ignored == tuple(name for name, _ in source if name not in first)
    for (name, index), value in result.values.items():
        assert value.shape == first[name].shapes[index]
    reported = {(row.layer, row.index) for row in result.rows}
    for name, wanted in target:
        for i in range(len(wanted)):
            assert (name, i) in reported or (name, None) in reported
    if any(row.status == "mismatch" for row in result.rows):
        with pytest.raises(NetcError):
            match(layers, weights)
    else:
        assert match(layers, weights).rows == result.rows


@pytest.mark.parametrize(
    ("given", "wanted", "rows", "reason"),
    [
        ((4, 12), (4, 3, 2, 2), True, "fully connected <-> convolution"),
        ((4, 3, 2, 2), (4, 12), True, "fully connected <-> convolution"),
        ((1, 1, 4, 12), (4, 3, 2, 2), True, "fully connected <-> convolution"),
        ((1, 12), (1, 3, 2, 2), True, "fully connected <-> convolution"),
        ((1, 3, 2, 2), (1, 12), True, "fully connected <-> convolution"),
        ((4, 12), (4, 3, 2, 2), False, None),
        ((12, 4), (4, 3, 2, 2), True, None),
        ((4, 12), (4, 3, 2, 1), True, None),
        ((1, 1, 1, 5), (5,), False, "axes of size 1"),
        ((1, 1, 4, 5), (4, 5, 1, 1), False, "axes of size 1"),
        ((5, 4), (4, 5), False, None),
    ],
)
def test_casts(given, wanted, rows, reason):
    target = [TargetLayer("a", "T", (wanted,), rows=rows)]
    values = np.arange(np.prod(given), dtype=np.float32).reshape(given)
    source = file(LayerWeights("a", "T", (values,), (None,), (False,)))
    assert statuses(compare(target, source)) == [("a", 0, "mismatch")]
    result = compare(target, source, Rules(cast=True))
    (row,) = result.rows
    assert (row.status, row.reason) == (
        ("reshaped", reason) if reason else ("mismatch", "shapes differ")
    )
    if reason:
        np.testing.assert_array_equal(result.values["a", 0], values.reshape(wanted), strict=True)


def test_only_the_first_blob_has_rows():
    target = [TargetLayer("a", "T", ((2, 6), (2, 6)), rows=True)]
    result = compare(target, file(layer("a", (2, 3, 2), (2, 3, 2))), Rules(cast=True))
    assert statuses(result) == [("a", 0, "reshaped"), ("a", 1, "mismatch")]


def test_mismatches_can_be_skipped():
    target = [TargetLayer("a", "T", ((1,), (2,))), TargetLayer("b", "T", ((3,),))]
    result = match(target, file(layer("a", (1,), (4,)), layer("b")), Rules(skip=True))
    assert statuses(result) == [("a", 0, "loaded"), ("a", 1, "skipped"), ("b", None, "skipped")]
    assert set(result.values) == {("a", 0)}
    assert summary(result.rows) == "1 loaded, 2 skipped"


def rename(*pairs):
    return Rules(rename=tuple((re.compile(a), b) for a, b in pairs))


def test_layers_can_be_renamed():
    target = [TargetLayer(name, "T", ((1,),)) for name in ("features/1", "features/12", "fc")]
    source = file(layer("conv1", (1,)), layer("conv12", (1,)), layer("ip", (1,)))
    result = match(target, source, rename((r"conv(\d+)", r"features/\1"), ("ip", "fc")))
    assert result.ignored == () and len(result.values) == 3
    result = compare(target, source, rename(("conv1", "features/1")))
    assert result.ignored == ("conv12", "ip"), "a pattern must match the whole name"


def test_renaming_nothing_is_a_mistake():
    with pytest.raises(WeightsError) as caught:
        match([], file(layer("conv1"), layer("ip")), rename(("conv", "x")))
    assert str(caught.value) == (
        "m.caffemodel: no layer's whole name matches 'conv'\nhint: the layers are conv1, ip"
    )
