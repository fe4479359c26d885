# Two commands do everything on a fresh machine, set-up included: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv

.PHONY: setup demo test matrix fuzz lint docs versions clean

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt tools/setup_system.sh
	bash tools/setup_system.sh
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(VENV)/bin/python -m tools.demo

# Tests start hundreds of programs: without bytecode on disk, each would compile the sources again.
test: export PYTHONDONTWRITEBYTECODE =
test: setup
	bash tools/setup_system.sh --tests
	$(VENV)/bin/python -m pytest -n auto --dist worksteal

# Every trainer, stopped and resumed with every number of workers and ranks, and more random ones, and ViSQOL compiled: ten minutes.
matrix: setup
	$(VENV)/bin/python -m pytest tests/integrations tests/streaming/test_cursor.py tests/quality/test_measures.py -m "matrix or not matrix"

# Files of strangers for every parser, changed at random: ten minutes; inputs that break one are kept for the tests.
fuzz: setup
	$(VENV)/bin/python -m tests.fuzz --minutes 10

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The documentation site, to be opened at build/site/index.html. `test` builds and checks it, too.
docs: setup
	$(VENV)/bin/python -m tools.docs_site

# The wheel with the oldest and the newest torch: gigabytes of download, therefore not part of `test`.
versions:
	bash tools/test_versions.sh

clean:
	rm -rf $(VENV) build demo dist runs
