# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
LAB_VENV ?= .lab-venv
BIN := $(VENV)/bin
LAB_BIN := $(LAB_VENV)/bin
OUT ?= demo-out
# A file of tests at a time in each core's process, the slow files first.
SPREAD := --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: help demo demo-open demo-federation test test-lab check sbom pins fuzz bench bench-quick bench-lab bench-lab-quick docs serve clean

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[demo]"
	touch $@

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[demo,dev,postgres,deid]"
	touch $@ $(VENV)/.demo

$(LAB_VENV)/.lab: pyproject.toml
	$(PYTHON) -m venv $(LAB_VENV)
	$(LAB_BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(LAB_BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[demo,dev,lab]"
	touch $@

demo: $(VENV)/.demo  ## Set up, send real images through the clinic, show what came out
	$(BIN)/coread demo --out $(OUT)

demo-open: $(VENV)/.demo  ## The same, and keep the reading room open at http://127.0.0.1:8042/
	$(BIN)/coread demo --out $(OUT) --stay --web-port 8042

demo-federation: $(LAB_VENV)/.lab  ## Three hospitals and a coordinator train together on this machine, over TLS (minutes)
	$(LAB_BIN)/coread-lab federation demo --out federation-out $(if $(wildcard ../shared/data),--data ../shared/data)

serve: $(VENV)/.demo  ## The same clinic, kept running
	$(BIN)/coread serve

test: $(VENV)/.dev  ## Set up and pass the tests, with branch coverage
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(SPREAD) $(ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered

test-lab: $(LAB_VENV)/.lab  ## The lab's tests (needs torch)
	OMP_NUM_THREADS=1 $(LAB_BIN)/python -m pytest tests/learning $(SPREAD) $(ARGS)

check: $(VENV)/.dev  ## Style, types, floors, docs, bill of materials, known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet --site-dir site
	$(BIN)/python security/sbom.py site/sbom.json
	$(BIN)/python security/scan.py

sbom: $(VENV)/.dev  ## Write the bill of materials of a clinic (CycloneDX JSON)
	$(BIN)/python security/sbom.py sbom.json

pins:  ## Resolve the pins of a release anew, with hashes (needs uv: pip install coread[release])
	uv pip compile pyproject.toml --extra postgres --python-version 3.11 --universal --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements/clinic.txt

fuzz: $(VENV)/.dev  ## Every parser that strangers reach, on damaged input, for an hour (FOR=3600)
	COREAD_FUZZ_S=$(or $(FOR),3600) $(BIN)/python -m pytest tests/fuzz --numprocesses auto $(ARGS)

bench-lab: $(LAB_VENV)/.lab  ## The lab's studies on test patients, as a table and JSON (hours; STUDY=name for one)
	$(LAB_BIN)/python benchmarks/lab.py $(STUDY)

bench-lab-quick: $(LAB_VENV)/.lab  ## The same small, in minutes, to try the machinery
	$(LAB_BIN)/python benchmarks/lab.py --quick $(STUDY)

docs: $(VENV)/.dev  ## Serve the documentation on loopback
	$(BIN)/mkdocs serve

bench: $(VENV)/.dev  ## All benchmarks against their peers, as a table and JSON (about 30 minutes)
	$(BIN)/python benchmarks/run.py

bench-quick: $(VENV)/.dev  ## The same in minutes, with fewer repeats
	$(BIN)/python benchmarks/run.py --quick

clean:  ## Remove what make made
	rm -rf $(VENV) $(LAB_VENV) $(OUT) site .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
