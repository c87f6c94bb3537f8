"""The one door: text and binary files, what is not one, what is missing."""

import pytest

from netc import load
from netc.errors import Errors, ParseError
from netc.load import is_text, nearby, parse_net, read_blob_proto, read_net, read_solver
from netc.schema import BlobProto, BlobShape, NetParameter, SolverParameter

TEXT = 'name: "n"\nlayer { name: "a" top: "t" }\n'
NET = parse_net(TEXT).message


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file in a folder of its own, which is the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(data: str | bytes, name: str = "n.prototxt") -> str:
        (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return name

    return write


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        b"# gro\xdf \xd6\xd0\xce\xc4 \x85\n" + TEXT.encode(),
        NET.SerializeToString(),
    ],
    ids=["text", "carriage returns", "byte order mark", "comment not in UTF-8", "binary"],
)
def test_net(write, data):
    assert read_net(write(data)).message == NET


def test_places_start_after_a_byte_order_mark(write):
    source = read_net(write(b"\xef\xbb\xbf" + TEXT.encode())).source
    assert str(source.at("name")) == "n.prototxt:1:7"


def test_binary_net_has_no_places(write):
    assert read_net(write(NET.SerializeToString())).source.at("layer", 0) is None


def test_solver(write):
    solver = SolverParameter(net="n.prototxt", base_lr=0.1, type="Adam")
    for data in (
        b'net: "n.prototxt" base_lr: 0.1 solver_type: ADAM',
        SolverParameter(net="n.prototxt", base_lr=0.1, solver_type=5).SerializeToString(),
    ):
        assert read_solver(write(data)).message == solver


def test_files_are_upgraded(write):
    old = NetParameter(input=["a"], input_shape=[BlobShape(dim=[2])], layer=[{"name": "b"}])
    net = read_net(write(old.SerializeToString())).message
    assert [layer.type for layer in net.layer] == ["Input", ""]


def test_blob_proto(write):
    mean = BlobProto(num=1, channels=1, height=1, width=2, data=[1, 2])
    assert read_blob_proto(write(mean.SerializeToString())) == mean
    assert read_blob_proto(write("num: 1 channels: 1 height: 1 width: 2 data: [1, 2]")) == mean


def test_empty_file_is_an_empty_net(write):
    assert read_net(write("")).message == NetParameter()


def test_unknown_fields(write):
    name = write(TEXT + "zzz: 1")
    with pytest.raises(ParseError, match='has no field named "zzz"'):
        read_net(name)
    net = read_net(name, allow_unknown=True)
    assert net.message == NET
    (warning,) = net.warnings
    assert str(warning).startswith('n.prototxt:3:1: Message type "caffe.NetParameter" has no')


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (NET.SerializeToString()[:-3], "NetParameter"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "NetParameter"),
        (TEXT.encode("utf-16"), "NetParameter"),
        (b"\xfa\x3e\x01\x00", "NetParameter"),
    ],
    ids=["cut off", "picture", "UTF-16", "other message"],
)
def test_neither_text_nor_binary(write, data, known):
    with pytest.raises(ParseError) as caught:
        read_net(write(data))
    assert str(caught.value) == (
        f"n.prototxt: Failed to parse {known} file: {len(data)} bytes that are neither prototxt "
        f"nor a binary {known}."
    )


def test_string_not_in_utf8(write):
    with pytest.raises(ParseError) as caught:
        read_net(write(b'name: "gro\xdf"'))
    assert (
        str(caught.value)
        == r"""n.prototxt:1:7: name is not valid UTF-8: unexpected end of data.
    name: "gro\xdf"
          ^~~~~~~~~"""
    )


CLIP = """\
layer { name: "a" }
layer { name: "b" clip_param { min: 0 } }
layer { name: "c"
  clip_param { } }
"""


def test_required_fields(write):
    with pytest.raises(Errors) as caught:
        read_net(write(CLIP))
    assert [str(e).splitlines()[0] for e in caught.value.errors] == [
        "n.prototxt:2:19: Missing required field: layer[1].clip_param.max.",
        "n.prototxt:4:3: Missing required field: layer[2].clip_param.min.",
        "n.prototxt:4:3: Missing required field: layer[2].clip_param.max.",
    ]


def test_required_fields_of_a_binary_net(write):
    net = NetParameter()
    net.layer.add().clip_param.min = 0
    with pytest.raises(ParseError) as caught:
        read_net(write(net.SerializePartialToString()))
    assert str(caught.value) == "n.prototxt: Missing required field: layer[0].clip_param.max."


@pytest.mark.parametrize(
    ("path", "block"),
    [
        (
            "n.protoxt",
            "Failed to open file: No such file or directory.\nhint: did you mean 'n.prototxt'?",
        ),
        ("zzz", "Failed to open file: No such file or directory."),
        (
            "no/n.prototxt",
            "Failed to open file: No such file or directory.\nhint: there is no folder no",
        ),
        (".", "Failed to open file: Is a directory."),
        ("sub", "Failed to open file: Is a directory."),
    ],
)
def test_no_such_file(write, tmp_path, path, block):
    write(TEXT)
    (tmp_path / "sub").mkdir()
    with pytest.raises(ParseError) as caught:
        read_net(path)
    assert str(caught.value) == f"{path}: {block}"


def test_nearby(write, tmp_path):
    write(TEXT, "lenet.prototxt")
    assert nearby(tmp_path / "lenet.protoxt") == "did you mean 'lenet.prototxt'?"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", True),
        (b"a\tb\r\n\f\v", True),
        ("é 网".encode(), True),
        (b"\xe9", True),
        (b"a\0", False),
        (b"\x0a\x02ab\xa2\x06\x01", False),
        (b"\x1b[0m", False),
    ],
)
def test_is_text(data, text):
    assert is_text(data) is text


def test_a_binary_file_beyond_what_protobuf_reads(write, monkeypatch):
    path = write(NET.SerializeToString())
    monkeypatch.setattr(load, "MAX_BYTES", 10)
    with pytest.raises(
        ParseError, match=r"has 12 bytes, and protobuf reads at most 10\.\nhint: ne"
    ):
        read_net(path)
