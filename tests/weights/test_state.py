"""`.solverstate` files, binary and HDF5: recorded ones rewritten, generated ones read back."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from netc.errors import WeightsError
from netc.schema import NetParameter, SolverState
from netc.weights import SolverStateFile, read_state, write_state
from netc.weights.state import parse_state
from tests.weights.recordings import recorded
from tests.weights.test_hdf5 import tree

count = st.integers(0, 2**31 - 1)
history = st.lists(
    arrays(np.float32, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)), max_size=12
)


def check_alike(state, expected):
    assert state[:2] == expected[:2] and state.current_step == expected.current_step
    for a, b in zip(state.history, expected.history, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
        assert not a.flags.writeable


def check_rewritten(data, folder):
    state, message = parse_state(data, "x"), SolverState.FromString(data)
    assert state.iter == message.iter and state.learned_net == message.learned_net
    assert len(state.history) == len(message.history)
    write_state(folder / "copy.solverstate", state)
    assert (folder / "copy.solverstate").read_bytes() == data


@pytest.mark.parametrize("path", recorded("data/*.solverstate"))
def test_recorded_states_are_rewritten_byte_for_byte(path, tmp_path):
    assert f"_iter_{read_state(path).iter}." in path.name
    check_rewritten(path.read_bytes(), tmp_path)


@pytest.mark.parametrize("path", recorded("solvers/*.npz"))
def test_states_of_every_solver_are_rewritten_byte_for_byte(path, tmp_path):
    check_rewritten(np.load(path)["solverstate"].tobytes(), tmp_path)


@pytest.mark.parametrize("path", recorded("data/*.solverstate.h5"))
def test_a_recorded_hdf5_state_is_rewritten_alike(path, tmp_path):
    state = read_state(path)
    assert (state.iter, state.learned_net) == (20, "lenet_h5_iter_20.caffemodel.h5")
    copy = tmp_path / "copy.solverstate.h5"
    write_state(copy, state)
    assert tree(copy) == tree(path)


@given(count, st.text(st.characters(exclude_characters="\0", codec="utf-8")), history, count)
def test_round_trip(tmp_path_factory, iteration, name, arrays, step):
    state = SolverStateFile(iteration, name, tuple(arrays), step)
    folder = tmp_path_factory.mktemp("state")
    write_state(folder / "x.solverstate", state)
    check_alike(read_state(folder / "x.solverstate"), state)
    message = SolverState.FromString((folder / "x.solverstate").read_bytes())
    assert (message.iter, message.learned_net, message.current_step) == (iteration, name, step)


@pytest.mark.parametrize("name", ["", "é.caffemodel.h5"])
def test_hdf5_round_trip(tmp_path, name):
    state = SolverStateFile(7, name, tuple(np.full((i,), i, np.float32) for i in range(12)), 3)
    write_state(tmp_path / "x.h5", state)
    check_alike(read_state(tmp_path / "x.h5"), state)


def test_hdf5_with_scalars_text_and_nothing_optional(tmp_path):
    path = tmp_path / "x"
    with h5py.File(path, "w") as file:
        file["iter"], file["learned_net"] = 5, "m.caffemodel"
        file.create_group("history")
    assert read_state(path) == SolverStateFile(5, "m.caffemodel", (), 0)
    with h5py.File(path, "w") as file:
        file["iter"] = [5]
        file.create_group("history")
    assert read_state(path) == SolverStateFile(5, "", (), 0)


def test_hdf5_history_with_a_gap(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        file["iter"], file["history/1"] = 5, np.zeros(1)
    with pytest.raises(WeightsError, match="/history has 1 members but no '0'"):
        read_state(tmp_path / "x")


def test_weights_in_place_of_a_state(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(NetParameter(name="n").SerializeToString())
    with pytest.raises(WeightsError, match="a file of weights") as caught:
        read_state(path)
    assert "-weights" in caught.value.hint and ".solverstate" in caught.value.hint
    with h5py.File(path, "w") as file:
        file.create_group("data")
    with pytest.raises(WeightsError, match="a file of weights") as caught:
        read_state(path)
    assert "-weights" in caught.value.hint
    with h5py.File(path, "w") as file:
        file["mean"] = 1
    with pytest.raises(WeightsError, match="an HDF5 file of mean, not a solver state"):
        read_state(path)


def test_cut_short(tmp_path):
    path = tmp_path / "x.solverstate"
    write_state(path, SolverStateFile(1, "m", (np.zeros(9, np.float32),)))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"field 3 needs .* bytes, .* are left"):
        read_state(path)


def test_a_state_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name in ("x.solverstate", "x.solverstate.h5"):
        with pytest.raises(WeightsError, match=f"Couldn't write .*{name}"):
            write_state(tmp_path / "file" / name, SolverStateFile(1, "", ()))
