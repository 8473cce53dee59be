# Every target does its own set-up; `make run` and `make test` are all one needs.
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8000
PACKAGES := server simulator fake_openai loadtests reports

.DEFAULT_GOAL := help
.PHONY: help run test test-unit test-browser test-firefox test-hidden-tab lighthouse screenshots bench compare calibrate agree parity load load-proof soak lint types format speech clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 16

run: ## the bridge, the page and (without OPENAI_API_KEY) the fake, on http://127.0.0.1:$(PORT)
	@scripts/environment.sh $(VENV) speech
	$(BIN)/voicebridge serve --port $(PORT)

test: ## every test: unit, contract, integration, real Chromium
	@scripts/environment.sh $(VENV) test,browser,speech
	@scripts/browser.sh
	@scripts/services.sh
	@$(BIN)/python scripts/test.py $(PYTEST_ARGS)

test-unit: ## the tests without sockets
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/python -m pytest tests/unit $(PYTEST_ARGS)

test-browser: ## the tests in a real Chromium
	@scripts/environment.sh $(VENV) test,browser,speech
	@scripts/browser.sh
	$(BIN)/python -m pytest tests/browser $(PYTEST_ARGS)

test-firefox: ## the page in Debian's Firefox, on virtual sound hardware
	@scripts/environment.sh $(VENV) test,browser,speech
	@scripts/browser.sh firefox
	$(BIN)/python -m pytest tests/firefox $(PYTEST_ARGS)

test-hidden-tab: ## half an hour in a hidden tab with stalls: the delay must not grow
	@scripts/environment.sh $(VENV) test,browser,speech
	@scripts/browser.sh
	HIDDEN_TAB_MINUTES=$(or $(MINUTES),30) $(BIN)/python -m pytest -s tests/browser/test_hidden_tab.py $(PYTEST_ARGS)

lighthouse: ## every view of the page, phone and desk: accessibility and best practices >= 95
	@scripts/environment.sh $(VENV) test,browser,speech
	@scripts/browser.sh
	$(BIN)/python scripts/lighthouse.py $(LIGHTHOUSE_ARGS)

screenshots: ## every view of the page, phone and desk, light and dark, into docs/screenshots
	@scripts/environment.sh $(VENV) test,browser,speech
	@scripts/browser.sh
	$(BIN)/python scripts/make_screenshots.py $(SCREENSHOTS_ARGS)

bench: ## micro-benchmarks, then calls through bridge and fake with the figures they cost
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/python -m pytest tests/bench --benchmark-enable --benchmark-only \
		--benchmark-autosave $(PYTEST_ARGS)
	$(BIN)/voicebridge bench

load: ## ten callers for a minute through Locust: report, CSV, HTML, exit status by budget
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/voicebridge load --users 10 --seconds 60 --workers 2 $(LOAD_ARGS)

load-proof: ## the same as a test: no failures, everybody on time (a quiet machine, 2 min)
	@scripts/environment.sh $(VENV) test,browser,speech
	VOICEBRIDGE_LOAD_PROOF=1 $(BIN)/python -m pytest tests/integration/loadtests/test_load_proof.py -v $(PYTEST_ARGS)

soak: ## half an hour of joining, leaving, muting and loss: nothing may be left of it
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/python -m loadtests.soak $(if $(MINUTES),--minutes $(MINUTES)) $(SOAK_ARGS)

compare: ## this checkout against BASE (default main): did anything get worse?
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/voicebridge compare $(or $(BASE),main) $(COMPARE_ARGS)

agree: ## three runs of the same command: does each lie where the others said it would?
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/voicebridge bench agree $(AGREE_ARGS)

calibrate: ## prove the gate: it finds +10 ms and +10 % CPU, and nothing where nothing is
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/voicebridge calibrate $(CALIBRATE_ARGS)

parity: ## the same calls through the page in Chromium and the simulator, compared
	@scripts/environment.sh $(VENV) test,browser,speech
	@scripts/browser.sh
	$(BIN)/python -m tests.bench.browser_parity $(PARITY_ARGS)
	$(BIN)/python -m tests.bench.browser_parity --network wifi-bad $(PARITY_ARGS)

lint: ## ruff and, for the page, eslint
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@scripts/page_tools.sh eslint web tests/browser/js scripts/page_tools/eslint.config.js

format: ## let ruff mend what it can
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: ## mypy, strict, and for the page tsc
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/mypy $(addprefix -p ,$(PACKAGES))
	@scripts/page_tools.sh tsc

speech: ## make the committed speech files again (needs flite and espeak-ng)
	@scripts/environment.sh $(VENV) test,browser,speech
	$(BIN)/python scripts/make_speech.py

clean: ## forget the environment and everything generated
	rm -rf $(VENV) reports/out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
