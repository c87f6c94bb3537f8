# make demo: set up, train on real digits. make test: set up, run the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint clean

demo: .venv/.netc examples/digits/digits_train_lmdb
	$(BIN)/netc train examples/digits/solver.prototxt

test: .venv/.dev
	$(BIN)/python -m pytest -n auto

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python proto/compile.py --check

clean:
	rm -rf examples/*/run examples/*/*_lmdb examples/*/mean.binaryproto

examples/digits/digits_train_lmdb: | .venv/.netc
	$(BIN)/netc dataset digits examples/digits

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "netc needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.netc: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ .venv/.netc
