"""Where a field of an asset stands, found again for a problem that only a run can have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airflow_materialize.definition.text.problems import with_excerpts
from airflow_materialize.definition.text.reading import read_tree
from airflow_materialize.definition.text.source import (
    PIPELINE_FILES,
    YAML_SUFFIXES,
    Header,
    leads_out,
    read_source,
    slice_header,
)
from airflow_materialize.definition.text.tree import Provenance, Scalar
from airflow_materialize.errors import Problem

_DEFAULTS = ("_defaults.yml", "_defaults.yaml")


def secret_problem(script: Path, root: Path, key: str, message: str, hint: str) -> Problem:
    """Return a problem at the line that declares a secret: in the asset's file, or where the asset inherits it from.

    Args:
        script: The asset's Python file.
        root: The folder of all pipelines, which the problem's file is relative to.
        key: The secret's key.
        message: What is wrong.
        hint: What would be right.
    """
    nowhere = (Provenance(script.relative_to(root).as_posix(), 0, 0), "secrets")
    place, path = next((found for file in _files(script, root) for found in _secrets(file, root, key)), nowhere)
    problem = Problem(*place, path, message, hint, code="AM711")
    return with_excerpts([problem], lambda file: read_source(root / file).split("\n"))[0]


def _files(script: Path, root: Path) -> Iterator[Path]:
    """The files that may say something about an asset, the nearest first."""
    yield script
    folders = [folder for folder in script.parents if folder.is_relative_to(root)]
    for folder in folders:
        yield from sorted(file for file in folder.iterdir() if file.name.endswith(YAML_SUFFIXES))
        yield from (folder / name for name in (*_DEFAULTS, *PIPELINE_FILES))


def _secrets(file: Path, root: Path, key: str) -> Iterator[tuple[Provenance, str]]:
    if leads_out(file, root) or not file.is_file():
        return
    text = read_source(file)
    header = slice_header(text) if file.suffix == ".py" else Header(text, form="file")
    if header is None:
        return
    tree = read_tree(header, file.relative_to(root).as_posix()).tree
    for prefix in ((), ("default",)):
        for path, secret in tree.listed(*prefix, "secrets"):
            entry = secret.entries.get("key")
            if entry and isinstance(entry.value, Scalar) and entry.value.text == key:
                yield entry.place, f"{path}.key"
