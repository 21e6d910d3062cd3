# Two commands for a newcomer: `make demo` and `make test`. They need Python 3.11 or later, and git.
# On systems without make the README gives the same as plain `python -m` lines.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Others' validators need an older library than our own tools: see the extra fair-check.
VALIDATORS := $(VENV)-fair-check

# Threads that wait by spinning take the cores from those that work.
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test lint install-demo install-test install-validators clean

demo: install-demo
	$(BIN)/pathoai demo --out demo $(if $(SLIDE),--slide "$(SLIDE)") $(if $(MPP),--mpp $(MPP))

# Files side by side; each keeps its own tests in one process, where they share what is costly to make.
# One thread for each: with as many as cores in every process they take the cores from each other.
test: export OMP_NUM_THREADS ?= 1
# Some machines forbid it; then each of the many processes that tests start compiles all modules anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: export PATHOAI_VALIDATORS ?= $(abspath $(VALIDATORS)/bin/python)
test: install-test install-validators lint
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install-demo: $(VENV)/.installed-all
install-test: $(VENV)/.installed-dev
install-validators: $(VALIDATORS)/.installed

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "pathoai needs Python 3.11 or later: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "this Python cannot make virtual environments; on Debian: apt install python3-venv"; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed-%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	@touch $@

$(VALIDATORS)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m venv $(VALIDATORS)
	$(VALIDATORS)/bin/python -m pip install --quiet --upgrade pip
	$(VALIDATORS)/bin/python -m pip install --quiet --editable ".[fair-check]"
	$(VALIDATORS)/bin/python -m pip install --quiet --no-deps "dh-healthdcat==0.2.0"
	@touch $@

clean:
	rm -rf $(VENV) $(VALIDATORS) demo build dist
