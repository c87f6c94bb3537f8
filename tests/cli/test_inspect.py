"""`netc check`, `show`, `summary` and `device_query` as a user calls them."""

from __future__ import annotations

import json

import pytest

from netc.cli import main

NET = """name: "n" input: "data" input_shape { dim: 2 dim: 3 }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 5 } }
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("netc.lowering.platform.persistent_cache", lambda: None)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "bad.prototxt").write_text(NET.replace('bottom: "data"', 'bottom: "dta"'))
    (tmp_path / "named.prototxt").write_text(NET.replace('name: "ip"', 'name: "a/b"'))


@pytest.fixture
def netc(capsys):
    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            status = main(arguments)
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        return status, *capsys.readouterr()

    return call


@pytest.mark.parametrize("command", ["check", "show", "summary", "device_query"])
def test_help(netc, command):
    status, out, _ = netc(command, "--help")
    assert status == 0 and f"usage: netc {command}" in out


@pytest.mark.parametrize("command", ["check", "show", "summary"])
def test_no_file_and_two_files_are_wrong_usage(netc, command):
    assert netc(command)[0] == 2
    assert netc(command, "net.prototxt", "-model", "net.prototxt")[0] == 2


def test_check_reports_on_stdout_and_by_its_status(netc):
    assert netc("check", "net.prototxt") == (0, "net.prototxt: 0 errors, 0 warnings\n", "")
    status, out, err = netc("check", "bad.prototxt")
    assert (status, err) == (1, "")
    assert out.startswith("bad.prototxt:2:49: Unknown bottom blob 'dta'")
    assert out.endswith("bad.prototxt: 1 error, 0 warnings\n")


def test_warnings_fail_only_when_strict(netc):
    assert netc("check", "named.prototxt")[0] == 0
    assert netc("check", "--strict", "named.prototxt")[0] == 1


def test_check_without_shapes_and_with_unknown_fields(netc, tmp_path):
    wrong = NET.replace("num_output: 5", "num_output: 0 numoutput: 5")
    (tmp_path / "net.prototxt").write_text(wrong)
    assert netc("check", "net.prototxt")[1].endswith(": 2 errors, 0 warnings\n")
    arguments = ("--no-shapes", "--allow-unknown")
    assert netc("check", "net.prototxt", *arguments)[1].endswith(": 0 errors, 1 warning\n")


def test_show_stops_where_it_is_told(netc):
    assert 'input: "data"' in netc("show", "--after=parse", "net.prototxt")[1]
    assert "ip: 2 x 5" in netc("show", "-after", "infer", "-phase", "TEST", "net.prototxt")[1]
    assert "net 'n' in phase TRAIN" in netc("show", "net.prototxt")[1]
    assert netc("show", "--after=link", "net.prototxt")[0] == 2


def test_show_tells_mistakes_on_stderr(netc):
    status, out, err = netc("show", "bad.prototxt")
    assert (status, out) == (1, "") and "Unknown bottom blob 'dta'" in err


@pytest.mark.parametrize(
    ("shape", "said"),
    [("data=4,3", None), ("data=4;3", "a shape is TOP=N,C,H,W"), ("dta=4", "did you mean 'data'")],
)
def test_shapes_on_the_command_line(netc, shape, said):
    status, out, err = netc("show", "--after=infer", "net.prototxt", "--shape", shape)
    if said:
        assert status == 2 and said in err
    else:
        assert "data: 4 x 3" in out


@pytest.mark.parametrize("command", [("show", "--after=infer"), ("summary", "--no-compile")])
def test_missing_data_can_be_stood_in_for(netc, tmp_path, command):
    data = 'layer { name: "d" type: "Data" top: "data" data_param { source: "db" batch_size: 2 } }'
    (tmp_path / "net.prototxt").write_text(data + NET[NET.index("\nlayer") :])
    status, _, err = netc(*command, "net.prototxt")
    assert status == 1 and "--shape TOP=N,C,H,W stands in" in err
    status, out, _ = netc(*command, "net.prototxt", "--shape", "data=2,3")
    assert status == 0 and "2 x 5" in out


@pytest.mark.parametrize("command", [("show", "--after=infer"), ("summary", "--no-compile")])
def test_shapes_that_the_net_tells_need_no_data(netc, tmp_path, command):
    data = """layer { name: "d" type: "WindowData" top: "data" top: "label" window_data_param {
      source: "none.txt" batch_size: 2 } transform_param { crop_size: 4 } }"""
    (tmp_path / "net.prototxt").write_text(data + NET[NET.index("\nlayer") :])
    status, out, _ = netc(*command, "net.prototxt")
    assert status == 0 and "2 x 3 x 4 x 4" in out


def test_summary_as_text(netc):
    status, out, _ = netc("summary", "--no-compile", "net.prototxt")
    assert status == 0 and "parameters                20" in out and "XLA" not in out


def test_summary_as_json_with_what_the_compiler_says(netc):
    status, out, _ = netc("summary", "--json", "-phase", "TEST", "net.prototxt")
    data = json.loads(out)
    assert (status, data["phase"], data["totals"]["params"]) == (0, "TEST", 20)
    assert data["compiled"]["flops"] >= 60


def test_summary_of_a_solver_is_of_its_training_net(netc, golden, monkeypatch):
    monkeypatch.chdir(golden("data"))
    arguments = ("--no-compile", "--weights", "lenet_iter_200.caffemodel")
    status, out, _ = netc("summary", "lenet_solver.prototxt", *arguments)
    assert status == 0
    assert "net 'LeNet' in phase TRAIN" in out and "8 loaded" in out and "840068 bytes" in out
    _, out, _ = netc("summary", "lenet_solver.prototxt", *arguments, "--map", "ip(.)=fc\\1")
    assert "4 loaded, 4 ignored, 4 kept" in out


def test_summary_of_a_net_with_frozen_layers(netc, golden, monkeypatch):
    monkeypatch.chdir(golden("data"))
    arguments = ("--no-compile", "--freeze", "conv1,conv2")
    status, out, _ = netc("summary", "lenet_solver.prototxt", *arguments)
    assert status == 0 and "2,572 of them frozen" in out
    assert "of a pass, 10.0 KiB of gradients, as much of each history that the" in out
    status, _, err = netc("summary", "lenet_solver.prototxt", "--freeze", "cnov1")
    assert status == 2 and "did you mean 'conv1'?" in err


def test_device_query(netc):
    status, out, _ = netc("device_query")
    assert status == 0 and "Device id  0" in out and "Compiled programs" in out


@pytest.mark.parametrize(
    ("gpu", "said"),
    [("99", "no device 99"), ("-1", "no device -1"), ("x", "not 'x'"), ("0,0", "named twice")],
)
def test_device_query_of_an_unknown_device(netc, gpu, said):
    status, out, err = netc("device_query", f"-gpu={gpu}")
    assert (status, out) == (2, "") and said in err
