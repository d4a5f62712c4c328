# Every target sets up what it needs in .venv the first time. `make` alone lists the targets.
# This file is for Linux and macOS (GNU make 3.81 or later). README.md has the commands for Windows.
#
#   make test PYTHON=/path/to/python3.12       another Python for .venv (3.11 or later; else the first one found)
#   make test PIP_TORCH_ARGS="--index-url ..." another build of torch (Linux without a GPU: the smaller CPU build)

VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
PIP_TORCH_ARGS ?=
PYTEST_ARGS ?=
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(IS_NEW_ENOUGH)' >/dev/null 2>&1 && echo $$p && break; done)

.PHONY: help demo test lint lab notebooks space address
.DELETE_ON_ERROR:

help:
	@echo "make demo       film the bundled storyboards with the bundled model"
	@echo "make test       run ruff and the tests"
	@echo "make lint       run ruff alone"
	@echo "make lab        open the labs in JupyterLab (the solved notebooks lie one folder up)"
	@echo "make notebooks  execute the notebooks; write them with their outputs, and the labs"
	@echo "make space      run the Hugging Face Space on this machine"
	@echo "make address REPOSITORY=owner/name"
	@echo "                write the public address of the repository into everything that links to it"

demo: $(VENV)/.has-core
	$(VENV)/bin/smartdirector demo

test: lint
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.has-test
	$(VENV)/bin/python -m ruff check .

lab: $(VENV)/.has-lab
	$(VENV)/bin/jupyter lab notebooks --LabApp.default_url=/lab/tree/labs

#   make notebooks ONLY=01                  build one notebook
#   make notebooks NOTEBOOK_ARGS=--check    execute, and compare with the committed outputs
ONLY ?=
NOTEBOOK_ARGS ?=
notebooks: $(VENV)/.has-test
	$(VENV)/bin/python notebooks/build.py $(if $(ONLY),--only $(ONLY)) $(NOTEBOOK_ARGS)

space: $(VENV)/.has-space
	$(VENV)/bin/python space/app.py

# With an empty REPOSITORY the address is taken out again.
address: $(VENV)/.has-test
	@test "$(origin REPOSITORY)" != undefined || { \
	  echo "REPOSITORY is missing: make address REPOSITORY=owner/name (or REPOSITORY= for none)" >&2; exit 2; }
	$(VENV)/bin/python notebooks/address.py -- "$(REPOSITORY)"

# torch is installed first and alone, so that the chosen build stays: later installs find torch and leave it.
$(VENV)/.has-torch:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or later found: install one, or name it: make PYTHON=..." >&2; exit 1; }
	@test -x $(VENV)/bin/python || "$(PYTHON)" -m venv $(VENV)
	@$(VENV)/bin/python -c '$(IS_NEW_ENOUGH)' || { \
	  echo "$(VENV) holds a Python older than 3.11: remove that folder" >&2; exit 1; }
	$(PIP) install $(PIP_TORCH_ARGS) -c constraints.txt torch
	@touch $@

EXTRAS_core :=
EXTRAS_test := [dev,notebooks,space,train,curation]
EXTRAS_lab := [notebooks,train,curation]
EXTRAS_space := [space]

$(VENV)/.has-%: $(VENV)/.has-torch pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.$(EXTRAS_$*)'
	@touch $@
