"""Small databases and feeds for the tests of netc.data."""

from contextlib import closing

import numpy as np
import plyvel

from netc.data.datum import encode_raw
from netc.data.feeds import open_feed
from netc.data.writer import write_database
from netc.load import parse_net


def images(count, channels=1, height=4, width=5, seed=0):
    """Random uint8 images (N, C, H, W)."""
    shape = (count, channels, height, width)
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def write_records(path, records):
    with write_database(str(path)) as writer:
        for i, record in enumerate(records):
            writer.put(b"%08d" % i, record)
    return str(path)


def write_leveldb(path, records):
    """A LevelDB of these records, the last of them still in its log."""
    for numbers in (range(len(records) - 1), range(len(records) - 1, len(records))):
        with closing(plyvel.DB(str(path), create_if_missing=True)) as database:
            for i in numbers:
                database.put(b"%08d" % i, records[i])
    return str(path)


def write_images(path, pixels):
    """A database of raw Datums whose labels count up."""
    return write_records(path, [encode_raw(image, i) for i, image in enumerate(pixels)])


def layer(text):
    return parse_net(f"layer {{ {text} }}").message.layer[0]


def data_layer(path, batch=4, transform="", data="", backend="LMDB", **_):
    return layer(f"""name: "data" type: "Data" top: "data" top: "label"
        data_param {{ source: "{path}" backend: {backend} batch_size: {batch} {data} }}
        transform_param {{ {transform} }}""")


def data_feed(path, phase="TEST", seed=1, fail=None, **options):
    return open_feed(data_layer(path, **options), phase, seed, fail)


def hdf5_feed(source, batch=4, tops=("data", "label"), data="", extra="", seed=1, fail=None):
    names = " ".join(f'top: "{top}"' for top in tops)
    text = f"""name: "data" type: "HDF5Data" {names}
        hdf5_data_param {{ source: "{source}" batch_size: {batch} {data} }} {extra}"""
    return open_feed(layer(text), "TRAIN", seed, fail)
