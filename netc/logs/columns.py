"""A log as tables for spreadsheets. Caffe: parse_log.py."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence

from netc.errors import UsageError
from netc.files import atomic
from netc.logs.read import Row, read_log

HEAD = ("NumIters", "Seconds", "LearningRate")


def write_csv(path: str, folder: str, delimiter: str = ",") -> Iterator[str]:
    """Write LOG.train and LOG.test into a folder; of further test nets, LOG.test1 and so on.

    Gives the names of the files. Columns are the iteration, the seconds since the start, the rate,
    and the outputs by name. Raises ParseError, and UsageError where they cannot be written.
    """
    if len(delimiter) != 1:
        raise UsageError(f"a delimiter is one character, not '{delimiter}'")
    log = read_log(path)
    tables = {"train": log.train}
    tables |= {f"test{net or ''}": rows for net, rows in sorted(log.tests.items())}
    for kind, rows in tables.items():
        name = os.path.join(folder, f"{os.path.basename(path)}.{kind}")
        if rows:
            try:
                with atomic(name, "w") as file:
                    file.write(table(rows, delimiter))
            except OSError as error:
                raise UsageError(f"{name} cannot be written: {error.strerror}") from None
            yield name


def table(rows: Sequence[Row], delimiter: str = ",") -> str:
    """Rows with their names above them. Without outputs, as in old logs, there is the loss."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*HEAD, *(names or ["loss"])])
    for row in rows:
        values = [row.values.get(name) for name in names] if names else [row.loss]
        told = ["" if v is None else f"{v:.9g}" for v in values]
        writer.writerow([row.iteration, f"{row.seconds:.9g}", f"{row.rate:.9g}", *told])
    return out.getvalue()
