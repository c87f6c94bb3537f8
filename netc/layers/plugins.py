"""Layer types of the user's own: from a file, or from installed packages by entry point."""

from __future__ import annotations

import functools
import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path

from netc.errors import NetcError, RunError, UsageError
from netc.layers.base import LAYERS, LayerType
from netc.usercode import whereabouts

GROUP = "netc.layers"


def load_file(path: str) -> None:
    """Run a Python file, which registers layer types with `netc.register`.

    Raises UsageError when there is no such file, RunError with file and line when it fails.
    """
    file = Path(path).resolve()
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise UsageError(f"--plugin {path}: no such Python file", hint="give it as my_layers.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(file.stem, module)
    try:
        spec.loader.exec_module(module)
    except NetcError:
        raise
    except Exception as error:
        message, trace = whereabouts(error, str(file))
        failed = RunError(f"{message}, loading the plug-in {path}")
        failed.add_note(trace)
        raise failed from error


def layer_type(name: str) -> LayerType | None:
    """The layer type of this name; installed plug-ins are loaded when no other has it.

    Raises RunError when one of them fails.
    """
    if name not in LAYERS:
        _load_installed()
    return LAYERS.get(name)


@functools.cache
def _load_installed() -> None:
    for point in entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:
            package = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
            message, trace = whereabouts(error, None)
            failed = RunError(f"{message}, loading the plug-in '{point.name}'{package}")
            failed.add_note(trace)
            raise failed from error
