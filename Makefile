# Everything for a machine with Python 3.11, git and make. `make demo` and `make test` are the two to know.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --retries 10 --no-deps
PYTEST_OPTIONS ?=
BENCH_OPTIONS ?= --records 100000

.PHONY: help demo test coverage lint check lock bench clean

help:
	@echo "make demo      install into $(VENV), then export, verify and show a bundle of the sample evidence"
	@echo "make test      all tests; PYTEST_OPTIONS is handed on"
	@echo "make coverage  all tests, and how much of the packages they reach; too little fails"
	@echo "make lint      style, types and layers"
	@echo "make check     lint and test"
	@echo "make lock      resolve the requirements again (needs uv)"
	@echo "make bench     time an export against its floor; BENCH_OPTIONS is handed on"
	@echo "make clean     remove what the others made"

demo: $(VENV)/full.stamp
	EXPORT_CENTER_HOME="$(CURDIR)/.demo" $(BIN)/export-center quickstart

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

coverage: $(VENV)/dev.stamp
	$(BIN)/python -m pytest --cov --cov-report=term $(PYTEST_OPTIONS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

# The stamps are made last: after a failed installation, the same command goes on with it.
$(VENV)/venv.stamp:
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(VENV)/full.stamp: requirements/full.txt pyproject.toml $(VENV)/venv.stamp
	@echo "installing the locked packages, which takes a minute or two"
	$(PIP) --require-hashes -r requirements/full.txt
	$(PIP) --no-build-isolation --editable .
	touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml $(VENV)/venv.stamp
	@echo "installing the locked packages, which takes a minute or two"
	$(PIP) --require-hashes -r requirements/dev.txt
	$(PIP) --no-build-isolation --editable .
	touch $(VENV)/full.stamp $@

# No index lines, and the hashes of every file of every package. Each lock constrains the next, larger one.
LOCK := uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	--no-annotate --python-version 3.11 --python-platform linux pyproject.toml
lock:
	$(LOCK) -o requirements/verifier.txt
	$(LOCK) requirements/build.in -c requirements/verifier.txt --extra all -o requirements/full.txt
	$(LOCK) requirements/build.in -c requirements/full.txt --extra all --extra test --extra lint -o requirements/dev.txt

bench: $(VENV)/dev.stamp
	$(BIN)/python bench/export.py $(BENCH_OPTIONS)

clean:
	rm -rf $(VENV) .demo .bench build dist .coverage .coverage.*
