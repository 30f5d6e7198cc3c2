# Everything happens in .venv; the first target that needs it makes it. PYTHON is only used for that.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# an emulator of the demo's own, so that yours is left alone
DEMO_DATA := $(CURDIR)/.demo/data

.PHONY: demo test browser lint lab clean

demo: $(VENV)/.demo ## run the quickstart notebook through the emulator and show what came of it
	AZML_DATA=$(DEMO_DATA) $(BIN)/python notebooks/demo.py 00_quickstart.ipynb .demo

test: $(VENV)/.test ## unit, in-process, socket and kernel tests, then every notebook
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered
	$(BIN)/python -m pytest -p nbval --nbval-lax --nbval-current-env --nbval-cell-timeout=120 -o addopts= -o testpaths= \
	  -p tests.notebooks notebooks

browser: $(VENV)/.browser ## the live views in JupyterLab, in Debian's chromium (apt-get install chromium)
	$(BIN)/python -m pytest -c tests/browser/pytest.ini tests/browser

lint: $(VENV)/.lint ## style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict azml_magics
	$(BIN)/lint-imports

lab: $(VENV)/.lab ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

clean: ## remove what the targets made
	rm -rf $(VENV) .demo .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	touch $@

$(VENV)/.demo: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[demo]"
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --group test
	touch $@

$(VENV)/.browser: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --group lab --group browser
	touch $@

$(VENV)/.lint: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --group lint
	touch $@

$(VENV)/.lab: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --group lab
	touch $@
