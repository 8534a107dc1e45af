# Runs everything. `make` alone lists what there is.
#
#   PYTHON=python3.12   the interpreter that a new environment is made of
#   VENV=/path          use this environment as it is, install nothing
#   UV=                 install by pip even where uv is present

PYTHON ?= python3
VENV ?= .venv
UV ?= $(shell command -v uv 2>/dev/null)
BUF := @bufbuild/buf@1.75.0

PY := $(VENV)/bin/python
CODE := client daemon trainer tests benchmarks deploy examples
STAMP := $(VENV)/.installed
# An environment that was named by hand is taken as it is.
READY := $(if $(filter file default undefined,$(origin VENV)),$(STAMP),$(PY))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-all check lint types layers stubs twin buf figures docs \
        dashboards fmt proto sync constraints bench chaos

help: ## List the targets
	@echo "finetuned: fine-tunes image models on the accelerators of a machine"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- the environment ------------------------------------------------------------------------

setup: $(READY) ## Build the environment in .venv (downloads 3.1 GB)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "finetuned needs Python 3.11 or later; '$(PYTHON)' is" \
	       "$$($(PYTHON) -V 2>&1 || true). Name another one: make setup PYTHON=python3.12" >&2; \
	  exit 1; }
	@echo "Installing into $(VENV): a download of about 3.1 GB (torch with its CUDA" \
	      "libraries), 6 GB on disk."
ifneq ($(UV),)
	@test -x $(PY) || $(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	@$(UV) pip install --compile-bytecode --python $(PY) --constraints constraints.txt \
	  --build-constraints constraints.txt --editable '.[daemon,demo,dev]'
else
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { \
	  echo "could not make an environment; on Debian and Ubuntu: apt install python3-venv" >&2; \
	  rm -rf $(VENV); exit 1; }
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	  $(PY) -m pip install --editable '.[daemon,demo,dev]'
endif
	@touch $@

$(PY):
	@test -x $@ || { echo "no environment at $(VENV)" >&2; exit 1; }

constraints: ## Choose new versions for constraints.txt (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	  --no-header --no-annotate --output-file constraints.txt

# --- what users run -------------------------------------------------------------------------

demo: $(READY) ## The story in a minute: pretrain, adapt, compare
	@$(PY) -m examples.demo

test: $(READY) ## Run the tests but the slow ones
	$(PY) -m pytest -m "not slow and not gpu and not chaos" -n 2 --dist loadfile --max-worker-restart 0

test-slow: $(READY) ## Run the slow tests alone
	$(PY) -m pytest -m "slow and not gpu and not chaos" --timeout 900 -n 2 --dist loadfile --max-worker-restart 0

test-all: test test-slow ## Run all tests

chaos: $(READY) ## Kill, stop and starve everything for long; print what was found
	$(PY) -m tests.chaos

bench: $(READY) ## Measure size, start, idle, speed beside others (40 min, downloads 3 GB)
	$(PY) -m benchmarks

# --- house-keeping --------------------------------------------------------------------------

check: lint types layers stubs twin buf docs figures ## Check style, types, layers, stubs, proto and docs
	@echo "check: all well"

lint: $(READY)
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)

types: $(READY)
	$(VENV)/bin/mypy

layers: $(READY)
	$(PY) -m pytest -q -p no:cacheprovider tests/unit/test_layering.py

figures: $(READY)
	@$(PY) -m tests.house.figures

docs: $(READY)
	@$(PY) -m tests.house.reference --check
	@$(PY) -m tests.house.commands --check
	@$(PY) -m tests.house.metrics --check
	@$(PY) -m tests.house.settings --check
	@$(PY) -m tests.house.failures --check
	@$(PY) -m tests.house.cases --check
	@$(PY) -m deploy.grafana.generate --check

stubs: $(READY)
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && $(call generate,"$$new") && \
	  diff -r -x __pycache__ "$$new" proto/gen || { echo "proto/gen is stale: make proto" >&2; exit 1; }
	@echo "stubs: fresh"

twin: $(READY)
	@$(PY) -m tests.house.twin --check

buf:
	@if command -v npx >/dev/null; then npx --yes $(BUF) lint proto && echo "buf: no findings"; \
	  elif [ -n "$$CI" ]; then echo "buf lint needs npx (node), which CI must have" >&2; exit 1; \
	  else echo "buf: skipped, npx (node) is not installed"; fi

dashboards: $(READY) ## Generate deploy/grafana/dashboards
	@$(PY) -m deploy.grafana.generate

fmt: $(READY) ## Format the code
	$(VENV)/bin/ruff check --fix $(CODE)
	$(VENV)/bin/ruff format $(CODE)
	@$(PY) -m tests.house.reference
	@$(PY) -m tests.house.commands
	@$(PY) -m tests.house.metrics
	@$(PY) -m tests.house.settings
	@$(PY) -m tests.house.failures
	@$(PY) -m tests.house.cases

proto: $(READY) ## Generate proto/gen from proto/finetuned
	@$(call generate,proto/gen)

sync: $(READY) ## Generate the sync client from the async one
	@$(PY) -m tests.house.twin

generate = PATH="$(VENV)/bin:$$PATH" $(PY) -m grpc_tools.protoc -Iproto --python_out=$(1) \
  --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) proto/finetuned/v1/*.proto
