"""The command `airflow-materialize`. Each verb calls one public function."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from airflow_materialize import __version__
from airflow_materialize.cli import INVALID
from airflow_materialize.errors import MaterializeError


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    # argparse looks for a path that may be missing right behind the action, and not behind an option.
    if "action" in options and options.path is None and len(rest) == 1 and not rest[0].startswith("-"):
        options.path, rest = Path(rest[0]), []
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    options = _parse(arguments)
    _set_up_logging()
    try:
        return int(options.verb(options))
    except MaterializeError as error:
        # What happens to an asset stands in the result of `run`: this is about the call itself.
        print(error, file=sys.stderr)
        return INVALID
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _set_up_logging() -> None:
    """Show what assets print and what this package says, on standard error; of Airflow only what is amiss."""
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")
    ours = logging.getLogger("airflow_materialize")
    ours.setLevel(logging.INFO)
    ours.propagate = False
    ours.addHandler(handler := logging.StreamHandler())
    handler.setFormatter(logging.Formatter("%(message)s"))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="airflow-materialize", description="Run and check assets without a scheduler."
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_init(verbs)
    _add_validate(verbs)
    _add_run(verbs)
    _add_schema(verbs)
    _add_env(verbs)
    _add_doctor(verbs)
    return parser


def _add_init(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from airflow_materialize.cli.project import init

    verb = verbs.add_parser("init", help="write the loader file, .airflowignore and one example asset")
    verb.add_argument("path", type=Path, nargs="?", default=Path(), help="the DAGs directory (default: here)")
    verb.set_defaults(verb=lambda options: init(options.path))


def _add_validate(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from airflow_materialize.cli.problems import FORMATS
    from airflow_materialize.cli.show import validate

    verb = verbs.add_parser("validate", help="show every mistake of an asset, a pipeline or a folder of pipelines")
    verb.add_argument("path", type=Path, help="an asset's file or a folder")
    verb.add_argument("--format", choices=FORMATS, default="text", help="for people, programs or GitHub Actions")
    verb.add_argument("--strict", action="store_true", help="count warnings as errors")
    verb.add_argument("--explain", action="store_true", help="show where each value of each asset comes from")
    verb.set_defaults(
        verb=lambda options: validate(options.path, options.format, strict=options.strict, explained=options.explain)
    )


def _add_run(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from airflow_materialize.cli.run import run

    verb = verbs.add_parser("run", help="run one asset, or a pipeline in the order of its dependencies")
    verb.add_argument("path", type=Path, help="an asset's file or a folder")
    verb.add_argument("--start-date", metavar="DATE", help="first day of the interval (default: yesterday)")
    verb.add_argument("--end-date", metavar="DATE", help="last day of the interval, included (default: yesterday)")
    verb.add_argument("--full-refresh", action="store_true", help="rebuild the tables from their start dates")
    verb.add_argument(
        "--var", metavar="K=V", action="append", default=[], help="a variable of the pipeline; V is JSON or text"
    )
    verb.add_argument("--partition-key", metavar="KEY", help="what context.partition_key says")
    verb.add_argument("--variant", metavar="NAME", help="the variant to run, where pipeline.yml has some")
    verb.add_argument("--only", choices=("run", "load", "check"), action="append", help="do this step alone")
    verb.add_argument(
        "--connection", metavar="ID=URL", action="append", default=[], help="open this file or server for ID"
    )
    verb.set_defaults(verb=run)


def _add_schema(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from airflow_materialize.cli.schema import SCHEMAS, schema

    verb = verbs.add_parser("schema", help="print a JSON Schema for editors")
    verb.add_argument(
        "what", choices=SCHEMAS, nargs="?", default="header", help="of headers (unless said), pipeline.yml, …"
    )
    verb.set_defaults(verb=lambda options: schema(options.what))


def _add_env(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from airflow_materialize.cli.machine import ACTIONS, env

    verb = verbs.add_parser("env", help="list, build or prune the environments of this machine, or find one")
    verb.add_argument("action", choices=ACTIONS, help="`path` prints the interpreter of one asset, for an editor")
    verb.add_argument("path", type=Path, nargs="?", help="of `build` and `path`: an asset's file or a folder")
    verb.add_argument("--max-size", metavar="SIZE", help="of `prune`: as 5GB (default: environments_max_size)")
    verb.add_argument("--upgrade", action="store_true", help="of `build`: resolve anew what was resolved before")
    verb.set_defaults(verb=env)


def _add_doctor(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from airflow_materialize.cli.doctor import FORMATS, doctor

    verb = verbs.add_parser("doctor", help="say what keeps assets from running well on this machine")
    verb.add_argument(
        "path", type=Path, nargs="?", help="whose connections are opened (default: Airflow's DAGs folder)"
    )
    verb.add_argument("--format", choices=FORMATS, default="text", help="for people or programs")
    verb.add_argument(
        "--clean", action="store_true", help="remove what loads that died left beside the assets' tables, too"
    )
    verb.set_defaults(verb=lambda options: doctor(options.path, options.format, clean=options.clean))
