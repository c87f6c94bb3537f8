"""Rows of layers on videos."""

from __future__ import annotations

from .. import reference as ref
from ..cases import LayerCase
from .conv import deconvolution

X = (1, 2, 4, 5, 6)

# fmt: off
CASES = [
    LayerCase("Convolution3D", fields, [X], [y],
        lambda x, *w, how=how: ref.convolution(x, *w, **how), blobs)
    for fields, y, blobs, how in (
        ("convolution3d_param { num_output: 2 kernel_size: 3 kernel_depth: 2 }", (1, 2, 3, 3, 4),
            [(2, 2, 2, 3, 3), (2,)], {}),
        ("convolution3d_param { num_output: 4 kernel_size: 2 kernel_depth: 3 stride: 2 pad: 1 "
         "temporal_pad: 2 temporal_stride: 3 group: 2 bias_term: false }", (1, 4, 2, 3, 4),
            [(4, 1, 3, 2, 2)], {"stride": (3, 2, 2), "pad": (2, 1, 1), "group": 2}),
        ("convolution_param { num_output: 2 kernel_size: 1 kernel_depth: 2 temporal_pad: 1 "
         "stride: 2 }", (1, 2, 5, 3, 3), [(2, 2, 2, 1, 1), (2,)],
            {"stride": (1, 2, 2), "pad": (1, 0, 0)}),
    )
] + [
    LayerCase("Deconvolution3D", f"convolution3d_param {{ {fields} }}", [(1, 8, 2, 2, 3)], [y],
        lambda x, *w, how=how: deconvolution(x, *w, **how), blobs)
    for fields, y, blobs, how in (
        ("num_output: 2 kernel_size: 2 kernel_depth: 3 stride: 2 temporal_stride: 1 pad: 1",
            (1, 2, 4, 2, 4), [(8, 2, 3, 2, 2), (2,)], {"stride": (1, 2, 2), "pad": (0, 1, 1)}),
    )
] + [
    LayerCase("Pooling3D", fields, [X], [y],
        lambda x, m=method, how=how: ref.pooling(x, m, **how)[0])
    for fields, y, method, how in (
        ("pooling3d_param { kernel_size: 2 kernel_depth: 1 stride: 2 }", (1, 2, 4, 3, 3), "MAX",
            {"kernel": (1, 2, 2), "stride": (1, 2, 2), "pad": (0,) * 3}),
        ("pooling3d_param { pool: AVE kernel_size: 3 kernel_depth: 3 stride: 2 temporal_stride: 2 "
         "pad: 1 }", (1, 2, 2, 3, 4), "AVE",
            {"kernel": (3, 3, 3), "stride": (2, 2, 2), "pad": (0, 1, 1)}),
        ("pooling_param { kernel_size: 2 kernel_depth: 2 stride: 2 temporal_stride: 2 }",
            (1, 2, 2, 3, 3), "MAX", {"kernel": (2, 2, 2), "stride": (2, 2, 2), "pad": (0,) * 3}),
    )
]
# fmt: on
