"""What holds for every test: strict JAX on the CPU, repeatable properties, golden files."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Through the environment, so that subprocesses are strict too and that tests which need no jax
# do not wait for its import.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"

# What is compiled once is not compiled again; for this run of the tests only.
_CACHE = tempfile.TemporaryDirectory(prefix="netc-tests-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = _CACHE.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"

settings.register_profile("netc", deadline=None, derandomize=True, database=None)
settings.load_profile("netc")

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    """netc's logger, put back as it was when the test ends: commands send it to stderr."""
    logger = logging.getLogger("netc")
    before = logger.handlers[:], logger.level, logger.propagate
    yield logger
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def golden() -> Callable[[str], Path]:
    """A folder of recordings by name, such as golden("layers"); skips where it is absent."""

    def folder(name: str) -> Path:
        path = GOLDEN / name
        if not path.is_dir():
            pytest.skip(f"the recordings tests/golden/{name} are not here")
        return path

    return folder
