# What one can do here. Needs make, Python 3.11 or newer and a package index; everything else is installed into .venv.
SHELL := /bin/sh
VENV ?= .venv
PY = $(VENV)/bin/python
.DEFAULT_GOAL := help
# Compiled once: every later start takes half the time.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo demo-reset test lint types check bench lock words clean install install-dev

help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install  ## Run everything on this machine: web, worker, broker, processor lab (PORT=8000)
	@exec $(PY) manage.py demo --with-parent

demo-reset:  ## Drop the demo's data (var/); the next `make demo` starts afresh
	@python=$$(sh scripts/python) && "$$python" -m checkout.management.demo.household --reset

test: install-dev  ## Run all tests, on PostgreSQL and on SQLite (ARGS="-k webhook")
	@$(PY) scripts/test.py $(ARGS)

lint: install-dev  ## Style, format and import contracts
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()" --no-logo

types: install-dev  ## Static types
	@ENV_FILE=.env.example $(PY) -m mypy

check: install-dev  ## What CI checks before the tests: migrations and a production-like set of variables
	@sh scripts/check $(PY)

bench: install-dev  ## Measure on this machine: every script in benchmarks/ (a few minutes; floor.py is served by two of them)
	@for script in $(filter-out benchmarks/floor.py,$(wildcard benchmarks/*.py)); do echo "### $$script"; $(PY) "$$script" $(ARGS) || exit 1; done

lock: install-dev  ## Write constraints.txt anew from requirements*.txt
	@sh scripts/lock $(PY)

words: install-dev  ## Pack the translations after a change of a .po file
	@$(PY) scripts/words.py

clean:  ## Remove the virtual environment and caches; keeps var/
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles

# Both are quick when nothing changed: a stamp in the environment holds the checksum of what was installed.
install:
	@python=$$(sh scripts/python) && "$$python" scripts/install.py $(VENV) requirements.txt

install-dev:
	@python=$$(sh scripts/python) && "$$python" scripts/install.py $(VENV) requirements.txt requirements-dev.txt
