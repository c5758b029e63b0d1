"""What there is to say of a step or a DAG run that has ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

log = logging.getLogger(__name__)

_LONGEST_ERROR = 500


@dataclass(frozen=True)
class News:
    """The end of a step, or of a DAG run.

    Attributes:
        status: How it ended.
        pipeline: The pipeline's name.
        asset: The asset's name; empty for a DAG run.
        step: The asset's step, likewise.
        dag_id, run_id: The DAG run.
        interval: Its interval in words; empty where it has none.
        error: The first line of what went wrong.
        url: The task's log, or the DAG run, in Airflow's UI.
    """

    status: Literal["success", "failure"]
    pipeline: str
    asset: str
    step: str
    dag_id: str
    run_id: str
    interval: str
    error: str
    url: str

    @property
    def title(self) -> str:
        """The news in a sentence."""
        if self.status == "success":
            return f"{self.asset or self.pipeline} succeeded"
        return f"{self.asset} failed in {self.step}" if self.asset else f"{self.pipeline} failed"

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What else there is to say: pairs of a name and a text."""
        facts = {"DAG": self.dag_id, "run": self.run_id, "interval": self.interval, "error": self.error}
        return tuple((name, text) for name, text in {**facts, "log": self.url}.items() if text)

    def text(self) -> str:
        """Return everything as lines of plain text."""
        return "\n".join([self.title, *(f"{name}: {text}" for name, text in self.facts)])

    def to_json(self) -> dict[str, str | None]:
        """Return everything as plain data."""
        return {
            "status": self.status,
            "pipeline": self.pipeline,
            "asset": self.asset or None,
            "step": self.step or None,
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "interval": self.interval or None,
            "error": self.error or None,
            "url": self.url,
        }


def news_of(
    context: Mapping[str, Any], status: Literal["success", "failure"], pipeline: str, asset: str, step: str
) -> News:
    """Return the news that Airflow calls back with.

    Args:
        context: Airflow's context of the callback. That of a DAG run may have no more than the DAG and the run's id.
        status: How it ended.
        pipeline: The pipeline's name.
        asset: The asset's name; empty for a DAG run.
        step: The asset's step, likewise.
    """
    dag_id, run_id = context["dag"].dag_id, context["run_id"]
    return News(
        status=status,
        pipeline=pipeline,
        asset=asset,
        step=step,
        dag_id=dag_id,
        run_id=run_id,
        interval=_interval(context),
        error=_error(context) if status == "failure" else "",
        url=context["ti"].log_url if asset else _url(dag_id, run_id),
    )


def _interval(context: Mapping[str, Any]) -> str:
    from airflow_materialize.dag.trigger import interval_of

    if not context.get("dag_run"):
        return ""
    try:
        interval = interval_of(context)
    except Exception as error:  # noqa: BLE001  # The news is worth more than its interval, which may be what failed.
        log.info("the interval of %s is not known: %s", context["run_id"], error)
        return ""
    return f"{interval.start.isoformat()} to {interval.end.isoformat()}" if interval else ""


def _error(context: Mapping[str, Any]) -> str:
    """Return the first line of the error, without the secrets that Airflow knows."""
    from airflow.providers.common.compat.sdk import redact

    lines = str(context.get("exception") or context.get("reason") or "").strip().splitlines()
    return str(redact(lines[0]))[:_LONGEST_ERROR] if lines else ""


def _url(dag_id: str, run_id: str) -> str:
    from airflow.providers.common.compat.sdk import conf

    base = conf.get("api", "base_url", fallback=None) or "http://localhost:8080/"
    return f"{base.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run_id)}"
