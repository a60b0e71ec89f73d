# The way in: `make quickstart` and `make test` each do all the set-up on a fresh machine, in a .venv of their own.
# Another interpreter than python3: make quickstart PYTHON=/path/to/python3.12

QUICKSTART_CONFIG ?= configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py
QUICKSTART_DIR := work_dirs/quickstart
TYPE_CHECKED ?= scaseg

VENV_PYTHON := .venv/bin/python
INSTALLED := .venv/.installed

# A foreign package folder on the path hides what .venv lacks, and a torch there makes mmcv compile its operators.
unexport PYTHONPATH PYTHONHOME
# Threads of torch that wait for each other sleep instead of spinning, which crawls as soon as another process needs a core.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help install quickstart test lint

help:  ## list what make can do here
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED)  ## make .venv with the tested versions, or bring it up to date
	@echo '$(STEP) .venv is ready'

$(INSTALLED): pyproject.toml requirements.txt requirements/tested.txt
	@sh tools/setup_env.sh $(STEP)

STEP = 1/1
quickstart: STEP = 1/4
test: STEP = 1/2

quickstart: install  ## train a small network on made-up scenes, score it, draw its curves and predictions
	@echo '2/4 training from scratch in $(QUICKSTART_DIR), which is emptied first: about 3 minutes on two CPU cores'
	@rm -rf $(QUICKSTART_DIR)
	$(VENV_PYTHON) tools/train.py $(QUICKSTART_CONFIG) --work-dir $(QUICKSTART_DIR)
	@echo '3/4 scoring the best checkpoint and drawing its predictions: seconds'
	$(VENV_PYTHON) tools/test.py $(QUICKSTART_CONFIG) $(QUICKSTART_DIR)/best_mIoU_*.pth \
		--work-dir $(QUICKSTART_DIR)/test --figure $(QUICKSTART_DIR)/predictions.png
	@echo '4/4 drawing loss and mIoU over the iterations: seconds'
	$(VENV_PYTHON) tools/analysis/plot_curves.py $(QUICKSTART_DIR)
	@echo
	@echo 'Done. What came of it:'
	@echo "  checkpoint   $$(ls $(QUICKSTART_DIR)/best_mIoU_*.pth)"
	@echo "  log          $$(ls $(QUICKSTART_DIR)/*/*.log | head -n 1)"
	@echo '  curves       $(QUICKSTART_DIR)/curves.png'
	@echo '  predictions  $(QUICKSTART_DIR)/predictions.png'
	@echo 'Next: run `source .venv/bin/activate`; docs/datasets.md says how data get into data/, README.md how to train on them.'

test: install  ## run the tests
	@echo '2/2 running the tests: 5 to 15 minutes on two CPU cores'
	@OMP_NUM_THREADS=1 $(VENV_PYTHON) -m pytest -n 2 --dist worksteal

lint: install  ## check style, formatting and types
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(if $(TYPE_CHECKED),$(VENV_PYTHON) -m mypy $(TYPE_CHECKED))
