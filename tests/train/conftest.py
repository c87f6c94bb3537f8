import logging

import pytest

from tests.train import tiny


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


@pytest.fixture
def lines(logger):
    """The texts that netc logs, as they come."""
    handler = Lines()
    logger.handlers[:], logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    return handler.texts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the tiny net, its data and its solver, made the current one."""
    monkeypatch.chdir(tiny.write_files(tmp_path))
    return tmp_path
