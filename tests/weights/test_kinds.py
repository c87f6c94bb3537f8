"""Files told apart by content, and what is said about the wrong one."""

import gzip
import io
import mmap

import numpy as np
import pytest
from safetensors.numpy import save

from netc.errors import WeightsError
from netc.schema import (
    BlobProto,
    BlobShape,
    Datum,
    LayerParameter,
    NetParameter,
    SolverState,
    V1LayerParameter,
)
from netc.weights import read_state, read_weights
from netc.weights.kinds import HDF5_SIGNATURE, Kind, kind_of, map_file
from tests.weights.recordings import recorded


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


BLOB = BlobProto(num=1, channels=3, height=1, width=1, data=[1, 2, 3])
NET = b'name: "LeNet"\nlayer { name: "caf\xc3\xa9" type: "Input" }\n'
ROWS = [
    (NetParameter(name="LeNet"), Kind.WEIGHTS),
    (NetParameter(name="<" * 60, layer=[LayerParameter(name="a")]), Kind.WEIGHTS),
    (NetParameter(name="PK" * 20, layer=[LayerParameter(name="a")]), Kind.WEIGHTS),
    (NetParameter(layer=[LayerParameter(name="a")]), Kind.WEIGHTS),
    (NetParameter(layers=[V1LayerParameter(name="a")]), Kind.WEIGHTS),
    (NetParameter(input=["data"], input_dim=[1, 2, 3, 4]), Kind.WEIGHTS),
    (NetParameter(force_backward=True), Kind.WEIGHTS),
    (SolverState(iter=300), Kind.STATE),
    (SolverState(iter=1, learned_net="m"), Kind.STATE),
    (SolverState(iter=1, history=[BLOB]), Kind.STATE),
    (SolverState(iter=1, current_step=0), Kind.STATE),
    (BLOB, Kind.BLOB),
    (BlobProto(shape=BlobShape(dim=[1]), data=[1]), Kind.BLOB),
    (BlobProto(shape=BlobShape(dim=[1])), Kind.BLOB),
    (Datum(channels=3, height=1, width=1, data=b"abc"), Kind.BLOB),
    (NET, Kind.TEXT),
    (NET.decode().encode("latin-1"), Kind.TEXT),
    (b"\n\n  <!DOCTYPE html><html>404</html>", Kind.PAGE),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", Kind.POINTER),
    (npz(a=np.zeros(3)), Kind.NPZ),
    (npz(), Kind.NPZ),
    (b"PK\3\4" + bytes(22) + b"\5\0\0\0a.txt", Kind.ZIP),
    (save({"a": np.zeros(3)}), Kind.SAFETENSORS),
    (gzip.compress(b"x"), Kind.GZIP),
    (b"\x80\x02}q\x00.", Kind.UNKNOWN),
    (b"\xff\0" * 20, Kind.UNKNOWN),
    (HDF5_SIGNATURE, Kind.HDF5),
    (bytes(2048) + HDF5_SIGNATURE, Kind.HDF5),
]


def content(row):
    return row if isinstance(row, bytes) else row.SerializeToString()


@pytest.mark.parametrize(("row", "kind"), ROWS, ids=range(len(ROWS)))
def test_kind(row, kind):
    assert kind_of(memoryview(content(row))) is kind


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("data/*.caffemodel", Kind.WEIGHTS),
        ("data/*.solverstate", Kind.STATE),
        ("data/*.h5", Kind.HDF5),
        ("data/*.prototxt", Kind.TEXT),
        ("data/*.binaryproto", Kind.BLOB),
    ],
)
def test_kind_of_recordings(pattern, kind):
    paths = [p.values[0] for p in recorded(pattern)]
    if paths == [None]:
        pytest.skip(f"no recordings '{pattern}'")
    assert {kind_of(map_file(path)) for path in paths} == {kind}


WANTED = {read_weights: Kind.WEIGHTS, read_state: Kind.STATE}
MAY_HOLD = {  # told by the names inside
    read_weights: (Kind.HDF5, Kind.NPZ, Kind.SAFETENSORS),
    read_state: (Kind.HDF5,),
}
WRONG = [
    (read, row, kind)
    for read, wanted in WANTED.items()
    for row, kind in ROWS
    if kind not in (wanted, *MAY_HOLD[read])
]


@pytest.mark.parametrize(("read", "row", "kind"), WRONG, ids=range(len(WRONG)))
def test_the_wrong_kind_is_named(tmp_path, read, row, kind):
    wanted = WANTED[read]
    path = tmp_path / "file"
    path.write_bytes(content(row))
    with pytest.raises(WeightsError) as caught:
        read(path)
    assert caught.value.message == f"this is {kind.value}, not {wanted.value}"
    assert str(caught.value).startswith(f"{path}: this is")


@pytest.mark.parametrize(
    ("message", "read", "hint"),
    [
        (SolverState(iter=1), read_weights, "-snapshot resumes"),
        (NetParameter(name="n"), read_state, "-weights starts"),
        (NET, read_weights, "nets go with -model"),
        (NET, read_state, "solvers with -solver"),
        (BLOB, read_weights, "mean_file"),
        (b"version https://git-lfs\n", read_weights, "git lfs pull"),
    ],
)
def test_the_hint_says_what_to_pass(tmp_path, message, read, hint):
    (tmp_path / "file").write_bytes(content(message))
    with pytest.raises(WeightsError) as caught:
        read(tmp_path / "file")
    assert hint in caught.value.hint


@pytest.mark.parametrize("read", [read_weights, read_state])
def test_files_that_are_not_there(tmp_path, read):
    (tmp_path / "lenet.caffemodel").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"Couldn't open .*lenet.cafemodel: No such file") as e:
        read(tmp_path / "lenet.cafemodel")
    assert e.value.hint == "did you mean 'lenet.caffemodel'?"
    with pytest.raises(WeightsError, match="No such file") as e:
        read(tmp_path / "no folder" / "x")
    assert e.value.hint is None
    with pytest.raises(WeightsError, match=r"Couldn't open .*: Is a directory"):
        read(tmp_path)
    with pytest.raises(WeightsError, match=r"lenet.caffemodel: the file is empty \(0 bytes\)"):
        read(tmp_path / "lenet.caffemodel")


def test_a_file_is_mapped_not_read(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    view = map_file(str(tmp_path / "x"))
    assert isinstance(view.obj, mmap.mmap) and view.readonly and bytes(view) == b"abc"
