# Everything that waggle's developers run, from a fresh machine with git, make and Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin
DATA ?=
# Tests wait for processes and hosts as much as they compute: more of them than there are cores.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(3 * (os.cpu_count() or 1) // 2 or 1)')

# Tests, demo and benchmarks start thousands of processes, which must not compile waggle each time.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help install demo test lint bench bench-choice repair-table docs soak lock clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# The stamp is newer than what was installed from: a second run does nothing and needs no network.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "waggle needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install: .venv/installed ## install waggle and its tools into .venv

demo: .venv/installed ## real repair agents race on real bugs, under a minute
	@$(BIN)/waggle demo

test: .venv/installed ## the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: .venv/installed ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: .venv/installed ## measure, and write docs/BENCHMARKS.md
	$(BIN)/python -m bench $(if $(DATA),--data $(DATA))

bench-choice: .venv/installed ## replay real results through the choice rules (DATA=folder)
	$(BIN)/python -m bench.choice --data $(DATA)

repair-table: .venv/installed ## tabulate which repair agent wins, over 20 seeds
	$(BIN)/python -m bench.repair

docs: .venv/installed ## write docs/REFERENCE.md and docs/MCP.md from the code
	$(BIN)/python tools/reference.py > docs/REFERENCE.md
	$(BIN)/python tools/mcp_page.py > docs/MCP.md

soak: .venv/installed ## the randomised tests with thousands of examples
	WAGGLE_TESTS=soak $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal \
		tests/laws tests/choice tests/log tests/base tests/eventual tests/store tests/sync tests/repair

lock: .venv/installed ## resolve the dependencies anew into requirements.lock
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --group dev --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean: ## remove what was installed and built
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
