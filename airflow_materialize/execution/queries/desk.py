"""Answers what user code asks of databases, on the worker's connections. The credential stays here."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_materialize.connections import resolve
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.logs import harmless
from airflow_materialize.execution.queries.bounds import Bounds, bounds_of
from airflow_materialize.execution.queries.spool import Spool
from airflow_materialize.execution.queries.statements import midnight_only, shown, tables_read
from airflow_materialize.execution.redaction import Redactor
from airflow_materialize.execution.secrets import secret_values
from airflow_materialize.plan.interval import bruin_dates
from airflow_materialize.plan.run_plan import RunPlan
from airflow_materialize.sdk.values import decode

if TYPE_CHECKING:
    from airflow_materialize.connections import Connection
    from airflow_materialize.destinations.base import Destination, Session
    from airflow_materialize.sdk.wire import Message

# User code that writes a new text into each statement must not fill the worker's memory.
_MOST_STATEMENTS = 1_000
_DRIVERS_OWN = re.compile(r"%s|%\(\w+\)s")
_PLACEHOLDERS = "placeholders are `?`, or with names `:name` (`$name` in DuckDB), on every database"


class UnlistedConnectionError(MaterializeError):
    """The header does not list the connection."""


@dataclass(frozen=True)
class _Statement:
    """What is to run.

    Attributes:
        sql: Its text.
        parameters: Bound values, by place or by name.
        tables: What it reads, where that is known: each with `ref` or `source`.
    """

    sql: str
    parameters: Any
    tables: list[tuple[str, str]] = field(default_factory=list)


class Desk:
    """Runs the statements of one asset, one at a time.

    Args:
        plan: Whose asset it is.
        overrides: URLs that stand in for connection ids.
        folder: Where results take their room on disk.
        secrets: What no text may show.
        log: Told of each statement.

    Attributes:
        connections: The connection ids that are answered for, the asset's own first.
    """

    def __init__(
        self,
        plan: RunPlan,
        overrides: Mapping[str, str],
        folder: Path,
        secrets: tuple[str, ...],
        log: logging.Logger,
    ) -> None:
        self.connections = tuple(dict.fromkeys(filter(None, (plan.connection, *plan.asset.connections))))
        self._plan = plan
        self._bounds = bounds_of(plan.parameters)
        self._overrides = overrides
        self._folder = folder
        self._secrets = secrets
        self._log = log
        self._redact = Redactor(secrets)
        self._found: dict[str, Connection] = {}
        self._statements: dict[tuple[str, str, str], None] = {}
        self._tables: dict[tuple[str, str], None] = {}
        self._warned: set[str] = set()

    def answer(self, question: Message) -> Spool:
        """Run what is asked for and return its rows.

        Nothing in the question is believed to be well formed: it comes from user code's process.

        Raises:
            UnlistedConnectionError: The header does not list the connection.
            ReadOnlyError: The statement does more than read.
            MaterializeError: It cannot run, or gives more than may be loaded whole.
        """
        from airflow_materialize.destinations.base import for_connection
        from airflow_materialize.destinations.discretion import discreet

        body = question.body
        connection = self.connection(body.get("connection"))
        destination = for_connection(connection)
        whole = body.get("whole") is not False
        purpose = f"query of {self._plan.asset.name}"
        spool = Spool(self._folder)
        began = time.monotonic()
        statement = None
        try:
            with (
                discreet(self._plan.asset.columns),
                destination.session(read_only=True, purpose=purpose, progress=self._log.info) as session,
            ):
                statement = self._statement(question, destination, session)
                self._warn(connection, statement, session.dialect)
                with closing(session.reader().batches(statement.sql, statement.parameters)) as batches:
                    spool.fill(batches, self._bounds if whole else Bounds())
        except BaseException as error:
            spool.close()
            if statement:
                _advise(error, statement)
                self._tell(logging.WARNING, connection, statement, "failed", began)
            raise
        self._keep(connection, statement, session.dialect)
        self._tell(logging.INFO, connection, statement, _amount(spool), began)
        if whole and (warning := self._bounds.warning(spool.rows, spool.size)):
            self._log.warning("query on %s: %s", connection.conn_id, warning)
        return spool

    def connection(self, name: Any) -> Connection:
        """Return a connection that the asset may use. What is secret in it is masked from now on.

        Args:
            name: Its id, as user code says it; empty for that of the asset's table.

        Raises:
            UnlistedConnectionError: The header does not list it.
            MaterializeError: There is no such connection.
        """
        name = self._plan.connection if name == "" else name
        if not isinstance(name, str) or name not in self.connections:
            hint = f"add it to the header: `connections: [{name}]`"
            known = suggest(str(name), self.connections)
            raise UnlistedConnectionError(
                f"query() may not use the connection {name!r:.100}", hint=f"{hint}; {known}" if known else hint
            )
        if name not in self._found:
            connection = resolve(name, self._overrides)
            extra = json.dumps({"password": connection.password, "extra": dict(connection.extra)}, default=str)
            self._secrets += tuple(secret_values(extra))
            self._redact = Redactor(self._secrets)
            self._found[name] = connection
        return self._found[name]

    def masked(self, text: str) -> str:
        """Return a text for user code, without a secret in it."""
        return self._redact(text)

    def reads(self) -> list[str]:
        """Return the tables that were read: as the statements name them; those of another connection as URIs."""
        found = list(self._tables)
        for conn_id, sql, dialect in self._statements:
            found += [(conn_id, name) for name in tables_read(sql, dialect)]
        own = self._plan.connection
        names = (name if conn_id == own else f"materialize://{conn_id}/{name}" for conn_id, name in found)
        return list(dict.fromkeys(names))

    def _statement(self, question: Message, destination: Destination, session: Session) -> _Statement:
        body = question.body
        if question.kind == "relation":
            from airflow_materialize.execution.queries.relation import compose

            known = [dependency.asset for dependency in self._plan.asset.depends]
            made = compose(body.get("relation"), destination, session, summary=body.get("summary"), known=known)
            return _Statement(made.sql, _bound(made.parameters, session), made.tables)
        if question.kind != "query" or not isinstance(body.get("sql"), str):
            raise MaterializeError("the worker does not understand what is asked for")
        if not body["sql"].strip():
            raise MaterializeError("the statement is empty")
        return _Statement(body["sql"], _bound(_parameters(body.get("params")), session))

    def _warn(self, connection: Connection, statement: _Statement, dialect: str) -> None:
        """Warn of what is most likely a mistake, once each."""
        asset = self._plan.asset
        known = {asset.name, *(dependency.asset for dependency in asset.depends)}
        for how, name in statement.tables:
            if how == "ref" and name not in known:
                self._warn_once(
                    f"ref({name!r}): the header does not list it, so this asset may run before it. "
                    f"Add it: `depends: [{name}]`; for a table that no asset makes use source({name!r})"
                )
        if self._plan.interval is None:
            return
        dates = bruin_dates(self._plan.interval)
        days = {dates.start.date(), dates.end.date()}
        if column := midnight_only(statement.sql, dialect, statement.parameters, days):
            self._warn_once(
                f"query on {connection.conn_id}: {column} BETWEEN a day AND the same day: of a column with a time that "
                "is midnight alone; BETWEEN start_timestamp AND end_timestamp is the whole interval"
            )

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._log.warning("%s", harmless(self._redact(text)))

    def _keep(self, connection: Connection, statement: _Statement, dialect: str) -> None:
        for _, name in statement.tables:
            self._tables[connection.conn_id, name] = None
        if not statement.tables and len(self._statements) < _MOST_STATEMENTS:
            self._statements[connection.conn_id, statement.sql, dialect] = None

    def _tell(self, level: int, connection: Connection, statement: _Statement, what: str, began: float) -> None:
        seconds, text = time.monotonic() - began, harmless(self._redact(shown(statement.sql)))
        self._log.log(level, "query on %s: %s in %.2f s: %s", connection.conn_id, what, seconds, text)


def _advise(error: BaseException, statement: _Statement) -> None:
    """Say what is right where the statement has placeholders as drivers of Python know them."""
    if isinstance(error, MaterializeError) and statement.parameters and _DRIVERS_OWN.search(statement.sql):
        error.hint = error.hint or _PLACEHOLDERS


def _amount(spool: Spool) -> str:
    return f"{spool.rows:,} row{'' if spool.rows == 1 else 's'}, {spool.size / 1e6:,.1f} MB"


def _parameters(params: Any) -> Any:
    """Return the values of a statement's placeholders."""
    if params is None:
        return []
    try:
        if isinstance(params, dict) and isinstance(params.get("named"), dict):
            return {name: decode(value) for name, value in params["named"].items()}
        if isinstance(params, dict) and isinstance(params.get("placed"), list):
            return [decode(value) for value in params["placed"]]
    except (ValueError, RecursionError) as error:
        raise MaterializeError(f"a parameter cannot be read: {error}") from error
    raise MaterializeError("the parameters are neither a list nor a dict")


def _bound(parameters: Any, session: Session) -> Any:
    """Return values as the driver takes them."""
    if isinstance(parameters, dict):
        return {name: session.value(value) for name, value in parameters.items()}
    return [session.value(value) for value in parameters]
