"""What the Airflow UI shows of an asset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_materialize.definition.asset import Asset
    from airflow_materialize.definition.column import Column
    from airflow_materialize.definition.parsed import ParsedAsset


def doc_md(parsed: ParsedAsset) -> str:
    """Return the Markdown page of an asset: its problems, what it is, how it is loaded, its columns and checks."""
    parts = [f"# {parsed.name}"]
    if parsed.problems:
        problems = "\n".join(map(str, parsed.problems))
        parts.append(f"**This asset cannot run as it is written:**\n\n```text\n{problems}\n```")
    if parsed.asset is not None:
        parts += _about(parsed.asset)
    parts += [f"- {warning}" for warning in map(str, parsed.warnings)]
    parts.append(f"Source: `{parsed.path}`")
    return "\n\n".join(parts)


def _about(asset: Asset) -> list[str]:
    parts = [asset.description] if asset.description else []
    if asset.materialization is not None:
        load = asset.materialization
        key = f" by `{load.incremental_key}`" if load.incremental_key else ""
        parts.append(f"Loaded with **{load.strategy}**{key} over the connection `{asset.connection}`.")
    if asset.columns:
        head = ["| column | type | checks | description |", "|---|---|---|---|"]
        parts.append("\n".join([*head, *map(_row, asset.columns)]))
    if asset.custom_checks:
        checks = [f"- **{check.name}** {check.description}".rstrip() for check in asset.custom_checks]
        parts.append("\n".join(["Custom checks:", "", *checks]))
    return parts


def _row(column: Column) -> str:
    cells = (column.name, column.type, _checks(column), column.description)
    return f"| {' | '.join(map(_cell, cells))} |"


def _checks(column: Column) -> str:
    names = [check.name for check in column.checks]
    return ", ".join([*(["primary key"] if column.primary_key else []), *names])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
