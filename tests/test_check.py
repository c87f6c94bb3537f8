"""All mistakes of all passes in one report, with or without data and JAX."""

from __future__ import annotations

import subprocess
import sys

import pytest

from netc.check import check
from netc.errors import UsageError

FILLER = 'weight_filler { type: "xavier" }'
NET = f"""name: "n"
layer {{ name: "d" type: "Data" top: "data" top: "label"
  transform_param {{ scale: 0.1 }} data_param {{ source: "db" batch_size: 4 backend: LMDB }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 5 {FILLER} }} }}
layer {{ name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc"
  include {{ phase: TEST }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SOLVER = """net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 9 display: 1
test_iter: 1 test_interval: 5
"""
SHAPES = {"data": (4, 3)}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)

    def put(old: str = "", new: str = "", text: str = NET, name: str = "net.prototxt") -> str:
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new) if old else text)
        return name

    return put


def messages(report):
    return [str(e).splitlines()[0].split(": ", 1)[1] for e in report.errors]


def test_a_good_net_without_data_has_a_note_per_phase_and_layer(file):
    report = check(file())
    assert (report.errors, report.warnings) == ((), ())
    (note,) = report.notes
    assert note.startswith("net.prototxt:3:55: db: cannot open LMDB")
    assert "not checked (data source missing)" in note
    assert report.render().endswith("\n\nnet.prototxt: 0 errors, 0 warnings")


def test_with_a_stand_in_nothing_is_left_unchecked(file):
    assert check(file(), shapes=SHAPES).render() == "net.prototxt: 0 errors, 0 warnings"


def test_mistakes_of_several_passes_are_reported_together(file):
    text = NET.replace("num_output: 5", "num_outptu: 5").replace("InnerProduct", "Innerproduct")
    report = check(file('bottom: "ip" bottom', 'bottom: "pi" bottom', text))
    assert [m.split(" (")[0] for m in messages(report)] == [
        'Message type "caffe.InnerProductParameter" has no field named "num_outptu".',
        "Unknown layer type: Innerproduct",
        "Unknown bottom blob 'pi'",
        "Unknown bottom blob 'pi'",
    ]
    assert report.render().endswith("net.prototxt: 4 errors, 0 warnings")


def test_unknown_fields_can_be_warnings(file):
    report = check(file("scale: 0.1", "scale: 0.1 scael: 2"), allow_unknown=True)
    assert report.errors == ()
    assert 'no field named "scael"' in report.warnings[0].render()


def test_a_mistake_in_one_phase_says_so(file):
    report = check(file('bottom: "ip" bottom: "label" top: "acc"', 'bottom: "ip" top: "acc"'))
    (error,) = report.errors
    assert "Accuracy Layer takes 2 bottom blob(s) as input, got 1." in error.message
    assert "only in phase TEST" in error.render()


def test_a_mistake_in_both_phases_is_told_once(file):
    report = check(file('bottom: "data"', 'bottom: "dta"'))
    assert len(report.errors) == 1
    assert "only in" not in report.render()


def test_shapes_are_checked_unless_switched_off(file):
    name = file("num_output: 5", "num_output: 5 axis: 3")
    assert "axis 3 out of range" in check(name, shapes=SHAPES).errors[0].message
    assert check(name, shapes=SHAPES, infer_shapes=False).errors == ()


def test_a_data_layer_that_is_wrong_is_a_mistake_and_not_missing_data(file):
    report = check(file("batch_size: 4", ""))
    assert messages(report) == ["Positive batch size required (layer 'd', Data)"]
    assert report.notes == ()


def test_a_database_that_is_there_and_broken_is_a_mistake(file, tmp_path):
    (tmp_path / "db").mkdir()
    report = check(file())
    assert len(report.errors) == 1 and report.notes == ()


def test_a_phase_without_data_is_not_meant(file):
    report = check(file('top: "label"\n', 'top: "label" include { phase: TRAIN }\n'), shapes=SHAPES)
    assert report.errors == ()
    assert report.notes == (
        "phase TEST was not checked: its rules drop every layer that brings data",
    )


def test_a_net_without_any_data_is_a_mistake(file):
    report = check(file(text=NET[NET.index('layer { name: "ip"') :]))
    assert "Unknown bottom blob 'data'" in report.errors[0].message


def test_both_include_and_exclude(file):
    report = check(file("include {", "exclude { phase: TRAIN } include {"))
    assert "not both" in report.errors[0].message


def test_lint_runs_on_both_phases_once(file):
    report = check(file("transform_param { scale: 0.1 }", ""), shapes=SHAPES)
    assert [w.message.split(":")[0] for w in report.warnings] == ["warning N013"]


def test_the_reason_stands_under_the_first_finding_only(file):
    twice = NET.replace(FILLER, "") + (
        'layer { name: "x" type: "InnerProduct" bottom: "ip" top: "x" inner_product_param { '
        'num_output: 1 } } layer { name: "l2" type: "EuclideanLoss" bottom: "x" bottom: "label" }'
    )
    text = check(file(text=twice)).render()
    assert text.count("warning N008") == 2
    assert text.count("why: The default filler is constant 0") == 1


def test_a_missing_file_is_an_error():
    report = check("nowhere.prototxt")
    assert len(report.errors) == 1
    assert "Failed to open file" in report.render()


def test_a_wrong_stand_in_is_wrong_usage(file):
    with pytest.raises(UsageError, match="no data or input layer has a top 'dta'"):
        check(file(), shapes={"dta": (1,)})


def test_a_good_solver(file):
    name = file(text=SOLVER, name="solver.prototxt")
    report = check(name, shapes=SHAPES)
    assert report.render() == "solver.prototxt: 0 errors, 0 warnings"


def test_a_solver_and_its_nets_are_checked_together(file):
    file("num_output: 5", "num_output: 5 axis: 3")
    name = file("lr_policy: ", "gama: 1 lr_policy: ", SOLVER.replace("fixed", "fxd"), "s.prototxt")
    report = check(name, shapes=SHAPES)
    assert [m.split(" (")[0] for m in messages(report)] == [
        'Message type "caffe.SolverParameter" has no field named "gama".',
        "axis 3 out of range for 2-D Blob with shape 4 x 3",
        "Unknown learning rate policy: fxd",
    ]


def test_a_solver_whose_net_is_missing(file):
    name = file("net.prototxt", "nte.prototxt", SOLVER, "solver.prototxt")
    assert messages(check(name)) == ["there is no file 'nte.prototxt'"]


def test_a_solver_without_a_net(file):
    name = file('net: "net.prototxt"', "", SOLVER, "solver.prototxt")
    assert "must specify a train net" in check(name).errors[0].message


def test_blobs_shared_between_train_and_test_must_agree(file):
    file(
        "num_output: 5",
        "num_output: 5 } include { phase: TRAIN } }\n"
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" include { phase: TEST } '
        "inner_product_param { num_output: 7",
    )
    report = check(file(text=SOLVER, name="solver.prototxt"), shapes=SHAPES)
    assert len(report.errors) == 1
    assert "Cannot share param 0 weights from layer 'ip'" in report.errors[0].message


def run_without_jax(statement: str) -> str:
    code = f"import sys\n{statement}\nassert 'jax' not in sys.modules, 'jax was imported'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_mistakes_are_found_without_jax(file):
    """Also with shapes asked for: a net that does not connect has none."""
    file('bottom: "data"', 'bottom: "dta"')
    check_net = "from netc.check import check; print(check('net.prototxt').render())"
    assert "Unknown bottom blob 'dta'" in run_without_jax(check_net)


def test_a_net_and_a_solver_are_checked_without_jax_when_shapes_are_off(file):
    name = file(text=SOLVER, name="solver.prototxt")
    for path in ("net.prototxt", name):
        text = run_without_jax(
            f"from netc.check import check; print(check({path!r}, infer_shapes=False).render())"
        )
        assert text.endswith("0 errors, 0 warnings\n")


def test_fields_that_an_upgrade_leaves_out_are_warnings(file):
    report = check(file(text='layers { layer { name: "x" type: "relu" num_output: 3 } }'))
    (warning,) = report.warnings
    assert str(warning).startswith("net.prototxt:1:53: Unknown parameter num_output for layer type")


def test_epochs_of_data_without_an_end(file):
    data = """layer { name: "d" type: "DummyData" top: "data" top: "label"
      dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }"""
    file(text=data + NET[NET.index('layer { name: "ip"') :])
    solver = SOLVER.replace("max_iter: 9", "max_epoch: 9").replace(
        "test_iter: 1", "test_iter: auto"
    )
    asking = messages(check(file(text=solver, name="solver.prototxt")))
    assert [text.split(" asks ")[0] for text in asking] == ["max_epoch", "test_iter: auto"]
    wrong = messages(check(file("9", "inf", text=solver, name="solver.prototxt")))
    assert wrong[0] == "max_epoch must be greater than 0, got inf"
    assert messages(check("solver.prototxt", shapes=SHAPES)) == wrong[:1]
