"""Caffe's messages and enums as Python classes, made from the compiled `proto/caffe.proto`.

They live in a descriptor pool of their own: no generated code ties netc to one protobuf, and
pycaffe's or anybody else's `caffe.proto` can be loaded beside them. Messages of two pools do not
mix: take a foreign one over through `SerializeToString`. `messages.pyi` has the types.
"""

from importlib.resources import files

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass


def _load() -> FileDescriptor:
    compiled = files("netc.schema").joinpath("caffe.binpb").read_bytes()
    (file,) = FileDescriptorSet.FromString(compiled).file
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name)


DESCRIPTOR = _load()
_CLASSES = {name: GetMessageClass(d) for name, d in DESCRIPTOR.message_types_by_name.items()}
_ENUMS = {name: EnumTypeWrapper(e) for name, e in DESCRIPTOR.enum_types_by_name.items()}
_VALUES = {name: n for enum in _ENUMS.values() for name, n in enum.items()}
for _class in _CLASSES.values():
    _class.__module__ = __name__  # messages pickle, so that they can be handed to data workers
globals().update(_CLASSES | _ENUMS | _VALUES)
__all__ = ["DESCRIPTOR", *_CLASSES, *_ENUMS, *_VALUES]  # pyright: ignore[reportUnsupportedDunderAll]
