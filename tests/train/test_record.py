"""The run folder."""

import errno
import json
import os

import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import RecordWriter

from netc.errors import SnapshotError
from netc.schema import NetParameter, SolverParameter
from netc.train.record import Record


@pytest.fixture
def record(tmp_path):
    return Record(str(tmp_path / "run"), SolverParameter(base_lr=0.5), NetParameter(name="n"), {})


def events(folder):
    """The events in the files of a folder: a record is 12 bytes, the event, 4 bytes."""
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            found.append(Event.FromString(data[12 : 12 + size]))
            data = data[16 + size :]
    return [(e.step, v.tag, v.simple_value) for e in found for v in e.summary.value]


def test_the_folder_says_what_ran(record, tmp_path):
    assert (tmp_path / "run" / "solver.prototxt").read_text() == "base_lr: 0.5\n"
    assert (tmp_path / "run" / "train.prototxt").read_text() == 'name: "n"\n'
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["versions"]["jax"] and about["command"]


def test_metrics_are_there_when_they_are_written(record):
    record.write("train", 3, {"loss": 0.5, "shares": [0.25, 0.75], "bad": float("nan")})
    record.write("test 0", 4, {"accuracy": 1})
    lines = [json.loads(t) for t in (record.folder / "metrics.jsonl").read_text().splitlines()]
    assert [(x["kind"], x["iteration"]) for x in lines] == [("train", 3), ("test 0", 4)]
    assert lines[0]["shares"] == [0.25, 0.75]
    assert events(record.folder) == [(3, "train/loss", 0.5), (4, "test_0/accuracy", 1.0)]


def test_the_events_are_those_tensorboard_reads(record):
    """Its own writer makes the same bytes, but for the time."""
    record.write("train", 7, {"loss": 0.5})
    (path,) = record.folder.glob("events.out.tfevents.*")
    theirs = RecordWriter(str(record.folder / "theirs"))
    data, messages = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "little")
        messages.append(data[12 : 12 + size])
        data = data[16 + size :]
    for message in messages:
        theirs.write(message)
    theirs.close()
    assert (record.folder / "theirs").read_bytes() == path.read_bytes()
    assert Event.FromString(messages[0]).file_version == "brain.Event:2"


def test_a_full_disk_costs_one_warning(record, monkeypatch, lines):
    def full(fields):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr("netc.train.record._record", full)
        record.write("train", 1, {"loss": 1.0})
        record.write("train", 2, {"loss": 1.0})
    record.write("train", 3, {"loss": 1.0})
    assert lines == [f"{record.folder}: metrics are not written: No space left on device"]
    assert events(record.folder) == [(3, "train/loss", 1.0)]


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotError, match="the run folder cannot be written: Not a dir") as error:
        Record(str(tmp_path / "file" / "run"), SolverParameter(), NetParameter(), {})
    assert "--no-run-dir" in (error.value.hint or "")
