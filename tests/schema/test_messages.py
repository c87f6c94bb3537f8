"""The schema is BVLC Caffe's, in a pool of its own."""

import copy
import importlib
import json
import pickle
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

from netc import schema
from netc.schema import (
    DESCRIPTOR,
    TEST,
    TRAIN,
    BlobProto,
    ClipParameter,
    LayerParameter,
    NetParameter,
    Phase,
    PoolingParameter,
    SolverParameter,
    fork_of,
    is_repeated,
)

BVLC = json.loads(Path(__file__).with_name("bvlc_fields.json").read_text())
(FILE,) = FileDescriptorSet.FromString(
    files("netc.schema").joinpath("caffe.binpb").read_bytes()
).file
NETC_NUMBERS = range(10000, 19000)
NAMES = {*vars(importlib.import_module("netc.schema.messages"))["__all__"]}


def declared(message):
    """Field name -> row, as in bvlc_fields.json."""
    (found,) = (m for m in FILE.message_type if m.name == message)
    return {field.name: row(field) for field in found.field}


def row(field):
    kind = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    default = default_value(kind, field.default_value) if field.HasField("default_value") else None
    return [
        field.name,
        field.number,
        FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower(),
        field.type_name.removeprefix(".caffe.") or kind,
        default,
        field.options.packed,
    ]


def default_value(kind, text):
    """The default as JSON has it; descriptors keep it as text."""
    if kind == "bool":
        return {"true": True, "false": False}[text]
    if kind in ("float", "double"):
        return float(text)
    return int(text) if "int" in kind else text


@pytest.mark.parametrize("message", BVLC["messages"])
def test_every_field_of_bvlc_is_there_as_it_is(message):
    rows = BVLC["messages"][message]
    ours = declared(message)
    assert [ours.get(name) for name, *_ in rows] == rows


@pytest.mark.parametrize("enum", BVLC["enums"])
def test_every_enum_of_bvlc_is_there_as_it_is(enum):
    values = dict(DESCRIPTOR.pool.FindEnumTypeByName(f"caffe.{enum}").values_by_name)
    numbers = {name: values[name].number for name in BVLC["enums"][enum]}
    assert numbers == BVLC["enums"][enum]
    assert list(values)[: len(numbers)] == list(numbers)  # the first value is the default


def test_a_field_is_caffes_or_a_forks_or_netcs():
    for message in FILE.message_type:
        caffes = {name for name, *_ in BVLC["messages"].get(message.name, ())}
        for field in message.field:
            owners = [
                field.name in caffes,
                bool(fork_of(message.name, field.name)),
                not fork_of(message.name, field.name) and field.number in NETC_NUMBERS,
            ]
            assert sum(owners) == 1, f"{message.name}.{field.name}"


def test_required_fields_are_caffes_only():
    required = [
        f"{message.name}.{field.name}"
        for message in FILE.message_type
        for field in message.field
        if field.label == FieldDescriptorProto.LABEL_REQUIRED
    ]
    assert required == ["ClipParameter.min", "ClipParameter.max"]


def test_names_of_the_module():
    assert (TRAIN, TEST) == (0, 1) == (Phase.Value("TRAIN"), Phase.Value("TEST"))
    assert PoolingParameter.AVE == 1
    assert {*BVLC["messages"], "Phase", "TRAIN", "TEST"} <= NAMES
    assert all(hasattr(schema, name) for name in NAMES)


def test_defaults_reach_the_classes():
    layer, solver = LayerParameter(), SolverParameter()
    assert layer.batch_norm_param.eps == pytest.approx(1e-5)
    assert layer.pooling_param.pool == PoolingParameter.MAX
    assert (solver.type, solver.regularization_type, solver.random_seed) == ("SGD", "L2", -1)
    assert not ClipParameter().IsInitialized()


def test_text_and_wire_round_trip():
    text = 'name: "n" layer { name: "c" convolution_param { kernel_size: 3 kernel_size: 5 } }'
    net = text_format.Parse(text, NetParameter())
    assert list(net.layer[0].convolution_param.kernel_size) == [3, 5]
    assert NetParameter.FromString(net.SerializeToString()) == net


def test_blob_data_is_packed_on_the_wire():
    assert BlobProto(data=[1, 2]).SerializeToString() == bytes.fromhex("2a080000803f00000040")


def test_messages_are_copied_and_pickled():
    net = NetParameter(name="n", layer=[LayerParameter(name="a")])
    assert copy.deepcopy(net) == net
    assert pickle.loads(pickle.dumps(net)) == net


def test_is_repeated():
    fields = DESCRIPTOR.message_types_by_name["LayerParameter"].fields_by_name
    assert is_repeated(fields["bottom"]) and not is_repeated(fields["name"])


def test_the_default_pool_is_left_alone():
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter")
    assert NetParameter.DESCRIPTOR.full_name == "caffe.NetParameter"


COEXIST = """
import sys
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

def foreign():
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe")
    file.message_type.add(name="NetParameter").field.add(name="name", number=1, label=1, type=9)
    file.enum_type.add(name="Phase").value.add(name="TRAIN", number=7)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))

if {foreign_first}:
    theirs = foreign()
    from netc.schema import TRAIN, NetParameter
else:
    from netc.schema import TRAIN, NetParameter
    theirs = foreign()
assert TRAIN == 0 and not hasattr(theirs(), "layer")
assert NetParameter.FromString(theirs(name="n").SerializeToString()).name == "n"
assert "jax" not in sys.modules and "numpy" not in sys.modules
"""


@pytest.mark.parametrize("foreign_first", [True, False])
def test_another_caffe_proto_in_the_same_process(foreign_first):
    program = COEXIST.format(foreign_first=foreign_first)
    subprocess.run([sys.executable, "-c", program], check=True)
