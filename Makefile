# Bestiary's two commands are `make demo` and `make test`; each sets everything up first.

.DEFAULT_GOAL := help
.PHONY: help setup browser demo test test-extras extra lint check lock clean

BIN := .venv/bin
# The lock's hashes are checked; the project itself is installed from this folder, editable.
READY := .venv/.ready

EXTRAS := deep-jpeg heic jax litert mlflow onnx ray tensorboard
COMMA := ,
EXTRAS_BIN := .venv-extras/bin
# What the tests of these files skip where an extra is not installed.
EXTRAS_TESTS := tests/curation/test_inspect.py tests/curation/test_ray_workers.py \
  $(addprefix tests/training/test_,distribution.py devices.py ensemble.py export.py \
  exporting.py journal.py quantizing.py)

help:
	@echo "make demo    set everything up and walk the whole road offline, on drawn pictures"
	@echo "make test    set everything up and run the tests"
	@echo "make test-extras    the tests that need extras, with all but the GPU's installed"
	@echo "make setup   the set-up alone: .venv/bin/bestiary, and a browser"
	@echo "make extra EXTRA=onnx,heic    what Bestiary can do without, into .venv"
	@echo "make check   everything CI runs: the tests, ruff, mypy, import-linter"
	@echo "make lock    write both locks of requirements anew from pyproject.toml"

setup: $(READY) browser

$(READY): requirements.lock pyproject.toml tools/get-uv
	UV=$$(tools/get-uv) && \
	{ [ -x $(BIN)/python ] || $$UV venv -q --python '>=3.11,<3.14' .venv; } && \
	$$UV pip sync -q --python $(BIN)/python --require-hashes requirements.lock && \
	$$UV pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

browser: $(READY)
	@tools/get-browser

demo: setup
	$(BIN)/bestiary demo

test: setup
	$(BIN)/pytest

test-extras: .venv-extras/.ready
	$(EXTRAS_BIN)/pytest -rs $(EXTRAS_TESTS)

.venv-extras/.ready: requirements-extras.lock pyproject.toml tools/get-uv
	UV=$$(tools/get-uv) && \
	{ [ -x $(EXTRAS_BIN)/python ] || $$UV venv -q --python '>=3.11,<3.14' .venv-extras; } && \
	$$UV pip sync -q --python $(EXTRAS_BIN)/python --require-hashes requirements-extras.lock && \
	$$UV pip install -q --python $(EXTRAS_BIN)/python --no-deps --no-build-isolation -e .
	touch $@

extra: $(READY)
	@test -n "$(EXTRA)" -a -z "$(filter-out $(EXTRAS) gpu,$(subst $(COMMA), ,$(EXTRA)))" || \
	  { echo "say which: make extra EXTRA=$$(echo $(EXTRAS) gpu | tr ' ' ',')"; exit 2; }
	UV=$$(tools/get-uv) && $$UV pip install -q --python $(BIN)/python --no-build-isolation \
	  -c requirements.lock -c requirements-extras.lock -e '.[$(EXTRA)]'

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: test lint

lock:
	UV=$$(tools/get-uv) && $$UV pip compile -q --universal --generate-hashes --group dev \
	  --upgrade pyproject.toml -o requirements.lock && \
	$$UV pip compile -q --universal --generate-hashes --group dev $(addprefix --extra ,$(EXTRAS)) \
	  --upgrade -c requirements.lock pyproject.toml -o requirements-extras.lock

clean:
	rm -rf .venv .venv-extras .uv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
