"""Tells people how assets and pipelines ended: the callbacks of tasks and DAGs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_materialize.dag.channels import channels_of, describe, distribution, send
from airflow_materialize.dag.news import News, news_of

if TYPE_CHECKING:
    from airflow_materialize.definition.model.notifications import Notification, Notifications
    from airflow_materialize.definition.model.pipeline import Pipeline

log = logging.getLogger(__name__)

Callback = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, eq=False)
class Notifier:
    """A callback for Airflow. Nothing is imported and no connection looked up before it is called.

    A notification that cannot be sent is a line in the log: neither the task nor the other notifications suffer.

    Attributes:
        status: What it tells of.
        channels: Whom it tells.
        default_connections: The pipeline's, by kind.
        pipeline: The pipeline's name.
        asset: The asset's name; empty where it tells of DAG runs.
        step: The asset's step, likewise.
    """

    status: Literal["success", "failure"]
    channels: tuple[Notification, ...]
    default_connections: Mapping[str, str] = field(repr=False)
    pipeline: str
    asset: str = ""
    step: str = ""

    def __call__(self, context: Mapping[str, Any]) -> None:
        """Tell everybody of the end that Airflow's context describes."""
        try:
            news = news_of(context, self.status, self.pipeline, self.asset, self.step)
        except Exception:  # Whatever Airflow leaves out of a context, the task has ended as it has.
            log.exception("nobody was told of the %s of %s", self.status, self.asset or self.pipeline)
            return
        for channel in self.channels:
            self.tell(channel, news)

    def tell(self, channel: Notification, news: News) -> None:
        """Send news over one channel, or log why not."""
        try:
            send(channel, news, self.default_connections)
        except ImportError:
            package = distribution(channel)
            log.warning("%s was not told: %s is not installed (pip install %s)", describe(channel), package, package)
        except Exception as error:  # noqa: BLE001  # Every provider has errors of its own.
            log.warning("%s was not told: %s: %s", describe(channel), type(error).__name__, error)


def callbacks(
    who: Notifications | None, pipeline: Pipeline, asset: str = "", step: str = "", *, of_success: bool = True
) -> dict[str, Callback]:
    """Return the callbacks of a task, or of a DAG.

    Args:
        who: Who hears of it.
        pipeline: The pipeline.
        asset: The asset's name; empty for the DAG.
        step: The asset's step, likewise.
        of_success: Whether success is told as well: of an asset its last step tells it.
    """
    if who is None:
        return {}
    found: dict[str, Callback] = {}
    statuses: tuple[Literal["success", "failure"], ...] = ("failure", "success") if of_success else ("failure",)
    for status in statuses:
        channels = tuple(channel for channel in channels_of(who) if getattr(channel, status))
        if channels:
            found[f"on_{status}_callback"] = Notifier(
                status, channels, pipeline.default_connections, pipeline.name, asset, step
            )
    return found


def joined(callbacks: Mapping[str, Callback], others: Mapping[str, Any]) -> dict[str, list[Callback]]:
    """Return callbacks together with those that the user of `asset_dags` gave under the same names."""
    return {name: [*_as_list(others.get(name)), own] for name, own in callbacks.items()}


def _as_list(given: Any) -> list[Callback]:
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]
