# The first interpreter that is there and that tenants' processes can read comes first.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13) python3)
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
	@echo "Installing into $(VENV); three to five minutes the first time."
	$(PYTHON) -m venv $(VENV) || (echo "python's venv module is missing; on Debian: apt install python3.11-venv" && false)
	$(PIP) install -q "torch==2.13.0"
	$(PIP) install -q -c constraints.txt -e ".[$(EXTRAS)]"
	$(BIN)/python -m kernel_lib.install_node
	$(BIN)/python -m kernel_lib.warm
	@touch $@

test: install        ## every test
	$(BIN)/python -m pytest

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
