# Two commands set everything up on a machine with Python 3.11+ and make: `make serve` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
HOST   ?= 127.0.0.1
PORT   ?= 8000
DATA   ?= data
JOBS   ?= 2
BENCH  := .venv-bench

.PHONY: serve test soak quick lint types bench lock clean install dev

install: $(VENV)/.runtime
dev: $(VENV)/.dev

$(VENV)/.runtime: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "precert needs Python 3.11 or newer (set PYTHON=)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing precert into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing the tools for development ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

serve: install
	@$(BIN)/precert serve --host $(HOST) --port $(PORT) --data $(DATA)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: dev
	$(BIN)/mypy

test: dev lint types
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# The core alone, in a minute: rules, decisions, records. No server, no store on a disk.
quick: dev
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow" tests/policy tests/authorization tests/eligibility tests/fhir

# What `make test` does for a few rounds, for hours if need be: kill -9 under load, crashes at every write.
soak: dev
	PRECERT_SOAK=1 $(BIN)/python -m pytest -m slow tests/e2e tests/store tests/subscriptions tests/lifecycle

bench: dev $(BENCH)/.healthchain
	$(BIN)/python -m benchmarks

# HealthChain, to be compared with: in an environment of its own, so that our locked packages stay as they are.
$(BENCH)/.healthchain:
	@echo "Installing HealthChain into $(BENCH)/healthchain to compare with ..."
	@$(PYTHON) -m venv $(BENCH)/healthchain && \
	  $(BENCH)/healthchain/bin/python -m pip install --quiet --disable-pip-version-check healthchain==0.16.1 uvloop httptools && \
	  touch $@ || { rm -rf $(BENCH)/healthchain; echo "HealthChain cannot be installed; the benchmarks go on without it."; }

lock:
	uv pip compile --universal --generate-hashes --python-version 3.11 pyproject.toml -o requirements.lock -q --custom-compile-command "make lock"
	uv pip compile --universal --generate-hashes --python-version 3.11 --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock -q --custom-compile-command "make lock"

clean:
	rm -rf $(VENV) $(BENCH) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
