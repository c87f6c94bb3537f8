"""Programs: values, gradients, sharing, what is drawn and what is compiled."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from netc import compile
from netc.compile import Program, compile_net
from netc.errors import DataError, NetcError
from netc.layers import LAYERS, BlobSpec, Layer
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.phase import net_state
from netc.schema import TEST, TRAIN, FillerParameter
from tests.graph.nets import inputs

KEY = jax.random.key(7)


def program(text: str, phase: int = TRAIN, platform: str = "reference") -> Program:
    return compile_net(parse_net(text), net_state(phase), Plan(platform))


def fed(p: Program, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs; a blob called label gets classes 0, 1, 2, ..."""
    draw = np.random.RandomState(seed)
    shapes = {name: p.graph.shapes[name] for name in p.graph.inputs}
    return {
        name: (np.arange(np.prod(shape)) % 3).reshape(shape).astype(np.float32)
        if name == "label"
        else draw.randn(*shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def loss(p: Program, blobs, x, rng=KEY):
    return p.loss(p.apply(blobs, p.init(0)[1], rng, x)[0])


def gradients(p: Program, blobs):
    x = fed(p)
    return jax.jit(jax.grad(lambda b: loss(p, b, x)))(blobs)


def close(a, b, rtol=1e-5):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_allclose(a[key], b[key], rtol, 1e-6, err_msg=key)


def ip(name: str, bottom: str, outputs: int = 4, rest: str = "") -> str:
    return (
        f"layer {{ name: '{name}' type: 'InnerProduct' bottom: '{bottom}' top: '{name}' "
        f"inner_product_param {{ num_output: {outputs} weight_filler {{ type: 'xavier' }} "
        f"bias_filler {{ value: 0.1 }} }} {rest} }}\n"
    )


def layer(kind: str, bottoms: list[str], top: str, rest: str = "") -> str:
    return (
        f"layer {{ name: '{top}_{kind}' type: '{kind}' bottom: {bottoms} top: '{top}' {rest} }}\n"
    )


X = inputs(x=(3, 4), label=(3,))
LOSS = layer("SoftmaxWithLoss", ["out", "label"], "loss")


def test_init_draws_each_blob_from_the_seed_and_its_name():
    one, _ = program(X + ip("p", "x")).init(3)
    two, _ = program(X + ip("before", "x") + ip("p", "x") + ip("q", "x")).init(3)
    other, _ = program(X + ip("p", "x")).init(4)
    assert all(type(v) is np.ndarray and v.dtype == np.float32 for v in two.values())
    assert one["p/0"].tobytes() == two["p/0"].tobytes() != other["p/0"].tobytes()
    assert two["p/0"].tobytes() != two["q/0"].tobytes()
    assert one["p/1"].tolist() == [np.float32(0.1)] * 4


def test_values():
    p = program(X + ip("p", "x") + layer("ReLU", ["p"], "p") + ip("out", "p", 3) + LOSS)
    blobs, x = p.init(0)[0], fed(p)
    values, state = p.apply(blobs, {}, KEY, x, keep=["x", "p", "p'1", "out", "loss"])
    inner = x["x"] @ blobs["p/0"].T + blobs["p/1"]
    out = np.maximum(inner, 0) @ blobs["out/0"].T + blobs["out/1"]
    shifted = np.exp(out - out.max(1, keepdims=True))
    nll = -np.log((shifted / shifted.sum(1, keepdims=True))[range(3), [0, 1, 2]]).mean()
    expected = {"x": x["x"], "p": inner, "p'1": np.maximum(inner, 0), "out": out, "loss": nll}
    close(values, expected)
    assert state == {}


@pytest.mark.parametrize(
    ("keep", "names"), [(None, {"loss", "r"}), ([], set()), (["out", "r"], {"out", "r"})]
)
def test_what_is_kept(keep, names):
    p = program(X + ip("out", "x") + layer("ReLU", ["out"], "r") + LOSS)
    assert p.apply(p.init(0)[0], {}, KEY, fed(p), keep=keep)[0].keys() == names


def test_loss_is_the_weighted_sum():
    text = (
        X
        + ip("out", "x", 4, "loss_weight: 0.5")
        + layer("SoftmaxWithLoss", ["out", "label"], "loss", "loss_weight: 3")
        + layer("SoftmaxWithLoss", ["out", "label"], "idle", "loss_weight: 0")
    )
    p = program(text)
    values, _ = p.apply(p.init(0)[0], {}, KEY, fed(p))
    expected = 0.5 * values["out"].sum() + 3 * values["loss"]
    np.testing.assert_allclose(p.loss(values), expected, rtol=1e-6)


def test_loss_without_a_top():
    text = X + ip("out", "x") + LOSS
    named, automatic = program(text), program(text.replace(" top: 'loss'", ""))
    assert loss(automatic, named.init(0)[0], fed(named)) == loss(
        named, named.init(0)[0], fed(named)
    )


IN_PLACE = {
    "one": ["ReLU"],
    "a chain": ["Sigmoid", "TanH", "ReLU"],
    "stochastic": ["Dropout", "TanH"],
}


@pytest.mark.parametrize("kinds", IN_PLACE.values(), ids=IN_PLACE)
@pytest.mark.parametrize("beside", ["", layer("Eltwise", ["x", "a"], "e", "loss_weight: 1")])
def test_in_place_gradients_are_right(kinds, beside):
    """The same gradients whatever is in place, a reader of the first value included."""

    def text(in_place: bool) -> str:
        chain, blob = "", "a"
        for i, kind in enumerate(kinds):
            top = "a" if in_place else f"a{i}"
            chain += f"layer {{ name: 'n{i}' type: '{kind}' bottom: '{blob}' top: '{top}' }}\n"
            blob = top
        return X + ip("a", "x") + beside + chain + ip("out", blob, 3) + LOSS

    plain, in_place = program(text(False)), program(text(True))
    blobs = plain.init(0)[0]
    close(gradients(in_place, blobs), gradients(plain, blobs))


def test_sharing_adds_gradients():
    def net(first: str, second: str) -> Program:
        return program(X + ip("p", "x", 4, first) + ip("out", "p", 4, second) + LOSS)

    name = "param { name: 'w' } param { name: 'b' }"
    shared, apart = net(name, name), net("", "")
    blobs = shared.init(0)[0]
    assert blobs.keys() == {"p/0", "p/1"}
    each = gradients(apart, {**blobs, "out/0": blobs["p/0"], "out/1": blobs["p/1"]})
    sums = {f"p/{i}": each[f"p/{i}"] + each[f"out/{i}"] for i in range(2)}
    close(gradients(shared, blobs), sums)


def test_permissive_sharing_reshapes():
    def net(rest: str, again: str) -> Program:
        text = inputs(x=(3, 4), s=(3, 2), label=(3,)) + ip("p", "x", 4, rest)
        return program(text + ip("q", "s", 8, again) + layer("Concat", ["p", "q"], "out") + LOSS)

    shared = net("param { name: 'w' }", "param { name: 'w' share_mode: PERMISSIVE }")
    apart = net("", "")
    blobs = shared.init(0)[0]
    own = {**blobs, "q/0": blobs["p/0"].reshape(8, 2)}
    each = gradients(apart, own)
    assert loss(shared, blobs, fed(shared)) == loss(apart, own, fed(apart))
    summed = each["p/0"] + each.pop("q/0").reshape(4, 4)
    close(gradients(shared, blobs), {**each, "p/0": summed})


def test_propagate_down():
    branches = X + ip("a", "x") + ip("b", "x")

    def net(rest: str) -> Program:
        return program(branches + layer("Eltwise", ["a", "b"], "out", rest) + LOSS)

    free, cut = net(""), net("propagate_down: [true, false]")
    blobs, x = free.init(0)[0], fed(free)
    assert loss(free, blobs, x) == loss(cut, blobs, x)
    full, part = gradients(free, blobs), gradients(cut, blobs)
    assert all(np.any(g) for g in full.values())
    zero = {key: np.zeros_like(blobs[key]) for key in ("b/0", "b/1")}
    close(part, {**full, **zero})


def products(f, *args) -> int:
    """How many matrix products are left in the compiled program."""
    return jax.jit(f).lower(*args).compile().as_text().count(" dot(")


@pytest.mark.parametrize(
    ("frozen", "count"), [((), 5), (("p",), 3), (("out",), 4), (("p", "out"), 2)]
)
def test_frozen_blobs_cost_no_backward_pass(frozen, count):
    freeze = {name: "param { lr_mult: 0 } param { lr_mult: 0 }" for name in frozen}
    text = X + ip("p", "x", 4, freeze.get("p", "")) + ip("out", "p", 3, freeze.get("out", ""))
    p = program(text + LOSS)
    blobs, x = p.init(0)[0], fed(p)
    moving = {k: blobs[k] for k in p.graph.trainable}
    still = {k: v for k, v in blobs.items() if k not in moving}
    assert {k.split("/")[0] for k in still} == set(frozen)

    def f(moving, still, x):
        return jax.value_and_grad(lambda m: loss(p, {**still, **m}, x))(moving)

    assert products(f, moving, still, x) == count
    close(f(moving, still, x)[1], {k: v for k, v in gradients(p, blobs).items() if k in moving})


def masks(text: str, rng=KEY) -> np.ndarray:
    p = program(text)
    ones = {k: np.ones_like(v) for k, v in fed(p).items()}
    return np.asarray(p.apply(p.init(0)[0], {}, rng, ones, keep=["d"])[0]["d"])


DROPOUT = layer("Dropout", ["x"], "d")


def test_dropout_does_not_depend_on_other_layers():
    x = inputs(x=(20, 30))
    alone = masks(x + DROPOUT)
    among = masks(
        x + layer("Dropout", ["x"], "before") + DROPOUT + layer("Dropout", ["d"], "after")
    )
    assert 0.3 < (alone == 0).mean() < 0.7
    np.testing.assert_array_equal(alone, among)


def test_dropout_depends_on_the_key_and_the_layer():
    x = inputs(x=(20, 30))
    alone = masks(x + DROPOUT)
    assert (alone != masks(x + DROPOUT, jax.random.key(8))).any()
    assert (alone != masks(x + DROPOUT.replace("d_Dropout", "other"))).any()


def test_test_phase_draws_nothing():
    p = program(inputs(x=(2, 3)) + DROPOUT, TEST)
    x = fed(p)
    np.testing.assert_array_equal(p.apply({}, {}, None, x)[0]["d"], x["x"])


def counting(d):
    """Adds what it has seen so far; state: how often it ran, and in which sum."""

    def apply(blobs, state, rng, x):
        times, total = state
        return (x + blobs[0] + times,), (times + 1, total + x.sum()[None])

    one = FillerParameter(value=1)
    return Layer(apply, (BlobSpec((1,), one),), (BlobSpec((1,)), BlobSpec((1,), one)))


def test_state_is_carried_and_no_blob(monkeypatch):
    monkeypatch.setitem(LAYERS, "ReLU", LAYERS["ReLU"]._replace(setup=counting))
    p = program(inputs(x=(2,)) + layer("ReLU", ["x"], "c") + layer("ReLU", ["c"], "e"))
    blobs, state = p.init(0)
    assert blobs.keys() == {"c_ReLU/0", "e_ReLU/0"}
    assert {k: float(v[0]) for k, v in state.items()} == {
        "c_ReLU/1": 0,
        "c_ReLU/2": 1,
        "e_ReLU/1": 0,
        "e_ReLU/2": 1,
    }
    x = {"x": np.array([1, 2], np.float32)}
    kept = dict(state)
    for passes in (1, 2):
        values, state = p.apply(blobs, state, None, x)
        assert state["c_ReLU/1"] == passes and state["c_ReLU/2"] == 1 + 3 * passes
    assert values["e"].tolist() == [5, 6]
    assert kept["c_ReLU/1"] == 0
    assert p.graph.trainable == ("c_ReLU/0", "e_ReLU/0")


def test_traced_once():
    text = X + ip("p", "x") + layer("Dropout", ["p"], "p") + ip("out", "p", 3) + LOSS
    p = program(text, platform="cpu")
    traces = []

    @jax.jit
    def step(blobs, rng, x):
        traces.append(1)
        return jax.value_and_grad(lambda b: loss(p, b, x, rng))(blobs)

    blobs = p.init(0)[0]
    for i in range(3):
        value, slope = step(blobs, jax.random.key(i), fed(p, i))
        blobs = jax.tree.map(lambda b, g: b - 0.1 * g, blobs, slope)
    assert np.isfinite(value) and len(traces) == 1


def test_a_blob_without_axes_has_none():
    text = X + "layer { name: 'p' type: 'PReLU' bottom: 'x' top: 'y' prelu_param { %s } }"
    (blob,) = program(text % "channel_shared: true").init(0)[0].values()
    assert blob.shape == () and blob == 0.25


def test_missing_data_can_be_collected():
    text = "layer { name: 'd' type: 'Data' top: 'd' data_param { source: 'no' batch_size: 1 } }"
    missing: list[NetcError] = []
    p = compile_net(parse_net(text), net_state(TRAIN), Plan("reference"), missing=missing)
    assert not p.graph.nodes and [type(e) for e in missing] == [DataError]
    with pytest.raises(DataError):
        program(text)


def test_init_draws_nothing_for_values_that_are_given(monkeypatch):
    p = program(X + ip("p", "x") + ip("q", "x"))
    drawn = p.init(3)[0]
    given = {k: v + 1 for k, v in drawn.items() if k.startswith("p")}
    asked = []
    fill = compile.fill
    monkeypatch.setattr(compile, "fill", lambda *a: asked.append(a) or fill(*a))
    blobs, _ = p.init(3, given)
    assert len(asked) == 2 and {k: v.tolist() for k, v in blobs.items()} == {
        k: v.tolist() for k, v in (drawn | given).items()
    }
