# Everything runs from here. `make demo` and `make test` set up .venv by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_DATA ?= demo-data
DEMO_PORT ?= 8514
TEST_ARGS ?=
FUZZ_SECONDS ?= 600
SHOP ?= shop-recording
SEED ?= 1
export TOKENIZERS_PARALLELISM = false
export HF_HUB_OFFLINE = 1

.PHONY: help demo record-shop record-onsets eval-onsets test test-slow test-kills test-elastic fuzz test-shippers lint translations golden bench model lock clean setup
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in [(3, m) for m in range(11, 15)])' || \
	  { echo "logsense needs Python 3.11 to 3.14; set PYTHON=python3.x (found: $$($(PYTHON) -V 2>&1))"; exit 1; }
	@echo "==> Setting up $(VENV) (once; about 3 GB of libraries, mostly PyTorch)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "python venv is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(shell sed -n 's/^# uv //p' requirements.lock)"
	$(BIN)/uv pip sync --python $(BIN)/python --compile-bytecode --require-hashes requirements.lock
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/.ready ## create .venv with the pinned libraries

demo: $(VENV)/.ready ## run the main job on the recorded samples and open the pages (INDEX=elasticsearch: in a real one)
	@$(if $(filter elasticsearch,$(INDEX)),$(if $(LOGSENSE_ELASTICSEARCH_URL),,$(BIN)/python -m tests.elasticsearch_server with)) \
	  $(BIN)/logsense demo --data $(DEMO_DATA) --port $(DEMO_PORT) $(if $(DEMO_EXIT),--exit) $(if $(INDEX),--index $(INDEX))

test: $(VENV)/.ready ## lint, types, architecture and all tests but the long proofs
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && echo "ruff: clean"
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -m "not slow" -n 2 --dist loadgroup $(TEST_ARGS)

test-slow: $(VENV)/.ready ## the long proofs (kill -9, fuzzing)
	@$(BIN)/pytest -m slow $(TEST_ARGS)

test-kills: $(VENV)/.ready ## kill -9 a hundred times while every protocol sends: nothing acknowledged is lost or doubled
	@$(BIN)/pytest -m slow -s tests/e2e/test_kills.py $(TEST_ARGS)

fuzz: $(VENV)/.ready ## broken requests to every receiver and the API of a real server (FUZZ_SECONDS=600)
	@$(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS) $(FUZZ_ARGS)

test-elastic: $(VENV)/.ready ## on Elasticsearch: end to end, the demo, tenants, nodes, kills in 500,000 lines, 5 minutes away (prints figures)
	@$(BIN)/pytest -m "slow and heavy" -s tests/e2e tests/index tests/core/test_tenants.py $(TEST_ARGS)

test-shippers: $(VENV)/.ready ## the real shippers against a real server (Debian, as root: installs them)
	@$(BIN)/python -m tests.shippers.run $(SHIPPERS_ARGS)

lint: $(VENV)/.ready ## ruff, mypy and the import contracts; mends what ruff can mend
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/mypy && $(BIN)/lint-imports

translations: ZH = logsense/ui/translations/zh.po
translations: $(VENV)/.ready ## collect the words of the pages and bring their catalogues up to date
	@$(BIN)/python -m babel.messages.frontend -q extract -F pyproject.toml -k marked --no-location --sort-output -o .messages.pot logsense/ui
	@sed '/^$$/q' $(ZH) > .zh.po # its header: pybabel would write dates into one, or leave it out
	@$(BIN)/python -m babel.messages.frontend -q update -N --omit-header -w 110 -i .messages.pot -l zh_CN -o $(ZH)
	@cat $(ZH) >> .zh.po && mv .zh.po $(ZH) && rm .messages.pot

golden: $(VENV)/.ready ## show how the golden files would change, then rewrite them
	@-$(BIN)/pytest tests -m "not slow" -k golden
	@GOLDEN=1 $(BIN)/pytest tests -m "not slow" -k golden && git diff --stat -- tests/golden

bench: $(VENV)/.ready ## speed beside a peer in the same run
	@for f in benchmarks/bench_*.py; do echo "==> $$f"; $(BIN)/python $$f || exit 1; done

record-shop: $(VENV)/.ready ## record the shop of services (14 minutes) and rank the causes of what was done to it
	@$(BIN)/python samples/record_shop.py $(SHOP) --seed $(SEED) && PYTHONPATH=. $(BIN)/python -m benchmarks.rca_shop $(SHOP) --verbose

record-onsets: ## record faults that announce themselves, as root (25 minutes; SEED=1): samples/onsets/seed-$SEED.tar.xz
	@/usr/bin/python3 samples/record_onsets.py --seed $(SEED) --minutes 19 --out samples/onsets/seed-$(SEED).tar.xz

eval-onsets: $(VENV)/.ready ## forecasts of the recorded onsets beside simpler ones and chance (OTHERS=more recordings)
	@PYTHONPATH=. $(BIN)/python -m benchmarks.forecasts --train samples/onsets/seed-1.tar.xz \
	  --test samples/onsets/seed-2.tar.xz samples/onsets/seed-4.tar.xz samples/onsets/calm-3.tar.xz $(OTHERS)

model: $(VENV)/.ready ## train the failure model that comes with logsense from the samples
	@$(BIN)/logsense pipeline run failure --into models

lock: ## resolve requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --group dev --group build pyproject.toml -o requirements.lock.new
	@{ echo "# All libraries of logsense with their hashes; written by 'make lock'."; \
	   echo "# uv $$($(BIN)/uv --version | cut -d' ' -f2)"; cat requirements.lock.new; } > requirements.lock; rm requirements.lock.new

clean: ## remove the demo's data and all caches (keeps .venv)
	@rm -rf $(DEMO_DATA) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache test-results
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
