"""Pictures as text: SVG, DOT and Mermaid; and what Graphviz makes of them."""

import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from netc.draw import diagram, dot, mermaid, picture, svg
from netc.errors import UsageError
from netc.load import parse_net

from .test_diagram import HEAD

AWKWARD = """name: "a \\"<&>\\""
layer { name: "x<y>&'`\\"" type: "Input" top: "x\\"|" input_param { shape { dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x\\"|" top: "ip" }
"""
SVG = "{http://www.w3.org/2000/svg}"


def made(text=HEAD, **options):
    return diagram(parse_net(text).message, **options)


def test_svg_holds_every_layer_and_its_type():
    root = ElementTree.fromstring(svg(made(shapes={"ip": "64×3"})))
    words = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    for word in ("conv", "Convolution · 20 · 5×5 · stride 2", "bnBatchNorm", "TRAIN", "64×3"):
        assert word in words
    assert words.count("← label") == 2
    boxes = [r for r in root.iter(f"{SVG}rect") if r.get("rx")]
    paths = [p for p in root.iter(f"{SVG}path") if p.get("marker-end")]
    assert (len(boxes), len(paths)) == (6, 5)
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert titles[0] == "net" and "bn: BatchNorm\nrelu: ReLU" in (titles[3] or "")


def test_dot():
    text = dot(made(), "LR")
    assert text.startswith('digraph "net" {\n  rankdir=LR\n')
    assert "<b>conv</b>" in text and ">bn</font>" in text
    assert "  n2 -> n3\n" in text and '  n0 -> n2 [label="data"]\n' in text


def test_mermaid():
    text = mermaid(made(shapes={"relu": "4×4"}))
    lines = text.splitlines()
    assert lines[0] == "flowchart TB"
    conv = "<b>conv</b><br/>Convolution · 20 · 5×5 · stride 2<br/>bn BatchNorm<br/>relu ReLU"
    assert f'  n2["{conv}<br/>4×4"]:::conv' in lines
    assert '  n1 -- "data" --> n2' in lines and "  n2 --> n3" in lines
    assert any(line.startswith("  classDef neuron") for line in lines) is False
    assert any(line.startswith("  classDef conv fill:#") for line in lines)


def test_names_with_signs_of_the_languages():
    drawn = made(AWKWARD)
    texts = [t.text for t in ElementTree.fromstring(svg(drawn)).iter(f"{SVG}text")]
    assert "x<y>&'`\"" in texts
    assert 'digraph "a \\"<&>\\""' in dot(drawn) and "x&lt;y&gt;&amp;" in dot(drawn)
    assert 'n0["<b>x&lt;y&gt;&amp;#39;#96;#quot;</b>' in mermaid(drawn)
    assert '-- "x#quot;|" -->' in mermaid(drawn)


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_graphviz_reads_it():
    for text in (HEAD, AWKWARD):
        assert picture(made(text), "png")[:4] == b"\x89PNG"
    with pytest.raises(UsageError, match=r"dot -Tnothing: .*nothing"):
        picture(made(), "nothing")


def test_a_program_stands_in_for_graphviz(monkeypatch):
    given = []

    def run(command, input, capture_output):
        given.append((command, input))
        return subprocess.CompletedProcess(command, int(command[1] == "-Tbad"), b"made", b"no\nway")

    monkeypatch.setattr("shutil.which", lambda name: f"/there/{name}")
    monkeypatch.setattr("subprocess.run", run)
    assert picture(made(), ".PDF", "BT") == b"made"
    assert given == [(["/there/dot", "-Tpdf"], dot(made(), "BT").encode())]
    with pytest.raises(UsageError, match=r"dot -Tbad: no$"):
        picture(made(), "bad")


def test_without_graphviz(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UsageError, match="a picture in png is made by the program dot, which is n"):
        picture(made(), "png")
    assert picture(made(), "svg") == svg(made()).encode()
    assert picture(made(), "gv") == picture(made(), "dot")
    with pytest.raises(UsageError, match="rankdir is one of TB, BT, LR, RL, not 'UP'"):
        picture(made(), "svg", "UP")
