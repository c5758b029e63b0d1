"""Text → the definition of one asset, with all of its problems at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from airflow_materialize.definition.inheritance.defaults import Defaults, places_beside_headers
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.effect import ASSET_FIELDS_WITHOUT_EFFECT, warn_of_no_effect
from airflow_materialize.definition.model.identity import about, asset_uri
from airflow_materialize.definition.model.parsed import ParsedAsset
from airflow_materialize.definition.model.stated import stated
from airflow_materialize.definition.parsing.merging import Merged, merge, says_connection
from airflow_materialize.definition.parsing.pipeline_file import PipelineFile
from airflow_materialize.definition.parsing.rules import check_rules
from airflow_materialize.definition.parsing.shape import checks_of, is_table, needs_of, shape_of
from airflow_materialize.definition.parsing.template_rules import check_names
from airflow_materialize.definition.text.fields import quoted
from airflow_materialize.definition.text.reading import Read, read_tree, validate
from airflow_materialize.definition.text.source import (
    Header,
    explain_missing_header,
    is_file,
    leads_out,
    name_from_path,
    read_source,
    slice_header,
    yaml_type,
)
from airflow_materialize.definition.text.tree import MapNode, locate
from airflow_materialize.errors import Problem

__all__ = ["parse_asset", "read_asset"]


def parse_asset(
    file: Path, root: Path, pipeline: PipelineFile, *, base: Path, default_connection: str = ""
) -> ParsedAsset | Problem | None:
    """Read one asset.

    Args:
        file: The Python file, or `x.asset.yml`.
        root: The folder of all pipelines.
        pipeline: The pipeline that the asset belongs to.
        base: The folder from which the asset's name counts where the header gives none.
        default_connection: The connection id where neither asset nor pipeline names one.

    Returns:
        The asset; a warning that says why the file is none; or None where nothing claims that it is one.
    """
    reading = read_asset(file, root, pipeline, base=base, default_connection=default_connection)
    return reading.asset() if isinstance(reading, Reading) else reading


def read_asset(
    file: Path, root: Path, pipeline: PipelineFile, *, base: Path, default_connection: str = ""
) -> Reading | Problem | None:
    """Read one asset as `parse_asset` does, and judge nothing but whether it is one."""
    where = file.relative_to(root).as_posix()
    try:
        text = read_source(file)
    except OSError as error:
        return Problem(where, 0, 0, "", f"skipped: cannot be read: {error.strerror}", severity="warning", code="AM502")
    header = slice_header(text) if file.suffix == ".py" else Header(text, form="file")
    kind = yaml_type(text) if header and header.form == "file" else "python"
    if header is None:
        missing = explain_missing_header(text)
        if missing is None:
            return None
        return Problem(where, missing[0], 1, "", f"no asset: {missing[1]}", missing[2], "warning", code="AM504")
    read = read_tree(header, where)
    if header.form != "file":
        kind = read.tree.text("type").lower() or "python"
    if kind != "python" and not get_close_matches(kind, ("python",), cutoff=0.7):
        what = f"an asset of type {kind}" if kind else "it neither has `type: python` nor runs a Python file"
        return Problem(where, 0, 0, "", f"skipped: {what}", "assets are Python files", "warning", code="AM502")
    return Reading(file, where, root, pipeline, header, read, name_from_path(file, base), default_connection)


@dataclass(frozen=True)
class Reading:
    """One asset on its way from a tree to a definition."""

    file: Path
    where: str
    root: Path
    pipeline: PipelineFile
    header: Header
    read: Read
    path_name: str
    default_connection: str

    @cached_property
    def merged(self) -> Merged:
        """The header, with all that it inherits."""
        return merge(self.read.tree, self.header.text, self.defaults, self.pipeline)

    @cached_property
    def defaults(self) -> list[Defaults]:
        around, folder = self.pipeline.around, self.pipeline.folder.path
        own = self.pipeline.default
        return [*around.defaults(self.file.parent, folder, self.pipeline.scope), *([own] if own else [])]

    @property
    def given(self) -> dict[str, str]:
        """Values that no file gives: the name by the path, and the connection of the setting."""
        given = {} if self.merged.tree.get("name") else {"name": self.path_name}
        return given if says_connection(self.merged.tree) else {**given, "connection": self.default_connection}

    def asset(self) -> ParsedAsset:
        tree, given = self.merged.tree, self.given
        script, refused = self.script(tree)
        asset, invalid = validate(Asset, tree, given, places_beside_headers)
        found = [*self.no_connection(tree), *refused, *invalid, *check_rules(tree), *self.without_effect(tree)]
        if not (self.pipeline.problems or self.pipeline.macros):  # Else nobody knows all names.
            found += check_names(tree, self.pipeline.pipeline.variables)
        found = self.reported(found)
        errors = tuple(problem for problem in found if problem.severity == "error")
        connection, name = tree.text("connection") or given.get("connection", ""), tree.text("name") or self.path_name
        shaped = self.merged.shaped
        return ParsedAsset(
            name=name,
            path=self.where,
            script=script.relative_to(self.root.resolve()).as_posix() if script else self.where,
            stated=stated(asset) if asset and not errors else None,
            problems=errors,
            warnings=tuple(problem for problem in found if problem.severity == "warning"),
            shape=shape_of(shaped),
            source_hash=self.source_hash(script),
            named_at=locate(tree, ("name",))[0],
            needs=tuple(needs_of(shaped)),
            connection=connection if is_table(shaped) or checks_of(shaped) else "",
            uri=asset_uri(tree.text("uri"), connection, name) if is_table(shaped) else "",
            uri_at=locate(tree, ("uri",))[0] if tree.text("uri") else None,
            about=about(asset, self.pipeline.pipeline.name) if asset and not errors else {},
        )

    def without_effect(self, tree: MapNode) -> Iterator[Problem]:
        """Yield what has no effect of what stands in the asset's own file; defaults have been judged by themselves."""
        found = warn_of_no_effect(tree, ASSET_FIELDS_WITHOUT_EFFECT)
        yield from (warning for warning in found if warning.file == self.where)
        if self.read.tree.get("hooks", "applicable_type"):
            place, path = locate(self.read.tree, ("hooks", "applicable_type"))
            message = "has no effect: it chooses which assets inherit the hooks of a default"
            yield Problem(*place, path, message, severity="warning", code="AM501")

    def reported(self, found: list[Problem]) -> list[Problem]:
        """Return all that is wrong, once: what a default has wrong is not said of each merged field again."""
        first = {problem for defaults in self.defaults for problem in (*defaults.problems, *defaults.warnings)}
        # What follows from text that gives no tree would be noise.
        if self.read.readable:
            first |= set(self.merged.problems)
            said = {(problem.file, problem.line, problem.column, problem.message) for problem in first}
            first |= {one for one in found if (one.file, one.line, one.column, one.message) not in said}
        return sorted({*self.read.problems, *first})

    def no_connection(self, tree: MapNode) -> list[Problem]:
        # What is broken may have named one.
        unsure = self.pipeline.problems or not all(found.readable for found in self.defaults)
        known = says_connection(tree) or self.default_connection
        if known or unsure or not (is_table(tree) or checks_of(tree)):
            return []
        field = "materialization" if is_table(tree) else "connection"
        place, path = locate(tree, (field,))
        there = self.pipeline.pipeline.default_connections
        choice = "; the pipeline has " + ", ".join(f"{kind}: {name}" for kind, name in there.items()) if there else ""
        hint = "add `connection: <conn_id>` to the header, or to `default` in pipeline.yml"
        message = f"there is no connection to load to or check on{choice}"
        return [Problem(*place, path, message, hint, code="AM210")]

    def script(self, tree: MapNode) -> tuple[Path | None, list[Problem]]:
        """Return the Python file that a YAML-defined asset runs, or why there is none."""
        run = tree.text("run")
        place, _ = locate(tree, ("run",))
        if self.header.form != "file":
            message, hint = "has an effect in *.asset.yml alone", "this file is what runs"
            return None, [Problem(*place, "run", message, hint, "warning", code="AM501")] if run else []
        if not run:
            message, hint = "`run` is missing", "the Python file, relative to this file"
            return None, [Problem(*place, "run", message, hint, code="AM401")]
        script = Path(os.path.realpath(self.file.parent / run))
        if Path(run).is_absolute() or leads_out(script, self.root):
            message = f"{quoted(run)} leads out of the folder of all pipelines"
            return None, [Problem(*place, "run", message, "a path relative to this file", code="AM402")]
        if script.suffix != ".py" or not is_file(script):
            what = "is no Python file" if os.access(script, os.F_OK) else "does not exist"
            shown = script.relative_to(self.root.resolve()).as_posix()
            hint = "the Python file, relative to this file"
            return None, [Problem(*place, "run", f"{shown} {what}", hint, code="AM403")]
        return script, []

    def source_hash(self, script: Path | None) -> str:
        """Return a hash of all that the asset is made of: contents alone, never where or when they stand."""
        around, pipeline = self.pipeline.around, self.pipeline
        glossary = around.glossary(pipeline.folder.path).text if self.merged.glossary else ""
        texts = (
            pipeline.text,
            *(found.text for found in self.defaults),
            glossary,
            pipeline.macros,
            pipeline.scope.variant,
        )
        folders = {self.file.parent, *([self.root / script.relative_to(self.root.resolve()).parent] if script else [])}
        parts = [
            self.file.read_bytes(),
            script.read_bytes() if script else b"",
            *(text.encode("utf-8", "surrogateescape") for text in texts),
            *(around.requirements(folder) for folder in sorted(folders)),
        ]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()
