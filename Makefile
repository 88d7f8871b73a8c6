# Each target does all of its own set-up in .venv: Python 3.11 or newer and pip are all it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

# Two workers share the cores: threads of OpenBLAS, which spin while they wait, made some tests ten times as long.
test slow exhaustive test-newest: export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test slow exhaustive fuzz browser docs lint test-newest bench bench-quick bench-corpus clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "thalweg needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[plot,movie,solvers,physics,problems,web,test,lint]'
	touch $@

demo: .venv/installed
	mkdir -p demo
	$(BIN)/thalweg run pbdl gradient_descent:learning_rate=0.01 newton:learning_rate=1/3 inverse_simulator:learning_rate=0.3 \
		--steps 10 --figure demo/pbdl.png --out demo/pbdl.nc
	$(BIN)/thalweg run misra1a:start=2 gradient_descent:learning_rate=1e-12 adam:learning_rate=0.1 newton gauss_newton \
		--steps 100 --dtype float64 --figure demo/misra1a.png

test: .venv/installed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m 'not slow and not browser and not exhaustive'

slow: .venv/installed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m slow

# Every name with everything, hours of which no change should need: before a release.
exhaustive: .venv/installed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m exhaustive

# Texts and bytes that coverage leads to, for SECONDS each; an input that fails is kept in build/fuzz.
SECONDS ?= 600
.venv/fuzz: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	touch $@

fuzz: .venv/fuzz
	mkdir -p build/fuzz/formula build/fuzz/tables
	for part in formula tables; do \
		$(BIN)/python fuzz/$$part.py build/fuzz/$$part -artifact_prefix=build/fuzz/ -max_total_time=$(SECONDS) -timeout=20 \
			-max_len=2500 -dict=fuzz/$$part.dict || exit 1; done

# Pages in a real browser, Debian's Chromium.
.venv/browser: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[browser]'
	command -v chromium >/dev/null || { apt-get update -q && apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core; }
	touch $@

browser: .venv/browser
	$(BIN)/python -m pytest -m browser

# The documentation: every block of code runs, and a warning is an error.
.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

docs: .venv/docs
	$(BIN)/sphinx-build --jobs 2 --fail-on-warning --keep-going -b html docs build/docs

# The quick tests with the newest releases of everything, such as those of make test-newest PYTHON=python3.13.
.venv-newest/installed: pyproject.toml
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --editable '.[plot,movie,solvers,physics,problems,web,test]'
	touch $@

test-newest: .venv-newest/installed
	.venv-newest/bin/python -m pytest --numprocesses 2 --dist worksteal -m 'not slow and not browser and not exhaustive'

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright src

bench: .venv/installed
	for part in machine floor trace solve growth geometry dynamics learn network simulators fits bootstrap nist; do $(BIN)/python benchmarks/$$part.py || exit 1; done > benchmarks/RESULTS.md
	$(BIN)/python benchmarks/cutest.py --figure docs/cutest.png >> benchmarks/RESULTS.md
	cat benchmarks/RESULTS.md

bench-quick: .venv/installed
	$(BIN)/python benchmarks/quick.py

# Published fits without a start, beside SciPy's curve_fit and lmfit; the numbers of a fit beside other programs'.
bench-corpus: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check lmfit==1.3.4
	$(BIN)/python benchmarks/corpus.py --page docs/no-start.md
	$(BIN)/python benchmarks/agreement.py --page docs/agreement.md

clean:
	rm -rf .venv .venv-newest demo build
