"""netc/schema holds what proto/compile.py makes of proto/caffe.proto."""

import importlib.util
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

pytest.importorskip("grpc_tools", reason="grpcio-tools compiles the schema (pip install netc[dev])")

SCRIPT = Path(__file__).resolve().parents[2] / "proto" / "compile.py"
MADE = {"caffe.binpb", "messages.pyi", "forks.json", "comments.json"}


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("proto_compile", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_files_are_fresh(script, capsys):
    status = script.main(["--check"])
    assert (status, capsys.readouterr().err) == (0, "")


def test_stale_files_are_named_and_written(script, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "SCHEMA", tmp_path)
    assert script.main(["--check"]) == 1
    assert not any(tmp_path.iterdir())
    err = capsys.readouterr().err
    assert all(f"netc/schema/{name} is stale: run python proto/compile.py" in err for name in MADE)
    assert script.main([]) == 0
    assert {path.name for path in tmp_path.iterdir()} == MADE
    assert script.main(["--check"]) == 0


def test_forks_are_read_from_comments(script):
    file = FileDescriptorProto()
    message = file.message_type.add(name="M")
    for name in ("caffes", "own", "wrapped"):
        message.field.add(name=name)
    inner = message.nested_type.add(name="N")
    for name in ("whole", "own"):
        inner.field.add(name=name)
    file.message_type.add(name="Plain").field.add(name="x")

    def comment(path, **text):
        file.source_code_info.location.add(path=path, **text)

    comment([4, 0, 2, 0], trailing_comments=" not [ssd] at the start\n")
    comment([4, 0, 2, 1], trailing_comments=" [ssd, fast-rcnn@8266711] of the axis\n")
    comment([4, 0, 2, 2], leading_comments=" [intel,\n rfcn@4]\n")
    comment([4, 0, 3, 0], leading_comments=" A message. Forks:\n tsn,\n c3d.\n")
    comment([4, 0, 3, 0, 2, 1], trailing_comments=" [tsn]\n")
    assert script.fork_fields(file) == {
        "M": {"own": ["ssd", "fast-rcnn"], "wrapped": ["intel", "rfcn"]},
        "M.N": {"whole": ["tsn", "c3d"], "own": ["tsn"]},
    }


def test_comments_are_read_without_their_forks(script):
    file = FileDescriptorProto()
    message = file.message_type.add(name="M")
    for name in ("plain", "own", "only", "silent"):
        message.field.add(name=name)
    file.message_type.add(name="Silent").field.add(name="x")
    texts = (" two\n lines [0, 1]\n", " [ssd, tsn@3] of the axis\n", " [ssd]\n")
    for i, text in enumerate(texts):
        file.source_code_info.location.add(path=[4, 0, 2, i], trailing_comments=text)
    assert script.field_comments(file) == {"M": {"plain": "two lines [0, 1]", "own": "of the axis"}}


def test_a_schema_that_does_not_compile(script, capfd, tmp_path, monkeypatch):
    (tmp_path / "caffe.proto").write_text("message {")
    monkeypatch.setattr(script, "HERE", tmp_path)
    with pytest.raises(SystemExit, match=r"caffe\.proto does not compile"):
        script.main(["--check"])
    assert "caffe.proto:1:9" in capfd.readouterr().err
