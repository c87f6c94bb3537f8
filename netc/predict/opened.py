"""What `netc classify` and `netc detect` share: the model, and what could not be read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from netc.errors import NetcError, UsageError
from netc.lowering.plan import Plan
from netc.predict.preprocess import Options, Pipeline, pipeline
from netc.predict.running import Deploy, Done
from netc.predict.stored import Stored, read_stored
from netc.schema import TransformationParameter
from netc.weights.match import EXACT, Rules

log = logging.getLogger(__name__)


class Model(NamedTuple):
    """What a command line says of the net. batch: how many images go through it at once."""

    model: str
    weights: str
    plan: Plan
    batch: int = 32
    rules: Rules = EXACT
    options: Options = Options()
    transform: str | None = None


def open_pipeline(given: Model, deploy: Deploy) -> Pipeline:
    """What makes the net's inputs; says so in the log, and warns where nothing is known of it."""
    stored = Stored(TransformationParameter())
    if given.options.style == "training":
        stored = read_stored(given.model, given.weights, given.transform)
    elif given.transform:
        raise UsageError(f"--transform goes with --as training, not {given.options.style}")
    _, channels, height, width = deploy.shape
    made = pipeline(channels, (height, width), given.options, stored)
    log.info("Images%s: %s", f" as in {stored.origin}" * bool(stored.origin), made.describe())
    if given.options.style == "training" and not stored.origin and given.options.mean is None:
        log.warning(
            "neither %s nor %s tells how the net's images were made: --transform TRAIN_VAL, "
            "--mean_file and --input_scale do",
            given.model,
            given.weights,
        )
    return made


class Failures:
    """The items that could not be read, told when all are done."""

    def __init__(self) -> None:
        self._errors: list[NetcError] = []
        self._count = 0

    def without(self, results: Iterable[Done[Any]]) -> Iterator[Done[Any]]:
        """The results that are there."""
        for done in results:
            self._count += 1
            if done.error is None:
                yield done
            else:
                self._errors.append(done.error)

    def tell(self) -> int:
        """Log them; the exit status."""
        for error in self._errors:
            log.error("%s", error.render())
        if self._errors:
            log.error("%d of %d could not be read", len(self._errors), self._count)
        return 1 if self._errors else 0
