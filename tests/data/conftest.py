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


@pytest.fixture
def limit_files():
    """Limits the size of files, which they meet as they meet a full disk."""
    resource = pytest.importorskip("resource", reason="no limits on files here")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
