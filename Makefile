# `make demo` and `make test` need Python 3.11 or newer, pip and make; each sets up what it needs in .venv.

PYTHON ?= python3
WORKERS ?= auto

BIN := .venv/bin
CORE := .venv/core.stamp
DEV := .venv/dev.stamp

# pip is told nothing about torch where an NVIDIA GPU answers: the registry's build is for CUDA. Elsewhere that build
# would be several useless gigabytes, so the version is held to one that has a CPU build. On Linux that build has an
# index of its own, which is asked for torch alone, unless pip has already been told where to find packages (a mirror).
TORCH = $$(nvidia-smi -L >/dev/null 2>&1 || { printf '%s' '-c constraints-cpu.txt'; \
	[ "$$(uname -s)" != Linux ] || $(BIN)/pip config list | grep -E "find-links|index-url" >/dev/null \
	|| printf '%s' ' --extra-index-url https://download.pytorch.org/whl/cpu'; })

.PHONY: help setup demo test test-slow check docs bench clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(DEV) ## create .venv with restain and the developers' tools

demo: $(CORE) ## render a phantom slide, stain it, measure it (results in demo/)
	@$(BIN)/restain demo

test: $(DEV) ## run the fast tests
	@OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(WORKERS)

test-slow: $(DEV) ## run the tests that take minutes
	@OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(WORKERS) --timeout 1200 -m "slow and not gpu"

check: $(DEV) ## lint, types, spelling, documentation
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/codespell src tests benchmarks configs docs *.md
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "check: clean"

docs: $(DEV) ## serve the documentation at http://127.0.0.1:8000
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

bench: $(DEV) ## run every benchmark, each against its rival
	@for line in startup.py sampling.py slides.py engine.py "he_ki67_phantom.py src/restain/bundles/he-ki67-phantom"; do \
		echo "== $$line"; $(BIN)/python benchmarks/$$line || exit 1; done

clean: ## remove everything that make and the tools have made
	@rm -rf .venv build dist site demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Byte-code is compiled here, also where PYTHONDONTWRITEBYTECODE is set: without it every import takes 2-3 times as long.
$(CORE): pyproject.toml constraints-cpu.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "restain needs Python 3.11 or newer: run for example 'make PYTHON=python3.12 ...'" >&2; exit 2; }
	@echo "setting up .venv (about a minute) ..."
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --upgrade "pip>=25.1"
	@$(BIN)/pip install -qq --compile torch $(TORCH)
	@$(BIN)/pip install -qq --compile -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(DEV): $(CORE)
	@echo "adding the developers' tools ..."
	@$(BIN)/pip install -qq --compile -e . --group dev
	@touch $@
