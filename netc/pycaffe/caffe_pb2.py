"""caffe.proto.caffe_pb2: the messages and enums of Caffe's schema, and their descriptors."""

from typing import Any

from netc.schema.messages import *  # noqa: F403  # the names are those of proto/caffe.proto
from netc.schema.messages import DESCRIPTOR as DESCRIPTOR


def __getattr__(name: str) -> Any:
    """_LAYERPARAMETER: the descriptor of LayerParameter, as generated code has it."""
    by_name = {f"_{d.name.upper()}": d for d in DESCRIPTOR.message_types_by_name.values()}
    if name in by_name:
        return by_name[name]
    raise AttributeError(f"caffe_pb2 has no {name}")
