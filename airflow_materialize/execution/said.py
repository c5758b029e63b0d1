"""What user code says of its run beside its rows, read from its last message as strictly as anything from there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_materialize.errors import MaterializeError
from airflow_materialize.report import Skip
from airflow_materialize.sdk.metadata import plain

if TYPE_CHECKING:
    from airflow_materialize.execution.result import ChildResult

_LONGEST_REASON = 1_000


@dataclass(frozen=True)
class Words:
    """What user code says of its run.

    Attributes:
        metadata: Names and values.
        materialized: Whether the table is another one than before; None where it says nothing.
        skip: Why it was skipped; None where it was not.
        reads: The tables that it read.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    materialized: bool | None = None
    skip: Skip | None = None
    reads: list[str] = field(default_factory=list)


def words_of(result: ChildResult, asset: str, reads: list[str]) -> Words:
    """Return what a child that did not fail said.

    Raises:
        MaterializeError: It is not what `result()` and `skip()` send.
    """
    body = result.body
    try:
        metadata, materialized = plain(body.get("metadata") or {}), body.get("materialized")
        if materialized is not None and not isinstance(materialized, bool):
            raise TypeError("materialized is no truth value")
        skip = _skip(body) if result.outcome == "skipped" else None
    except (TypeError, ValueError) as error:
        raise MaterializeError(f"{asset}: what it says of its run cannot be read: {error}") from None
    return Words(metadata, materialized, skip, reads)


def _skip(body: dict[str, Any]) -> Skip:
    mode, reason = body.get("mode"), body.get("reason")
    if mode not in {"soft", "hard"} or not isinstance(reason, str):
        raise ValueError("a skip has a mode and a reason")
    # One line, of characters that a database keeps.
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in reason).split())
    return Skip(mode, text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} …")
