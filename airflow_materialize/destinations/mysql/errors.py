"""What MySQL and MariaDB say, as this package's errors: what passes by itself, and the grant that is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import MySQLdb

from airflow_materialize.destinations.discretion import PassingError, RepeatableError, StatementError

LOCK_WAIT = 1205
NO_DATABASE, NO_TABLE, INVALID_VIEW = 1049, 1146, 1356

_GIVEN_UP = {1213, 3101}  # A deadlock; a conflict in a replication group.
_LOST = {1053, 1077, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013, 2055, 4031}
_FULL = {1021, 1041, 1114}
_PASSING = {LOCK_WAIT, 1040, 1203, 1206, 1226, 1317, *_FULL}
_TOO_LONG = {1969, 3024}
_READ_ONLY = {1290, 1792, 1836}
RULES = {
    **dict.fromkeys((1062, 1586, 1859), "a unique constraint"),
    **dict.fromkeys((1048, 1364), "a column that is NOT NULL"),
    **dict.fromkeys((1216, 1217, 1451, 1452), "a foreign key constraint"),
    **dict.fromkeys((3819, 4025), "a check constraint"),
}
_WITHOUT_VALUES = {
    *(1044, 1045, 1046, NO_DATABASE, 1054, 1059, 1071, 1118, 1142, 1143, NO_TABLE, 1166, 1170, 1227, 1253, 1273, 1364),
    *(1048, 1137, 1205, 1264, 1406),
    *_GIVEN_UP, *_LOST, *_FULL, *_TOO_LONG, *_READ_ONLY,
}  # fmt: skip
"""What the server says in these is about statements, tables and the connection, not about the values of rows."""

_DENIED = re.compile(
    r"(?P<right>[A-Z][A-Z ,]*) command denied to user (?P<user>'.*?'@'.*?') for (?:column .* in )?table (?P<table>.+)"
)
_NO_DATABASE_RIGHT = re.compile(r"Access denied for user (?P<user>'.*?'@'.*?') to database '(?P<database>.*)'")
_HINTS = {
    1040: "raise max_connections, or let fewer loads run at once",
    1118: "a row of InnoDB has about 8 kB beside what it keeps elsewhere, which about 200 text columns fill;"
    " return fewer columns",
    1137: "MySQL reads a table that is about to be replaced once per statement: name it once in hooks and checks",
    1170: "a key of texts needs a length: declare the column as primary_key, or index its first characters",
    3750: "this server wants a primary key on every table (sql_require_primary_key): create the table yourself",
    **dict.fromkeys(_READ_ONLY, "this server only reads, as a replica does: let the connection lead to the primary"),
    **dict.fromkeys(_FULL, "the server's disk, its temporary space or a quota is full"),
    **dict.fromkeys(_TOO_LONG, "the statement took longer than the server, or the connection, lets it"),
}


def code_of(error: BaseException) -> int:
    """Return the number of an error of the driver; 0 where it has none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


@contextmanager
def translated(product: str) -> Iterator[None]:
    """Turn what the driver raises into an error of this package.

    Args:
        product: What the server calls itself.

    Raises:
        StatementError: The server refuses the statement.
        PassingError: Another try may do.
        RepeatableError: The transaction is gone, and may be done again at once.
    """
    try:
        yield
    except MySQLdb.Error as error:
        raise translation(error, product) from error


def translation(error: MySQLdb.Error, product: str) -> StatementError | PassingError:
    """Return the error of this package for one of the driver's."""
    code, text = code_of(error), str(error.args[-1]) if error.args else str(error)
    kind: type[StatementError | PassingError] = StatementError
    if code in _GIVEN_UP | _LOST:
        kind = RepeatableError
    elif code in _PASSING | _TOO_LONG:
        kind = PassingError
    what = f"error {code}" + (f", {RULES[code]}" if code in RULES else "")
    brief = "" if code in _WITHOUT_VALUES else f"{product}: {what}"
    said = kind(f"{product}: {text} ({what})" if code else f"{product}: {text}", brief=brief)
    said.hint = _HINTS.get(code, "") or _grant(text)
    return said


def _grant(text: str) -> str:
    """Return the statement that gives the right whose lack an error tells of; empty where it tells of none."""
    if found := _DENIED.search(text):
        return f"GRANT {found['right'].strip()} ON {found['table'].strip()} TO {found['user']}"
    if found := _NO_DATABASE_RIGHT.search(text):
        quoted = found["database"].replace("`", "``")
        rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, CREATE TEMPORARY TABLES"
        return f"GRANT {rights} ON `{quoted}`.* TO {found['user']}"
    return ""
