# The two commands a stranger needs are `make run` and `make test`; `make help` lists the rest.
.DEFAULT_GOAL := help
PYTHON_BIN := .venv/bin/python
SOURCES := aggregator demo tests benchmarks tools

.PHONY: help setup run test check format generate lock fuzz soak parity bench test-image test-keycloak test-thanos clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## make .venv from the lock file

.venv/.ready: requirements-dev.lock pyproject.toml tools/setup.sh
	@tools/setup.sh

run: setup ## the gateway on a simulated fleet; PROMETHEUS_ADDRESS=... make run: on your own Prometheus
	@if [ -n "$$PROMETHEUS_ADDRESS" ]; then exec $(PYTHON_BIN) -m aggregator; else exec $(PYTHON_BIN) -m demo; fi

# A file of tests is in one process, and they begin in their order: what a file or folder shares is made once or twice.
test: setup ## the default suite, with a real Prometheus, in two processes: make test [PROCESSES=2]
	@$(PYTHON_BIN) -m pytest --numprocesses $(or $(PROCESSES),2) --dist loadfile --no-loadscope-reorder

check: setup ## format, lint, types, generated files
	@$(PYTHON_BIN) -m ruff format --check $(SOURCES)
	@$(PYTHON_BIN) -m ruff check $(SOURCES)
	@$(PYTHON_BIN) -m mypy $(SOURCES)
	@$(PYTHON_BIN) -m tools.generate --check

format: setup ## put the sources into the house format
	@$(PYTHON_BIN) -m ruff format $(SOURCES)
	@$(PYTHON_BIN) -m ruff check --fix $(SOURCES)

generate: setup ## write what is generated: aggregator/pb, and docs: openapi.yaml, configuration.md, metrics.md, own-metrics.md
	@$(PYTHON_BIN) -m tools.generate

lock: setup ## write the lock files anew from pyproject.toml
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 pyproject.toml -o requirements.lock
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.lock

fuzz: export FUZZ_SEED ?= 1
fuzz: export FUZZ_TIMES ?= 4
fuzz: setup ## more of the fuzzing than the suite has: make fuzz [FUZZ_TIMES=4] [FUZZ_SEED=1]
	@echo "FUZZ_SEED=$$FUZZ_SEED FUZZ_TIMES=$$FUZZ_TIMES"
	@$(PYTHON_BIN) -m pytest tests/fuzz

parity: setup ## compare with the Go service on random fleets: make parity PEER=path [FLEETS=300] [SEED=n]
	@$(PYTHON_BIN) -m tests.parity --peer "$(PEER)" --fleets $(or $(FLEETS),300) $(if $(SEED),--seed $(SEED))

bench: setup ## measure side by side with the Go service: make bench PEER=path
	@$(PYTHON_BIN) -m benchmarks --peer "$(PEER)"

test-image: setup ## build the container image and ask it over HTTP and gRPC on a real Docker
	@tests/image/run.sh

test-keycloak: setup ## tokens of a real Keycloak, fetched with Maven; some four minutes
	@$(PYTHON_BIN) -m tests.keycloak.distribution
	@$(PYTHON_BIN) -m pytest -v tests/keycloak/live.py

soak: setup ## faults, clients and refreshes at random: make soak [MINUTES=10] [SEED=n]
	@$(PYTHON_BIN) -m tests.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

test-thanos: setup ## the gateway before a real Thanos and Prometheus 3, built once from source, which needs Go
	@$(PYTHON_BIN) -m tools.parts.thanos
	@$(PYTHON_BIN) -m pytest -o python_files='live_*.py' tests/thanos

clean: ## remove what setup and the tests made
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build aggregator.egg-info
