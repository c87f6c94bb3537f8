import logging
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from netc.data.datum import encode_raw
from netc.data.feeds import open_feed
from netc.errors import DataError, ShapeError
from netc.load import parse_net
from netc.schema import Datum

from .helpers import data_feed, images, layer, write_images, write_records

RECORDED = [
    "lmdb_raw",
    "lmdb_encoded",
    "lmdb_encoded_gray",
    "lmdb_gray",
    "lmdb_mean_value",
    "lmdb_mean_scale_crop",
    "leveldb_raw",
    "leveldb_encoded",
    "hdf5",
]


@pytest.mark.parametrize("case", RECORDED)
def test_caffes_batches(case, golden):
    with np.load(golden / f"layer_{case}.npz") as recorded:
        (param,) = parse_net(recorded["net"].tobytes().decode()).message.layer
        feed = open_feed(param, "TEST", seed=1)
        for key in recorded.files:
            if "/" in key:
                k, top = key.split("/")
                index = list(param.top).index(top)
                blob = feed.batch(int(k))[index]
                assert np.array_equal(blob, recorded[key])
                assert (blob.shape, blob.dtype) == (feed.shapes[index], feed.dtypes[index])


def test_batches_follow_each_other_and_wrap(tmp_path):
    pixels = images(10)
    feed = data_feed(write_images(tmp_path / "db", pixels), batch=4)
    assert feed.shapes == ((4, 1, 4, 5), (4,)) and feed.epoch_size == 10
    assert feed.labels_top == 1
    for k in (7, 2, 0, 1):
        data, labels = feed.batch(k)
        rows = np.arange(4 * k, 4 * k + 4) % 10
        assert np.array_equal(data, pixels[rows]) and labels.tolist() == rows.tolist()


def test_a_batch_larger_than_the_database(tmp_path):
    feed = data_feed(write_images(tmp_path / "db", images(3)), batch=8)
    assert feed.batch(0)[1].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_the_wrap_is_logged(tmp_path, caplog):
    feed = data_feed(write_images(tmp_path / "db", images(6)), batch=4)
    with caplog.at_level(logging.INFO, "netc.data"):
        feed.batch(0)
        assert not caplog.messages
        feed.batch(1)
    assert caplog.messages == ["Restarting data prefetching from start."]


def test_one_top_without_labels(tmp_path):
    param = layer(f"""name: "data" type: "Data" top: "data"
        data_param {{ source: "{write_images(tmp_path / "db", images(3))}" backend: LMDB
        batch_size: 2 }}""")
    feed = open_feed(param, "TRAIN", 1)
    assert len(feed.batch(0)) == len(feed.shapes) == 1 and feed.labels_top is None


def test_rand_skip_moves_the_start_once(tmp_path):
    path = write_images(tmp_path / "db", images(10))
    starts = set()
    for seed in range(40):
        feed = data_feed(path, data="rand_skip: 3", seed=seed)
        labels = np.concatenate([feed.batch(k)[1] for k in range(4)])
        starts.add(int(labels[0]))
        assert np.array_equal(labels, (labels[0] + np.arange(16)) % 10)
    assert starts == {0, 1, 2}


def test_a_batch_depends_on_seed_and_number_alone(tmp_path):
    path = write_images(tmp_path / "db", images(10))
    options: dict[str, Any] = {"transform": "mirror: true crop_size: 3", "phase": "TRAIN"}
    one, other = data_feed(path, **options), data_feed(path, **options)
    backwards = {k: other.batch(k)[0] for k in reversed(range(6))}
    assert all(np.array_equal(one.batch(k)[0], backwards[k]) for k in range(6))
    assert not np.array_equal(data_feed(path, **options, seed=2).batch(0)[0], backwards[0])


def test_records_laid_out_in_several_ways_share_a_batch(tmp_path):
    (image,) = images(1, height=1, width=2)
    floats = Datum(channels=1, height=1, width=2, float_data=[0.5, 1.5], label=3)
    feed = data_feed(
        write_records(tmp_path / "db", [encode_raw(image, 2), floats.SerializeToString()]), batch=2
    )
    data, labels = feed.batch(0)
    assert np.array_equal(data[0], image) and data[1].ravel().tolist() == [0.5, 1.5]
    assert labels.tolist() == [2, 3]


def sizes(tmp_path):
    records = [encode_raw(images(1, 1, 5, 4 + i % 2)[0], i) for i in range(6)]
    return write_records(tmp_path / "db", records)


def test_a_record_of_another_size(tmp_path):
    path = sizes(tmp_path)
    message = rf"{path}, record 1, key '00000001': Check failed: datum_width == width \(5 vs. 4\)"
    with pytest.raises(DataError, match=rf"{message}: .*5 x 4\nhint: .*crop_size"):
        data_feed(path).batch(0)


def test_every_batch_has_its_own_size(tmp_path):
    feed = data_feed(sizes(tmp_path), batch=1)
    assert [feed.batch(k)[0].shape for k in (2, 1, 0)] == [(1, 1, 5, n) for n in (4, 5, 4)]


def test_sizes_may_differ_under_a_crop(tmp_path):
    feed = data_feed(sizes(tmp_path), transform="crop_size: 4")
    assert feed.batch(0)[0].shape == (4, 1, 4, 4)


def test_a_record_too_small_for_the_crop(tmp_path):
    records = [encode_raw(images(1, 1, size, size)[0], 0) for size in (5, 3)]
    feed = data_feed(write_records(tmp_path / "db", records), transform="crop_size: 4")
    with pytest.raises(DataError, match=r"record 1, .*: crop_size 4 is larger than the image"):
        feed.batch(0)


def test_a_record_that_is_broken(tmp_path):
    records = [encode_raw(images(1)[0], 0), b"\xff\xff"]
    feed = data_feed(write_records(tmp_path / "db", records))
    with pytest.raises(DataError, match="record 1, key '00000001': 2 bytes that are no Datum"):
        feed.batch(0)


def test_describe_names_each_record(tmp_path):
    path = write_images(tmp_path / "db", images(3))
    assert data_feed(path, batch=2).describe(1) == (
        f"{path}, record 2, key '00000002'",
        f"{path}, record 0, key '00000000'",
    )


def test_force_gray_on_raw_records_is_only_logged(tmp_path, caplog):
    path = write_images(tmp_path / "db", images(3))
    feed = data_feed(path, transform="force_gray: true force_color: true", batch=3)
    assert np.array_equal(feed.batch(0)[0], images(3))
    assert caplog.messages == ["force_color and force_gray only for encoded datum"]


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"batch": 0}, "batch_size", "Positive batch size required"),
        ({"transform": "crop_size: 6"}, "crop_size", "crop_size 6 is larger than the image"),
        ({"transform": 'mean_file: "nowhere"'}, "mean_file", "nowhere: Failed to open file"),
        (
            {"transform": "mean_value: [1, 2, 3]"},
            "mean_value",
            "Specify either 1 mean_value or as many as channels: 1",
        ),
    ],
)
def test_mistakes_point_at_their_field(tmp_path, options, field, message):
    def fail(message, field, *, hint=None):
        raise ShapeError(message, field, hint)

    path = write_images(tmp_path / "db", images(3))
    with pytest.raises(ShapeError, match=f"^{field}: {message}"):
        data_feed(path, **options, fail=fail)
    with pytest.raises(DataError, match=f"^{message}"):
        data_feed(path, **options)


def test_what_is_wrong_with_a_database_points_at_source(tmp_path):
    def fail(message, field, *, hint=None):
        raise ShapeError(message, field, hint)

    with pytest.raises(ShapeError, match=r"^source: .*none: cannot open LMDB: No such file"):
        data_feed(tmp_path / "none", fail=fail)
    path = write_records(tmp_path / "db", [b"\xff\xff"])
    with pytest.raises(ShapeError, match=r"^source: .*db, record 0, key .* are no Datum"):
        data_feed(path, fail=fail)


def test_importing_feeds_is_light():
    code = """
import sys, netc.data.feeds, netc.data.loader, netc.data.convert, netc.data.digits
print(sorted({"jax", "cv2", "h5py", "lmdb"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_shuffled_epochs_are_permutations(tmp_path):
    feed = data_feed(write_images(tmp_path / "db", images(12)), data="shuffle: true", batch=4)
    labels = np.concatenate([feed.batch(k)[1] for k in range(6)])
    assert sorted(labels[:12]) == sorted(labels[12:]) == list(range(12))
    assert labels[:12].tolist() != labels[12:].tolist() != list(range(12))
    assert feed.describe(1)[0].endswith(f"key '{int(labels[4]):08d}'")


def labelled(path, labels):
    return write_records(path, [encode_raw(images(1)[0], label) for label in labels])


SORTED = [0] * 40 + [1] * 40 + [2] * 20


@pytest.mark.parametrize(
    ("labels", "phase", "data", "warned"),
    [
        (SORTED, "TRAIN", "", True),
        ([3] * 99 + [4], "TRAIN", "", True),
        (SORTED, "TEST", "", False),
        (SORTED, "TRAIN", "shuffle: true", False),
        (SORTED[::-1][3:] + SORTED, "TRAIN", "", False),
        ([5] * 100, "TRAIN", "", False),
        ([0] * 64, "TRAIN", "", False),
    ],
)
def test_a_database_sorted_by_label_is_told(tmp_path, caplog, labels, phase, data, warned):
    feed = data_feed(labelled(tmp_path / "db", labels), phase=phase, data=data)
    feed.batch(1)
    assert not caplog.messages
    feed.batch(0)
    assert [m for m in caplog.messages if "is sorted by label: its first 64 records" in m] == (
        caplog.messages
    )
    assert bool(caplog.messages) == warned


def test_several_labels(tmp_path):
    labels = [[1, 0.5], [2, -3], [7, 0]]
    pixels = images(3)
    records = [encode_raw(x, 0, row) for x, row in zip(pixels, labels, strict=True)]
    feed = data_feed(write_records(tmp_path / "db", records), batch=2)
    assert feed.shapes == ((2, 1, 4, 5), (2, 2))
    data, found = feed.batch(1)
    assert found.tolist() == [labels[2], labels[0]] and np.array_equal(data[0], pixels[2])
    mixing = "augment { mixup: 0.2 classes: 3 }"
    with pytest.raises(DataError, match="images of 2 labels each cannot be mixed"):
        data_feed(tmp_path / "db", transform=mixing, phase="TRAIN")
    path = write_records(tmp_path / "other", [records[0], encode_raw(pixels[1], 4)])
    with pytest.raises(DataError, match=r"record 1, .*: the datum has 1 labels, that .* record 2"):
        data_feed(path).batch(0)


def test_mixed_labels_are_rows(tmp_path):
    feed = data_feed(
        write_images(tmp_path / "db", images(8)),
        phase="TRAIN",
        transform="augment { mixup: 0.4 classes: 8 }",
    )
    assert feed.shapes == ((4, 1, 4, 5), (4, 8))
    pixels, rows = feed.batch(1)
    assert rows.shape == (4, 8) and np.allclose(rows.sum(1), 1) and (rows[:, :4] == 0).all()
    assert np.allclose(pixels, np.tensordot(rows, images(8), 1), atol=1e-3)
    plain = data_feed(write_images(tmp_path / "d2", images(8)), transform="augment { mixup: 1 }")
    assert plain.shapes[1] == (4,)
