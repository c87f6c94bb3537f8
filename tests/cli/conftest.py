import pytest

from tests.train import tiny

SOLVER = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2 random_seed: 1
snapshot_prefix: "tiny"
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder in which the small net was trained for two iterations."""
    folder = tiny.write_files(tmp_path_factory.mktemp("trained"), tiny.SMALL, SOLVER)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny.run()
    return folder


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    """A copy of it, made the current folder."""
    for path in trained.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path
