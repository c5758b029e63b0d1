"""A valid header as it is kept: what a DAG is made of at hand, all else read when someone asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from airflow_materialize.definition.model.notifications import Notifications
from airflow_materialize.definition.model.page import asset_page
from airflow_materialize.definition.model.retries import RetryRule

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset


class Patience(NamedTuple):
    """How often one check is tried again.

    Attributes:
        column: Its column; empty for a custom check.
        name: Its name.
        blocking: Whether others wait for it.
        retries: How often.
    """

    column: str
    name: str
    blocking: bool
    retries: int


@dataclass(frozen=True)
class Summary:
    """What the DAG of an asset is made of. Fields of one name are those of the header.

    Attributes:
        disabled: Whether it is `enabled: false`.
        patience: The checks that are tried again.
        page: The header as Markdown for people.
    """

    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    instance: str = ""
    retries: RetryRule | None = None
    rerun_cooldown: int | None = None
    timeout: str = ""
    notifications: Notifications | None = None
    disabled: bool = False
    patience: tuple[Patience, ...] = ()
    page: str = ""


@dataclass(frozen=True)
class Stated:
    """A valid header, with all that it inherits.

    Thousands of them are parsed to make DAGs, and a header takes long to become an `Asset`.

    Attributes:
        summary: What the DAG is made of.
        text: All of it, as JSON.
    """

    summary: Summary
    text: str = field(repr=False)

    @cached_property
    def asset(self) -> Asset:
        """The header."""
        from airflow_materialize.definition.model.asset import Asset

        return Asset.model_validate_json(self.text)


def stated(asset: Asset) -> Stated:
    """Return a header as it is kept."""
    summary = Summary(
        description=asset.description,
        owner=asset.owner,
        tags=asset.tags,
        domains=asset.domains,
        instance=asset.instance,
        retries=asset.retries,
        rerun_cooldown=asset.rerun_cooldown,
        timeout=asset.timeout,
        notifications=asset.notifications,
        disabled=asset.enabled is False,
        patience=tuple(_patience(asset)),
        page=asset_page(asset),
    )
    return Stated(summary, asset.model_dump_json(exclude_unset=True))


def _patience(asset: Asset) -> Iterator[Patience]:
    for column in asset.columns:
        yield from (
            Patience(column.name, check.name, check.blocking, check.retries) for check in column.checks if check.retries
        )
    yield from (
        Patience("", check.name, check.blocking, check.retries) for check in asset.custom_checks if check.retries
    )
