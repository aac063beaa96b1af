# Every target sets up what it needs, in .venv; nothing has to be installed first but Python 3.11 and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := test
.DELETE_ON_ERROR:
unexport PYTHONPATH PYTHONHOME PYTEST_ADDOPTS

PYTHON := python3
BIN := .venv/bin
LOCKED := .venv/.locked
READY := .venv/.ready

.PHONY: setup demo test check bench schemas soak-lang soak-reload soak-store lock clean results

setup: $(READY)

demo: $(READY)
	$(BIN)/v6 demo

# A process for each core; a file's tests stay together, so that what they share is made once.
test: check
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(BIN)/python -c 'import sys, pathlib; from v6.lang.schema import write_schemas; \
	write_schemas(pathlib.Path(sys.argv[1]))' "$$fresh"; \
	diff -ru schemas "$$fresh" || { echo 'schemas/ is not what v6/lang generates: run make schemas'; exit 1; }

bench: $(READY)
	@shopt -s nullglob; for file in benchmarks/[a-z]*.py; do \
	  name=$${file##*/}; echo "== $${name%.py}"; $(BIN)/python -m "benchmarks.$${name%.py}"; \
	done

schemas: $(READY)
	$(BIN)/python -c 'import pathlib; from v6.lang.schema import write_schemas; write_schemas(pathlib.Path("schemas"))'

soak-lang: $(READY)
	$(BIN)/python -m tests.soak.lang

soak-reload: $(READY)
	$(BIN)/python -m tests.soak.reload

soak-store: $(READY)
	$(BIN)/python -m tests.soak.store

# A quarter of an hour; VIX names a CSV file with the VIX by day (date, close) from 2009 on.
results: $(READY)
	$(BIN)/python -m v6.backtest.results --vix "$(VIX)" --out docs/results.md

# Only what requirements.lock names, by hash; then V6 itself, editable, without asking an index for anything.
$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("V6 needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@

# Choose newer versions within pyproject.toml's ranges. Needs an index; the other targets need one only once.
lock:
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; "$$tools/bin/python" -m pip install --quiet 'pip-tools>=7.5,<8'; \
	CUSTOM_COMPILE_COMMAND='make lock' "$$tools/bin/pip-compile" --quiet --upgrade --generate-hashes --strip-extras \
	  --allow-unsafe --extra bench --extra history --extra notify --extra test --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
