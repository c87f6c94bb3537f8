"""`import caffe`, as scripts and layers for pycaffe have it: netc.pycaffe by that name."""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from netc.errors import NetcError, UsageError

MODULES = (
    *("", "._caffe", ".classifier", ".coord_map", ".detector", ".draw", ".io", ".net_spec"),
    *(".proto", ".proto.caffe_pb2", ".pycaffe"),
)


def call_it_caffe() -> None:
    """Let `import caffe` give netc.pycaffe from now on, unless a caffe is imported already."""
    if "caffe" in sys.modules:
        return
    for name in MODULES:
        sys.modules[f"caffe{name}"] = importlib.import_module(f"netc.pycaffe{name}")
    sys.meta_path.append(_OfForks)


class _OfForks:
    """Finds the modules that forks have in their folder `caffe` besides Caffe's, such as SSD's
    caffe.model_libs."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith("caffe.") or name.count(".") > 1:
            return None
        return PathFinder.find_spec(name, [os.path.join(p, "caffe") for p in sys.path])


def run_script(path: str, arguments: Sequence[str]) -> None:
    """Run a Python script as `python path arguments` does, with netc.pycaffe as its caffe.

    A NetcError says which lines of the script it came through.
    Raises UsageError where there is no such script.
    """
    if not os.path.isfile(path):
        raise UsageError(f"there is no script {path}")
    call_it_caffe()
    sys.argv = [path, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    try:
        runpy.run_path(path, run_name="__main__")
    except NetcError as error:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename == path:
                error.add_note(f"  {path}:{frame.lineno}: {frame.line}")
        raise
