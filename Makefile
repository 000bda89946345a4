# Habitué. `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin
ON ?=
OUT ?= var/demo
SOURCE ?=
DATA ?=
KILLS ?= 100
MESSAGES ?= 5000
SENDER ?= both
SEED ?= 1
JOBS ?= auto
export PYTHONWARNINGS := ignore::DeprecationWarning
# Compiled modules are kept: without them every Airflow task compiles its imports again, some ten seconds each.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' Makefile

.venv/.installed: pyproject.toml constraints.txt
	@echo "Setting up .venv from the pinned set (constraints.txt) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[airflow,embedded,dev]'
	@touch $@

setup: .venv/.installed ## make .venv with the pinned set

demo: .venv/.installed ## run the main job through Airflow; SOURCE=, DATA=, ON=, OUT= for your own shop
	@$(BIN)/habitue demo --out "$(OUT)" $(if $(SOURCE),--source "$(SOURCE)") $(if $(DATA),--data "$(DATA)") $(if $(ON),--on "$(ON)")

up: .venv/.installed ## Airflow with its UI on the embedded database; Ctrl-C or `make down` stops it
	@$(BIN)/habitue up --out "$(OUT)" $(if $(SOURCE),--source "$(SOURCE)") $(if $(DATA),--data "$(DATA)")

down: ## stop what `make up` started
	@$(BIN)/habitue down

test: .venv/.installed ## all tests, on a real PostgreSQL and a real Airflow; JOBS=
	@$(BIN)/python -m pytest -n "$(JOBS)" --dist loadfile -m "not alone"
	@$(BIN)/python -m pytest -m alone

screenshots: .venv/.installed ## the pictures of README, of what `make up` runs; OUT=
	@PYTHONPATH=tests $(BIN)/python tests/screenshots.py "$(OUT)"

crash: .venv/.installed ## kill workers, strike the database down, count what arrives; KILLS=, MESSAGES=, SENDER=, SEED=
	@$(BIN)/python -m tests.crash --kills "$(KILLS)" --messages "$(MESSAGES)" --sender "$(SENDER)" --seed "$(SEED)"

lint: .venv/.installed ## ruff, format, mypy strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: .venv/.installed ## speed and memory, each beside what one would use instead
	@$(BIN)/python -m bench

.PHONY: help setup demo up down test screenshots crash lint bench
