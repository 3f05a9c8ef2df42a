# Everything a bare machine with Python 3.11, git and make needs. `make demo` and `make test` are the two to know.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps
PYTEST_OPTIONS ?=

.PHONY: demo test lint check lock bench clean

demo: $(VENV)/full.stamp
	EXPORT_CENTER_HOME=$(CURDIR)/.demo $(BIN)/export-center quickstart

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)

$(VENV)/full.stamp: requirements/full.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) --require-hashes -r requirements/full.txt
	$(PIP) --no-build-isolation --editable .
	touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) --require-hashes -r requirements/dev.txt
	$(PIP) --no-build-isolation --editable .
	touch $@ $(VENV)/full.stamp

# The lock files: no index lines, no annotations, hashes of every file. Needs uv.
LOCK := uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	--no-annotate --python-version 3.11 --python-platform linux pyproject.toml
lock:
	$(LOCK) -o requirements/verifier.txt
	$(LOCK) requirements/build.in --extra all -o requirements/full.txt
	$(LOCK) requirements/build.in --extra all --extra test --extra lint -o requirements/dev.txt

bench: $(VENV)/dev.stamp
	$(BIN)/python bench/export.py --records 100000

clean:
	rm -rf $(VENV) .demo .bench build dist
