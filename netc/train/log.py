"""Log lines in the form that Caffe's log scripts expect (glog's)."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from netc.errors import UsageError
from netc.weights.match import Match, render, summary

log = logging.getLogger(__name__)

LEVELS = (("INFO", "I"), ("WARNING", "W"), ("ERROR", "E"), ("CRITICAL", "F"))


class GlogFormatter(logging.Formatter):
    """`I0102 03:04:05.678901  pid file.py:line] text`, the form with no year."""

    def format(self, record: logging.LogRecord) -> str:
        letter = dict(LEVELS).get(record.levelname, "I")
        stamp = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micro = int(record.created % 1 * 1e6)
        head = f"{letter}{stamp}.{micro:06d} {record.process:5d} {record.filename}:{record.lineno}]"
        return f"{head} {record.getMessage()}"


def to_stderr(stream: Any = None) -> logging.Handler:
    """Show netc's log on stderr in glog's form.

    GLOG_minloglevel is heeded; with GLOG_log_dir it also goes into the file netc.INFO there.
    Raises UsageError when that file cannot be written.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    logger = logging.getLogger("netc")
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    for each in (handler, *_to_folder(os.environ.get("GLOG_log_dir"))):  # noqa: SIM112
        each.setFormatter(GlogFormatter())
        logger.addHandler(each)
    least = os.environ.get("GLOG_minloglevel", "0")  # noqa: SIM112, glog spells it so
    logger.setLevel(
        (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)[
            int(least) if least in "0123" and len(least) == 1 else 0
        ]
    )
    logger.propagate = False
    return handler


def _to_folder(folder: str | None) -> list[logging.Handler]:
    if not folder:
        return []
    try:
        return [logging.FileHandler(os.path.join(folder, "netc.INFO"))]
    except OSError as error:
        raise UsageError(f"-log_dir {folder}: {error.strerror}") from None


def number(value: float) -> str:
    """A number as C++ streams print it: six significant digits."""
    return f"{value:.6g}"


def loss_suffix(value: float, weight: float) -> str:
    """What follows an output that counts in the objective: ` (* 0.5 = 1.2 loss)`, else nothing."""
    return f" (* {number(weight)} = {number(weight * value)} loss)" if weight else ""


def log_match(found: Match) -> None:
    """Tell what became of every blob of a file of weights."""
    for layer in found.ignored:
        log.info("Ignoring source layer %s", layer)
    log.info("%s\n%s", summary(found.rows), render(found.rows))
    if not found.values:
        log.warning("no blob of the file fits the net: --map gives the file's layers other names")


def output_lines(
    kind: str, outputs: Mapping[str, Any], blobs: Mapping[str, str], weights: Mapping[str, float]
) -> list[str]:
    """One line per scalar of every output, numbered: `    Train net output #0: loss = 0.1`.

    blobs: value -> blob name. weights: value -> loss weight.
    """
    lines = []
    for value, array in outputs.items():
        weight = weights.get(value, 0.0)
        for x in np.ravel(array):
            suffix = loss_suffix(float(x), weight)
            lines.append(
                f"    {kind} net output #{len(lines)}: {blobs[value]} = {number(float(x))}{suffix}"
            )
    return lines
