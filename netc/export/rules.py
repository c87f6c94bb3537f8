"""How the layer types of Caffe are written as calls, in families."""

from netc.export import (  # noqa: F401
    rules_elements,
    rules_flow,
    rules_images,
    rules_regions,
    rules_sequences,
    rules_shapes,
)
from netc.export.calls import RULES as RULES
