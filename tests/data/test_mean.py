import cv2
import numpy as np
import pytest

from netc.cli import main
from netc.data.datum import encode_file
from netc.data.mean import channel_means, compute_image_mean
from netc.data.transform import Transformer
from netc.errors import DataError
from netc.load import parse_net
from netc.schema import Datum

from .helpers import images, write_images, write_records


def test_caffes_file(golden, tmp_path):
    compute_image_mean("lmdb_raw", str(tmp_path / "mean"), log=lambda text: None)
    assert (tmp_path / "mean").read_bytes() == (golden / "mean.binaryproto").read_bytes()
    assert np.array_equal(
        compute_image_mean("leveldb_raw", log=lambda text: None),
        compute_image_mean("lmdb_raw", log=lambda text: None),
    )


def test_what_caffe_logs(tmp_path):
    pixels = images(6, channels=3)
    log = []
    mean = compute_image_mean(write_images(tmp_path / "db", pixels), log=log.append)
    values = pixels.mean((0, 2, 3))
    assert np.allclose(mean, pixels.mean(0), rtol=1e-6)
    assert log[:3] == ["Starting Iteration", "Processed 6 files.", "Number of channels: 3"]
    assert [line.partition(": ")[0] for line in log[3:]] == [
        f"mean_value channel [{i}]" for i in range(3)
    ]
    assert np.allclose([float(line.split()[-1]) for line in log[3:]], values, rtol=1e-5)


def test_float_and_encoded_records(tmp_path):
    pixels = images(2, channels=3)
    files = [cv2.imencode(".png", image.transpose(1, 2, 0))[1].tobytes() for image in pixels]
    records = [encode_file(file, 0) for file in files]
    floats = [
        Datum(channels=3, height=4, width=5, float_data=image.ravel()).SerializeToString()
        for image in pixels
    ]
    for name, kept in (("encoded", records), ("float", floats)):
        log = []
        mean = compute_image_mean(write_records(tmp_path / name, kept), log=log.append)
        assert (log[0] == "Decoding Datum") == (name == "encoded")
        assert np.array_equal(mean, pixels.sum(0, np.float32) / 2)


@pytest.mark.parametrize("name", ["mean.npy", "mean.binaryproto"])
def test_the_files_are_read_back(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    pixels = images(6, channels=3)
    write_images("db", pixels)
    assert main(["compute_image_mean", "db", name]) == 0
    for field in (f'mean_file: "{name}"', capsys.readouterr().out.split("{")[1].strip(" }\n")):
        param = parse_net(f"layer {{ transform_param {{ {field} }} }}").message.layer[0]
        top = Transformer(param.transform_param, "TEST").batch(pixels, 0)
        assert np.abs(top.mean((0, 2, 3))).max() < 1e-3


def test_channels_are_summed_in_float32():
    image = np.full((1, 64, 64), 0.1, np.float32)
    total = np.float32(0)
    for value in image.ravel():
        total += value
    assert channel_means(image) == [float(total / np.float32(4096))] != [0.1]


def test_mistakes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shapes = ((1, 4, 5), (1, 5, 4))
    write_records(
        "db", [Datum(channels=c, height=h, width=w, data=b"x" * 20).SerializeToString()
               for c, h, w in shapes]
    )  # fmt: skip
    with pytest.raises(
        DataError,
        match=r"db, record 1, key '00000001': Incorrect data field size 20: the image is 1 x 5 x 4,"
        r" that of the first record 1 x 4 x 5\nhint: images are made equal",
    ):
        compute_image_mean("db", "mean", log=lambda text: None)
    write_images("good", images(1))
    (tmp_path / "file").touch()
    for arguments, message in (
        (("nowhere",), "nowhere: cannot open LMDB: No such file or directory"),
        (("good", "-backend", "leveldb"), "good: Failed to open leveldb: the folder holds an LMDB"),
        (("good", "-backend", "lmbd"), "Unknown db backend lmbd (known: leveldb, lmdb)"),
        (("good", "file/mean"), "file/mean: the mean cannot be written: "),
    ):
        assert main(["compute_image_mean", *arguments]) in (1, 2)
        assert message in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["db", "file", "good"]
