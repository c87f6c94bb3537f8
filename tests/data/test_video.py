"""Frames and clips of videos."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from netc.compile import compile_net
from netc.data.feeds import open_feed
from netc.data.mean_file import read_mean
from netc.data.video import Video
from netc.errors import DataError, NetcError
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.schema import BlobProto, BlobShape, NetState

from .helpers import layer

COUNT = 160
SIZE = (24, 32)


def frame(i):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    planes = (x * 6 + i * 9) % 256, (y * 8 + i * 5) % 256, np.full(SIZE, i)
    return np.stack(planes, -1).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """a.mp4, whose frames hang together, short.avi, and frames/000001.jpg to 000012.jpg."""
    path = tmp_path_factory.mktemp("videos")
    for name, code, count in (("a.mp4", "mp4v", COUNT), ("short.avi", "MJPG", 5)):
        size = SIZE[::-1]
        writer = cv2.VideoWriter(str(path / name), cv2.VideoWriter.fourcc(*code), 25, size)
        for i in range(count):
            writer.write(frame(i))
        writer.release()
    (path / "frames").mkdir()
    for i in range(1, 13):
        cv2.imwrite(str(path / "frames" / f"{i:06d}.jpg"), frame(10 * i))
    (path / "none.mp4").write_bytes(b"no video at all")
    return path


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def decoded(path):
    """All frames, one after another: (count, 3, H, W)."""
    capture, frames = cv2.VideoCapture(path), []
    while (read := capture.read())[0]:
        frames.append(read[1].transpose(2, 0, 1))
    return np.stack(frames)


def clips(lines, fields="", transform="", phase="TEST", seed=1, tops=2):
    with open("list.txt", "w") as file:
        file.write("\n".join(lines))
    names = "".join(f'top: "{i}" ' for i in range(tops))
    text = f"""name: "data" type: "VideoData" {names}
        video_data_param {{ source: "list.txt" {fields} }} transform_param {{ {transform} }}"""
    return open_feed(layer(text), phase, seed)


def frames(fields='video_type: VIDEO video_file: "a.mp4"', batch=2, transform="", tops=1):
    names = "".join(f'top: "{i}" ' for i in range(tops))
    text = f"""name: "data" type: "VideoData" {names} data_param {{ batch_size: {batch} }}
        video_data_param {{ {fields} }} transform_param {{ {transform} }}"""
    return open_feed(layer(text), "TEST", 1)


def test_any_frames_in_any_order():
    whole, video = decoded("a.mp4"), Video("a.mp4")
    assert len(whole) == video.count == COUNT
    for first, count, step in (
        (0, 3, 1),
        (3, 2, 5),
        (140, 4, 2),
        (7, 1, 1),
        (11, 3, 40),
        (0, 1, 1),
    ):
        found = video.read(first, count, step)
        want = whole[first : first + count * step : step]
        assert np.array_equal([f.transpose(2, 0, 1) for f in found], want)


def test_clips_of_videos():
    feed = clips(["a.mp4 0 3", "a.mp4 130 1", "short.avi 2 7"], "new_length: 3 batch_size: 2")
    whole, short = decoded("a.mp4"), decoded("short.avi")
    assert feed.shapes == ((2, 3, 3, *SIZE), (2,)) and feed.epoch_size == 3
    first, second = feed.batch(0), feed.batch(1)
    assert np.array_equal(first[0][1], whole[130:133].swapaxes(0, 1))
    assert first[1].tolist() == [3, 1] and second[1].tolist() == [7, 3]
    assert np.array_equal(second[0], [short[2:5].swapaxes(0, 1), whole[:3].swapaxes(0, 1)])
    assert feed.describe(0) == ("list.txt:1, a.mp4", "list.txt:2, a.mp4")


def test_clips_are_resized_and_every_third_frame_is_taken():
    feed = clips(["a.mp4 100 3"], "new_length: 4 sampling_rate: 3 new_height: 7 new_width: 9")
    want = [cv2.resize(f.transpose(1, 2, 0), (9, 7)) for f in decoded("a.mp4")[100:112:3]]
    assert np.array_equal(feed.batch(0)[0][0], np.stack(want).transpose(3, 0, 1, 2))


def test_clips_of_files():
    feed = clips(["frames 4 1"], "new_length: 3 sampling_rate: 2 use_image: true")
    want = [cv2.imread(f"frames/{n:06d}.jpg").transpose(2, 0, 1) for n in (4, 6, 8)]
    assert np.array_equal(feed.batch(0)[0][0], np.stack(want, 1))


def test_a_clip_is_cropped_and_mirrored_as_a_whole():
    whole, seen = decoded("a.mp4"), set()
    feed = clips(["a.mp4 5 0"], "new_length: 2", "crop_size: 20 mirror: true", "TRAIN")
    for k in range(6):
        data = feed.batch(k)[0][0]
        places = [
            (top, left, flip)
            for top in range(SIZE[0] - 19)
            for left in range(SIZE[1] - 19)
            for flip in (1, -1)
            if np.array_equal(
                data,
                whole[5:7, :, top : top + 20, left : left + 20].swapaxes(0, 1)[..., ::flip],
            )
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) > 2
    told = feed.drawn(0)[0]
    assert told.startswith("crop 20 x 20 at (")


@pytest.mark.parametrize("name", ["new", "old", "npy"])
def test_the_mean_of_clips_is_subtracted_where_a_pixel_lies(name):
    mean = np.random.default_rng(0).normal(100, 9, (3, 2, *SIZE)).astype(np.float32)
    if name == "npy":
        np.save("mean.npy", mean[None])
    else:
        blob = BlobProto(shape=BlobShape(dim=[1, *mean.shape]), data=mean.ravel())
        if name == "old":  # as C3D 1.0 numbers the fields
            blob = BlobProto(num=1, channels=3, height=2, width=SIZE[0], diff=mean.ravel())
            blob = BlobProto.FromString(blob.SerializeToString() + bytes([5 << 3, SIZE[1]]))
        with open("mean.npy", "wb") as file:
            file.write(blob.SerializeToString())
    transform = 'mean_file: "mean.npy" crop_size: 10 scale: 0.5'
    data = clips(["a.mp4 9 0"], "new_length: 2", transform).batch(0)[0][0]
    want = (decoded("a.mp4")[9:11].swapaxes(0, 1) - mean)[..., 7:17, 11:21] / 2
    assert np.array_equal(data, want)
    with pytest.raises(DataError, match="that of clips of 2 frames, these have 3"):
        clips(["a.mp4 9 0"], "new_length: 3", transform)


def test_a_mean_for_each_channel():
    values = "mean_value: 10 mean_value: 20 mean_value: 30"
    data = clips(["a.mp4 9 0"], "new_length: 2", values).batch(0)[0][0]
    want = decoded("a.mp4")[9:11].swapaxes(0, 1) - np.reshape([10, 20, 30], (3, 1, 1, 1))
    assert np.array_equal(data, want.astype(np.float32))
    with pytest.raises(DataError, match=r"as many as channels: 3 \(got 2\)"):
        clips(["a.mp4 9 0"], "new_length: 2", "mean_value: 1 mean_value: 2")


def test_starts_and_rates_are_drawn():
    whole = decoded("a.mp4")
    fields = "new_length: 3 use_temporal_jitter: true use_sampling_rate_jitter: true "
    feed = clips(["a.mp4 4"], fields + "max_sampling_rate: 4")
    starts, rates = set(), set()
    for k in range(12):
        data = feed.batch(k)[0][0].swapaxes(0, 1)
        (found,) = [
            (start, rate)
            for rate in (1, 2, 3, 4)
            for start in range(COUNT - 3 * rate + 1)
            if np.array_equal(data, whole[start : start + 3 * rate : rate])
        ]
        starts.add(found[0])
        rates.add(found[1])
        assert feed.drawn(k) == (f"from frame {found[0]}, every frame of {found[1]}",)
    assert len(starts) > 8 and rates == {1, 2, 3, 4}
    assert np.array_equal(feed.batch(3)[0], clips(["a.mp4 4"], fields + "max_sampling_rate: 4")
        .batch(3)[0])  # fmt: skip


def test_starts_in_a_folder_of_frames_are_drawn_in_training_only():
    fields = "new_length: 4 use_image: true use_temporal_jitter: true"
    feed = clips(["frames 12 4"], fields, phase="TRAIN")
    starts = {feed.drawn(k)[0] for k in range(40)}
    assert starts == {f"from frame {n}" for n in range(1, 10)}
    with pytest.raises(DataError, match=r"Could not load frames/000000.jpg"):
        clips(["frames 12 4"], fields)


def test_several_labels():
    fields = "new_length: 1 batch_size: 2 use_multiple_label: true num_of_labels: 5"
    label = clips(["a.mp4 0 1,4", "a.mp4 1 3"], fields).batch(0)[1]
    assert label.tolist() == [[0, 1, 0, 0, 1], [0, 0, 0, 1, 0]]
    with pytest.raises(DataError, match=r"list.txt:1: labels must be in \[0, 5\)"):
        clips(["a.mp4 0 5"], fields).batch(0)


@pytest.mark.parametrize(
    ("lines", "fields", "message"),
    [
        (["a.mp4 0"], "", r"list.txt:1: expected 'path start label', got 'a.mp4 0'"),
        (["a.mp4 0 1", "a.mp4 x 1"], "", r"list.txt:2: expected 'path start label'"),
        (["a.mp4 -1 1"], "", r"list.txt:1: expected 'path start label'"),
        (["a.mp4 0 1"], "use_temporal_jitter: true", r"expected 'path label', got 'a.mp4 0 1'"),
        ([], "", r"list.txt: the list is empty"),
        (["b.mp4 0 1"], "", r"list.txt:1: Cannot open b.mp4: there is no such file"),
        (["none.mp4 0 1"], "", r"list.txt:1: Cannot open none.mp4: OpenCV finds no video in it"),
        (["short.avi 4 1"], "", r"list.txt:1: end frame must be less .*: 4 \+ 2 of the 5 frames"),
        (["short.avi 0 1"], "sampling_rate: 3",
            r"short.avi does not have enough frames; having 5, 2 with a sampling rate of 3 need 6"),
        (["frames 12 1"], "use_image: true", r"Could not load frames/000013.jpg"),
        (["a.mp4 0 1"], "rand_skip: 1", r"list.txt: Not enough points to skip: rand_skip 1, 1"),
    ],
)  # fmt: skip
def test_what_a_list_may_not_have(lines, fields, message):
    with pytest.raises(NetcError, match=message):
        clips(lines, f"new_length: 2 {fields}").batch(0)


def test_clips_of_one_batch_have_one_size():
    cv2.imwrite("frames/000020.jpg", np.zeros((5, 6, 3), np.uint8))
    with pytest.raises(
        DataError, match=r"list.txt:2: Check failed: img_height == height \(5 vs. 24"
    ):
        clips(["frames 1 0", "frames 20 1"], "batch_size: 2 use_image: true").batch(0)
    with pytest.raises(
        DataError, match=r"list.txt:1: Check failed: img_height == height \(5 vs. 24"
    ):
        clips(["frames 12 0"], "new_length: 2 sampling_rate: 8 use_image: true").batch(0)


def test_frames_one_after_another():
    whole, feed = decoded("a.mp4"), frames(batch=3, tops=2)
    assert feed.epoch_size == COUNT and feed.shapes == ((3, 3, *SIZE), (3,))
    for k in (0, 1, 40, 2, 53, 0):
        data, label = feed.batch(k)
        numbers = [n % COUNT for n in range(3 * k, 3 * k + 3)]
        assert np.array_equal(data, whole[numbers]) and label.tolist() == [0, 0, 0]
        assert feed.describe(k) == tuple(f"a.mp4, frame {n}" for n in numbers)


def test_frames_are_resized_and_cropped():
    feed = frames(transform="resize_param { height: 12 width: 10 } crop_size: 6 mean_value: 7")
    want = cv2.resize(decoded("a.mp4")[1].transpose(1, 2, 0), (10, 12)).astype(np.float32) - 7
    assert np.array_equal(feed.batch(0)[0][1], want.transpose(2, 0, 1)[:, 3:9, 2:8])
    assert feed.drawn(0)[0] == "crop 6 x 6 at (3, 2)"


def test_frames_can_be_read_by_several_threads():
    feed = frames(batch=5)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: feed.batch(k)[0], range(32)))
    assert np.array_equal(np.concatenate(found), decoded("a.mp4"))


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ('video_file: "a.mp4"', {}, "frames of a WEBCAM are others in every run"),
        ("video_type: VIDEO", {}, "Must provide video file!"),
        ('video_type: VIDEO video_file: "b.mp4"', {}, "Cannot open b.mp4: there is no such file"),
        ('video_type: VIDEO video_file: "a.mp4"', {"batch": 0}, "Positive batch size required"),
        ('video_type: VIDEO video_file: "a.mp4"', {"transform": "crop_size: 30"},
            "crop_size 30 is larger than the image, 24 x 32"),
    ],
)  # fmt: skip
def test_what_frames_are_not_read_from(fields, options, message):
    with pytest.raises(DataError, match=message):
        frames(fields, **options)


def test_a_net_of_c3d_1_0():
    """It has clips in image_data_param, and enumerated types."""
    with open("list.txt", "w") as file:
        file.write("a.mp4 3\n")
    net = """layers { name: "data" type: VIDEO_DATA top: "data" top: "label"
      image_data_param { source: "list.txt" batch_size: 2 crop_size: 16 mirror: true scale: 2
        new_length: 4 use_temporal_jitter: true sampling_rate: 2 mean_value: 90 shuffle: true } }
    layers { name: "pool" type: POOLING3D bottom: "data" top: "pool"
      pooling_param { kernel_size: 2 kernel_depth: 2 stride: 2 temporal_stride: 2 } }"""
    program = compile_net(parse_net(net, "net.prototxt"), NetState(), Plan("cpu"))
    feed = program.graph.nodes[0].layer.feed
    data, label = feed.batch(0)
    assert data.shape == (2, 3, 4, 16, 16) and label.tolist() == [3, 3]
    assert data.min() < -100 and not (data % 2).any()


def test_what_the_mean_of_an_image_may_be_has_not_changed(tmp_path):
    def fail(message, field, *, hint=None):
        raise DataError(f"{field}: {message}")

    path = str(tmp_path / "mean.binaryproto")
    with open(path, "wb") as file:
        file.write(
            BlobProto(shape=BlobShape(dim=[1, 3, 2, 4, 4]), data=[0] * 96).SerializeToString()
        )
    with pytest.raises(DataError, match="needs one image of C x H x W values"):
        read_mean(path, fail)
    assert read_mean(path, fail, 2).shape == (6, 4, 4)
