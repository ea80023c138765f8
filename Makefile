# Needs Python 3.11 or newer and make. Everything else is installed into .venv.
PORT ?= 8000
ARGS ?=
PYTHON := .venv/bin/python
# Installs in seconds what pip installs in a minute; UV= for pip.
UV ?= uv
# The order of tests/conftest.py, and one test or group at a time for each worker, so that all end together.
TEST := $(PYTHON) -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder
SOURCES := benchmarks deploy_test hooks scripts tests

.PHONY: help demo test test-all deploy-test lint format lock bench

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: .venv/.installed ## Scaffold a project into demo/ and serve it on PORT (8000) until Ctrl-C
	@exec $(PYTHON) scripts/demo.py "$(PORT)"

test: .venv/.installed ## Run the quick tests, in minutes, a generated project's own among them (ARGS="-k name" for some)
	@$(TEST) -m "not slow" $(ARGS)

test-all: .venv/.installed ## Run all tests: floods, upgrades, every pip, every set of features (ARGS="-k name" for some)
	@$(TEST) $(ARGS)

bench: .venv/.installed ## Measure a project beside a bare floor (ARGS=growth.py: as its tables grow)
	$(PYTHON) scripts/bench.py $(ARGS)

deploy-test: .venv/.installed ## Two replicas under load, through a deploy and outages (three minutes; needs haproxy, pgbouncer)
	@exec $(PYTHON) scripts/deployment.py

lint: .venv/.installed ## Check format, style and types of the template's own Python
	$(PYTHON) -m ruff format --check $(SOURCES)
	$(PYTHON) -m ruff check $(SOURCES)
	$(PYTHON) -m mypy

format: .venv/.installed ## Fix format and style
	$(PYTHON) -m ruff check --fix $(SOURCES)
	$(PYTHON) -m ruff format $(SOURCES)

lock: .venv/.installed ## Update requirements-dev.txt from pyproject.toml
	$(PYTHON) -m pip install --quiet --disable-pip-version-check uv
	$(PYTHON) -m uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --group dev --output-file requirements-dev.txt

# Runs each Python, as a name on the PATH may be a shim for one that isn't installed.
.venv/.installed: requirements-dev.txt
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Installing the template's tools into .venv, which takes a minute the first time (with uv, seconds)."; \
	    rm -rf .venv && $$python -m venv .venv && \
	    { VIRTUAL_ENV=.venv "$(UV)" pip install --quiet --no-deps --require-hashes --requirement requirements-dev.txt 2>/dev/null || \
	    $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-dev.txt; } \
	      || { echo "The tools could not be installed, for the reason above. Once it is fixed, try again." >&2; exit 1; }; \
	    touch $@; exit; \
	  fi; \
	done; \
	echo "No Python 3.11 or newer with its venv module was found (Debian and Ubuntu: apt install python3-venv)." >&2; exit 1
