"""What holds for every test: strict JAX on the CPU, repeatable properties, golden files."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Through the environment, so that subprocesses are strict too and that tests which need no jax
# do not wait for its import.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"

settings.register_profile("netc", deadline=None, derandomize=True, database=None)
settings.load_profile("netc")

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What commands compile is kept for this run of the tests only."""
    os.environ["NETC_CACHE"] = str(tmp_path_factory.mktemp("cache"))


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
