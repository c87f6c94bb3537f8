"""Data sets out of their published files, and the fetching of these."""

import gzip
import hashlib
import io
import tarfile
from functools import partial

import numpy as np
import pytest

from netc.cli import main
from netc.cli.dataset import FETCHED
from netc.data import known
from netc.data.datum import parse, pixels
from netc.data.known import KNOWN, write_known
from netc.data.lmdb import LmdbSource
from netc.errors import DataError, UsageError
from tests.serving import serving

write_known = partial(write_known, log=lambda text: None)
PIXELS = np.random.RandomState(0).randint(0, 256, (7, 3, 32, 32)).astype(np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2], np.uint8)


def idx(array):
    head = [0x800 + array.ndim, *array.shape]
    return np.array(head, ">u4").tobytes() + array.tobytes()


def write_idx(folder, part="train", pack=lambda data: data, suffix="", images=None, labels=None):
    folder.mkdir(exist_ok=True)
    for kind, array in (
        ("images-idx3", PIXELS[:, 0] if images is None else images),
        ("labels-idx1", LABELS if labels is None else labels),
    ):
        (folder / f"{part}-{kind}-ubyte{suffix}").write_bytes(pack(idx(array)))


def records(path):
    source = LmdbSource(str(path))
    places = range(len(source))
    return source.keys(places), [parse(record) for record in source.read(places)]


@pytest.mark.parametrize(
    ("pack", "suffix"), [(bytes, ""), (gzip.compress, ".gz"), (gzip.compress, "")]
)
def test_idx_files(tmp_path, pack, suffix):
    for part in ("train", "t10k"):
        write_idx(tmp_path / "files", part, pack, suffix)
    write_known("fashion-mnist", str(tmp_path / "made"), str(tmp_path / "files"), test=2)
    for part, count in (("train", 7), ("test", 2)):
        keys, datums = records(tmp_path / "made" / f"fashion_mnist_{part}_lmdb")
        assert keys == [b"%08d" % i for i in range(count)]
        assert np.array_equal(np.stack([pixels(d) for d in datums]), PIXELS[:count, :1])
        assert [d.label for d in datums] == LABELS[:count].tolist()
        assert not datums[0].HasField("encoded")


def test_names_with_a_dot(tmp_path):
    write_idx(tmp_path, "t10k")
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    write_known("mnist", str(tmp_path), str(tmp_path), 4, 3)
    assert len(records(tmp_path / "mnist_test_lmdb")[0]) == 3


def test_one_part_is_split(tmp_path):
    write_idx(tmp_path, "t10k")
    write_known("mnist", str(tmp_path), str(tmp_path), 4, 2)
    assert [d.label for d in records(tmp_path / "mnist_train_lmdb")[1]] == [3, 1, 4, 1]
    assert [d.label for d in records(tmp_path / "mnist_test_lmdb")[1]] == [5, 9]


def cifar_files(name):
    """The files of a CIFAR with its seven pictures in each."""
    extra = [LABELS[:, None]] if name == "cifar10" else [LABELS[:, None] // 5, LABELS[:, None]]
    data = np.concatenate([*extra, PIXELS.reshape(7, -1)], 1).tobytes()
    train = [f"data_batch_{i}.bin" for i in range(1, 6)] if name == "cifar10" else ["train.bin"]
    return {file: data for file in (*train, "test_batch.bin" if name == "cifar10" else "test.bin")}


def archive(files, folder="cifar"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar(tmp_path, name, packed):
    files = cifar_files(name)
    if packed:
        files = {next(iter(KNOWN[name].files)): archive(files)}
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    write_known(name, str(tmp_path), str(tmp_path))
    keys, datums = records(tmp_path / f"{name}_train_lmdb")
    count = 35 if name == "cifar10" else 7
    assert keys == [b"%05d" % i for i in range(count)]
    assert [d.label for d in datums[-7:]] == LABELS.tolist()
    assert np.array_equal(np.stack([pixels(d) for d in datums[-7:]]), PIXELS)
    assert len(records(tmp_path / f"{name}_test_lmdb")[0]) == 7
    assert (tmp_path / "mean.binaryproto").exists()


IMAGES, CLASSES = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("files", "counts", "error", "message"),
    [
        (
            {IMAGES: b""},
            {},
            DataError,
            f"{IMAGES}: Incorrect image file magic: nothing, not 000008",
        ),
        (
            {CLASSES: idx(PIXELS)},
            {},
            DataError,
            "Incorrect label file magic: 00000804, not 0000080",
        ),
        ({IMAGES: idx(PIXELS[:, 0])[:-1]}, {}, DataError, "not whole: 7183 bytes, 7184 for 7 x 32"),
        ({IMAGES: idx(PIXELS[:, 0])[:9]}, {}, DataError, "not whole: 9 bytes"),
        ({IMAGES: gzip.compress(b"x" * 99)[:-9]}, {}, DataError, f"{IMAGES}: the file cannot be r"),
        ({CLASSES: idx(LABELS[:6])}, {}, DataError, f"{IMAGES}: 7 images, but 6 labels"),
        ({CLASSES: None}, {}, DataError, "has the images, and there is none with the labels"),
        (
            {IMAGES: None, CLASSES: None},
            {},
            DataError,
            "the folder holds none of train-images-idx3",
        ),
        ({}, {}, UsageError, "no training part, only one of 7 examples\nhint: --train N --test M"),
        ({}, {"train": 6, "test": 2}, UsageError, "--test 2: there are 1 examples for that"),
        ({}, {"train": 0, "test": 2}, UsageError, "--train 0: there are 7 examples for that"),
    ],
)
def test_idx_files_that_will_not_do(tmp_path, files, counts, error, message):
    write_idx(tmp_path / "files", "t10k")
    for name, data in files.items():
        path = tmp_path / "files" / name
        path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(error, match=message):
        write_known("mnist", str(tmp_path / "made"), str(tmp_path / "files"), **counts)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"test.bin": b"x" * 3073},
            "test.bin: the file is not whole: 3073 bytes in records of 3074",
        ),
        (
            {"cifar-100-binary.tar.gz": b"x"},
            "cifar-100-binary.tar.gz: the archive cannot be read: ",
        ),
        ({}, "the folder holds none of cifar-100-binary.tar.gz"),
    ],
)
def test_cifar_files_that_will_not_do(tmp_path, files, message):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        write_known("cifar100", str(tmp_path), str(tmp_path))


def test_a_batch_that_is_missing(tmp_path):
    for file, data in list(cifar_files("cifar10").items())[1:]:
        (tmp_path / file).write_bytes(data)
    with pytest.raises(DataError, match=r"data_batch_1.bin is missing"):
        write_known("cifar10", str(tmp_path), str(tmp_path))


def test_no_such_folder(tmp_path):
    (tmp_path / "files").mkdir()
    with pytest.raises(DataError, match="there is no such folder\nhint: did you mean 'files'"):
        write_known("mnist", str(tmp_path), str(tmp_path / "fiels"))


def test_existing_databases_are_kept(tmp_path):
    (tmp_path / "mnist_test_lmdb").mkdir()
    with pytest.raises(DataError, match="mnist_test_lmdb: the database exists already"):
        write_known("mnist", str(tmp_path))


# Fetching.


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A CIFAR-100 of our own: its file, and a way to say where it is."""
    data = archive(cifar_files("cifar100"))
    name = "cifar-100-binary.tar.gz"
    real = KNOWN["cifar100"]
    digest = hashlib.md5(data).hexdigest()

    def at(url):
        monkeypatch.setitem(known.KNOWN, "cifar100", real._replace(url=url, files={name: digest}))

    return name, data, at


def test_files_are_fetched_once(tmp_path, published):
    name, data, at = published
    with serving({name: data}) as (url, asked):
        at(url)
        write_known("cifar100", str(tmp_path / "a"))
        (tmp_path / "a" / "cifar100_train_lmdb").rename(tmp_path / "b")
        (tmp_path / "a" / "cifar100_test_lmdb").rename(tmp_path / "c")
        write_known("cifar100", str(tmp_path / "a"))
    assert asked == [(name, None)]
    assert (tmp_path / "a" / name).read_bytes() == data


def test_what_was_cut_is_gone_on_with(tmp_path, published):
    name, data, at = published
    with serving({name: data}, cut=1000) as (url, _):
        at(url)
        with pytest.raises(DataError, match=rf"ended at 1000 of {len(data)} bytes\nhint: the same"):
            write_known("cifar100", str(tmp_path))
    with serving({name: data}) as (url, asked):
        at(url)
        write_known("cifar100", str(tmp_path))
    assert asked == [(name, "bytes=1000-")]
    assert (tmp_path / name).read_bytes() == data and not (tmp_path / f"{name}.part").exists()


def test_a_file_that_was_whole_before_it_had_its_name(tmp_path, published):
    name, data, at = published
    (tmp_path / f"{name}.part").write_bytes(data)
    with serving({name: data}) as (url, _):
        at(url)
        write_known("cifar100", str(tmp_path))
    assert (tmp_path / name).read_bytes() == data


def test_another_checksum(tmp_path, published):
    name, data, at = published
    with serving({name: data + b"x"}) as (url, _):
        at(url)
        with pytest.raises(DataError, match=r"the MD5 sum is .*\nhint: get cifar-100-binary"):
            write_known("cifar100", str(tmp_path))
    assert not list(tmp_path.iterdir())
    (tmp_path / name).write_bytes(b"of another kind")
    with pytest.raises(DataError, match=r"hint: remove the file to fetch it, or use it .* --from"):
        write_known("cifar100", str(tmp_path))


def test_without_a_network(tmp_path, published, capsys):
    name, _, at = published
    with serving({}) as (url, _):
        at(url)
        assert main(["dataset", "cifar100", str(tmp_path)]) == 1
    assert f"{url}{name}: cannot be fetched: Not Found\nhint: get" in capsys.readouterr().err
    assert main(["dataset", "cifar100", str(tmp_path)]) == 1
    assert "Connection refused" in capsys.readouterr().err


def test_the_command(tmp_path, capsys):
    assert set(FETCHED) == set(KNOWN)
    write_idx(tmp_path / "files", "t10k")
    asked = ["--from", str(tmp_path / "files"), "--train", "5", "--test", "2"]
    assert main(["dataset", "mnist", str(tmp_path), *asked]) == 0
    assert "mnist_train_lmdb: 5 images of 1 x 32 x 32" in capsys.readouterr().out
    assert main(["dataset", "digits", str(tmp_path), *asked]) == 2
    assert "digits come with netc" in capsys.readouterr().err
    assert main(["dataset", "mnist", str(tmp_path), "--labels", "1"]) == 2
    assert "--labels is for digits, not for mnist" in capsys.readouterr().err
