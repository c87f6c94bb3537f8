import logging
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from netc.data.feeds import open_feed
from netc.errors import DataError, ShapeError

from .helpers import layer

SIZES = [(6, 8), (6, 8), (5, 7), (9, 6), (6, 8)]


def picture(i, size, channels=3):
    return np.random.RandomState(i).randint(0, 256, (*size, channels)).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Five images in several sizes, and label images of theirs."""
    monkeypatch.chdir(tmp_path)
    for i, size in enumerate(SIZES):
        cv2.imwrite(f"{i}.png", picture(i, size))
        cv2.imwrite(f"l{i}.png", picture(10 + i, size, 1) % 4)
    (tmp_path / "list.txt").write_text("".join(f"{i}.png {i % 3}\n" for i in range(5)))
    (tmp_path / "dense.txt").write_text("".join(f"{i}.png l{i}.png\n" for i in range(5)))
    (tmp_path / "many.txt").write_text("".join(f"{i}.png {i} {-i} 0.5\n" for i in range(5)))
    return tmp_path


def feed(
    fields="", transform="", phase="TEST", seed=1, type="ImageData", source="list.txt", tops=2
):
    field = {
        "DenseImageData": "dense_image_data",
        "ImageData": "image_data",
        "ImageFolder": "image_folder",
        "ImageList": "image_list",
    }
    named = "".join(f'top: "{i}" ' for i in range(fields.count("column:") or tops))
    text = f"""name: "data" type: "{type}" {named}
        {field.get(type, "image_data")}_param {{ source: "{source}" {fields} }}
        transform_param {{ {transform} }}"""
    return open_feed(layer(text), phase, seed)


def planes(image):
    return np.moveaxis(image, -1, 0)


def test_images_in_the_order_of_the_list(pictures):
    source = feed()
    for k in (6, 0, 3, 2):
        data, label = source.batch(k)
        i = k % 5
        assert np.array_equal(data[0], planes(picture(i, SIZES[i]))) and label == [i % 3]
    assert source.shapes == ((1, 3, 6, 8), (1,)) and source.epoch_size == 5
    assert source.describe(3) == ("list.txt:4, 3.png",)


def test_resizing_and_gray(pictures):
    source = feed("new_height: 4 new_width: 3 batch_size: 5 is_color: false")
    data, _ = source.batch(0)
    assert data.shape == source.shapes[0] == (5, 1, 4, 3)
    gray = cv2.imread("2.png", cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(data[2, 0], cv2.resize(gray, (3, 4)))


def test_each_round_is_a_new_order_of_all(pictures):
    source = feed("shuffle: true batch_size: 3 new_height: 2 new_width: 2")
    names = [name for k in range(5) for name in source.describe(k)]
    rounds = [names[i : i + 5] for i in range(0, 15, 5)]
    assert all(sorted(r) == sorted(rounds[0]) for r in rounds)
    assert len(set(map(tuple, rounds))) == 3
    other = feed("shuffle: true batch_size: 3 new_height: 2 new_width: 2", seed=2)
    assert other.describe(0) + other.describe(1) != source.describe(0) + source.describe(1)


def test_rand_skip_moves_the_start_of_the_first_round(pictures):
    fields = "rand_skip: 3 new_height: 2 new_width: 2"
    starts = {feed(fields, seed=seed).describe(0)[0] for seed in range(40)}
    assert starts == {f"list.txt:{i + 1}, {i}.png" for i in range(3)}


def test_more_to_skip_than_there_is(pictures):
    with pytest.raises(DataError, match="Not enough points to skip: rand_skip 5, 5 images"):
        feed("rand_skip: 5")


def test_a_batch_depends_on_seed_and_number_alone(pictures):
    options = {
        "fields": "shuffle: true rand_skip: 2 batch_size: 3",
        "transform": "crop_size: 4 mirror: true",
        "phase": "TRAIN",
    }
    one, other = feed(**options), feed(**options)
    backwards = {k: other.batch(k) for k in reversed(range(6))}
    for k in range(6):
        assert all(map(np.array_equal, one.batch(k), backwards[k]))
    assert not np.array_equal(feed(**options, seed=2).batch(0)[0], backwards[0][0])


def test_threads_may_ask_for_batches_at_once(pictures):
    options = {
        "fields": "shuffle: true batch_size: 2",
        "transform": "crop_size: 4",
        "phase": "TRAIN",
    }
    wanted = [feed(**options).batch(k)[0] for k in range(12)]
    with ThreadPoolExecutor(7) as pool:
        got = [data for data, _ in pool.map(feed(**options).batch, range(12))]
    assert all(map(np.array_equal, got, wanted))


def test_sizes_may_differ_between_batches_but_not_in_one(pictures):
    assert [feed().batch(k)[0].shape[2:] for k in (4, 3, 2)] == [(6, 8), (9, 6), (5, 7)]
    source = feed("batch_size: 2")
    assert source.batch(0)[0].shape == (2, 3, 6, 8)
    message = r"^list.txt:4: Check failed: img_height == height \(9 vs. 5\): .*\nhint: images of"
    with pytest.raises(DataError, match=message):
        source.batch(1)
    assert feed("batch_size: 5", "crop_size: 5").batch(0)[0].shape == (5, 3, 5, 5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("9.png 1", r"list.txt:6: Could not load 9.png: No such file or directory\nhint: did you"),
        ("list.txt 1", r"list.txt:6: Could not load list.txt: \d+ bytes that are no image"),
        ("empty.png 1", "list.txt:6: Could not load empty.png: 0 bytes that are no image"),
        ("huge.pgm 1", r"list.txt:6: Could not load huge.pgm: \d+ bytes that are no image"),
    ],
)
def test_an_image_that_cannot_be_read(pictures, line, message):
    (pictures / "empty.png").touch()
    (pictures / "huge.pgm").write_text("P5 100000 100000 255\n")
    with open("list.txt", "a") as file:
        file.write(line)
    source = feed("new_height: 4 new_width: 3")
    source.batch(4)
    with pytest.raises(DataError, match=message):
        source.batch(5)


def test_class_folders(pictures, caplog):
    for i in range(5):
        (pictures / "set" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        (pictures / f"{i}.png").rename(pictures / "set" / "ab"[i % 2] / f"{i}.png")
    with caplog.at_level(logging.INFO, "netc.data"):
        source = feed("batch_size: 5 new_height: 2 new_width: 2", type="ImageFolder", source="set")
        _, labels = source.batch(0)
    assert labels.tolist() == [0, 0, 0, 1, 1] and source.describe(0)[3].endswith("set/b/1.png")
    assert "Class 0: a (3 images)" in caplog.messages
    assert "Class 1: b (2 images)" in caplog.messages


def test_several_numbers(pictures):
    source = feed(
        "column: IMAGE column: NUMBERS batch_size: 2", type="ImageList", source="many.txt"
    )
    data, numbers = source.batch(0)
    assert data.shape == (2, 3, 6, 8) and numbers.tolist() == [[0, 0, 0.5], [1, -1, 0.5]]
    assert source.shapes[1] == (2, 3) and source.labels_top == 1


DENSE = "column: IMAGE column: LABEL_IMAGE"


def test_a_label_image_goes_where_its_image_goes(pictures):
    cv2.imwrite("same.png", np.repeat(picture(1, (9, 9), 1), 3, 2))
    cv2.imwrite("label.png", picture(1, (9, 9), 1))
    (pictures / "one.txt").write_text("same.png label.png\n")
    source = feed(
        f"{DENSE} batch_size: 8",
        "crop_size: 4 mirror: true scale: 0.5 mean_value: 1 mean_value: 2 mean_value: 3",
        "TRAIN",
        type="ImageList",
        source="one.txt",
    )
    data, label = source.batch(3)
    assert label.shape == source.shapes[1] == (8, 1, 4, 4) and source.labels_top == 1
    assert np.array_equal(data[:, :1] * 2 + 1, label)
    assert len({x.tobytes() for x in label}) > 1


def test_segnet_s_dense_image_data_is_a_list_of_images_and_label_images(pictures):
    fields = "batch_size: 2 shuffle: true new_height: 5 new_width: 6"
    transform = "scale: 0.5 mean_value: 7"
    dense = feed(fields, transform, "TRAIN", type="DenseImageData", source="dense.txt")
    plain = feed(f"{DENSE} {fields}", transform, "TRAIN", type="ImageList", source="dense.txt")
    assert dense.shapes == plain.shapes and dense.labels_top == 1
    for got, want in zip(dense.batch(3), plain.batch(3), strict=True):
        assert np.array_equal(got, want)


def test_label_images_are_resized_without_mixing_classes(pictures):
    source = feed(f"{DENSE} new_height: 11 new_width: 13", type="ImageList", source="dense.txt")
    _, label = source.batch(2)
    assert label.shape == (1, 1, 11, 13)
    assert set(np.unique(label)) <= set(np.unique(picture(12, SIZES[2], 1) % 4))


def test_a_label_image_of_another_size(pictures):
    cv2.imwrite("l0.png", picture(0, (3, 3), 1))
    message = "dense.txt:1: l0.png is 3 x 3, 0.png 6 x 8"
    with pytest.raises(DataError, match=message):
        feed(DENSE, type="ImageList", source="dense.txt").batch(0)


def test_a_label_image_in_colours(pictures):
    cv2.imwrite("l0.png", picture(0, (6, 8)))
    message = r"dense.txt:1: l0.png has 3 channels, .*\n?hint: a palette is decoded"
    with pytest.raises(DataError, match=message):
        feed(DENSE, type="ImageList", source="dense.txt").batch(0)


def test_mixing_needs_an_image_and_its_label(pictures):
    with pytest.raises((DataError, ShapeError), match="mixup and cutmix need one image and its l"):
        feed(
            DENSE,
            "augment { mixup: 0.2 classes: 3 }",
            "TRAIN",
            type="ImageList",
            source="dense.txt",
        )


def test_mixed_labels_are_rows_of_classes(pictures):
    source = feed(
        "batch_size: 5 new_height: 4 new_width: 4", "augment { mixup: 1 classes: 3 }", "TRAIN"
    )
    data, labels = source.batch(0)
    assert data.shape == (5, 3, 4, 4) and labels.shape == source.shapes[1] == (5, 3)
    np.testing.assert_allclose(labels.sum(1), 1, rtol=1e-6)


def test_what_a_batch_draws(pictures):
    source = feed("batch_size: 2", "crop_size: 6", phase="TEST")
    assert source.drawn(0) == ("crop 6 x 6 at (0, 1)",) * 2


def test_label_images_smaller_than_their_images(pictures):
    fields = "batch_size: 2 new_height: 9 new_width: 13 label_divide_factor: 4"
    source = feed(fields, type="DenseImageData", source="dense.txt")
    data, label = source.batch(0)
    assert data.shape == (2, 3, 9, 13) and label.shape == source.shapes[1] == (2, 1, 2, 3)
    classes = cv2.imread("l1.png", cv2.IMREAD_UNCHANGED)
    assert np.array_equal(label[1, 0], cv2.resize(classes, (3, 2), interpolation=cv2.INTER_NEAREST))


@pytest.mark.parametrize("fields", ["crop_h: 4 crop_w: 5", "crop_height: 4 crop_width: 5"])
def test_a_crop_that_is_not_square(pictures, fields):
    source = feed("batch_size: 2", fields)
    assert source.shapes[0] == (2, 3, 4, 5) and source.drawn(0)[0] == "crop 4 x 5 at (1, 1)"
    assert np.array_equal(source.batch(0)[0][1], planes(picture(1, SIZES[1]))[:, 1:5, 1:6])


def test_maps_of_edges_are_0_or_1(pictures):
    edges = np.array([[0, 127, 128, 255]] * 3, np.uint8)
    cv2.imwrite("edges.png", edges)
    cv2.imwrite("image.png", picture(0, (3, 4)))
    (pictures / "edges.txt").write_text("image.png edges.png\n")
    source = feed("", "mirror: true", type="ImageLabelmapData", source="edges.txt")
    _, label = source.batch(0)
    assert label.shape == source.shapes[1] == (1, 1, 3, 4)
    assert label[0, 0, 0].tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])


def segments(fields="", transform="", source="dense.txt", tops=3, **options):
    fields = f"{fields} label_type: {options.pop('label', 'PIXEL')}"
    return feed(fields, transform, type="ImageSegData", source=source, tops=tops, **options)


def test_segments_are_filled_up_to_the_crop(pictures):
    transform = "crop_height: 12 crop_width: 7 mean_value: 3.5 scale: 0.5"
    source = segments("batch_size: 4 ignore_label: 250", transform)
    data, label, size = source.batch(0)
    shapes = (4, 3, 12, 7), (4, 1, 12, 7), (4, 1, 1, 2)
    assert source.shapes == (data.shape, label.shape, size.shape) == shapes
    assert size[:, 0, 0].tolist() == [[6, 7], [6, 7], [5, 7], [9, 6]]
    assert np.array_equal(data[3, :, :9, :6], (planes(picture(3, SIZES[3])) - 3.5) / 2)
    assert (data[3, :, 9:] == 0).all() and (data[3, :, :, 6:] == 0).all()
    wanted = (picture(13, SIZES[3], 1) % 4)[..., 0]
    assert np.array_equal(label[3, 0, :9, :6], wanted) and (label[3, 0, 9:] == 250).all()


@pytest.mark.parametrize(
    ("label", "source", "value"), [("IMAGE", "list.txt", 1), ("NONE", "dense.txt", 255)]
)
def test_segments_of_one_class(pictures, label, source, value):
    _, labels, size = segments(label=label, source=source).batch(1)
    assert (
        labels.shape == (1, 1, 6, 8) and (labels == value).all() and size.ravel().tolist() == [6, 8]
    )


@pytest.mark.parametrize(("tops", "labels"), [(1, None), (2, 1)])
def test_as_many_tops_as_the_layer_has(pictures, tops, labels):
    source = segments(tops=tops)
    assert [top.shape for top in source.batch(0)] == list(source.shapes)
    assert len(source.shapes) == tops and source.labels_top == labels


def test_segments_at_a_scale_drawn_for_each(pictures):
    transform = "crop_size: 20 mirror: true scale_factors: 0.5 scale_factors: 2"
    source = segments("batch_size: 2", transform, phase="TRAIN")
    same = segments("batch_size: 2", transform, phase="TRAIN")
    seen = set()
    for k in reversed(range(6)):
        data, label, size = source.batch(k)
        assert all(map(np.array_equal, (data, label, size), same.batch(k)))
        assert set(np.unique(label)) <= {0, 1, 2, 3, 255}
        seen.update(text.split(",")[0] for text in source.drawn(k))
    assert seen == {"scale 0.5", "scale 2"}


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ('mean_file: "m"', "ImageSegDataLayer does not support mean file"),
        ("scale_factors: -1", "scale_factors must be greater than 0, got -1"),
    ],
)
def test_segments_that_cannot_be_made(pictures, transform, message):
    with pytest.raises(DataError, match=message):
        segments(transform=transform)


def test_a_segmentation_of_another_size(pictures):
    cv2.imwrite("l0.png", picture(0, (3, 3), 1))
    with pytest.raises(DataError, match=r"dense.txt:1: l0.png is 3 x 3, 0.png 6 x 8"):
        segments("new_height: 0").batch(0)
