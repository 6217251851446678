# On a fresh machine `make lessons` and `make test` each do everything: create .venv, install, run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help lessons lesson test lint bench board screenshots clean
help:
	@echo "make lessons        run all lessons in order"
	@echo "make lesson N=02    run one, and see what it prints"
	@echo "make board          TensorBoard on what they wrote"
	@echo "make screenshots    the README's picture of the RNN tab, drawn anew"
	@echo "make test           run the tests"
	@echo "make lint           ruff and mypy; eslint and prettier, where npm is"
	@echo "make bench          measure what looking costs"
	@echo "make clean          remove .venv, node_modules and what the lessons wrote"

lessons: $(VENV)/lessons
	$(BIN)/python lessons

lesson: $(VENV)/lessons
	@test -n "$(N)" || { echo "which one? make lesson N=02"; exit 2; }
	@test -n "$(wildcard lessons/$(N)_*.py)" || { echo "there is no lesson $(N): $(notdir $(wildcard lessons/[0-9]*.py))"; exit 2; }
	$(BIN)/python $(wildcard lessons/$(N)_*.py) $(ARGS)

# A file of tests stays in one process: its tests share lessons that ran and models that were compiled. The longest begin.
ALL_CORES := --numprocesses auto --dist loadfile --no-loadscope-reorder
LONGEST := $(addprefix tests/test_,lessons.py taps.py solutions.py callbacks_inside.py forecasting.py cli.py)
TESTS := $(LONGEST) $(filter-out $(LONGEST),$(wildcard tests/test_*.py))
# What depends on the backend runs on both.
INSIDE := tests/test_callbacks_inside.py::test
ON_JAX := $(addprefix tests/test_,taps.py taps_optimizers.py recurrent.py recurrent_loops.py recurrent_sequences.py cells.py probe.py naming.py health.py \
    keras_internals.py keras_internals_recurrent.py) \
    $(INSIDE)_looking_changes_nothing $(INSIDE)_the_exact_tags_at_each_epoch \
    $(INSIDE)_the_gradients_are_those_of_the_training_steps $(INSIDE)_the_flow_is_that_of_an_independent_look \
    tests/test_models.py::test_saved_models_load_where_this_package_is_not \
    tests/test_models.py::test_every_step_ends_with_what_the_last_step_gives \
    tests/test_language.py::test_training_does_not_notice \
    tests/test_language.py::test_sampled_words_are_those_of_the_network_itself \
    tests/test_lessons.py::test_02_learns_the_alphabet tests/test_lessons.py::test_02_events
test: $(VENV)/test
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest $(ALL_CORES) $(TESTS)
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(ALL_CORES) $(ON_JAX)
endif

# npm brings the linters of the RNN tab's page. Where it is missing, the page is left out; CI does not allow that.
NPM := $(shell command -v npm 2>/dev/null)
JAVASCRIPT := rnn_tutorial/board/static/*.js tests/board/*.js eslint.config.js
STYLES := rnn_tutorial/board/static/*.css
lint: $(VENV)/lint $(if $(NPM),node_modules/.installed)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
ifneq ($(NPM),)
	node_modules/.bin/eslint $(JAVASCRIPT)
	node_modules/.bin/prettier --check --log-level warn $(JAVASCRIPT) $(STYLES)
else
	@echo "There is no npm (Debian: apt-get install npm), so the JavaScript was not looked at."; test -z "$$CI"
endif

bench: $(VENV)/test
	$(BIN)/python benchmarks/events.py
	$(BIN)/python benchmarks/overhead.py --json logs/overhead_tensorflow.json
	KERAS_BACKEND=jax $(BIN)/python benchmarks/overhead.py --json logs/overhead_jax.json
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/board.py

board: $(VENV)/lessons
	$(BIN)/rnn-tutorial board logs

screenshots: $(VENV)/test
	$(BIN)/python benchmarks/screenshots.py

clean:
	rm -rf $(VENV) node_modules
	find logs -mindepth 1 ! -name .gitkeep -delete

# Each stamp says that its part is installed; requirements newer than the stamp are installed again.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
	    { echo "TensorFlow 2.21 needs Python 3.10 to 3.13; say which: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# (An editable installation makes setuptools warn of something that is not the reader's concern.)
INSTALL := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet

$(VENV)/lessons: pyproject.toml | $(BIN)/python
	$(INSTALL) -e ".[tensorflow,lessons]"
	@touch $@

$(VENV)/test: requirements.txt pyproject.toml | $(BIN)/python
	$(INSTALL) -r requirements.txt -e .
	@touch $@ $(VENV)/lessons

$(VENV)/lint: pyproject.toml | $(VENV)/lessons
	$(INSTALL) -e ".[lint]"
	@touch $@

node_modules/.installed: package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

.NOTPARALLEL:
