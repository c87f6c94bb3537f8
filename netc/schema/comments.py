"""What proto/caffe.proto says about a field."""

import json
from functools import cache
from importlib.resources import files


@cache
def _table() -> dict[str, dict[str, str]]:
    return json.loads(files("netc.schema").joinpath("comments.json").read_bytes())


def comment_of(message_name: str, field_name: str) -> str:
    """The comment on a field, on one line; "" where there is none.

    message_name: as in proto/caffe.proto, such as "LayerParameter".
    """
    return _table().get(message_name, {}).get(field_name, "")
