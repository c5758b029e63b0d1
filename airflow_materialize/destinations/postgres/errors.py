"""What PostgreSQL says, as this package's errors: the cause first, and what to run where a right is missing."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_materialize.destinations.discretion import PassingError, RepeatableError, StatementError
from airflow_materialize.errors import MaterializeError

_REPEATABLE = {"40001", "40P01", "57P01", "57P02", "57P03", "25P03"}
_PASSING = {"25006", "55P03", "57014", "58030"}
_WITHOUT_VALUES = ("0A", "08", "23", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
"""Classes of errors whose first line speaks of statements, names and the server, never of the values of rows."""

_CAUSES = {
    "25006": "The server or the role only reads, as a replica does",
    "53100": "The server's disk is full",
    "53200": "The server has no memory left",
    "53300": "The server has no connection left",
    "22021": "a text has a character that the database cannot store; a NUL is one",
    "22P05": "a text has a character that the database cannot store; a NUL is one",
}
_HINTS = {
    "25006": "connect to the primary server, with a role that may write",
    "428C9": "the database fills this column by itself: leave it out of the result",
    "23514": "",
}
# What psycopg says of a day or a time of the server that Python does not have.
_BEYOND_PYTHON = re.compile(r"(too large \(after|too small \(before) year|can't parse time")
_PLACE = re.compile(r"COPY .+?, line (?P<row>\d+)(?:, column (?P<column>[^\n]+?))?(?::|\n|$)")
_DENIED = re.compile(r"permission denied for (?P<kind>schema|database|table|relation|view|sequence)")
_TERMINAL = re.compile("authentication failed|no password supplied|pg_hba|does not exist|not permitted|invalid")


_PASSES = re.compile("starting up|too many clients|too many connections|remaining connection slots")


@dataclass
class Grants:
    """What the texts of missing rights name.

    Attributes:
        user: The role that lacks them.
        table: The quoted name of the table that is loaded; empty where none is.
        schema, database: Likewise.
    """

    user: str = ""
    table: str = ""
    schema: str = ""
    database: str = ""

    def missing(self, message: str) -> str:
        """Return the statement that gives the right that a message misses; empty where nobody can tell."""
        if "must be owner of" in message:
            return f"ALTER TABLE {self.table} OWNER TO {self.user}" if self.table else ""
        if "row-level security" in message:
            return f"ALTER ROLE {self.user} BYPASSRLS, or load as the table's owner"
        found = _DENIED.search(message)
        if found is None and "temporary tables" not in message:
            return ""
        if found is None or found["kind"] == "database":
            return f"GRANT CREATE, TEMPORARY ON DATABASE {self.database} TO {self.user}"
        if found["kind"] == "schema":
            return f"GRANT USAGE, CREATE ON SCHEMA {self.schema} TO {self.user}" if self.schema else ""
        rights = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE"
        place = f"ALL TABLES IN SCHEMA {self.schema}" if self.schema else self.table
        return f"GRANT {rights} ON {place} TO {self.user}" if place else ""


@dataclass
class Translator:
    """Turns what a driver raises into this package's errors.

    Attributes:
        grants: What the texts of missing rights name.
        blocker: Who was last seen in the way, for a wait that was too long.
        seconds: How long that wait may be.
    """

    grants: Grants = field(default_factory=Grants)
    blocker: str = ""
    seconds: float = 0.0

    @contextmanager
    def __call__(self, connection: Any = None) -> Iterator[None]:
        """Translate what happens inside.

        Raises:
            StatementError: A statement was refused.
            PassingError: The same, and another try may do.
            RepeatableError: The transaction is lost and may be done again at once.
        """
        try:
            yield
        except driver_errors() as error:
            raise self.translated(error, lost=is_lost(connection)) from error

    def translated(self, error: Exception, *, lost: bool) -> MaterializeError:
        """Return the error of this package that says the same."""
        code = _code(error)
        if code == "55P03":
            return PassingError(f"{self.blocker or 'Another session holds a lock'}; waited {self.seconds:g} s")
        first, message = self._texts(error, code)
        if code[:2] in _WITHOUT_VALUES or not code:
            brief = "" if first == message else first
        else:
            brief = f"PostgreSQL refused a value ({code})"
        if code in _REPEATABLE or code[:2] == "08" or (lost and code != "57014"):
            return RepeatableError(message, brief=brief)
        if code in _PASSING or code[:2] == "53":
            refused: MaterializeError = PassingError(message, brief=brief)
        else:
            refused = StatementError(message, brief=brief)
        refused.hint = self._hint(error, code)
        return refused

    def _texts(self, error: Exception, code: str) -> tuple[str, str]:
        diag = getattr(error, "diag", None)
        primary = getattr(diag, "message_primary", None) or str(error).strip() or type(error).__name__
        cause = _CAUSES.get(code, "")
        first = f"{cause}: {primary}" if cause else f"PostgreSQL: {primary}"
        detail = getattr(diag, "message_detail", None)
        message = f"{first}: {detail}" if detail else first
        place = _PLACE.search(getattr(diag, "context", None) or "")
        if place:
            where = f"Column {place['column']!r}, row {place['row']}" if place["column"] else f"Row {place['row']}"
            message = f"{where}: {cause or primary}" + (f" ({detail})" if detail else "")
        return first, message

    def _hint(self, error: Exception, code: str) -> str:
        diag = getattr(error, "diag", None)
        if code == "42501":
            return self.grants.missing(getattr(diag, "message_primary", "") or "")
        if code in _HINTS:
            return _HINTS[code]
        if not code and _BEYOND_PYTHON.search(str(error)):
            return "Python has no such value: CAST it to text, or leave it out, as by NULLIF(…, 'infinity')"
        return getattr(diag, "message_hint", None) or ""


def not_opened(conn_id: str, error: Exception, *, known: bool) -> MaterializeError:
    """Return why a connection could not be made.

    Args:
        conn_id: The connection.
        error: What the driver says.
        known: Whether it could be made before, so that the server is only away for a while.
    """
    reason = str(error).strip()
    message = f"Connection {conn_id!r} cannot be opened: {reason}"
    if _TERMINAL.search(reason):
        return MaterializeError(message, hint="see host, port, login, password and database of the connection")
    return RepeatableError(message) if known or _PASSES.search(reason) else PassingError(message)


def driver_errors() -> tuple[type[Exception], ...]:
    """Return the roots of the errors of the drivers that are in use."""
    return tuple(sys.modules[name].Error for name in ("psycopg", "psycopg2") if name in sys.modules)


def is_lost(connection: Any) -> bool:
    """Whether the connection is gone."""
    return connection is not None and bool(connection.closed)


def _code(error: Exception) -> str:
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
