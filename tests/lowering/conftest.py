"""Strictness for every test of the lowerings."""

import jax
import pytest


@pytest.fixture(autouse=True)
def strict():
    """No silent promotion of types or ranks."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield
