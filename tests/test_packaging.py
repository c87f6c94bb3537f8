"""What a wheel holds: every package and every data file of the tree."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def folder(package: str) -> Path:
    mapped = SETUPTOOLS["package-dir"].get(package)
    return ROOT / (mapped or package.replace(".", "/"))


def test_every_package_is_listed():
    there = {
        ".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "netc").rglob("__init__.py")
    }
    assert there | {"netc.solvers"} == set(SETUPTOOLS["packages"])


def test_every_data_file_is_listed():
    listed = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in folder(package).glob(pattern)
    }
    there = {
        path
        for package in SETUPTOOLS["packages"]
        for path in folder(package).iterdir()
        if path.is_file() and path.suffix != ".py"
    }
    assert there == listed
