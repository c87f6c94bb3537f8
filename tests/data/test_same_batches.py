"""Batch k is the same whoever makes it: threads, processes, shards, a run that goes on."""

import cv2
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.data.datum import encode_file
from netc.data.feeds import open_feed
from netc.data.loader import Loader
from netc.data.workers import Recipe, Workers

from .helpers import data_layer, images, layer, write_images, write_records

CHANGES = """crop_size: 6 mirror: true augment { area: [0.3, 1] rotation: 10 hue: 0.1 contrast: 0.2
    noise: 3 cutout: 2 cutmix: 1 classes: 20 }"""
KINDS = ("raw", "encoded", "shuffled", "augmented", "hdf5")
STEPS = 12


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("same")
    pixels = images(19, channels=3, height=8, width=8)
    raw = write_images(folder / "raw", pixels)
    files = [cv2.imencode(".png", image.transpose(1, 2, 0))[1].tobytes() for image in pixels]
    encoded = write_records(folder / "encoded", [encode_file(f, i) for i, f in enumerate(files)])
    for name, count in (("a", 5), ("b", 8)):
        with h5py.File(folder / f"{name}.h5", "w") as h5:
            h5["data"] = np.random.RandomState(count).rand(count, 3)
            h5["label"] = np.arange(count)
    (folder / "list").write_text(f"{folder}/a.h5 {folder}/b.h5")
    layers = (
        data_layer(raw, transform="crop_size: 5 mirror: true", data="rand_skip: 5"),
        data_layer(encoded, transform="crop_size: 5 mirror: true"),
        data_layer(raw, data="shuffle: true"),
        data_layer(encoded, transform=CHANGES, data="shuffle: true"),
        layer(f"""name: "data" type: "HDF5Data" top: "data" top: "label"
            hdf5_data_param {{ source: "{folder}/list" batch_size: 4 shuffle: true }}"""),
    )
    return [Recipe(param, "TRAIN", 3) for param in layers]


@pytest.fixture(scope="module")
def feeds(recipes):
    return [open_feed(*recipe) for recipe in recipes]


@pytest.fixture(scope="module")
def batches(recipes):
    """The first batches, each of feeds that have made no other."""
    return [[open_feed(*recipe).batch(k) for recipe in recipes] for k in range(STEPS)]


def assert_same(found, wanted):
    for kind, tops, others in zip(KINDS, found, wanted, strict=True):
        for top, other in zip(tops, others, strict=True):
            assert np.array_equal(top, other), kind


@given(st.sampled_from([1, 2, 7]), st.integers(0, STEPS - 1), st.integers(1, 8))
@settings(deadline=None, max_examples=20)
def test_threads_and_resuming_change_nothing(feeds, batches, threads, start, prefetch):
    with Loader(feeds, start, prefetch, threads) as loader:
        for k in range(start, STEPS):
            assert_same(next(loader), batches[k])


@given(st.integers(0, 2))
@settings(deadline=None, max_examples=3)
def test_shards_hold_the_rows_of_one_process(feeds, batches, step):
    for i in range(4):
        with Loader(feeds, step, prefetch=1, shard=(i, 4)) as loader:
            assert_same(next(loader), batches[4 * step + i])


def test_processes_change_nothing(recipes, batches):
    workers = Workers(recipes, 2)
    try:
        with Loader([workers], 3, threads=4) as loader:
            for k in range(3, STEPS):
                assert_same(next(loader)[0], batches[k])
    finally:
        workers.close()


@pytest.mark.parametrize("shard", [(1, 1), (-1, 2), (0, 0)])
def test_shards_are_counted_from_0(shard):
    with pytest.raises(ValueError, match=r"shard must be \(i, n\) with 0 <= i < n"):
        Loader([], shard=shard)
