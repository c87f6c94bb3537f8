"""A folder that scripts take for Caffe's own: its programs, its scripts and its Python package."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from netc.errors import UsageError
from netc.files import atomic
from netc.tools import TOOLS

PROGRAM = """#!{python}
# What Caffe has here, by netc.
import os
import sys

if sys.prefix != {prefix!r}:
    os.execv({python!r}, [{python!r}, *sys.argv])

from netc.cli import main
from netc.tools import translated

words = sys.argv[1:]
sys.exit(main({call}))
"""
PACKAGE = """# caffe, by netc.
import sys

try:
    from netc.alias import call_it_caffe
except ImportError:
    raise ImportError("netc is not installed for this Python; it is for {python}") from None

del sys.modules["caffe"]
call_it_caffe()
"""
VERBS = 'words if words[:1] != ["help"] else ["--help"]'


def write_stand_in(folder: str) -> list[str]:
    """Write the folder; the paths of its files. It may be there already, with files of its own.

    Raises UsageError where it cannot be written.
    """
    python, written = sys.executable, []
    for path, text in _files(python):
        full = Path(folder, path)
        try:
            with atomic(full, "w") as file:
                file.write(text)
            if text.startswith("#!"):
                os.chmod(full, 0o755)
        except OSError as error:
            raise UsageError(f"{full} cannot be written: {error.strerror}") from None
        written.append(str(full))
    return written


def _files(python: str) -> Iterator[tuple[str, str]]:
    yield "python/caffe/__init__.py", PACKAGE.format(python=python)
    calls = {("build/tools", "caffe"): VERBS}
    for name, tool in TOOLS.items():
        if " " not in name and tool.alike and not name.endswith(".sh"):
            calls[tool.where, name] = f"translated({name!r}, words)"
    for (where, name), call in calls.items():
        text = PROGRAM.format(python=python, prefix=sys.prefix, call=call)
        yield f"{where}/{name}", text
        if "." not in name:
            yield f"{where}/{name}.bin", text
