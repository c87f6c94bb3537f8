"""The names of the module, and the settings of the process."""

import importlib
import io
import logging
import pickle

import pytest

import netc.pycaffe as caffe
from netc.errors import UsageError
from netc.pycaffe import mode
from tests.pycaffe import nets

NAMES = [
    "Net",
    "SGDSolver",
    "NesterovSolver",
    "AdaGradSolver",
    "RMSPropSolver",
    "AdaDeltaSolver",
    "AdamSolver",
    "NCCL",
    "Timer",
    "Layer",
    "Classifier",
    "Detector",
    "NetSpec",
    "io",
    "layers",
    "params",
    "to_proto",
    "get_solver",
    "init_log",
    "log",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_device",
    "set_random_seed",
    "layer_type_list",
    "solver_count",
    "set_solver_count",
    "solver_rank",
    "set_solver_rank",
    "set_multiprocess",
    "has_nccl",
    "TRAIN",
    "TEST",
    "__version__",
    "proto",
]
INSIDE = {
    "proto": "caffe_pb2",
    "proto.caffe_pb2": "NetParameter Datum BlobProto SolverParameter V1LayerParameter TRAIN",
    "pycaffe": "Net SGDSolver get_solver io layer_type_list",
    "_caffe": "Net Blob Layer RawBlobVec BlobVec LayerVec NetVec StringVec IntVec DtypeVec BoolVec",
    "net_spec": "NetSpec Top Function Layers Parameters layers params to_proto assign_proto",
    "io": "Transformer load_image caffe_pb2",
    "classifier": "Classifier",
    "detector": "Detector",
}


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """The settings, the environment and the log are as before after a test."""
    monkeypatch.setattr(mode, "_settings", mode._Settings(seed=1))
    monkeypatch.setenv("GLOG_minloglevel", "0")
    logger = logging.getLogger("netc")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def test_what_the_module_exports():
    assert [name for name in NAMES if not hasattr(caffe, name)] == []


@pytest.mark.parametrize(("module", "names"), INSIDE.items())
def test_what_its_parts_export(module, names):
    found = importlib.import_module(f"netc.pycaffe.{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_messages_are_found_as_in_generated_code():
    pb = caffe.proto.caffe_pb2
    assert pb._LAYERPARAMETER.fields_by_name["name"].number == 1
    assert pb.SolverParameter.SolverMode.Name(pb.SolverParameter.GPU) == "GPU"
    assert pickle.loads(pickle.dumps(pb.Datum(label=3))).label == 3
    with pytest.raises(AttributeError, match="caffe_pb2 has no _NOTHING"):
        _ = pb._NOTHING


def test_ranks_are_kept():
    assert (caffe.solver_count(), caffe.solver_rank(), caffe.has_nccl()) == (1, 0, False)
    caffe.set_solver_count(2)
    caffe.set_solver_rank(1)
    caffe.set_multiprocess(True)
    assert (caffe.solver_count(), caffe.solver_rank()) == (2, 1)


def test_nccl_of_one_process_has_nothing_to_do(folder):
    """As scripts for several devices run on one. Caffe: train.py."""
    (folder / "net.prototxt").write_text(nets.PLAIN)
    (folder / "solver.prototxt").write_text(nets.SOLVER)
    solver = caffe.SGDSolver("solver.prototxt")
    nccl = caffe.NCCL(solver, caffe.NCCL.new_uid())
    nccl.bcast()
    solver.add_callback(nccl)
    solver.net.after_backward(nccl)
    solver.step(1)
    assert solver.iter == 1
    caffe.set_solver_count(2)
    with pytest.raises(UsageError, match=r"NCCL of 2 processes(.|\n)*netc train -solver"):
        caffe.NCCL(solver, "")


def test_timer(monkeypatch):
    now = [1.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    timer = caffe.Timer()
    assert timer.ms == 0
    timer.start()
    now[0] = 1.5
    timer.stop()
    now[0] = 3.0
    assert timer.ms == 500
    timer.start()
    now[0] = 3.25
    assert timer.ms == 250


def test_the_log_is_shown_when_asked_for(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    caffe.init_log(1)
    caffe.log("hidden")
    caffe.init_log(0)
    caffe.log("shown %d")
    (line,) = shown.getvalue().splitlines()
    assert line.startswith("I") and "test_module.py" in line and line.endswith("] shown %d")
    caffe.init_log(0, False)


def test_a_blob_on_the_cpu_has_no_pointer_for_the_gpu(folder):
    (folder / "net.prototxt").write_text(nets.DEPLOY)
    blob = caffe.Net("net.prototxt", caffe.TEST).blobs["data"]
    for name in ("_gpu_data_ptr", "_gpu_diff_ptr"):
        with pytest.raises(UsageError, match=r"a blob has no place on a GPU in CPU mode"):
            getattr(blob, name)
