# Needs Python 3.11 or later. Python packages are installed into .venv only.
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
PYTEST_ARGS ?=
DEMO_SEEDS ?= 8
DEMO_OUT ?= runs/demo
BENCHMARKS ?= $(sort $(wildcard benchmarks/*.py))

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
BASE_STAMP := $(VENV)/.installed-base
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo test fast check lint format types imports browser pytest benchmark clean distclean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(BASE_STAMP)  ## install into .venv and compare penalties on real digits with 5 labels per class
	OMP_NUM_THREADS=1 $(BIN)/comodal compare digits --training.label_budget 5 --measures none,kl,f --weight 3 \
		--seeds $(DEMO_SEEDS) --selection-seeds 2 --jobs $(JOBS) --out $(DEMO_OUT)
	@echo "The gain depends on few labels, many unlabelled samples, and halves of one image that share what the label needs."
	@echo "Next, the same at several budgets: $(BIN)/comodal compare digits --label-budget 2,5,10,all --measures none,kl --weight 3" \
		"--seeds 8 --jobs $(JOBS) --out runs/labels"

test: check pytest  ## the complete check: format, lint, types, import contracts, tests

fast: $(DEV_STAMP)  ## the quick tests, about 90 seconds on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow" $(PYTEST_ARGS)

check: lint types imports  ## every check except the tests

lint: $(DEV_STAMP)  ## check formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(DEV_STAMP)  ## format the code and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(DEV_STAMP)  ## check types with mypy, strict
	$(BIN)/mypy

imports: $(DEV_STAMP)  ## check the direction of imports (.importlinter)
	$(BIN)/lint-imports --no-logo

browser:  ## install Chromium for the tests of the page (Debian, as root)
	@for name in "$$BROWSER_PATH" chromium chromium-browser google-chrome chrome; do \
		test -n "$$name" && command -v "$$name" >/dev/null && exit 0; done; \
	test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -qqy --no-install-recommends chromium fonts-dejavu-core >/dev/null \
		|| echo "no Chromium for the tests of the page: install one, or name it in BROWSER_PATH" >&2

pytest: $(DEV_STAMP) browser  ## all tests and doctests; select with PYTEST_ARGS='tests/dependency -n 0'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

benchmark: $(BASE_STAMP)  ## print the tables of benchmarks/; select with BENCHMARKS=benchmarks/import_time.py
	@set -e; for script in $(BENCHMARKS); do echo "== $$script"; OMP_NUM_THREADS=1 $(BIN)/python $$script; done

clean:  ## remove caches and build products, keep runs/ and .venv
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## also remove .venv
	rm -rf $(VENV)

# `make -j` must not start the tests before the checks, nor two pip processes at once.
.NOTPARALLEL:

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "comodal needs Python >= 3.11: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(BASE_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $(BASE_STAMP) $@
