# `make` alone explains the targets. Needs Python 3.11+ and GNU make; everything else goes to .venv.
#
#   PYTHON=…   the Python to use, where python3 is too old        make setup PYTHON=python3.12
#   ARGS=…     options for the program that a target starts       make run ARGS="--port 9000"
#   WORKERS=…  how many tests run at once                         make test WORKERS=4

PYTHON  ?=
ARGS    ?=
# One more than the smallest machine has cores: a test that waits for a process or a page lets another run.
WORKERS ?= 3
BIN     := .venv/bin
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup run test check format bench soak reference lock clean runtime dev

help: ## Show this list
	@echo "Shanmen: ticketing and operations for scenic areas"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  First time here? 'make run' sets up what it needs and starts the server."

run: runtime ## Start a server with its own database; the first time it sets itself up
	@$(BIN)/shanmen run $(ARGS)

setup: dev ## Install everything into .venv, for running and for developing

test: check ## Run all checks and all tests: unit, races, simulation, browser, API
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: dev ## Look at the code without running it: style, types, order of imports
	@sh scripts/check.sh

format: dev ## Format the code, and mend what can be mended mechanically
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: dev ## Measure this machine: orders and admissions per second, page weights
	@$(BIN)/python -m bench $(ARGS)

soak: dev ## Run the long tests, for hours where SHANMEN_TEST_SOAK_SECONDS says so
	@$(BIN)/pytest -m soak $(ARGS)

reference: dev ## Write docs/reference anew from the code
	@$(BIN)/python -m scripts.reference

lock: dev ## Write requirements/ anew from pyproject.toml; ARGS=--upgrade takes newer versions
	@sh scripts/lock.sh $(ARGS)

clean: ## Remove .venv, caches and fetched libraries; what a server keeps in data/ stays
	@rm -rf .venv node_modules build dist .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis .schemathesis test-results src/shanmen/web/static/vendor
	@find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
	@if [ -d data ]; then echo "Kept data/: it is a server's database and keys. Remove it yourself if you mean to."; fi

runtime:
	@sh scripts/setup.sh runtime

dev:
	@sh scripts/setup.sh dev

.DEFAULT:
	$(error There is no target '$@': 'make' alone lists them)
