# Each target makes its own environment in .venv, from the lock files; a second call is instant.
# Another Python than the first one found: make PYTHON=/path/to/python3.12 demo

PYTHON =
CANDIDATES = $(PYTHON) python3.11 python3.12 python3.13 python3
USABLE = import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
BIN = .venv/bin
PIP_INSTALL = -m pip install -qq --disable-pip-version-check
ARGS =

.PHONY: help demo test lint docs peers lock

help:
	@echo "make demo   the whole pipeline on a planted cohort, five minutes on two cores with its set-up"
	@echo "make test   all tests; make test ARGS='-k store' for some"
	@echo "make lint   ruff and mypy"
	@echo "make docs   the documentation as web pages in site/, with every link checked"
	@echo "make peers  maps held against xplique and captum, which it installs"
	@echo "make lock   write the lock files anew, from the ranges in setup.cfg"

demo: .venv/project.stamp
	@echo "demo: running the pipeline of configs/demo.toml"
	@$(BIN)/tumorcam run configs/demo.toml

test: .venv/dev.stamp
	@echo "test: running pytest in four processes"
	@$(BIN)/python -m pytest --numprocesses=4 --dist=loadfile --no-loadscope-reorder $(ARGS)

lint: .venv/dev.stamp
	@echo "lint: ruff check, ruff format, mypy"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: .venv/dev.stamp
	@echo "docs: building site/ and checking its links"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "docs: open site/index.html"

peers: .venv/peers.stamp
	@echo "peers: running tests/saliency/test_peers.py"
	@$(BIN)/python -m pytest tests/saliency/test_peers.py $(ARGS)

.venv/run.stamp: requirements.lock
	@python=$$(for p in $(CANDIDATES); do \
	    "$$p" -c '$(USABLE)' 2>/dev/null && echo "$$p" && break; done); \
	test -n "$$python" || { echo "make: no Python 3.11, 3.12 or 3.13 with venv was found;" \
	    "install one (on Debian also python3-venv) or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }; \
	echo "set-up: new environment in .venv with $$python"; \
	"$$python" -m venv --clear .venv
	@echo "set-up: installing requirements.lock (some minutes the first time)"
	@$(BIN)/python $(PIP_INSTALL) -r requirements.lock
	@touch $@

.venv/project.stamp: .venv/run.stamp setup.cfg pyproject.toml
	@echo "set-up: installing tumorcam itself, editable"
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: .venv/project.stamp requirements-dev.lock
	@echo "set-up: installing requirements-dev.lock"
	@$(BIN)/python $(PIP_INSTALL) -r requirements-dev.lock
	@touch $@

# Without dependencies: xplique asks for tensorflow, which would lie over tensorflow-cpu.
.venv/peers.stamp: .venv/dev.stamp requirements-peers.lock
	@echo "set-up: installing requirements-peers.lock"
	@$(BIN)/python $(PIP_INSTALL) --no-deps -r requirements-peers.lock
	@touch $@

# Under the oldest Python, since newer packages drop it; setuptools and wheel build the project itself.
lock: .venv/run.stamp
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	    echo "lock: .venv must be of Python 3.11: rm -r .venv; make PYTHON=python3.11 lock" >&2; exit 1; }
	@echo "lock: newest versions within setup.cfg, in a fresh environment"
	@$(BIN)/python -m venv --clear .venv-lock
	@.venv-lock/bin/python $(PIP_INSTALL) 'setuptools>=77,<81' wheel
	@.venv-lock/bin/python $(PIP_INSTALL) --no-build-isolation -e '.[cpu,local-mpi]'
	@.venv-lock/bin/python -m pip freeze --all --exclude-editable --exclude pip > requirements.lock
	@.venv-lock/bin/python $(PIP_INSTALL) --no-build-isolation -e '.[test,lint]'
	@.venv-lock/bin/python -m pip freeze --all --exclude-editable --exclude pip \
	    | grep -vxFf requirements.lock > requirements-dev.lock
	@rm -rf .venv-lock
	@echo "lock: wrote requirements.lock and requirements-dev.lock; requirements-peers.lock is kept by hand"
