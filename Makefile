# Targets need Python 3.11 or newer; tests of real services need Java 17, redis-server and, once, Maven. `make test ARGS='-m "not slow"'` needs neither.
PYTHON ?= $(or $(shell command -v python3.11),python3)
BIN := .venv/bin
ARGS ?=

.PHONY: demo run test check bench soak
demo: .venv/stamp ; $(BIN)/connector demo $(ARGS)
run: .venv/stamp ; $(BIN)/connector run $(ARGS)
# Two at a time, a file in one process: most of the long tests wait for a broker or a timeout.
test: .venv/stamp ; $(BIN)/pytest -n 2 --dist loadfile $(ARGS)
check: .venv/stamp ; $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
bench: .venv/stamp ; $(BIN)/python -m tests.bench $(ARGS)
soak: .venv/stamp ; $(BIN)/python -m tests.soak $(ARGS)

.venv/stamp: pyproject.toml ; $(PYTHON) -m venv .venv && $(BIN)/pip install -q -e '.[dev]' && touch $@
