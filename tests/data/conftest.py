from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "data"


@pytest.fixture
def golden(monkeypatch):
    """The folder of recorded data, made the working directory: nets name their sources in it."""
    if not GOLDEN.is_dir():
        pytest.skip("the recordings tests/golden/data are not here")
    monkeypatch.chdir(GOLDEN)
    return GOLDEN
