# Every target sets up what it needs, once: a virtual environment with the exact versions of requirements.lock.
# Override with make PYTHON=python3.12 VENV=/somewhere/else TARGET.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What the gate evaluates: some trials of each workload, learned from these logs alone; some minutes.
GATE := --target znver5 --split leave-operator-family-out --model two-stage --own --no-shipped --limit 64 --compile
NETWORKS_GATE := --target znver4 --split leave-network-out --networks data/networks.json --model two-stage --own --no-shipped
# A process for each core, up to four: many tests wait for processes of their own. A file's tests stay together, so that
# what they share is made once.
AT_ONCE := -n logical --maxprocesses 4 --dist loadscope

.DEFAULT_GOAL := help
.PHONY: help setup demo test gate prior slow gpu fuzz lint types layers audit architecture docs check format lock pre-commit clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make the virtual environment and install tunedb in it, editable

demo: $(READY) ## Ingest data/, train, tune a new workload on this CPU and compare with stock MetaSchedule (< 6 min)
	$(BIN)/python examples/demo.py

test: $(READY) ## Run the tests
	$(BIN)/python -m pytest $(AT_ONCE)

gate: $(READY) ## Check that cost models rank unseen workloads and networks no worse than tests/*accuracy-baseline.json allow
	rm -rf .gate-store && $(BIN)/tunedb ingest data/metaschedule --hardware data --store .gate-store >/dev/null
	$(BIN)/tunedb evaluate $(GATE) --store .gate-store --gate tests/accuracy-baseline.json
	rm -rf .gate-store && $(BIN)/tunedb ingest data/corpus/zen4-networks-1core.tar.xz --hardware data --store .gate-store >/dev/null
	$(BIN)/tunedb evaluate $(NETWORKS_GATE) --store .gate-store --gate tests/network-accuracy-baseline.json

prior: $(READY) ## Make the bundled prior in costmodels/shipped again, of the logs in data/ (bit for bit; minutes, or 40 with --anew)
	$(BIN)/python -m costmodels.build_prior data costmodels/shipped

slow: $(READY) ## Run the tests that take minutes
	$(BIN)/python -m pytest -m slow

gpu: $(READY) ## On a machine with a GPU: tests, networks, comparison with stock, collection; half an hour a call, goes on where it ended
	$(BIN)/python -m pip install --quiet -e '.[cuda]'
	$(BIN)/python -m benchmarks.gpu_session --work .gpu

fuzz: $(READY) ## Attack readers, stores and verbs, kill writers and fill disks, and print tries and finds (an hour; FUZZ="kills --seed 2")
	$(BIN)/python -m tests.faults $(FUZZ)

lint: $(READY) ## Check format and lint (ruff)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY) ## Check types (mypy --strict)
	$(BIN)/mypy

layers: $(READY) ## Check that imports run one way (import-linter)
	$(BIN)/lint-imports --no-cache

audit: $(READY) ## Look for known weaknesses in what requirements.lock names (pip-audit; asks a service on the internet)
	$(BIN)/python -m pip install --quiet --target .audit 'pip-audit>=2.10,<3'
	PYTHONPATH=.audit $(BIN)/python -m pip_audit --requirement requirements.lock --no-deps --disable-pip

architecture: $(READY) ## Fill ARCHITECTURE.md's tables from the modules' docstrings
	$(BIN)/python docs/architecture_tables.py

docs: $(READY) ## Build the site of docs/ into site/; links and docstrings must be sound
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

check: lint types layers docs test ## All checks: lint, types, layers, docs, test

format: $(READY) ## Format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The sed drops the lines that name where packages came from: the lock holds versions, not places.
lock: $(READY) ## Pin the newest versions within pyproject.toml's bounds in requirements.lock
	$(BIN)/python -m pip install --quiet 'uv>=0.9'
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --extra dev pyproject.toml -o requirements.lock
	@{ echo '# Made by "make lock" from pyproject.toml: exact versions of all dependencies, Python 3.11 and later.'; \
	  sed -E '/^(--|#|-e )/d' requirements.lock; } > requirements.lock.new && mv requirements.lock.new requirements.lock

pre-commit: $(READY) ## Run lint, types and layers before each commit from now on
	$(BIN)/pre-commit install

clean: ## Remove the virtual environment, caches and the demo's store
	rm -rf $(VENV) .gate-store build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .demo-store
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'tunedb needs Python 3.11 or later: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo 'The venv module is missing: sudo apt-get install python3-venv' >&2; exit 1; }
	@command -v g++ >/dev/null || \
	  { echo 'TVM links what it compiles with g++: sudo apt-get install g++' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(READY)
