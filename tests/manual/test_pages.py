"""The manual of the layer types: complete, true, and cheap to print."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from netc.cli import main
from netc.compile import compile_net
from netc.errors import DataError, ShapeError, UsageError
from netc.graph.coords import AUTOMATIC
from netc.layers import LAYERS
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.manual import families, markdown, page, sentence, text
from netc.manual.examples import BLOBS, BOTTOMS, FIELDS, TOPS, example
from netc.manual.pages import MESSAGES, in_words, messages
from netc.prototxt import parse
from netc.schema import LayerParameter, NetState, Phase

from ..cases import CASES, is_array
from ..layers.running import meant

ROOT = Path(__file__).parents[2]
OWN = sorted(n for n, k in LAYERS.items() if k.setup.__module__.startswith("netc.layers."))
KINDS = [kind for name in OWN for kind in LAYERS[name].variants]
CARRIED = {"BatchNorm": 3, "DataAugmentation": 3, "BN (pspnet)": 2, "BN (parsenet)": 2, "SyncBN": 2}
CARRIED |= {"BatchNorm (nvcaffe)": 3, "BatchNorm (intel)": 3}
CARRIED |= {"LabelSpecificMargin": 1, "LabelSpecificAffine": 1}
PLAN = Plan("cpu")


def kinds(test):
    return pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.label)(test)


def compiled(kind, shapes):
    """The example of a type, fed by Input layers of these shapes."""
    layer = parse(example(kind).partition("{")[2].rpartition("}")[0], LayerParameter).message
    inputs = [
        f'layer {{ name: "{bottom}" type: "Input" top: "{bottom}" input_param {{ shape {{ '
        + " ".join(f"dim: {n}" for n in shape)
        + " } } }"
        for bottom, shape in zip(layer.bottom, shapes, strict=True)
    ]
    dialect = f'dialect: "{kind.dialects[0]}"' if kind.dialects else ""
    net = parse_net("\n".join([dialect, *inputs, example(kind)]))
    return compile_net(net, NetState(phase=Phase.Value("TRAIN")), PLAN)


def rows_of(kind):
    return [c for c in CASES if c.type == kind.name and meant(c).label == kind.label]


def shapes_of(kind):
    """The bottoms of the case rows of a type that are as many as those of its example."""
    count = len(re.findall("bottom:", example(kind)))
    rows = [c.bottoms for c in rows_of(kind) if len(c.bottoms) == count]
    return [[np.shape(b) if is_array(b) else b for b in bottoms] for bottoms in rows]


@kinds
def test_the_example_works_on_the_bottoms_of_some_case(kind, monkeypatch):
    if kind.label == AUTOMATIC:
        return  # it works where there are layers before
    own = ModuleType("my_layers")
    vars(own)["MyLayer"] = lambda x: x
    monkeypatch.setitem(sys.modules, "my_layers", own)
    refused = []
    for shapes in shapes_of(kind) or [[]]:
        try:
            program = compiled(kind, shapes)
        except ShapeError as error:
            refused.append(str(error))
        except DataError as error:
            source = re.search(r'(?:source|file): "(.*?)"', example(kind))
            assert source and source[1] in str(error)
            return
        else:
            assert program.graph.nodes[-1].kind.label == kind.label
            return
    raise AssertionError(f"no case of {kind.label} takes the example: {refused}")


@kinds
def test_the_blobs_are_those_of_the_cases(kind):
    if kind.name == "Python":
        return  # it has what it likes
    most = max((len(c.blobs) for c in rows_of(kind)), default=0)
    assert len(BLOBS.get(kind.label, ())) == most + CARRIED.get(kind.label, 0)


def test_the_tables_name_only_what_there_is():
    fields = LayerParameter.DESCRIPTOR.fields_by_name
    for names in MESSAGES.values():
        assert set(names) <= set(fields)
    labels = {k.label for kind in LAYERS.values() for k in kind.variants}
    assert set(FIELDS) | set(BOTTOMS) | set(TOPS) | set(BLOBS) <= labels
    assert set(MESSAGES) <= set(LAYERS)


def test_every_type_is_in_one_family_and_has_a_sentence():
    listed = [t for f in families() for t in f.types]
    assert sorted(listed) == sorted(LAYERS)
    assert all(f.title for f in families())
    assert all(page(t).summary for t in listed)


def test_a_page():
    p = page("Convolution")
    assert (p.family, p.bottoms, p.tops) == ("conv", "1 or more", "as many as bottoms")
    assert p.summary.startswith("Correlate with num_output filters")
    assert p.about.startswith(p.summary) and "base_conv_layer.cpp" in p.about
    own, filler = p.messages
    assert (own.field, own.type) == ("convolution_param", "ConvolutionParameter")
    assert (filler.field, filler.type) == ("", "FillerParameter")
    by_name = {f.name: f for f in own.fields}
    assert by_name["group"].default == "1" and by_name["num_output"].default == ""
    assert by_name["kernel_size"].type == "list of uint32"
    assert by_name["bias_term"].default == "true"
    assert by_name["engine"].values[:3] == ("DEFAULT", "CAFFE", "CUDNN")
    assert by_name["engine"].default == "DEFAULT"
    assert by_name["num_output"].comment == "number of filters"
    assert by_name["dilation_h"].forks == ("tsn",)


@pytest.mark.parametrize(
    "name, params",
    [
        ("ReLU", ["relu_param"]),
        ("SoftmaxWithLoss", ["softmax_param", "loss_param"]),
        ("Im2col", ["convolution_param"]),
        ("Silence", []),
        ("LSTM", ["recurrent_param"]),
    ],
)
def test_the_messages_of_a_type(name, params):
    assert [m.field for m in messages(name) if m.field] == params


def test_both_renderings_tell_the_fields():
    p = page("Pooling")
    for rendered in (markdown(p), text(p)):
        assert "kernel_size" in rendered and "one of MAX, AVE, STOCHASTIC" in rendered
        assert p.example.splitlines()[2].strip() in rendered and "global_pooling" in rendered
        assert "torch_pooling" in rendered


def test_table_rows_have_as_many_cells_as_their_head():
    for name in OWN:
        for block in re.findall(r"(?m)(?:^\|.*\n)+", markdown(page(name))):
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(cells) == 1, (name, block)


def test_sentences_and_rules_in_words():
    assert sentence("Do a\n    thing. Then another. Caffe: x.cpp.") == "Do a thing"
    assert sentence("x ^ 2; y. Caffe: x.cpp.") == "x ^ 2"
    assert sentence("Pool to 1, 4, 16 ... bins. Level i") == "Pool to 1, 4, 16 ... bins"
    assert sentence(None) == ""
    rules = {0: "none", 2: "2", (1, 2): "1 or 2", (1, 3): "1 to 3", (0, None): "any number"}
    assert {rule: in_words(rule) for rule in rules} == rules
    assert in_words((2, None)) == "2 or more"


def test_the_command(capsys):
    assert main(["layers"]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in LAYERS)
    assert main(["layers", "InnerProduct"]) == 0
    assert capsys.readouterr().out == text(page("InnerProduct")) + "\n"
    assert main(["layers", "InerProduct"]) == 2
    assert capsys.readouterr().err == (
        "no layer type 'InerProduct'\nhint: did you mean 'InnerProduct'?\n"
    )
    with pytest.raises(UsageError, match="netc layers lists them"):
        page("xyzzy")


def test_a_type_of_a_plugin(tmp_path, capsys):
    path = tmp_path / "doubling.py"
    path.write_text(
        """
from netc.layers import register, stateless

@register("Doubling", bottoms=1, tops=1)
def doubling(d):
    '''Twice its bottom. And so on.'''
    return stateless(lambda blobs, x: 2 * x)
"""
    )
    try:
        assert main(["layers", "--plugin", str(path)]) == 0
        listed = capsys.readouterr().out
        assert re.search(
            r"doubling: layer types of your own\n  Doubling +Twice its bottom\n", listed
        )
        assert main(["layers", "Doubling"]) == 0
        assert "Twice its bottom. And so on." in capsys.readouterr().out
    finally:
        LAYERS.pop("Doubling", None)
        sys.modules.pop("doubling", None)


def test_the_command_does_not_import_jax():
    code = """
import sys
from netc.cli import main
from netc.layers import LAYERS
main(["layers"])
for name in LAYERS:
    main(["layers", name])
assert "jax" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def generate():
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_documents_are_fresh(generate):
    assert generate.stale(generate.outputs()) == []


def test_stale_pages_are_named_and_written(generate, tmp_path, monkeypatch, capsys):
    pages = tmp_path / "layers"
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "README", tmp_path / "README.md")
    monkeypatch.setattr(generate, "PAGES", pages)
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text())
    assert generate.main(["--check"]) == 1 and not pages.exists()
    assert "layers/ReLU.md is stale: run python docs/generate.py" in capsys.readouterr().out
    assert generate.main([]) == 0 and generate.main(["--check"]) == 0
    (pages / "Gone.md").write_text("")
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0 and not (pages / "Gone.md").exists()
