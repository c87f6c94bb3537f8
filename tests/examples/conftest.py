from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Copies an example's text files to a folder of its own, from whose top its commands run."""

    def copy(name: str) -> Path:
        own = shutil.ignore_patterns("run", "*_lmdb")
        shutil.copytree(EXAMPLES / name, tmp_path / "examples" / name, ignore=own)
        monkeypatch.chdir(tmp_path)
        return tmp_path / "examples" / name

    return copy


def commands(readme: Path) -> list[list[str]]:
    """The netc commands of a README, in order, without the leading word."""
    text = readme.read_text().replace("\\\n", " ").replace("'", "")
    lines = [line.strip() for line in text.splitlines() if line.startswith("    netc ")]
    return [c.split()[1:] for line in lines for c in line.split(" && ")]
