"""What is held against a program that was written, and what is not."""

import numpy as np

from netc.export.checked import computed
from netc.export.samples import samples

from .nets import inputs, net_of

JUMP = (
    inputs(x=(1, 4))
    + """
layer { name: "p" type: "Power" bottom: "x" top: "p" power_param { scale: 2 } }
layer { name: "t" type: "Threshold" bottom: "p" top: "t" }
layer { name: "e" type: "Power" bottom: "t" top: "e" power_param { shift: 1 } }"""
)


def test_a_jump_is_that_of_the_bottom_which_was_found():
    """Rounding before a layer that jumps is compared where it happens, and nowhere else."""
    net = net_of(JUMP)
    x = {"x": np.array([[-1, 0, 0, 1]], np.float32)}
    alone = computed(net, net.program, x)
    np.testing.assert_array_equal(alone["e"], [[1, 1, 1, 2]])
    found = {"p": np.array([[-2, 1e-9, 0, 2]], np.float32), "t": np.zeros((1, 4), np.float32)}
    beside = computed(net, net.program, x, found)
    np.testing.assert_array_equal(beside["p"], alone["p"])
    np.testing.assert_array_equal(beside["t"], [[0, 1, 0, 1]])
    np.testing.assert_array_equal(beside["e"], [[1, 2, 1, 2]])


def test_numbers_are_such_as_layers_read():
    text = (
        inputs(x=(2, 18, 4, 5), d=(2, 36, 4, 5), info=(2, 3), rois=(6, 5), keep=(2, 1))
        + """
    layer { name: "p" type: "Proposal" bottom: "x" bottom: "d" bottom: "info" top: "p"
            proposal_param { feat_stride: 8 } }
    layer { name: "r" type: "ROIPooling" bottom: "x" bottom: "rois" top: "r"
            roi_pooling_param { pooled_size: 2 spatial_scale: 0.5 } }
    layer { name: "f" type: "Filter" bottom: "x" bottom: "keep" top: "f" }"""
    )
    found = samples(net_of(text).given.graph)
    np.testing.assert_array_equal(found["info"], [[32, 40, 1]] * 2)
    rois = found["rois"]
    assert set(rois[:, 0]) <= {0, 1}
    assert (rois[:, 1:3] <= rois[:, 3:]).all() and (rois[:, 1:3] < [10, 8]).all()
    assert set(found["keep"].ravel()) <= {0, 1}
