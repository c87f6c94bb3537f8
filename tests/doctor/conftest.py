"""Small projects, written out and examined."""

import pytest

from netc.doctor import examine
from netc.doctor.findings import Finding


def flags(command):
    """Of a netc with four commands."""
    known = {
        "train": {"-solver", "--solver", "-gpu"},
        "test": {"-model"},
        "convert_imageset": (),
        "dataset": {"--from"},
    }
    return known.get(command)


@pytest.fixture
def look(tmp_path):
    """look(files) writes them by path and gives the findings by path; `top` is a folder inside."""

    def look(files: dict[str, str | bytes], top: str = ".") -> dict[str, list[Finding]]:
        for path, content in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        entries = examine(str(tmp_path / top), flags)
        return {entry.path: list(entry.findings) for entry in entries}

    return look
