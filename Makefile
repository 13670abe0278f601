# Every target sets up what it needs: a virtual environment in .venv, with the pinned packages. The demo
# needs only those that the daemon runs on; all others add those that check it.
#
#   make demo [ARGS="--broker kite --port 9000"]   live ticks from a simulated broker
#   make test [ARGS="-k supervisor"]               lint, then every test
#   make any-day                                   tests that go by the machine's clock, on several days
#   make soak [SOAK="chaos kills"]                 load and faults for an hour, into docs/measurements.md
#   make bench [NAME=fanout ARGS=--json]           one benchmark; decode and fanout if none is named
#   make lint, make format, make proto             check the code, format it, compile the schema
#   make constraints                               pin the packages anew

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
DEMO_READY := .venv/demo-ready
READY := .venv/ready
NAME ?= decode fanout

.PHONY: demo test any-day soak bench lint format proto constraints
.DEFAULT_GOAL := test

$(DEMO_READY): constraints-run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mdactors needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "[1/3] virtual environment in .venv"
	@$(PYTHON) -m venv .venv
	@echo "[2/3] packages"
	@$(PIP) install --require-hashes -r constraints-run.txt
	@echo "[3/3] mdactors itself"
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src adapters # as pip does with packages: each child process starts sooner
	@touch $@

$(READY): constraints.txt $(DEMO_READY)
	@echo "packages that check mdactors, about a minute"
	@$(PIP) install --require-hashes -r constraints.txt
	@touch $@

demo: $(DEMO_READY)
	@$(BIN)/mdactors demo $(ARGS)

test: lint
	@$(BIN)/python -m pytest -n 2 $(ARGS) # two workers: see tests/conftest.py

any-day: $(READY)
	@$(BIN)/python -m bench.any_day -m any_day --ignore tests/chaos $(ARGS)

soak: $(READY)
	@MDACTORS_SOAK="$(SOAK)" $(BIN)/python -m bench report

bench: $(READY)
	@for name in $(NAME); do $(BIN)/python -m bench $$name $(ARGS) || exit 1; done

lint: $(READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# Needs uv. What is pinned already stays; add --upgrade to the first line to move on.
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q
constraints:
	@$(COMPILE) --group dev -o constraints.txt
	@$(COMPILE) --group build -c constraints.txt -o constraints-run.txt

proto: $(READY)
	@$(BIN)/python -m grpc_tools.protoc -I mdactors_upstox/feed.proto=proto/upstox_feed.proto \
	  --python_out=adapters/upstox --pyi_out=adapters/upstox mdactors_upstox/feed.proto
