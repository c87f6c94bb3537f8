"""Running an operation in both layouts on channels-first arrays."""

import numpy as np

LAYOUTS = ("NCHW", "NHWC")


def to(layout, a):
    """A channels-first array as that layout has it."""
    return np.ascontiguousarray(np.moveaxis(a, 1, -1)) if layout == "NHWC" else a


def back(layout, a):
    """An array of that layout as a channels-first one."""
    return np.moveaxis(np.asarray(a), -1, 1) if layout == "NHWC" else np.asarray(a)
