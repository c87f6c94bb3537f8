"""A progress bar on a terminal: loss, rate, examples per second, time left."""

from __future__ import annotations

import logging
import sys
from typing import Any

from netc.train.log import GlogFormatter


class Progress:
    """A line at the bottom of a terminal, log lines above it; nothing where there is none."""

    def __init__(self, total: int, done: int, batch: int, enabled: bool | None = None) -> None:
        self._bar: Any = None
        self._batch = batch
        self.shown = sys.stderr.isatty() if enabled is None else enabled
        self._total, self._done = total, done

    def __enter__(self) -> Progress:
        if self.shown:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            console = Console(stderr=True)
            self._bar = Bar(
                TextColumn("{task.completed}/{task.total}"),
                BarColumn(None),
                TextColumn("{task.fields[facts]}"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=self._total, completed=self._done, facts="")
            self._bar.start()
            logger = logging.getLogger("netc")
            self._replaced = list(logger.handlers)
            files = [h for h in logger.handlers if isinstance(h, logging.FileHandler)]
            logger.handlers[:] = [_Above(console), *files]
        return self

    def update(self, done: int, loss: float, rate: float, speed: float) -> None:
        """Show where the run is; speed in iterations per second."""
        if self._bar is not None:
            pace = f"{speed * self._batch:.0f} examples/s" if self._batch else f"{speed:.1f} it/s"
            facts = f"loss {loss:.4g}  lr {rate:.3g}  {pace}"
            self._bar.update(self._task, completed=done, facts=facts)

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            logging.getLogger("netc").handlers[:] = self._replaced
            self._bar = None


class _Above(logging.Handler):
    """Prints log lines above the bar."""

    def __init__(self, console: Any) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(GlogFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)
