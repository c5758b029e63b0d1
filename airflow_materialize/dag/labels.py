"""The words that Airflow's UI finds DAGs by: tags and owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_materialize.definition.model.markdown import printable

if TYPE_CHECKING:
    from airflow_materialize.definition.model.parsed import ParsedPipeline

# What Airflow's database takes.
_LONGEST_TAG = 100
_LONGEST_OWNER = 200
_LONGEST_OWNERS = 2000

_LONGEST_NAME = 250

_NOBODY = "airflow"


def shown(name: str) -> str:
    """Return a name as Airflow can show it. That of a broken asset or pipeline may be any text."""
    return printable(name)[:_LONGEST_NAME]


def dag_tags(pipeline: ParsedPipeline) -> list[str]:
    """Return the tags of a pipeline's DAG: its own and those of its assets, its domains, and ours. Sorted."""
    definition, assets = pipeline.pipeline, [asset.summary for asset in pipeline.assets]
    tags = {*definition.tags, *(tag for asset in assets for tag in asset.tags)}
    domains = {*definition.domains, *(domain for asset in assets for domain in asset.domains)}
    broken = any(asset.problems for asset in pipeline.assets) or bool(pipeline.problems)
    ours = {"materialize", "materialize-error"} if broken else {"materialize"}
    found = {" ".join(printable(tag).split()) for tag in (*tags, *(f"domain:{domain}" for domain in domains))}
    return sorted({tag[:_LONGEST_TAG] for tag in found if tag} | ours)


def task_owners(pipeline: ParsedPipeline) -> dict[str, str]:
    """Return the owner of each asset's tasks, by the asset's name: its own, else the pipeline's.

    Airflow joins the owners of all tasks by commas to the DAG's. Where that would be too long, all are the pipeline's.
    """
    default = _owner(pipeline.pipeline.owner) or _NOBODY
    owners = {asset.name: _owner(asset.summary.owner) or default for asset in pipeline.assets}
    together = ", ".join(sorted(set(owners.values())))
    return owners if len(together) <= _LONGEST_OWNERS else dict.fromkeys(owners, default)


def _owner(text: str) -> str:
    parts = (" ".join(part.split()) for part in printable(text).split(","))
    return ", ".join(filter(None, parts))[:_LONGEST_OWNER].rstrip(", ")
