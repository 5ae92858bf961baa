# make run   set up and run the daily pipeline on the embedded prices      make test   set up and test
# Needs Python >= 3.11 and make, nothing else. Another interpreter: make run PYTHON=/path/to/python3.12

.DEFAULT_GOAL := help
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
BIN := .venv/bin
CODE := optimizer resources assets pipeline service tests benchmarks
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help run ui docs test test-slow test-browser test-kernels test-all-kernels test-policies mutate lint format types validate audit check bench peers lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1	\2/' | expand -t 24

run: .venv/runtime.stamp ## the daily run on the configured prices, then the backtest
	@$(BIN)/packfolio run
	@$(BIN)/packfolio backtest

ui: .venv/runtime.stamp ## Dagster on http://127.0.0.1:3000, with the assets and their history
	@$(BIN)/packfolio ui

docs: .venv/docs.stamp ## the documents as a site, in .site/index.html; it opens and searches without a network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# DuckDB allocates much for a small statement: 4 to 15% less time where glibc keeps more freed blocks for each thread.
test test-slow: export GLIBC_TUNABLES ?= glibc.malloc.tcache_count=2000
test: .venv/dev.stamp ## the tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: .venv/dev.stamp ## the slow tests alone, and the property tests on more examples, which are drawn anew each time
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m "slow and not network"
	@HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -n 2 --dist worksteal -m "hypothesis and not slow and not network"

test-browser: .venv/browser.stamp ## the screen in a real Chromium, which must be on the PATH, with axe's rules
	@$(BIN)/python -m pytest tests/service/screen/test_browser.py -m slow

test-kernels: .venv/dev.stamp ## the quicker numerical tests under another BLAS kernel than the machine's own
	@$(BIN)/python tests/tools/kernels.py other

test-all-kernels: .venv/dev.stamp ## all numerical tests under every BLAS kernel, with one thread and with two
	@$(BIN)/python tests/tools/kernels.py all

test-policies: .venv/dev.stamp ## 10,000 random policies over all methods and limits, under two BLAS kernels
	@$(BIN)/python tests/tools/random_policies.py

mutate: .venv/dev.stamp ## plant small faults and see whether the tests notice; writes benchmarks/RESULTS-tests.md
	@$(BIN)/python -m benchmarks.mutation.mutate

lint: .venv/dev.stamp ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: .venv/dev.stamp ## rewrite the code in the house's format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

types: .venv/dev.stamp ## mypy, strict
	@$(BIN)/mypy

validate: .venv/dev.stamp ## Dagster loads the definitions; the environment fits pyproject.toml
	@$(BIN)/python -m pip --disable-pip-version-check check
	@if [ -f pipeline/definitions.py ]; then $(BIN)/dagster definitions validate -w workspace.yaml; fi

audit: ## known vulnerabilities of the locked versions, where the advisories can be reached
	@requirements/audit

check: lint types validate audit test-kernels test ## all that CI runs, before a commit

bench: .venv/dev.stamp .peers/stamp ## time the optimizer against its peers; writes benchmarks/RESULTS.md and RESULTS-trades.md
	@$(BIN)/python -m benchmarks.solving.harness --write
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.trades.lists --write

peers: .peers/stamp ## the environment of the peers

lock: ## resolve requirements/*.lock again, keeping the locked versions that still fit
	@requirements/relock

clean: ## remove the environments and caches; the warehouse in .packfolio stays
	rm -rf .venv .peers .locker .mypy_cache .ruff_cache .pytest_cache .hypothesis .site build ./*.egg-info

.venv/runtime.stamp: requirements/runtime.lock pyproject.toml | .venv/bin/python
	@requirements/install $(BIN)/python requirements/runtime.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: requirements/dev.lock pyproject.toml | .venv/bin/python
	@requirements/install $(BIN)/python requirements/dev.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/browser.stamp: requirements/browser.lock pyproject.toml | .venv/bin/python
	@requirements/install $(BIN)/python requirements/browser.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/docs.stamp: requirements/docs.lock pyproject.toml | .venv/bin/python
	@requirements/install $(BIN)/python requirements/docs.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/bin/python:
	@$(call need_python)
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; \
	  echo "python -m venv failed; install your system's venv package (Debian: python3-venv) and run make again" >&2; exit 1; }

.peers/stamp: benchmarks/peers.txt
	@$(call need_python)
	@"$(PYTHON)" -m venv .peers
	@echo "installing benchmarks/peers.txt" >&2
	@.peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	@touch $@

define need_python
if [ -z "$(PYTHON)" ]; then echo "no python3 was found; install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo "$(PYTHON) is $$("$(PYTHON)" --version 2>&1); Packfolio needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
endef
