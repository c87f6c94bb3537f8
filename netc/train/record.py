"""The run folder: merged configuration, versions, metrics as JSON lines and TensorBoard events."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from netc.prototxt import to_text
from netc.schema import NetParameter, SolverParameter

PACKAGES = ("netc", "jax", "jaxlib", "optax", "numpy", "protobuf", "lmdb", "h5py")


def versions() -> dict[str, str]:
    """Python, the platform and the packages a run depends on."""
    found = {"python": sys.version.split()[0], "platform": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


class Record:
    """Writes what a run does into a folder; a metric is one line, on disk when it is written.

    The folder gets solver.prototxt and train.prototxt (as merged), run.json, metrics.jsonl and
    TensorBoard's event file.
    """

    def __init__(
        self, folder: str, solver: SolverParameter, net: NetParameter, facts: dict[str, Any]
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "solver.prototxt").write_text(to_text(solver))
        (self.folder / "train.prototxt").write_text(to_text(net))
        about = {**facts, "versions": versions(), "command": sys.argv, "started": time.time()}
        (self.folder / "run.json").write_text(json.dumps(about, indent=1) + "\n")
        self._lines = open(self.folder / "metrics.jsonl", "a", buffering=1)
        self._events: Any = None

    def write(self, kind: str, iteration: int, values: Mapping[str, Any]) -> None:
        """Record scalars and small arrays of an iteration: kind is "train", "test 0" ..."""
        plain = {k: np.asarray(v).tolist() for k, v in values.items()}
        entry = {"kind": kind, "iteration": iteration, "time": time.time(), **plain}
        self._lines.write(json.dumps(entry) + "\n")
        if self._events is None:
            self._events = _event_writer(self.folder)
        for name, value in plain.items():
            if isinstance(value, float | int) and np.isfinite(value):
                self._events.add_scalar(f"{kind}/{name}", value, iteration)

    def close(self) -> None:
        """Flush and close the files."""
        self._lines.close()
        if self._events is not None:
            self._events.close()


def _event_writer(folder: Path) -> Any:
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(folder), write_to_disk=True)
