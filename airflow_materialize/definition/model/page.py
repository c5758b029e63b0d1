"""What a valid header says, as Markdown for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_materialize.definition.model.markdown import cell, code, facts, labels, listed, plain, quote, table, words

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset, CustomCheck, Dependency
    from airflow_materialize.definition.model.column import Check, Column, Upstream


def asset_page(asset: Asset) -> str:
    """Return what an asset is, how it is loaded, its columns, checks and lineage."""
    return "\n\n".join(part for part in _about(asset) if part)


def _about(asset: Asset) -> Iterable[str]:
    yield "**Disabled by its header.**" if asset.enabled is False else ""
    yield quote(asset.description)
    yield _load(asset)
    yield facts(
        [
            ("Owner", plain(asset.owner)),
            ("Tier", str(asset.tier or "")),
            ("Tags", words(asset.tags)),
            ("Domains", words(asset.domains)),
            *labels({**asset.metadata, **asset.meta}),
        ]
    )
    yield from listed("Depends on", map(_dependency, asset.depends))
    if asset.columns:
        yield table(("column", "type", "key", "null", "checks", "description", "from"), map(_row, asset.columns))
    yield from listed("Custom checks", map(_custom_check, asset.custom_checks))


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
    found = [("owner", plain(column.owner)), ("tags", words(column.tags)), ("domains", words(column.domains))]
    said = "; ".join(f"{name}: {text}" for name, text in [*found, *labels(column.meta)] if text)
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
