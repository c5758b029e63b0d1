"""The connections that assets name: whether each opens, and what its database promises."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_materialize.connections import Connection, find
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.project.select import Selection
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.doctor.finding import Finding
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.redaction import Redactor, all_forms
from airflow_materialize.load.leftovers import clean as clean_up


def connection_findings(selections: list[Selection], default: str, *, clean: bool) -> Iterator[Finding]:
    """Open each connection once, for reading.

    Args:
        selections: The assets.
        default: The connection of a table whose header names none.
        clean: Whether what loads that died left beside the assets' tables is removed.
    """
    for conn_id, names in sorted(_named(selections, default).items()):
        subject = f"connection {conn_id}"
        try:
            connection = find(conn_id)
        except MaterializeError as error:
            # Airflow's own words may show what a definition holds.
            yield Finding(subject, "broken", "its definition cannot be read", error.hint)
            continue
        if connection is None:
            hint = f"add it to Airflow, or set AIRFLOW_CONN_{conn_id.upper()}; {names[0]} names it"
            yield Finding(subject, "broken", "is not defined, or its definition cannot be read", hint)
            continue
        opened = _opened(subject, connection)
        yield opened
        if clean and opened.state == "ok":
            yield from _cleaned(connection, _tables(selections, conn_id, default))


def _tables(selections: list[Selection], conn_id: str, default: str) -> list[Asset]:
    assets = [parsed.asset for selection in selections for parsed in selection.chosen if parsed.asset]
    return [asset for asset in assets if asset.is_table and (asset.connection or default) == conn_id]


def _cleaned(connection: Connection, assets: list[Asset]) -> Iterator[Finding]:
    if not assets:
        return
    subject = f"leftovers in {connection.conn_id}"
    redact = Redactor(form for secret in _secrets(connection) for form in all_forms(secret))
    try:
        said = clean_up(for_connection(connection), assets)
    except MaterializeError as error:
        yield Finding(subject, "broken", redact(f"cannot be removed: {error.message}"), redact(error.hint))
        return
    yield Finding(subject, "ok", "; ".join(map(redact, said)) or "none")


def _named(selections: list[Selection], default: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for selection in selections:
        for parsed in selection.chosen:
            if parsed.asset is None:
                continue
            own = parsed.asset.connection or (default if parsed.asset.is_table else "")
            for conn_id in dict.fromkeys([own, *parsed.asset.connections]):
                if conn_id:
                    found.setdefault(conn_id, []).append(parsed.name)
    return found


def _opened(subject: str, connection: Connection) -> Finding:
    redact = Redactor(form for secret in _secrets(connection) for form in all_forms(secret))
    try:
        destination = for_connection(connection)
        with destination.session(read_only=True, purpose="airflow-materialize doctor"):
            pass
    except MaterializeError as error:
        return Finding(subject, "broken", redact(f"does not open: {error.message}"), redact(error.hint))
    guarantee = destination.capabilities.guarantee.replace("_", " ")
    return Finding(subject, "ok", f"opens ({connection.conn_type}, {guarantee})")


def _secrets(connection: Connection) -> Iterator[str]:
    """Give what must not be shown: the password, and every text in the extra fields."""
    if connection.password:
        yield connection.password
    for value in connection.extra.values():
        if isinstance(value, str) and value:
            yield value
