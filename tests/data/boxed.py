"""Records and feeds of images with boxes, for the tests of AnnotatedData."""

import cv2
import numpy as np

from netc.data.feeds import open_feed
from netc.schema import AnnotatedDatum, Annotation, Datum, NormalizedBBox

from .helpers import layer, write_records


def record(image, boxes=(), typed=True, encoded=True):
    """An image (H, W, C) with boxes (label, xmin, ymin, xmax, ymax[, difficult])."""
    message = AnnotatedDatum(type=0) if typed else AnnotatedDatum()
    if encoded:
        message.datum.CopyFrom(Datum(data=cv2.imencode(".png", image)[1].tobytes(), encoded=True))
    else:
        planes = np.moveaxis(image, -1, 0)
        shape = dict(zip(("channels", "height", "width"), planes.shape, strict=True))
        message.datum.CopyFrom(Datum(data=planes.tobytes(), **shape))
    message.datum.label = 7
    for label, xmin, ymin, xmax, ymax, *difficult in boxes:
        groups = [g for g in message.annotation_group if g.group_label == label]
        group = groups[0] if groups else message.annotation_group.add(group_label=label)
        bbox = NormalizedBBox(xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, difficult=any(difficult))
        group.annotation.append(Annotation(instance_id=len(group.annotation), bbox=bbox))
    return message.SerializeToString()


def noise(seed, height=20, width=30):
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


def anno_layer(path, batch=1, transform="", anno="", tops="data label", data=""):
    named = "".join(f'top: "{top}" ' for top in tops.split())
    return layer(f"""name: "data" type: "AnnotatedData" {named}
        data_param {{ source: "{path}" backend: LMDB batch_size: {batch} {data} }}
        annotated_data_param {{ {anno} }} transform_param {{ {transform} }}""")


def anno_feed(path, phase="TRAIN", seed=1, **options):
    return open_feed(anno_layer(path, **options), phase, seed)


def database(tmp_path, *records):
    return write_records(tmp_path / "db", list(records))
