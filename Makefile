# What people and CI type. Each target is one command that also works without make: see README.
PYTHON ?= python3

.PHONY: run test soak lint format clean starter-data starter

run:            ## install if needed, then start the bot with its local chat
	$(PYTHON) bootstrap.py run

test:           ## install what tests need, then run them
	$(PYTHON) bootstrap.py test

soak:           ## the tests that take longer
	$(PYTHON) bootstrap.py test -m soak

lint:           ## ruff and mypy
	$(PYTHON) bootstrap.py lint

starter-data:   ## render the music that the starter learns from; resumes (needs Debian packages, see generation/training/LOG.md)
	$(PYTHON) bootstrap.py starter-data

starter:        ## every step of the starter's training; resumes
	$(PYTHON) bootstrap.py starter

format:         ## let ruff tidy up
	.venv/bin/python -m ruff check --fix . && .venv/bin/python -m ruff format .

clean:          ## remove what was installed and built (never your data)
	rm -rf .venv build dist *.egg-info
