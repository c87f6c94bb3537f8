import math

import cv2
import numpy as np
import pytest

from netc.data.feeds import open_feed
from netc.data.windows import place, read_windows
from netc.errors import DataError

from .helpers import layer

F = np.float32
IMAGES = [(23, 31), (17, 12)]
BOXES = [
    [(1, 0.9, 3, 4, 20, 15), (2, 0.5, 0, 0, 30, 22), (3, 0.2, 5, 5, 9, 20), (9, 0.4, 1, 1, 2, 2)],
    [(4, 0.7, 6, 10, 11, 16), (5, 0.0, 2, 0, 11, 6)],
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = ""
    for i, (size, boxes) in enumerate(zip(IMAGES, BOXES, strict=True)):
        pixels = np.random.RandomState(i).randint(0, 256, (*size, 3)).astype(np.uint8)
        cv2.imwrite(f"{i}.png", pixels)
        text += f"# {i}\n{i}.png\n3\n{size[0]}\n{size[1]}\n{len(boxes)}\n"
        text += "".join(" ".join(map(str, box)) + "\n" for box in boxes)
    (tmp_path / "w.txt").write_text(text)
    return tmp_path


def feed(window="", transform="crop_size: 9", seed=1):
    text = f"""name: "data" type: "WindowData" top: "data" top: "label"
        window_data_param {{ source: "w.txt" batch_size: 8 bg_threshold: 0.3 {window} }}
        transform_param {{ {transform} }}"""
    return open_feed(layer(text), "TRAIN", seed)


def rounded(x):
    return int(math.copysign(math.floor(abs(float(x)) + 0.5), x))


def expected(number, box, flip, crop, pad=0, square=False, mean=None, scale=1.0):
    """One window, pixel by pixel, as window_data_layer.cpp goes about it."""
    image = cv2.imread(f"{number}.png")
    x1, y1, x2, y2 = box
    width = height = crop
    pad_w = pad_h = 0
    if pad > 0 or square:
        context = F(crop) / F(crop - 2 * pad)
        half_h, half_w = F(y2 - y1 + 1) / F(2), F(x2 - x1 + 1) / F(2)
        cx, cy = F(x1) + half_w, F(y1) + half_h
        if square:
            half_h = half_w = max(half_h, half_w)
        x1, x2 = rounded(cx - half_w * context), rounded(cx + half_w * context)
        y1, y2 = rounded(cy - half_h * context), rounded(cy + half_h * context)
        whole_h, whole_w = y2 - y1 + 1, x2 - x1 + 1
        px1, py1 = max(0, -x1), max(0, -y1)
        px2, py2 = max(0, x2 - image.shape[1] + 1), max(0, y2 - image.shape[0] + 1)
        x1, x2, y1, y2 = x1 + px1, x2 - px2, y1 + py1, y2 - py2
        scale_x, scale_y = F(crop) / F(whole_w), F(crop) / F(whole_h)
        width = rounded(F(x2 - x1 + 1) * scale_x)
        height = rounded(F(y2 - y1 + 1) * scale_y)
        px1, px2, py1 = (
            rounded(F(px1) * scale_x),
            rounded(F(px2) * scale_x),
            rounded(F(py1) * scale_y),
        )
        pad_h, pad_w = py1, px2 if flip else px1
        height, width = min(height, crop - pad_h), min(width, crop - pad_w)
    part = cv2.resize(image[y1 : y2 + 1, x1 : x2 + 1], (width, height))
    if flip:
        part = cv2.flip(part, 1)
    top = np.zeros((3, crop, crop), F)
    for h in range(height):
        for w in range(width):
            for c in range(3):
                at = (c, h + pad_h, w + pad_w)
                top[at] = (F(part[h, w, c]) - (F(0) if mean is None else mean[at])) * F(scale)
    return top


def drawn(source, k):
    """(image, window, mirrored) of each example of a batch, from what the feed says of it."""
    starts = [6, 6 + len(BOXES[0]) + 6]
    for told in source.describe(k):
        where, image, *mirrored = told.split(", ")
        number = int(image.removesuffix(".png"))
        line = int(where.removeprefix("w.txt:"))
        yield number, BOXES[number][line - 1 - starts[number]], bool(mirrored)


@pytest.mark.parametrize(
    ("window", "options"),
    [
        ("", {}),
        ("context_pad: 2", {"pad": 2}),
        ("crop_mode: 'square'", {"square": True}),
        ("crop_mode: 'square' context_pad: 3 scale: 0.5", {"square": True, "pad": 3, "scale": 0.5}),
    ],
)
def test_windows_as_caffe_cuts_them(folder, window, options):
    mean = np.random.RandomState(5).uniform(0, 255, (3, 13, 13)).astype(F)
    np.save("mean.npy", mean)
    source = feed(window, "crop_size: 9 mirror: true mean_file: 'mean.npy'")
    seen = set()
    for k in range(6):
        data, labels = source.batch(k)
        for image, label, (number, box, flip) in zip(data, labels, drawn(source, k), strict=True):
            want = expected(number, box[2:], flip, 9, mean=mean[:, 2:11, 2:11], **options)
            np.testing.assert_array_equal(image, want)
            assert label == (box[0] if box[1] >= 0.5 else 0)
            seen.add((box, flip))
    between = BOXES[0][3]  # the thresholds
    assert {box for box, _ in seen} == {*BOXES[0], *BOXES[1]} - {between}
    assert {flip for _, flip in seen} == {False, True}


def test_an_old_net_keeps_its_scale(folder):
    whole, _ = feed().batch(0)
    for window, transform, scale in (
        ("", "scale: 0.5", 0.5),  # as upgraded
        ("scale: 0.25", "", 0.25),
        ("scale: 0.25", "scale: 0.5", 0.25),
    ):
        data, _ = feed(window, f"crop_size: 9 {transform}").batch(0)
        np.testing.assert_array_equal(data, whole * F(scale))


def test_background_comes_first(folder):
    for fraction, count in ((0.25, 2), (0.49, 3), (0, 0), (1, 8)):
        _, labels = feed(f"fg_fraction: {fraction}").batch(0)
        assert (labels > 0).tolist() == [False] * (8 - count) + [True] * count


def test_a_batch_depends_on_seed_and_number_alone(folder):
    options = {"window": "cache_images: true", "transform": "crop_size: 9 mirror: true"}
    one, other = feed(**options), feed(transform="crop_size: 9 mirror: true")
    backwards = {k: other.batch(k) for k in reversed(range(4))}
    for k in range(4):
        assert all(map(np.array_equal, one.batch(k), backwards[k]))
    assert feed(**options, seed=2).describe(0) != one.describe(0)


def test_cached_images_are_read_once(folder):
    source = feed("cache_images: true")
    for k in range(4):
        source.batch(k)
    for i in range(2):
        (folder / f"{i}.png").unlink()
    assert source.batch(5)[0].any()


def test_a_mean_value_for_all_channels(folder):
    plain, less = feed().batch(1)[0], feed(transform="crop_size: 9 mean_value: 7").batch(1)[0]
    np.testing.assert_array_equal(less, plain - 7)


def test_a_window_beyond_the_image_is_padded():
    placed = place((0, 0, 9, 9), (10, 10), 20, 5, False)
    assert placed.box == (0, 0, 9, 9) and placed.top == placed.left
    assert placed.top + placed.size[0] <= 20 and placed.right > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: "", r"w.txt: Window file is empty"),
        (
            lambda t: t.replace("# 0", "0 0"),
            r"w.txt:1: expected #, image_index, path, .*got '0 0 0",
        ),
        (lambda t: t.replace("# 1", "# 2"), r"w.txt:11: expected image_index 1, got 2"),
        (lambda t: t.replace("\n31\n", "\nx\n"), r"w.txt:1: expected #, image_index, .*23 x 4'"),
        (lambda t: t.replace("5 9 20", "5 9"), r"w.txt:9: expected label .* y2, got '3 0.2 5 5 9'"),
        (lambda t: t.replace("0.5 0", "half 0"), r"w.txt:8: expected .*, got '2 half 0 0 30 22'"),
        (lambda t: t.replace("\n4\n1 0.9", "\n5\n1 0.9"), r"w.txt:11: expected .*, got '# 1'"),
        (lambda t: t[: t.rindex("5 0.0")], r"w.txt:18: expected label .*, got ''"),
        (lambda t: t.replace("1 0.9", "0 0.9"), r"w.txt:7: Check failed: label > 0 \(0 vs. 0\)"),
        (lambda t: t.replace("0.2", "0.4").replace("0.0", "0.4"), r"bg_windows_.size\(\) > 0 "),
        (lambda t: t.replace("0.9", ".4").replace("0.5", ".4").replace("0.7", ".4"), r"fg_windows"),
    ],
)
def test_a_window_file_with_a_mistake(folder, change, message):
    path = folder / "w.txt"
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        _ = feed().epoch_size


def test_no_window_file(folder):
    (folder / "w.txt").unlink()
    with pytest.raises(DataError, match=r"w.txt: Failed to open file: No such file"):
        _ = feed().epoch_size


def test_an_image_that_is_not_there(folder):
    (folder / "0.png").unlink()
    with pytest.raises(DataError, match=r"w.txt:\d+: Could not load 0.png: No such file"):
        feed().batch(0)


def test_a_window_outside_its_image(folder):
    path = folder / "w.txt"
    path.write_text(path.read_text().replace("6 10 11 16", "6 10 12 16"))
    message = r"w.txt:\d+: window 6 10 12 16 does not lie in the image of 17 x 12"
    with pytest.raises(DataError, match=message):
        feed("fg_fraction: 1").batch(0)


def test_a_mean_that_is_too_small(folder):
    np.save("mean.npy", np.zeros((3, 8, 8), F))
    message = "mean_file 'mean.npy' is 3 x 8 x 8, too small for windows of 3 x 9 x 9"
    with pytest.raises(DataError, match=message):
        feed(transform="crop_size: 9 mean_file: 'mean.npy'")


def test_an_image_without_windows(folder):
    (folder / "n.txt").write_text("# 0\n0.png\n3 23 31\n0\n# 1 1.png 3 17 12 1\n1 1 0 0 1 1\n")
    found = read_windows("n.txt", "root/")
    assert found.paths == ["root/0.png", "root/1.png"]
    assert found.image.tolist() == [1] and found.line.tolist() == [6]
