"""`netc classify`: the best classes of each image. Caffe: classify.py, classification.cpp."""

from __future__ import annotations

from collections.abc import Sequence

from netc.errors import UsageError
from netc.predict.classes import (
    COLUMNS,
    class_names,
    classified,
    pick_scores,
    read_scores,
    write_npy,
)
from netc.predict.files import find_images
from netc.predict.opened import Failures, Model, open_pipeline
from netc.predict.results import Output
from netc.predict.running import Predictor, predictions, read_deploy


def classify(
    names: Sequence[str],
    given: Model,
    labels: str | None = None,
    top: int = 5,
    output: str | None = None,
    json: bool = False,
) -> int:
    """Print the classes of images, or write them to a file; the exit status: 1 if some failed.

    names: image files, folders and lists. labels: a file of the classes' names.
    Raises NetcError of every kind for what is wrong.
    """
    if top < 1 or given.batch < 1:
        raise UsageError(f"-top and -batch must be at least 1, got {top} and {given.batch}")
    out = Output(output, json, COLUMNS, {".npy": write_npy})
    files, deploy = find_images(names), read_deploy(given.model)
    make = open_pipeline(given, deploy)
    crops = len(make.crops)
    wanted = min(given.batch, len(files) * crops)
    predictor = Predictor(
        deploy, given.weights, given.plan, max(wanted, crops), pick_scores, given.rules
    )
    classes, failures = class_names(labels, predictor.shape), Failures()
    results = predictions(predictor, files, make, read_scores, crops)
    out.put(classified(done, classes, top) for done in failures.without(results))
    return failures.tell()
