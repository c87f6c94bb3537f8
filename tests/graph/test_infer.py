"""Shapes, parameters and their sharing, and mistakes found while setting layers up."""

import numpy as np
import pytest

from netc.errors import DataError, Errors, GraphError, NetcError, ShapeError
from netc.graph.infer import infer
from netc.layers import LAYERS, Layer, stateless
from netc.schema import TEST

from .nets import REFERENCE, built, inferred, inputs, marked

A = inputs(a=(2, 6), b=(2, 2, 3))


def ip(name: str, bottom: str = "a", outputs: int = 6, rest: str = "") -> str:
    return (
        f"layer {{ name: '{name}' type: 'InnerProduct' bottom: '{bottom}' top: '{name}' "
        f"inner_product_param {{ num_output: {outputs} }} {rest} }}\n"
    )


def shared(name: str, outputs: int = 6, mode: str = "", rest: str = "", bottom: str = "a") -> str:
    """An InnerProduct whose weights are shared as w."""
    share = f"share_mode: {mode}" if mode else ""
    return ip(name, bottom, outputs, f"param {{ name: 'w' {share} {rest} }}")


def failure(text: str, **options) -> NetcError:
    with pytest.raises(NetcError) as caught:
        inferred(text, **options)
    return caught.value


def test_shapes_dtypes_and_keys():
    graph = inferred(
        A + ip("p", rest="param { lr_mult: 2 } param { decay_mult: 0 }") + ip("q", "p", 4)
    )
    assert graph.shapes == {"a": (2, 6), "b": (2, 2, 3), "p": (2, 6), "q": (2, 4)}
    assert set(graph.dtypes.values()) == {np.dtype("float32")}
    assert [(p.key, p.spec.shape, p.lr_mult, p.decay_mult) for p in graph.params] == [
        ("p/0", (6, 6), 2, 1),
        ("p/1", (6,), 1, 0),
        ("q/0", (4, 6), 1, 1),
        ("q/1", (4,), 1, 1),
    ]
    assert [n.blobs for n in graph.nodes] == [(), (), ("p/0", "p/1"), ("q/0", "q/1")]


def test_shared_parameter_has_one_owner():
    graph = inferred(A + shared("p") + shared("q") + shared("r"))
    assert [n.blobs for n in graph.nodes[2:]] == [("p/0", "p/1"), ("p/0", "q/1"), ("p/0", "r/1")]
    assert [p.key for p in graph.params] == ["p/0", "p/1", "q/1", "r/1"]
    assert graph.param_by_key["p/0"].name == "w"


def test_unnamed_parameters_are_not_shared():
    graph = inferred(A + ip("p", rest="param { }") + ip("q", rest="param { name: '' }"))
    assert len(graph.params) == 4


def test_shared_within_a_layer():
    text = (
        A + "layer { name: 'p' type: 'InnerProduct' bottom: 'a' top: 'p' inner_product_param "
        "{ num_output: 1 } param { name: 'w' } param { name: 'w' share_mode: PERMISSIVE } }"
    )
    assert (
        str(failure(text))
        .splitlines()[0]
        .endswith(
            "count mismatch.  Owner layer param shape is 1 x 6; sharing layer expects shape 1"
        )
    )


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        ("", "", (1, 1)),
        ("lr_mult: 2", "", (2, 1)),
        ("", "lr_mult: 2", (2, 1)),
        ("lr_mult: 2", "lr_mult: 2", (2, 1)),
        ("lr_mult: 0 decay_mult: 3", "decay_mult: 3", (0, 3)),
        ("decay_mult: 3", "lr_mult: 1", (1, 3)),
        ("lr_mult: 1", "lr_mult: 1", (1, 1)),
    ],
)
def test_multipliers_of_shared_parameters(first, second, result):
    graph = inferred(A + shared("p", rest=first) + shared("q", rest=second))
    owner = graph.param_by_key["p/0"]
    assert (owner.lr_mult, owner.decay_mult) == result


@pytest.mark.parametrize(
    ("first", "second", "message", "value"),
    [
        ("lr_mult: 1", "lr_mult: 2", "lr_mult: 1 and 2.", "2"),
        ("decay_mult: 0", "decay_mult: 0.5", "decay_mult: 0 and 0.5.", "0.5"),
        ("lr_mult: 0 decay_mult: 1", "lr_mult: 1 decay_mult: 1", "lr_mult: 0 and 1.", "1"),
    ],
)
def test_multipliers_must_agree(first, second, message, value):
    error = failure(A + shared("p", rest=first) + shared("q", rest=second))
    assert isinstance(error, GraphError)
    assert error.message == f"Shared param 'w' has mismatched {message}"
    assert marked(error) == (4, value)


def test_permissive_sharing_takes_equal_counts():
    text = A + shared("p", 4) + shared("q", 8, "PERMISSIVE", bottom="s")
    graph = inferred(inputs(s=(2, 3)) + text)
    assert graph.nodes[-1].blobs[0] == "p/0"
    assert graph.param_by_key["p/0"].spec.shape == (4, 6)


@pytest.mark.parametrize(
    ("mode", "outputs", "message", "hint"),
    [
        (
            "",
            8,
            "Cannot share param 'w' owned by layer 'p' with layer 'q'; shape mismatch.  "
            "Owner layer param shape is 4 x 6; sharing layer expects shape 8 x 3",
            "share_mode: PERMISSIVE shares blobs of equal count",
        ),
        (
            "STRICT",
            8,
            "Cannot share param 'w' owned by layer 'p' with layer 'q'; shape mismatch.  "
            "Owner layer param shape is 4 x 6; sharing layer expects shape 8 x 3",
            "share_mode: PERMISSIVE shares blobs of equal count",
        ),
        (
            "PERMISSIVE",
            7,
            "Cannot share param 'w' owned by layer 'p' with layer 'q'; count mismatch.  "
            "Owner layer param shape is 4 x 6; sharing layer expects shape 7 x 3",
            None,
        ),
    ],
)
def test_sharing_needs_fitting_shapes(mode, outputs, message, hint):
    text = inputs(s=(2, 3)) + A + shared("p", 4) + shared("q", outputs, mode, bottom="s")
    error = failure(text)
    assert isinstance(error, ShapeError)
    assert (error.message, error.hint) == (message, hint)
    assert marked(error) == (5, "param")


def test_too_many_params():
    error = failure(A + ip("p", rest="param { } param { }\n param { }"))
    assert isinstance(error, GraphError)
    assert (
        str(error)
        == """\
n.prototxt:4:2: Too many params specified for layer p: 3 for 2 blobs
    param { } }
    ^~~~~"""
    )


@pytest.mark.parametrize(
    ("filler", "message", "hint"),
    [
        (
            "weight_filler { type: 'zavier' }",
            "Unknown filler name: zavier",
            "did you mean 'xavier'?",
        ),
        ("bias_filler { type: 'zzz' }", "Unknown filler name: zzz", None),
        (
            "weight_filler { sparse: 3 }",
            "Sparsity not supported by this Filler. (constant)",
            "drop sparse",
        ),
        (
            "weight_filler { type: 'bilinear' }",
            "Blob must be 4 dim. (bilinear filler on (6, 6))",
            None,
        ),
    ],
)
def test_fillers(filler, message, hint):
    error = failure(A + ip("p").replace("num_output: 6", f"num_output: 6 {filler}"))
    assert isinstance(error, ShapeError)
    assert (error.message, error.hint) == (f"{message} (layer 'p', InnerProduct)", hint)
    assert marked(error) == (3, filler.split()[0])


def test_independent_mistakes_are_reported_together():
    text = (
        A
        + ip("p", outputs=0)
        + ip("q", "p")
        + ip("r", "q")
        + ip("s", rest="param { } param { } param { }")
        + "layer { name: 't' type: 'Concat' bottom: 'a' bottom: 'b' top: 't' }"
    )
    errors = failure(text)
    assert isinstance(errors, Errors)
    assert [(type(e), marked(e)) for e in errors.errors] == [
        (ShapeError, (3, "0")),
        (GraphError, (6, "param")),
        (ShapeError, (7, "'b'")),
    ]


DATA = """
layer { name: 'd' type: 'Data' top: 'd' top: 'l' data_param { source: 'no_lmdb' batch_size: 2 } }
"""


def test_missing_data_is_a_mistake():
    error = failure(DATA)
    assert isinstance(error, DataError)
    assert marked(error) == (2, "'no_lmdb'")


def test_missing_data_can_be_collected():
    missing: list[NetcError] = []
    graph = inferred(DATA + ip("p", "d") + A + ip("q"), missing=missing)
    assert [type(e) for e in missing] == [DataError]
    assert [n.key for n in graph.nodes] == ["a", "b", "q"]


def test_mistakes_beside_missing_data():
    missing: list[NetcError] = []
    error = failure(DATA + A + ip("q", outputs=0), missing=missing)
    assert isinstance(error, ShapeError) and len(missing) == 1


def test_what_jax_refuses_names_the_layer(monkeypatch):
    def setup(d):
        return Layer(lambda blobs, state, rng, x: ((x.reshape(5),), state))

    monkeypatch.setitem(LAYERS, "ReLU", LAYERS["ReLU"]._replace(setup=setup))
    error = failure(A + "layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'r' }")
    assert isinstance(error, ShapeError)
    assert str(error.where) == "n.prototxt:3:1"
    assert error.message.startswith("layer 'r' (ReLU) cannot work on bottoms 2 x 6: ")


@pytest.mark.parametrize("error", [ZeroDivisionError, IndexError, MemoryError])
@pytest.mark.parametrize("in_setup", [True, False])
def test_what_python_refuses_names_the_layer(monkeypatch, error, in_setup):
    def refuse(*_):
        raise error("no")

    def setup(d):
        return refuse() if in_setup else Layer(refuse)

    monkeypatch.setitem(LAYERS, "ReLU", LAYERS["ReLU"]._replace(setup=setup))
    found = failure(A + "layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'r' }")
    assert isinstance(found, ShapeError) and str(found.where) == "n.prototxt:3:1"
    assert found.message == "layer 'r' (ReLU) cannot work on bottoms 2 x 6: no"


def test_layer_that_gives_another_number_of_tops(monkeypatch):
    def setup(d):
        return stateless(lambda blobs, x: (x, x))

    monkeypatch.setitem(LAYERS, "ReLU", LAYERS["ReLU"]._replace(setup=setup))
    error = failure(A + "layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'r' }")
    assert error.message == "layer 'r' (ReLU) gives 2 tops, the net names 1"


def test_each_layer_is_set_up_in_its_own_phase():
    text = A + "layer { name: 'd' type: 'Dropout' bottom: 'a' top: 'd' phase: TRAIN }"
    assert [n.set_up.random for n in inferred(text, TEST).nodes] == [False, False, True]


def test_the_graph_given_stays_as_it_was():
    graph = built(A + ip("p"))
    assert infer(graph, REFERENCE).params and not graph.params and not graph.shapes
    assert graph.nodes[-1].layer is None
