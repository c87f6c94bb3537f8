"""Which public forks of Caffe a field comes from."""

import json
from functools import cache
from importlib.resources import files


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    return json.loads(files("netc.schema").joinpath("forks.json").read_bytes())


def fork_of(message_name: str, field_name: str) -> tuple[str, ...]:
    """The forks that have a field BVLC Caffe lacks, such as ("ssd", "nvcaffe", "intel").

    message_name: as in proto/caffe.proto, such as "LayerParameter".
    Empty for BVLC Caffe's own fields and for unknown ones. The head of proto/caffe.proto says which
    repository each name stands for.
    """
    return tuple(_table().get(message_name, {}).get(field_name, ()))


def fork_names() -> frozenset[str]:
    """The forks whose fields the schema has."""
    return frozenset(
        fork for fields in _table().values() for forks in fields.values() for fork in forks
    )
