"""Answers what user code asks of its run: what other assets said, the last load of its table, a connection's type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.connection_json import bruin_type
from airflow_materialize.plan.upstream import Upstream

if TYPE_CHECKING:
    from airflow_materialize.connections import Connection
    from airflow_materialize.definition.model.asset import Asset
    from airflow_materialize.sdk.wire import Message

KINDS = ("result_of", "last_load", "connection_type")
"""What is looked up; anything else is a statement."""


@dataclass(frozen=True)
class Lookup:
    """What one asset may look up.

    Attributes:
        asset: Its header.
        upstream: What it waits for.
        last_load: Returns the figures of the last load of its table on a connection as plain data; None where there is
            none.
    """

    asset: Asset
    upstream: Upstream
    last_load: Callable[[Connection], Mapping[str, Any] | None]

    def answer(self, question: Message, connection: Callable[[Any], Connection]) -> dict[str, Any]:
        """Return what is asked for.

        Args:
            question: What user code sent. Nothing in it is believed to be well formed.
            connection: Returns a connection that the asset may use, by its id.

        Raises:
            MaterializeError: The question is none, or the database does not answer.
        """
        if question.kind == "last_load":
            return {"load": self.last_load(connection("")) if self.asset.is_table else None}
        name = question.body.get("name")
        if question.kind == "connection_type":
            return {"type": bruin_type(connection(name))}
        if not isinstance(name, str):
            raise MaterializeError("the worker does not understand what is asked for")
        if name not in self.upstream.names | self._declared():
            return {"depends": False, "message": self._unrelated(name)}
        said = self.upstream.said(name)
        if said is None or said.run.skip:
            why = f"{name} was {said.run.skip}" if said else f"{name} has said nothing in this run"
            return {"depends": True, "message": f"result_of({name!r}): {why}; with `default=…` that is no error"}
        outcome = {"metadata": said.run.metadata, "materialized": said.materialized, "rows": said.run.rows}
        return {"depends": True, "outcome": outcome}

    def _declared(self) -> set[str]:
        """Return what the header says that the asset waits for, also where it is no part of this run."""
        return {dependency.asset for dependency in self.asset.depends if dependency.mode != "symbolic"}

    def _unrelated(self, name: str) -> str:
        problem = f"result_of({name!r:.100}): {self.asset.name} does not depend on it"
        if name in self.upstream.known:
            return f"{problem}, so it may not have run yet. Add it: `depends: [{name}]`"
        known = suggest(name, self.upstream.names)
        return f"{problem}, and this pipeline has no asset of that name{f' ({known})' if known else ''}"
