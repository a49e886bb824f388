# Tickerstream: `make demo` and `make test` set up all that they need; `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
ARGS ?=
KILLS ?= 1000
WORKERS ?= 3
EXTRAS := producers consumers aggregator train predictor cli provision embedded dev

.PHONY: help demo test test-compose lint types up down status clean torture minio bench lock setup

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: .venv/.dev ## set up everything that development needs

.venv/.embedded: requirements/embedded.txt pyproject.toml infra/setup.sh
	@sh infra/setup.sh embedded

.venv/.dev: requirements/dev.txt pyproject.toml infra/setup.sh
	@sh infra/setup.sh dev

demo: .venv/.embedded ## the whole way on the embedded stack; ARGS="--once --bars PATH ..." go to `tickerstream demo`
	@$(BIN)/tickerstream demo $(ARGS)

up: .venv/.embedded ## start the embedded stack and every service
	@$(BIN)/tickerstream up $(ARGS)

down: .venv/.embedded ## stop them
	@$(BIN)/tickerstream down $(ARGS)

status: .venv/.embedded ## how they are
	@$(BIN)/tickerstream status $(ARGS)

test: .venv/.dev lint types ## lint, types and all tests but the long ones, by WORKERS processes at a time
	@$(BIN)/python -m pytest --cache-clear -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not torture and not compose" $(ARGS) || { code=$$?; [ $$code -eq 1 ] || exit $$code; \
	  ! grep -q '"tests/torture/' .pytest_cache/v/cache/lastfailed || { echo "make: a test of tests/torture failed, perhaps for something was lost or doubled; it is not tried again"; exit 1; }; \
	  echo "make: what failed is tried once more, alone; if it passes now, it is flaky: mend it"; \
	  $(BIN)/python -m pytest --last-failed --last-failed-no-failures none -m "not torture and not compose" $(ARGS); }

test-compose: .venv/.dev ## bring up docker-compose.yml, kill and check it, take it down; TICKERSTREAM_REAL_DATA=FOLDER adds real bars
	@docker info >/dev/null 2>&1 || { echo "make: no Docker engine answers, and the tests of docker-compose.yml need one" >&2; exit 2; }
	@$(BIN)/python -m pytest -m compose -x tests/compose $(ARGS)

lint: .venv/.dev ## style and architecture rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check -q . && $(BIN)/lint-imports

types: .venv/.dev ## mypy, strict
	@$(BIN)/mypy

torture: .venv/.dev ## kill-and-compare at length: make torture KILLS=1000
	@TORTURE_KILLS=$(KILLS) $(BIN)/python -m pytest -m torture -s $(ARGS)

minio: .venv/.dev ## build MinIO from its Go module (Go 1.26+), so that the store's tests also run on it
	@$(BIN)/python -m infra.minio

bench: .venv/.dev ## what performance claims rest on; needs TICKERSTREAM_REAL_DATA or makes its own bars
	@$(BIN)/python -m benchmarks $(ARGS)

lock: .venv/.dev ## compile requirements/*.txt from pyproject.toml, with hashes
	@for extra in $(EXTRAS); do $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --extra $$extra pyproject.toml -o requirements/$$extra.txt || exit 1; done

clean: ## stop the stack and remove everything that was made here, its data too
	@if [ -x $(BIN)/tickerstream ]; then $(BIN)/tickerstream down >/dev/null 2>&1 || true; fi
	@rm -rf .venv .tickerstream build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
