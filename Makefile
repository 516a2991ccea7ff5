# What can I do here? `make` says it. Every target that needs the environment makes it first; that takes a fifth of a
# second when nothing changed. PYTHON names the interpreter to make it with.

PYTHON ?= python3
BIN := .venv/bin
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test fuzz check format generated generate bench soak kafka lock clean environment environment-dev

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-10s %s\n", $$1, $$2 }'

run: environment ## start Headset: four services, a PostgreSQL of its own, a demo centre; Ctrl-C ends it
	@exec $(BIN)/headset up

test: environment-dev ## all tests, on a real PostgreSQL and a real Apache Kafka (PYTEST_ARGS="-k name" for some)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

fuzz: environment-dev ## bad input in depth: many more requests and letters (HEADSET_FUZZ=50 of each, HEADSET_FUZZ_SEED)
	HEADSET_FUZZ=$${HEADSET_FUZZ:-50} $(BIN)/python -m pytest tests/services/test_bad_input.py tests/services/test_bad_letters.py --timeout 7200 $(PYTEST_ARGS)

check: environment-dev generated ## what CI checks beside the tests: format, lint, types, architecture, lock files, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy services shared tools
	$(BIN)/lint-imports
	@if grep -nE '://|^-|^ *--[^h]|^[^#]* @ ' $(LOCKS); then echo 'a lock file holds names, versions and hashes only'; exit 1; fi

format: environment-dev ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

GENERATED := schemas asyncapi flows settings_table catalogue pipeline_picture strimzi authorisation

generate: environment-dev ## rewrite what is generated from code: event schemas, flows, table of settings, catalogues
	@set -e; for it in $(GENERATED); do $(BIN)/python -m tools.$$it; done

generated: environment-dev
	@set -e; for it in $(GENERATED); do $(BIN)/python -m tools.$$it --check; done

bench: environment-dev ## measure speed, each against its raw limit in the same run
	$(BIN)/python -m bench

MINUTES ?= 10

soak: environment-dev ## faults in random order for MINUTES, with real processes (SEED=… repeats them; BROKERS=3; MATRIX=pairs)
	$(BIN)/python -m tests.system.faults.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) \
		$(if $(BROKERS),--brokers $(BROKERS)) $(if $(MATRIX),--matrix $(MATRIX) $(if $(PART),--part $(PART)))

kafka: environment-dev ## run an Apache Kafka on this machine in the foreground and say where
	@exec $(BIN)/python -m tools.kafka.broker

# The lock files hold for every Python from 3.11 and every platform, and name no registry: whoever installs has theirs.
LOCKS := requirements.lock requirements-dev.lock
COMPILE := .cache/uv/bin/uv pip compile pyproject.toml --extra embedded --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --upgrade

lock: ## newest versions of everything into the lock files
	@test -x .cache/uv/bin/uv || { $(PYTHON) -m venv .cache/uv && .cache/uv/bin/pip install --quiet uv; }
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --output-file requirements-dev.lock --group dev --constraint requirements.lock

clean: ## remove environment and caches; .headset, the data, stays
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(PYTHON) tools/environment.py

environment-dev:
	@$(PYTHON) tools/environment.py --dev
