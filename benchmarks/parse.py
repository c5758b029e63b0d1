"""What parsing costs: folders of assets → DAGs, against the bare Airflow objects and dag-factory in the same run.

`make bench` prints a table of seconds beyond importing Airflow's SDK, by the clock and of the processor (which tell
more on a busy machine), the ratio of the latter to bare objects, and the memory that
comes on top of that import. Each case is a process of its own; an asset has 12 columns and 10 checks, a pipeline 20
assets. `python benchmarks/parse.py --assets N --rounds R` changes the size; the median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PER_PIPELINE = 20
COLUMNS, CHECKS = 12, 10
STEPS = ("run", "load", "check")
LOADER = "from airflow_materialize import asset_dags\n\nglobals().update(asset_dags(__file__))\n"


def write_project(root: Path, assets: int) -> None:
    """Write pipelines of assets, each of which depends on the one before it."""
    root.mkdir()
    (root / "materialize.py").write_text(LOADER)
    (root / ".airflowignore").write_text("**/assets/\n")
    for number in range(assets // PER_PIPELINE):
        pipeline = f"pipeline{number:04d}"
        folder = root / pipeline / "assets"
        folder.mkdir(parents=True)
        (root / pipeline / "pipeline.yml").write_text(
            f"name: {pipeline}\nschedule: daily\nstart_date: 2026-01-01\ndefault_connections:\n  duckdb: warehouse\n"
        )
        for index in range(PER_PIPELINE):
            (folder / f"table{index:02d}.py").write_text(asset(pipeline, index))


def asset(pipeline: str, index: int) -> str:
    """Return the text of one asset."""
    lines = [
        '"""@bruin',
        f"name: {pipeline}.table{index:02d}",
        "description: Orders by day, as the shop reports them.",
        "owner: shop",
        "tags: [orders, daily]",
        "materialization:",
        "  type: table",
        "  strategy: create+replace",
        *([f"depends:\n  - {pipeline}.table{index - 1:02d}"] if index else []),
        "columns:",
    ]
    for column in range(COLUMNS):
        lines += [f"  - name: column_{column}", "    type: varchar", f"    description: What column {column} holds."]
        lines += ["    checks:", "      - name: not_null"] if column < CHECKS else []
    return "\n".join([*lines, '@bruin"""', "", "def materialize():", "    return [{'column_0': 1}]", ""])


def bare_objects(_root: Path, assets: int) -> Callable[[], object]:
    """DAGs, task groups and tasks without any content, connected like ours."""
    from airflow.sdk import DAG, BaseOperator, TaskGroup

    def work() -> list[DAG]:
        dags = []
        for number in range(assets // PER_PIPELINE):
            dag = DAG(f"pipeline{number:04d}", schedule=None)
            before = None
            for index in range(PER_PIPELINE):
                group = TaskGroup(f"table{index:02d}", dag=dag)
                for step in STEPS:
                    task = BaseOperator(task_id=step, dag=dag, task_group=group)
                    if before:
                        before >> task
                    before = task
            dags.append(dag)
        return dags

    return work


def dag_factory(_root: Path, assets: int) -> Callable[[], object]:
    """The same DAGs by dag-factory from YAML: names and edges alone, no columns, no checks."""
    place = Path(tempfile.mkdtemp())
    import dagfactory

    for number in range(assets // PER_PIPELINE):
        lines = [f"pipeline{number:04d}:", "  default_args:", "    start_date: 2026-01-01", "  schedule: '@daily'"]
        lines += ["  tasks:"]
        before = ""
        for index in range(PER_PIPELINE):
            for step in STEPS:
                task = f"table{index:02d}_{step}"
                lines += [
                    f"    - task_id: {task}",
                    "      operator: airflow.providers.standard.operators.empty.EmptyOperator",
                ]
                lines += [f"      dependencies: [{before}]"] if before else []
                before = task
        (place / f"pipeline{number:04d}.yml").write_text("\n".join(lines) + "\n")

    def work() -> dict[str, object]:
        found: dict[str, object] = {}
        for file in sorted(place.glob("*.yml")):
            dagfactory.load_yaml_dags(globals_dict=found, config_filepath=str(file))
        assert len(found) >= assets // PER_PIPELINE
        return found

    return work


def ours(root: Path, assets: int) -> Callable[[], object]:
    """`asset_dags` on the project."""

    def work() -> object:
        from airflow_materialize import asset_dags

        dags = asset_dags(root)
        assert len(dags) == assets // PER_PIPELINE
        assert not any("materialize-error" in dag.tags for dag in dags.values())
        return dags

    return work


def worker(root: Path, assets: int) -> Callable[[], object]:
    """What a worker builds to start one task."""
    os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = f"pipeline{assets // PER_PIPELINE // 2:04d}"
    os.environ["_AIRFLOW_PARSING_CONTEXT_TASK_ID"] = f"pipeline{assets // PER_PIPELINE // 2:04d}__table07.run"

    def work() -> object:
        from airflow_materialize import asset_dags

        (dag,) = asset_dags(root).values()
        assert len(dag.tasks) == len(STEPS)
        return dag

    return work


CASES: dict[str, Callable[[Path, int], Callable[[], object]]] = {
    "bare Airflow objects": bare_objects,
    "dag-factory": dag_factory,
    "asset_dags, cold": ours,
    "asset_dags, nothing changed": ours,
    "one task on a worker, cold": worker,
    "one task on a worker": worker,
}


def measure(name: str, root: Path, assets: int) -> None:
    """Run one case in this process and print what it took beyond importing Airflow's SDK."""
    # What a task needs of the SDK is imported by Airflow before any DAG file is.
    from airflow.sdk import DAG, Asset, BaseOperator, TaskGroup  # noqa: F401

    logging.disable()
    work = CASES[name](root, assets)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "cpu": cpu, "more_mb": (peak - before) / 1024}))


def run_case(name: str, root: Path, assets: int, home: Path) -> dict[str, float]:
    """Run one case in a process of its own. A cold one starts with an empty cache."""
    cold = "cold" in name
    environment = {**os.environ, "AIRFLOW_HOME": str(Path(tempfile.mkdtemp(dir=home)) if cold else home / "warm")}
    # An installed package is compiled once, not at each import.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, __file__, "--assets", str(assets), "--root", str(root), "--case", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--assets", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    if options.case:
        measure(options.case, options.root, options.assets)
        return
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        sizes = (options.assets, 10 * options.assets)
        for assets in sizes:
            write_project(home / f"dags{assets}", assets)
        names = [*CASES, "asset_dags, cold", "asset_dags, nothing changed"]
        counts = [options.assets] * len(CASES) + [10 * options.assets] * 2
        print(f"{PER_PIPELINE} assets a pipeline, median of {options.rounds}\n")
        print(f"{'case':<30}{'assets':>8}{'s':>8}{'CPU s':>8}{'ratio':>8}{'more MB':>10}")
        base = 0.0
        for name, assets in zip(names, counts, strict=True):
            root = home / f"dags{assets}"
            if "cold" not in name:
                run_case(name, root, assets, home)
            rounds = [run_case(name, root, assets, home) for _ in range(options.rounds)]
            seconds = statistics.median(each["seconds"] for each in rounds)
            cpu = statistics.median(each["cpu"] for each in rounds)
            base = base or cpu
            more = max(each["more_mb"] for each in rounds)
            print(f"{name:<30}{assets:>8}{seconds:>8.2f}{cpu:>8.2f}{cpu / base:>8.2f}{more:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
