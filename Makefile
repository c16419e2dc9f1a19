# Start with `make run` and `make test`; `make help` lists all targets.
.DEFAULT_GOAL := help
PYTHON_BIN := .venv/bin/python
SOURCES := aggregator demo tests benchmarks tools
# The web page, and the files from which it is built.
PAGE := aggregator/server/http/page/manifest.json
PAGE_SOURCES := $(shell find ui -name node_modules -prune -o -name .test -prune -o -type f -print)
# Images of Python often set this. Without bytecode, each process of each run compiles all tests again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run stack test check format generate manifests lock fuzz soak parity bench test-image test-chart test-docker test-faults test-grafana test-keycloak test-stack test-compose test-ui screenshots test-thanos test-kubernetes test-package package sbom docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready $(PAGE) ## install the locked dependencies into .venv, and build the web page

.venv/.ready: requirements-dev.lock pyproject.toml tools/setup.sh
	@tools/setup.sh

# Without Node.js, this prints what is missing, and the next make tries again.
$(PAGE): $(PAGE_SOURCES) tools/page.py | .venv/.ready
	@$(PYTHON_BIN) -m tools.page build

# On the loopback interface unless the caller sets another address. The demo does the same.
run: export HTTP_HOST := $(or $(HTTP_HOST),127.0.0.1)
run: export GRPC_HOST := $(or $(GRPC_HOST),127.0.0.1)
run: export METRICS_HOST := $(or $(METRICS_HOST),127.0.0.1)
run: setup ## run the gateway on a simulated fleet [FLEET=mixed], or on PROMETHEUS_ADDRESS=...
	@if [ -n "$$PROMETHEUS_ADDRESS" ]; then exec $(PYTHON_BIN) -m aggregator; else exec $(PYTHON_BIN) -m demo; fi

stack: setup ## run the whole monitoring stack with alerts by mail; needs Debian or Ubuntu
	@exec $(PYTHON_BIN) -m demo.stack

# Some tests mostly wait, so there is one process more than a small machine has cores. All tests of a file run in one
# process, in order. A test that hangs ends its process. The tests of a process that ends run in the others, because
# pytest-xdist waits forever for a restarted one.
test: setup ## run the tests with a real Prometheus, without tests/fuzz and tests/faults: make test [PROCESSES=3]
	@$(PYTHON_BIN) -m pytest --ignore tests/fuzz --ignore tests/faults --numprocesses $(or $(PROCESSES),3) --dist loadfile --no-loadscope-reorder \
		--max-worker-restart 0 --override-ini faulthandler_timeout=180

check: setup ## check format, lint, types and generated files, also of the web page
	@$(PYTHON_BIN) -m ruff format --check $(SOURCES)
	@$(PYTHON_BIN) -m ruff check $(SOURCES)
	@$(PYTHON_BIN) -m mypy $(SOURCES)
	@$(PYTHON_BIN) -m tools.generate --check
	@$(PYTHON_BIN) -m tools.page check

format: setup ## format the sources
	@$(PYTHON_BIN) -m ruff format $(SOURCES)
	@$(PYTHON_BIN) -m ruff check --fix $(SOURCES)

generate: setup ## write the generated files: aggregator/pb, pages in docs, the demo's recording
	@$(PYTHON_BIN) -m tools.generate

manifests: setup ## write deploy/kubernetes.yaml and deploy/scrape.yaml from the Helm chart; needs Go
	@$(PYTHON_BIN) -m tools.chart.manifests

# The other files have the versions of the first, so that what is published is what the tests use.
lock: setup ## write the lock files from pyproject.toml
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.lock
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--constraint requirements-dev.lock demo/example_service/requirements.in -o demo/example_service/requirements.lock
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --constraint requirements-dev.lock pyproject.toml -o requirements.lock
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 ui/node.in -o ui/node.lock

fuzz: export FUZZ_SEED ?= 1
fuzz: export FUZZ_TIMES ?= 4
fuzz: setup ## send random input to the gateway: make fuzz [FUZZ_TIMES=4] [FUZZ_SEED=1]
	@echo "FUZZ_SEED=$$FUZZ_SEED FUZZ_TIMES=$$FUZZ_TIMES"
	@$(PYTHON_BIN) -m pytest -m fuzz

test-faults: setup ## inject every fault of the table into the connections of running gateways
	@$(PYTHON_BIN) -m pytest tests/faults

parity: setup ## compare with the Go service: make parity PEER=path [FLEETS=300] [SEED=n]
	@$(PYTHON_BIN) -m tests.parity --peer "$(PEER)" --fleets $(or $(FLEETS),300) $(if $(SEED),--seed $(SEED))

bench: setup ## run the benchmarks beside the Go service: make bench PEER=path
	@$(PYTHON_BIN) -m benchmarks --peer "$(PEER)"

test-image: setup ## build and test the container image; needs Docker
	@tests/image/run.sh

test-keycloak: setup ## test with a real Keycloak; needs Maven and Java 17, and what test-ui needs
	@test -f $(PAGE) || { echo "test-keycloak: the web page is not built" >&2; exit 1; }
	@$(PYTHON_BIN) -m tests.keycloak.distribution
	@$(PYTHON_BIN) -m pytest -v -o python_files='live_*.py' tests/keycloak

soak: setup ## inject faults at random, in two scenarios of MINUTES each: make soak [MINUTES=10] [SEED=n] [SCENARIO=hosts]
	@$(PYTHON_BIN) -m tests.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(if $(SCENARIO),--scenario $(SCENARIO))

test-docker: setup ## test the agent with real Docker, Podman and systemd; needs root on Debian or Ubuntu, and Go for Docker 29
	@$(PYTHON_BIN) -m tests.docker.programs
	@tests/kubernetes/isolate.sh $(PYTHON_BIN) -m pytest -o python_files='live_*.py' tests/docker

test-chart: setup ## test the Helm chart with a real Helm; needs Go
	@$(PYTHON_BIN) -m tools.parts.helm
	@$(PYTHON_BIN) -m pytest -o python_files='live_*.py' tests/chart

test-grafana: setup ## compare the dashboards with the types of Grafana; needs Node.js
	@$(PYTHON_BIN) -m tools.parts.grafana_schema
	@$(PYTHON_BIN) -m pytest -o python_files='live_schema.py' tests/monitoring

test-stack: export HEALTHY_MINUTES ?= 10
test-stack: setup ## test the whole monitoring stack, from a broken endpoint to its mails [HEALTHY_MINUTES=10]; needs Debian or Ubuntu
	@$(PYTHON_BIN) -m tests.stack.programs
	@$(PYTHON_BIN) -m pytest -v -o python_files='live_*.py' tests/stack

test-compose: setup ## test the compose files with a real Docker Engine; needs Go, and root on Debian or Ubuntu
	@$(PYTHON_BIN) -m tests.compose.programs
	@tests/kubernetes/isolate.sh $(PYTHON_BIN) -m pytest -v -o python_files='live_*.py' tests/compose

test-ui: setup ## test the web page in a real Chromium; needs it, or Debian or Ubuntu
	@test -f $(PAGE) || { echo "test-ui: the web page is not built" >&2; exit 1; }
	@$(PYTHON_BIN) -m tools.page test
	@$(PYTHON_BIN) -m tools.parts.chromium
	@$(PYTHON_BIN) -m pytest -o python_files='live_*.py' tests/ui

screenshots: setup ## take the screenshots of README.md and docs from the demo; needs what test-ui needs
	@test -f $(PAGE) || { echo "screenshots: the web page is not built" >&2; exit 1; }
	@$(PYTHON_BIN) -m tests.ui.screenshots

test-thanos: setup ## test with a real Thanos and Prometheus 3; needs Go
	@$(PYTHON_BIN) -m tools.parts.thanos
	@$(PYTHON_BIN) -m pytest -o python_files='live_*.py' tests/thanos

test-kubernetes: setup ## test with a real Kubernetes; needs Go, and root on Debian or Ubuntu
	@$(PYTHON_BIN) -m tools.parts.kubernetes
	@$(PYTHON_BIN) -m tools.parts.thanos
	@tests/kubernetes/isolate.sh $(PYTHON_BIN) -m pytest -o python_files='live_*.py' tests/kubernetes
	@$(PYTHON_BIN) -m tools.parts.helm
	@tests/kubernetes/isolate.sh $(PYTHON_BIN) -m pytest -v tests/kubernetes/installed_chart.py

test-package: setup ## test the wheel and the sdist without the repository, and the site of docs
	@$(PYTHON_BIN) -m pytest -o python_files='live_*.py' tests/packaging

package: setup ## build the wheel and the sdist, with the web page, into build/dist
	@test -f $(PAGE) || { echo "package: the web page is not built" >&2; exit 1; }
	@$(PYTHON_BIN) -m build --no-isolation --outdir build/dist

docs: setup ## build the documentation as a site in build/docs
	@$(PYTHON_BIN) -m tools.release.site build/docs

sbom: setup ## write the SBOM of an installation to build/sbom.cdx.json
	@$(PYTHON_BIN) -m tools.release.sbom build/sbom.cdx.json

clean: ## remove the files of setup and tests
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build aggregator.egg-info ui/node_modules ui/.test \
		aggregator/server/http/page
