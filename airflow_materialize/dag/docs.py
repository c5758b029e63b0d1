"""What the Airflow UI shows of an asset and of a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_materialize.dag.markdown import bullets, cell, code, fence, page, plain, quote, table

if TYPE_CHECKING:
    from airflow_materialize.definition.asset import Asset, CustomCheck, Dependency
    from airflow_materialize.definition.column import Check, Column, Upstream
    from airflow_materialize.definition.parsed import ParsedAsset, ParsedPipeline
    from airflow_materialize.errors import Problem


def doc_md(parsed: ParsedAsset) -> str:
    """Return the page of an asset: its problems, what it is, how it is loaded, its columns, checks and lineage."""
    return page(
        [
            f"# {plain(parsed.name)}",
            *_broken("asset", parsed.problems),
            *(_about(parsed.asset) if parsed.asset else ()),
            *_list("Warnings", map(plain, map(str, parsed.warnings))),
            f"Source: {code(parsed.path)}",
        ]
    )


def dag_doc(pipeline: ParsedPipeline) -> str:
    """Return the page of a pipeline: its problems, what it is, who owns it, and its warnings."""
    definition = pipeline.pipeline
    facts = [("Owner", plain(definition.owner)), ("Domains", _words(definition.domains)), *_labels(definition.meta)]
    return page(
        [
            f"# {plain(pipeline.name)}",
            *_broken("pipeline", pipeline.problems),
            quote(definition.description),
            _facts(facts),
            *_list("Warnings", map(plain, map(str, pipeline.warnings))),
            *_list("Assets that cannot run", (code(asset.name) for asset in pipeline.assets if asset.problems)),
            f"Source: {code(pipeline.path)}",
        ]
    )


def _broken(what: str, problems: tuple[Problem, ...]) -> list[str]:
    return [f"**This {what} cannot run as it is written:**", *map(_problem, problems)] if problems else []


def _problem(problem: Problem) -> str:
    """The sentence as text, which the page wraps, and the line of the file as it stands."""
    sentence, _, excerpt = problem.explain().partition("\n")
    return plain(sentence) + (f"\n\n{fence(excerpt)}" if excerpt else "")


def _about(asset: Asset) -> Iterable[str]:
    yield "**Disabled by its header.**" if asset.enabled is False else ""
    yield quote(asset.description)
    yield _load(asset)
    yield _facts(
        [
            ("Owner", plain(asset.owner)),
            ("Tier", str(asset.tier or "")),
            ("Tags", _words(asset.tags)),
            ("Domains", _words(asset.domains)),
            *_labels({**asset.metadata, **asset.meta}),
        ]
    )
    yield from _list("Depends on", map(_dependency, asset.depends))
    if asset.columns:
        yield table(("column", "type", "key", "null", "checks", "description", "from"), map(_row, asset.columns))
    yield from _list("Custom checks", map(_custom_check, asset.custom_checks))


def _load(asset: Asset) -> str:
    load = asset.materialization
    if load is None:
        return ""
    key = f" by {code(load.incremental_key)}" if load.incremental_key else ""
    return f"Loaded with **{plain(load.strategy)}**{key} over the connection {code(asset.connection)}."


def _dependency(dependency: Dependency) -> str:
    columns = ", ".join(code(column.get("name", "")) for column in dependency.columns)
    lineage = " (lineage alone)" if dependency.mode == "symbolic" else ""
    return f"{code(dependency.asset or dependency.uri)}{lineage}{f': {columns}' if columns else ''}"


def _row(column: Column) -> tuple[str, ...]:
    return (
        cell(column.name),
        cell(_type(column)),
        "yes" if column.primary_key else "",
        "" if column.nullable else "never",
        ", ".join(map(_check, column.checks)),
        _about_column(column),
        ", ".join(map(_origin, column.upstreams)),
    )


def _about_column(column: Column) -> str:
    if not (column.owner or column.tags or column.domains or column.meta):
        return plain(column.description)
    facts = [("owner", plain(column.owner)), ("tags", _words(column.tags)), ("domains", _words(column.domains))]
    said = "; ".join(f"{name}: {text}" for name, text in [*facts, *_labels(column.meta)] if text)
    return " ".join(filter(None, (plain(column.description), f"({said})" if said else "")))


def _type(column: Column) -> str:
    sizes = [size for size in (column.length, column.precision, column.scale) if size is not None]
    return column.type + (f"({', '.join(map(str, sizes))})" if sizes and column.type and "(" not in column.type else "")


def _check(check: Check) -> str:
    value = "" if check.value is None else f" {_value(check.value)}"
    why = f" ({plain(check.description)})" if check.description else ""
    return f"{check.name}{value}{_mark(check)}{why}"


def _custom_check(check: CustomCheck) -> str:
    return f"**{plain(check.name)}**{_mark(check)} {plain(check.description)}".rstrip()


def _mark(check: Check | CustomCheck) -> str:
    return "" if check.blocking else ", not blocking"


def _value(value: Any) -> str:
    return cell(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _origin(upstream: Upstream) -> str:
    return cell(".".join(filter(None, (upstream.table, upstream.column))))


def _words(words: Iterable[str]) -> str:
    return ", ".join(map(plain, words))


def _labels(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(plain(name), plain(text)) for name, text in sorted(labels.items())]


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return bullets(f"{name}: {text}" for name, text in facts if text)


def _list(title: str, items: Iterable[str]) -> list[str]:
    found = list(items)
    return [f"**{title}**", bullets(found)] if found else []
