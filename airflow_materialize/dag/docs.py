"""What the Airflow UI shows of an asset and of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_materialize.definition.model.markdown import code, facts, fence, labels, listed, page, plain, quote, words

if TYPE_CHECKING:
    from airflow_materialize.definition.model.parsed import ParsedAsset, ParsedPipeline
    from airflow_materialize.errors import Problem


def doc_md(parsed: ParsedAsset) -> str:
    """Return the page of an asset: its problems, what it is, how it is loaded, its columns, checks and lineage."""
    return page(
        [
            f"# {plain(parsed.name)}",
            *_broken("asset", parsed.problems),
            parsed.summary.page,
            *listed("Warnings", map(plain, map(str, parsed.warnings))),
            f"Source: {code(parsed.path)}",
        ]
    )


def dag_doc(pipeline: ParsedPipeline) -> str:
    """Return the page of a pipeline: its problems, what it is, who owns it, and its warnings."""
    definition = pipeline.pipeline
    said = [("Owner", plain(definition.owner)), ("Domains", words(definition.domains)), *labels(definition.meta)]
    return page(
        [
            f"# {plain(pipeline.name)}",
            *_broken("pipeline", pipeline.problems),
            quote(definition.description),
            facts(said),
            *listed("Warnings", map(plain, map(str, pipeline.warnings))),
            *listed("Assets that cannot run", (code(asset.name) for asset in pipeline.assets if asset.problems)),
            f"Source: {code(pipeline.path)}",
        ]
    )


def _broken(what: str, problems: tuple[Problem, ...]) -> list[str]:
    return [f"**This {what} cannot run as it is written:**", *map(_problem, problems)] if problems else []


def _problem(problem: Problem) -> str:
    """The sentence as text, which the page wraps, and the line of the file as it stands."""
    sentence, _, excerpt = problem.explain().partition("\n")
    return plain(sentence) + (f"\n\n{fence(excerpt)}" if excerpt else "")
