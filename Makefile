PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCE ?= data/samples
OUT ?= out

.PHONY: help install run test lint format bench quality fuzz samples deployments audit night clean

help:            ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'

install: $(STAMP) ## everything that is needed, into .venv

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

run: $(STAMP)    ## the pipeline over the samples (SOURCE=folder OUT=folder for others)
	$(BIN)/reelscope run $(SOURCE) --out $(OUT)

test: $(STAMP)   ## all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(STAMP)   ## format, lint and types, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP) ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: $(STAMP)  ## known vulnerabilities of what constraints.txt pins; asks PyPI's advisory service
	@$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip --progress-spinner off \
		|| { echo 'audit: FAILED: something above is vulnerable, or could not be looked up; the service must be within reach' >&2; exit 1; }

night: $(STAMP)  ## 500 videos, a tenth hostile, while the disk fills up, workers are killed and files change (root; some minutes)
	$(BIN)/python -m tests.hard_night

quality: $(STAMP) ## what the samples (and ../shared/media, where it is) are read as, against the truth
	$(BIN)/python -m benchmarks.quality

bench: $(STAMP)  ## against the design that it replaces, over fifty videos; writes benchmarks/RESULTS.md (BENCH=options)
	$(BIN)/python -m benchmarks.bench $(BENCH)

fuzz: $(STAMP)   ## 1,000 mutated media files through the pipeline (FUZZ=options), about ten minutes; offending files stay in fuzzed/
	$(BIN)/python -m tests.fuzz $(FUZZ)

samples: $(STAMP) ## make data/samples again
	$(BIN)/python data/make_samples.py

deployments: $(STAMP) ## pools, limits, deployments and automations on the server of PREFECT_API_URL (SOURCE OUT DEVICE_POOL=cpu|gpu)
	SOURCE='$(SOURCE)' OUT='$(OUT)' $(BIN)/python deployments/deploy.py

clean:           ## remove what was built
	rm -rf $(VENV) $(OUT) *.egg-info
