# Everything that is done with this project, by name; `make help` lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: up test check delivery images faults bench screenshots wheel docs site clean help

VENV := .venv
BIN := $(VENV)/bin
STEP := @scripts/step.sh
PORT ?=

up: $(VENV)/.all ## install, then start everything on this machine (PORT=8123: on that port); Ctrl-C stops it
	@exec scripts/up.sh $(BIN)/fleetpulse up $(if $(PORT),--port $(PORT))

test: check ## everything that CI runs: the checks, then the tests with real services
	$(STEP) "tests with real services" $(BIN)/pytest -q -n 3 --dist loadfile -m integration --ignore=tests/faults
	$(STEP) "the fault table, in short" $(BIN)/pytest -q -p no:xdist tests/faults

check: $(VENV)/.test ## format, lint, types, imports, and the tests that need no service
	$(STEP) "format" $(BIN)/ruff format --check .
	$(STEP) "lint" $(BIN)/ruff check .
	$(STEP) "types" $(BIN)/mypy
	$(STEP) "imports" $(BIN)/lint-imports
	$(STEP) "tests" $(BIN)/pytest -q -n 2 -m "not integration"

delivery: ## check workflows, scripts and Terraform, without an account
	$(STEP) "delivery" scripts/check_delivery.sh

images: $(VENV)/.test ## build every image without Docker, start it, and read through it (needs root)
	$(STEP) "images" scripts/try_images.sh

faults: $(VENV)/.test ## break everything around the product, at length (up to 40 minutes); writes docs/faults.md
	FAULTS=full $(BIN)/pytest -q -p no:xdist tests/faults

bench: $(VENV)/.test ## measure speed, cost and predictions (half an hour; on real Kafka)
	$(BIN)/python -m benchmarks

screenshots: $(VENV)/.test ## draw the README's pictures anew with headless Chromium
	$(BIN)/python scripts/screenshots.py

wheel: $(VENV)/.all ## build dist/fleetpulse-VERSION-py3-none-any.whl, for machines without a clone
	@rm -rf build
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 315532800) \
		$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@rm -rf build
	@ls -t dist/*.whl | head -1

docs: $(VENV)/.all ## write the pages that are made from the code
	$(BIN)/python -m scripts.write_docs

site: $(VENV)/.test ## build the site from docs/ into site/; a lost link is an error
	$(BIN)/python -m mkdocs build --strict

clean: ## remove the virtual environment and all caches; readings in .fleetpulse/ stay
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf build dist site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

# The stamps say which extras are installed, and from which setup.py and pins.
$(VENV)/.all: setup.py requirements.txt scripts/install.sh
	@scripts/install.sh $(VENV) all
	@touch $@

$(VENV)/.test: setup.py requirements.txt scripts/install.sh
	@scripts/install.sh $(VENV) all,test
	@touch $@ $(VENV)/.all
