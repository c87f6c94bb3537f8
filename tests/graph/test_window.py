"""The windows of pooling layers as they are written."""

import pytest
from google.protobuf import text_format

from netc.graph.window import pooling_window
from netc.schema import PoolingParameter

WINDOWS = {
    "kernel_size: 3 stride: 2 pad: 1": ((3, 3), (2, 2), (1, 1)),
    "kernel_size: 3": ((3, 3), (1, 1), (0, 0)),
    "kernel_h: 3 kernel_w: 5 stride_h: 2 stride_w: 4 pad_h: 1 pad_w: 2": ((3, 5), (2, 4), (1, 2)),
    "global_pooling: true": ((6, 7), (1, 1), (0, 0)),
}


@pytest.mark.parametrize("text", WINDOWS)
def test_window(text):
    assert pooling_window(text_format.Parse(text, PoolingParameter()), (6, 7)) == WINDOWS[text]
