"""Where the recordings of the real Caffe lie."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / "tests" / "golden", ROOT.parent / "shared" / "oracle")


def recorded(pattern: str) -> list:
    """Parameters for a test: every recording that fits, or one skip that says what is missing."""
    for place in PLACES:
        found = sorted(place.glob(pattern))
        if found:
            return [pytest.param(path, id=path.name) for path in found]
    reason = f"no recordings '{pattern}' in tests/golden or ../shared/oracle"
    return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]
