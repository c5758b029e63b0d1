# Two commands do all the set-up on a fresh machine: `make demo` and `make test`. Both make .venv with uv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
HEADERS := apt-get install default-libmysqlclient-dev pkg-config gcc, then: rm .venv/.ready && make .venv/.ready

.PHONY: demo test lint bench faults reference clean

demo: $(READY)
	$(BIN)/python demo/run.py $(if $(ONCE),--once)

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tests/sizes.py

bench: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group bench
	$(BIN)/python benchmarks/parse.py
	$(BIN)/python benchmarks/load.py --stage
	$(BIN)/python benchmarks/queries.py
	$(BIN)/python benchmarks/execution.py

# Kills, zombies, outages: N is the number of kills for each strategy and database. 1000 takes hours.
N ?= 100
faults: $(READY)
	$(BIN)/python tests/faults/run.py --trials $(N) $(if $(SEED),--seed $(SEED))

reference: $(READY)
	$(BIN)/python docs/generate.py

clean:
	rm -rf .venv .demo

# uv comes from the package registry like everything else; constraints.txt pins all of it.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "airflow-materialize needs CPython 3.11 to 3.13: make PYTHON=/path/to/python3.12 …"; exit 1; }
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^uv==' constraints.txt); }
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group dev -e '.[postgres,sqlite]'
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[mysql]' 2>.venv/mysql.log || \
		echo "mysqlclient does not build, so tests of MySQL are skipped (.venv/mysql.log). What it needs: $(HEADERS)"
	@touch $@
