"""What a mistyped size costs: an error, not the memory of the machine."""

from __future__ import annotations

import math
import resource
from pathlib import Path

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

from netc.compile import compile_net
from netc.data.fail import INT_MAX
from netc.errors import NetcError
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.manual import pages
from netc.schema import LayerParameter, NetState, is_repeated

from ..cases import CASES
from .running import net_text

DATA = Path(__file__).parents[1] / "golden" / "data"
SIZES = 60_000, 2_000_000_000
ROOM = 2**31  # bytes more than there are, that a set-up may take
TYPES = FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32
FIRST = {(case.type, case.dialect): case for case in reversed(CASES)}


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    monkeypatch.chdir(DATA)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def nets(case, size):
    """The net of a case, once for each whole number its layer has, made as large as `size`."""
    fields = LayerParameter.DESCRIPTOR.fields_by_name
    for message in (m.field for m in pages.messages(case.type) if m.field):
        for field in fields[message].message_type.fields:
            if field.type not in TYPES:
                continue
            net = parse_net(net_text(case)).message
            within = getattr(net.layer[-1], message)
            if is_repeated(field):
                getattr(within, field.name)[:] = [size, *getattr(within, field.name)[1:]]
            else:
                setattr(within, field.name, size)
            yield text_format.MessageToString(net)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", FIRST.values(), ids=str)
def test_a_number_too_large_is_a_located_error(case, size):
    for text in nets(case, size):
        try:
            graph = compile_net(parse_net(text, "net.prototxt"), NetState(), Plan("cpu")).graph
        except NetcError as error:
            assert str(error).startswith("net.prototxt:")
            assert "cannot work on" not in str(error)
            continue
        blobs = [graph.shapes[top] for top in graph.nodes[-1].tops]
        blobs += [p.spec.shape for p in graph.params]
        assert all(math.prod(shape) <= INT_MAX for shape in blobs)
