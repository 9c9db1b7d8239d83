# The first interpreter that can make environments; the system's own first, since tenants' processes can read it.
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for each in /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13 python3.11 python3; do \
	$$each -c "$(FITS)" 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXTRAS := research,server,test,lint

.PHONY: up down install test lint bench clean

up: install          ## start everything and wait until it is healthy
	@$(BIN)/tickhub up

down:                ## stop everything, leave no process behind
	@$(BIN)/tickhub down

install: $(VENV)/.installed   ## the environment in .venv

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || (echo "Python 3.11 to 3.13 with its venv module is needed; Debian: apt install python3.11-venv"; false)
	@echo "Installing into $(VENV) with $(PYTHON); three to five minutes the first time."
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q "torch==2.13.0"
	$(PIP) install -q -c constraints.txt -e ".[$(EXTRAS)]"
	$(BIN)/python -m kernel_lib.install_node
	$(BIN)/python -m live_engine.warm
	@touch $@

test: install        ## every test, two files at a time: most wait for processes
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: install        ## style, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install       ## the figures, as ratios in one run
	$(PIP) install -q -c constraints.txt -e ".[bench]"
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info
