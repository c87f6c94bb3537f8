"""`netc detect`: boxes in images, or the classes of given windows of images."""

from __future__ import annotations

from collections.abc import Sequence

from netc.errors import UsageError
from netc.predict import boxes, windows
from netc.predict.classes import class_names, pick_scores, read_scores
from netc.predict.files import find_images
from netc.predict.opened import Failures, Model, open_pipeline
from netc.predict.results import Output
from netc.predict.running import Predictor, predictions, read_deploy


def detect_boxes(
    names: Sequence[str],
    given: Model,
    labels: str | None = None,
    least: float = 0.01,
    output: str | None = None,
    json: bool = False,
    pictures: str | None = None,
) -> int:
    """Find boxes with a net that ends in DetectionOutput; the exit status: 1 if some images failed.

    names: image files, folders and lists. labels: a label map, or a file of names.
    least: the score that a box needs. pictures: a folder for the images with their boxes.
    Raises NetcError of every kind for what is wrong.
    """
    out = Output(output, json, boxes.COLUMNS)
    classes, files, deploy = boxes.box_names(labels), find_images(names), read_deploy(given.model)
    make = open_pipeline(given, deploy)
    wanted = min(given.batch, len(files))
    predictor = Predictor(deploy, given.weights, given.plan, wanted, boxes.pick_boxes, given.rules)
    failures = Failures()
    results = failures.without(predictions(predictor, files, make, boxes.read_boxes))
    found = out.put(boxes.detected(done, classes, least) for done in results)
    if pictures:
        boxes.draw(pictures, found)
    return failures.tell()


def detect_windows(
    path: str,
    given: Model,
    labels: str | None = None,
    pad: int = 0,
    output: str | None = None,
    json: bool = False,
) -> int:
    """Score windows of images; the exit status: 1 if some failed.

    path: a .csv file of windows. labels: a file of names. pad: pixels of context around windows.
    Raises NetcError of every kind for what is wrong.
    """
    found, deploy = windows.read_windows(path), read_deploy(given.model)
    if given.transform:
        raise UsageError("--transform is for images, windows are made as Caffe's detect.py does")
    given = given._replace(options=given.options._replace(style="windows"))
    make = windows.Windows(open_pipeline(given, deploy), pad)
    wanted = min(given.batch, len(found))
    predictor = Predictor(deploy, given.weights, given.plan, wanted, pick_scores, given.rules)
    classes, failures = class_names(labels, predictor.shape), Failures()
    out = Output(output, json, (*windows.COLUMNS, *classes))
    results = failures.without(predictions(predictor, found, make, read_scores))
    out.put(windows.scored(done, classes) for done in results)
    return failures.tell()
