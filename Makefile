# Three verbs: check, test, demo. Everything they need is installed into .venv on first use.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
DEVELOPING := --constraint constraints.txt --editable '.[dev]'
export DAGSTER_DISABLE_TELEMETRY := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := 0

.PHONY: help install demo ui docs walks test check parity parity-spark prove cluster bench clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

install: .venv/.installed  ## install into .venv (the others do it by themselves)

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Millrace needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@echo "Installing into .venv (about a minute the first time) …"
	@# uv takes a tenth of pip's time, but does not look where pip was told to look: what it cannot find, pip installs.
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt uv && \
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(DEVELOPING) || $(BIN)/pip install --quiet $(DEVELOPING)
	@touch $@

demo: install    ## a small shop through the whole platform: events in, audience deltas out
	@$(BIN)/python -m simulator.demo

ui: install      ## the Dagster UI on http://127.0.0.1:3000
	@$(BIN)/python -m orchestration.ui

docs: install    ## dbt's documentation of what was built, as one page
	@$(BIN)/python -m orchestration.documentation

walks: install   ## pictures of the UI, three walks through it (wants chromium and a demo)
	@$(BIN)/python -m orchestration.walks

# Two more workers than cores: many tests wait for a server, a browser or a clock.
test: install    ## every test but the long proofs
	@$(BIN)/pytest -n $$(($$(nproc) + 2)) -m "not prove"

prove: install   ## the long proofs: every crash point, many seeds
	@$(BIN)/pytest -n auto -m "prove and not spark"

parity: install  ## the same models on Sail, which speaks Spark Connect: every public table compared with DuckDB's
	@$(BIN)/pytest tests/parity -m "not prove"

parity-spark: install ## the same on Spark itself, with more data and with kills (wants Java 17; an hour and a half)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt pyspark
	@$(BIN)/pytest tests/parity -m spark

check: install   ## ruff, mypy, sqlfluff, and that models speak what both engines understand
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint dbt_project/models --processes 2
	@$(BIN)/pytest --quiet --no-header tests/unit/test_walls.py -k walks_through

cluster: install ## the demo's records on a real Spark of this machine, held against DuckDB (wants Java and a demo)
	@$(BIN)/python -m orchestration.cluster.trial

bench: install   ## the benchmarks; figures go to benchmarks/RESULTS.md by hand
	@$(BIN)/python -m benchmarks

clean:           ## forget what the demo made
	rm -rf data dbt_project/target dbt_project/logs
