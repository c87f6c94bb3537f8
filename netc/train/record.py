"""The run folder: merged configuration, versions, metrics as JSON lines and TensorBoard events."""

from __future__ import annotations

import json
import logging
import platform
import struct
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from netc.errors import SnapshotError
from netc.prototxt import to_text
from netc.schema import NetParameter, SolverParameter

log = logging.getLogger(__name__)
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
    """Writes what a run does into a folder; a metric is one line, in the file when it is written.

    The folder gets solver.prototxt and train.prototxt (as merged), run.json, metrics.jsonl and
    TensorBoard's event file. Raises SnapshotError when the folder cannot be written; later on, on
    a disk that is full, that is a warning.
    """

    def __init__(
        self, folder: str, solver: SolverParameter, net: NetParameter, facts: dict[str, Any]
    ) -> None:
        self.folder = Path(folder)
        about = {**facts, "versions": versions(), "command": sys.argv, "started": time.time()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "solver.prototxt").write_text(to_text(solver))
            (self.folder / "train.prototxt").write_text(to_text(net))
            (self.folder / "run.json").write_text(json.dumps(about, indent=1) + "\n")
        except OSError as error:
            raise SnapshotError(
                f"the run folder cannot be written: {error.strerror}",
                folder,
                "--run-dir names another one, --no-run-dir keeps none",
            ) from None
        self._events: Path | None = None
        self._failing = False

    def write(self, kind: str, iteration: int, values: Mapping[str, Any]) -> None:
        """Record scalars and small arrays of an iteration: kind is "train", "test 0" ..."""
        plain = {k: np.asarray(v).tolist() for k, v in values.items()}
        entry = {"kind": kind, "iteration": iteration, "time": time.time(), **plain}
        scalars = {
            f"{kind}/{name}": value
            for name, value in plain.items()
            if isinstance(value, float | int) and np.isfinite(value)
        }
        try:
            with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as lines:
                lines.write(json.dumps(entry) + "\n")
            self._write_events(iteration, scalars)
            self._failing = False
        except OSError as error:
            self._events = None
            if not self._failing:
                log.warning("%s: metrics are not written: %s", self.folder, error.strerror)
            self._failing = True

    def _write_events(self, iteration: int, scalars: Mapping[str, float]) -> None:
        """Append to the event file, or begin a new one: the end of the last may be broken off."""
        data = b"".join(_event(k, v, iteration) for k, v in scalars.items())
        if self._events is None:
            data = _record({"file_version": "brain.Event:2"}) + data
        path = self._events or self.folder / f"events.out.tfevents.{time.time_ns()}"
        with open(path, "ab") as file:
            file.write(data)
        self._events = path


def _event(name: str, value: float, iteration: int) -> bytes:
    from tensorboardX.summary import scalar

    return _record({"step": iteration, "summary": scalar(name, value)})


def _record(fields: Mapping[str, Any]) -> bytes:
    """An event as TensorBoard's files hold it: length, check sum, message, check sum."""
    from tensorboardX.proto.event_pb2 import Event  # type: ignore  # made when it is imported
    from tensorboardX.record_writer import masked_crc32c

    message = Event(wall_time=time.time(), **fields).SerializeToString()
    length = struct.pack("<Q", len(message))
    sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, message))
    return length + next(sums) + message + next(sums)
