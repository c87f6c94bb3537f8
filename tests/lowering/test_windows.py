import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from netc.lowering import windows

# kernel, stride, pad, dilation
CASES = {
    "plain": ((3, 2), (1, 1), (0, 0), (1, 1)),
    "strided": ((2, 3), (3, 2), (1, 2), (1, 1)),
    "stride_over_kernel": ((2, 1), (3, 4), (0, 0), (1, 1)),
    "dilated": ((3, 2), (1, 1), (2, 1), (2, 3)),
    "dilated_strided": ((3, 3), (2, 3), (2, 1), (3, 2)),
    "one_window": ((7, 8), (5, 5), (0, 0), (1, 1)),
    "one_dilated_window": ((3, 2), (2, 1), (0, 0), (3, 7)),
}


def loops(x, kernel, stride, pad, dilation):
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pad)])
    axes = list(zip(x.shape[2:], kernel, stride, dilation, strict=True))
    out = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in axes]
    y = np.empty((*x.shape[:2], *kernel, *out))
    for k, at in itertools.product(np.ndindex(*kernel), np.ndindex(*out)):
        place = [i * s + j * d for i, j, (_, _, s, d) in zip(at, k, axes, strict=True)]
        y[:, :, *k, *at] = x[:, :, *place]
    return y.reshape(x.shape[0], -1, *out)


@pytest.mark.parametrize("name", CASES)
def test_patches(x64, name):
    how = dict(zip(("kernel", "stride", "pad", "dilation"), CASES[name], strict=True))
    x = np.random.default_rng(1).normal(size=(2, 3, 7, 8))
    f = jax.jit(lambda x: windows.patches(x, **how))
    np.testing.assert_array_equal(f(x), loops(x, *CASES[name]))
    check_grads(f, (x,), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)


def test_patches_of_a_line():
    got = windows.patches(
        jnp.arange(5.0).reshape(1, 1, 5), kernel=(2,), stride=(1,), pad=(1,), dilation=(2,)
    )
    np.testing.assert_array_equal(got[0], [[0, 0, 1, 2, 3], [1, 2, 3, 4, 0]])
