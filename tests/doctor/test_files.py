"""Which files of a project are looked at."""

import os

import pytest

from netc.doctor import examine
from netc.doctor.findings import Finding
from netc.errors import UsageError


def test_files_of_weights(look, golden):
    weights = (golden("data") / "lenet_iter_200.caffemodel").read_bytes()
    found = look(
        {
            "good.caffemodel": weights,
            "state.solverstate": weights,
            "lfs.caffemodel.h5": "version https://git-lfs.github.com/spec/v1\n",
            "empty.caffemodel": "",
        }
    )
    assert found == {
        "good.caffemodel": [Finding("supported", "a file of weights (.caffemodel)")],
        "state.solverstate": [
            Finding(
                "wrong",
                "a file of weights (.caffemodel), not a solver state (.solverstate)",
                "state.solverstate",
            )
        ],
        "lfs.caffemodel.h5": [
            Finding(
                "wrong",
                "a Git LFS pointer, in place of the file, not a file of weights (.caffemodel)",
                "lfs.caffemodel.h5",
            )
        ],
        "empty.caffemodel": [Finding("wrong", "the file is empty (0 bytes)", "empty.caffemodel")],
    }


def test_other_files_and_folders_are_passed_over(look):
    net = 'layer { name: "x" type: "Input" top: "x" }'
    found = look(
        {
            "readme.md": "caffe train",
            "other.prototxt": "something { else: 1 }",
            "labels.prototxt": 'item { name: "a" label: 1 } item { name: "b" label: 2 }',
            ".git/net.prototxt": net,
            "build/net.prototxt": net,
            "a/net.prototxt": net,
        }
    )
    assert found == {
        "labels.prototxt": [Finding("supported", "labels 2")],
        "a/net.prototxt": [Finding("supported", "Input 1")],
    }


def test_a_broken_link(look, tmp_path):
    (tmp_path / "net.prototxt").symlink_to("nowhere")
    assert look({})["net.prototxt"] == [
        Finding("wrong", "Failed to open file: No such file or directory.", "net.prototxt")
    ]


def test_the_current_folder_stays(look):
    before = os.getcwd()
    look({"a/net.prototxt": "layer {"})
    assert os.getcwd() == before


def test_a_file_is_no_project(tmp_path):
    with pytest.raises(UsageError, match="is no folder\nhint: netc check looks at one net or solv"):
        examine(str(tmp_path / "none"), lambda command: None)
