"""Compile caffe.proto into netc/schema: descriptor set, typing stub, fork fields, comments.

python proto/compile.py           write the four files
python proto/compile.py --check   exit 1 if one of them is not what caffe.proto says
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parent / "netc" / "schema"
STUB_HEAD = '''"""Types of netc/schema/messages.py; written by proto/compile.py."""

# fmt: off
# ruff: noqa
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

'''

# Field numbers that descriptor.proto gives to the parts of a file and of a message.
MESSAGE_IN_FILE, FIELD_IN_MESSAGE, MESSAGE_IN_MESSAGE = 4, 2, 3


def outputs() -> dict[str, bytes]:
    """Name and content of every file that is made from caffe.proto."""
    with tempfile.TemporaryDirectory() as folder:
        plain, commented = Path(folder, "plain"), Path(folder, "commented")
        run_protoc(f"--descriptor_set_out={plain}", f"--pyi_out={folder}")
        run_protoc(f"--descriptor_set_out={commented}", "--include_source_info")
        (file,) = FileDescriptorSet.FromString(commented.read_bytes()).file
        stub = Path(folder, "caffe_pb2.pyi").read_text()
        return {
            "caffe.binpb": plain.read_bytes(),
            "messages.pyi": typing_stub(stub).encode(),
            "forks.json": json_lines(fork_fields(file)).encode(),
            "comments.json": json_lines(field_comments(file)).encode(),
        }


def run_protoc(*flags: str) -> None:
    """Run grpcio-tools' compiler on caffe.proto; it prints its own errors."""
    if protoc.main(["protoc", f"--proto_path={HERE}", *flags, str(HERE / "caffe.proto")]):
        raise SystemExit("caffe.proto does not compile")


def typing_stub(stub: str) -> str:
    """protoc's stub, with the few things that differ between its versions made the same."""
    body = stub[stub.index("DESCRIPTOR:") :]
    return STUB_HEAD + body.replace(": bool = ...", ": _Optional[bool] = ...")


def fork_fields(file: FileDescriptorProto) -> dict[str, dict[str, list[str]]]:
    """message -> field -> forks, read from the comments of caffe.proto.

    A field's comment starts with "[ssd, intel@12]" where forks add the field ("@12": under that
    number there). A message's comment ends in "Forks: ssd, intel." where forks add all fields that
    have no list of their own.
    """
    comments = all_comments(file)
    table = {}
    for name, path, message in messages(file):
        whole = re.search(r"Forks:\s([^.]*)\.\s*$", comments.get(path, ""))
        fields = {}
        for i, field in enumerate(message.field):
            comment = comments.get((*path, FIELD_IN_MESSAGE, i), "")
            own = re.match(r"\s*\[(.*?)\]", comment, re.DOTALL) or whole
            if own:
                fields[field.name] = re.findall(r"([a-z][\w-]*)(?:@\d+)?", own[1])
        if fields:
            table[name] = fields
    return table


def field_comments(file: FileDescriptorProto) -> dict[str, dict[str, str]]:
    """message -> field -> its comment on one line, without the list of forks before it."""
    comments = all_comments(file)
    table = {}
    for name, path, message in messages(file):
        told = {
            field.name: re.sub(r"^\[.*?\] ?", "", " ".join(comment.split()))
            for i, field in enumerate(message.field)
            if (comment := comments.get((*path, FIELD_IN_MESSAGE, i)))
        }
        if fields := {field: text for field, text in told.items() if text}:
            table[name] = fields
    return table


def all_comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """Path -> the comment there, as it is written."""
    return {
        tuple(where.path): where.leading_comments + where.trailing_comments
        for where in file.source_code_info.location
    }


def messages(
    file: FileDescriptorProto,
) -> Iterator[tuple[str, tuple[int, ...], DescriptorProto]]:
    """Dotted name, path and descriptor of every message of a file, nested ones included."""

    def walk(prefix, path, kind, found):
        for i, message in enumerate(found):
            name, here = prefix + message.name, (*path, kind, i)
            yield name, here, message
            yield from walk(name + ".", here, MESSAGE_IN_MESSAGE, message.nested_type)

    return walk("", (), MESSAGE_IN_FILE, file.message_type)


def json_lines(table: Mapping[str, Mapping[str, object]]) -> str:
    """JSON with one message a line, for readable differences."""
    rows = (f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in sorted(table.items()))
    return "{\n" + ",\n".join(rows) + "\n}\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args(argv).check
    made = outputs()
    stale = [n for n, data in made.items() if not is_current(SCHEMA / n, data)]
    if check:
        for name in stale:
            print(f"netc/schema/{name} is stale: run python proto/compile.py", file=sys.stderr)
        return bool(stale)
    for name in stale:
        (SCHEMA / name).write_bytes(made[name])
        print(f"wrote netc/schema/{name}")
    return 0


def is_current(path: Path, data: bytes) -> bool:
    return path.exists() and path.read_bytes() == data


if __name__ == "__main__":
    sys.exit(main())
