"""A driver of Python's database API (PEP 249): how it takes parameters, and what its errors mean."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from airflow_materialize.destinations.discretion import PassingError, RepeatableError, StatementError
from airflow_materialize.destinations.placeholders import styled
from airflow_materialize.errors import MaterializeError, TransientError

_STYLES = {"qmark", "numeric", "named", "format", "pyformat"}
_GIVEN_UP = re.compile(r"deadlock|serializ|is locked|connection.*(lost|closed|reset|terminat)|gone away", re.IGNORECASE)
_MAY_PASS = re.compile(r"timed? ?out|unavailable|too many|interrupt|cancel|shutting down", re.IGNORECASE)
_REFUSED = re.compile(r"authent|password|denied|does not exist|unknown|invalid|not allowed", re.IGNORECASE)
_CODE = re.compile(r"[0-9A-Z]{5}")


@dataclass(frozen=True)
class Driver:
    """What is known of the driver behind a hook.

    Attributes:
        title: What errors call the database.
        errors: The roots of the driver's errors.
        paramstyle: How it writes placeholders.
    """

    title: str
    errors: tuple[type[Exception], ...]
    paramstyle: str

    def statement(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
        """Return what `cursor.execute` takes for a statement with `?`."""
        if not parameters:
            # Without parameters a driver leaves the statement as it is, `%` included.
            return (sql,)
        return styled(sql, self.paramstyle), self.bound(parameters)

    def bound(self, parameters: Sequence[Any]) -> Any:
        """Return parameters as the driver takes them."""
        if self.paramstyle == "named":
            return {f"p{number}": value for number, value in enumerate(parameters, 1)}
        return tuple(parameters)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the driver raises into this package's errors.

        Raises:
            StatementError: A statement was refused.
            PassingError: The same, and another try may do.
            RepeatableError: The transaction is lost and may be done again at once.
        """
        try:
            yield
        except self.errors as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> MaterializeError:
        text, code = str(error).strip(), _sqlstate(error)
        # Nobody knows whether the text of a driver shows values.
        kind, brief = _kind(error, text, code), f"{self.title} refused a statement ({code or type(error).__name__})"
        return kind(f"{self.title}: {text or type(error).__name__}", brief=brief)


def driver_of(connection: Any, hook: Any, title: str) -> Driver:
    """Return what is known of the driver that opened a connection.

    The placeholder that the connection's extra asks for counts most, then what the driver says of itself, then the
    hook's.
    """
    module = _module(connection)
    errors = getattr(module or connection, "Error", None)
    asked = hook.connection_extra.get("placeholder") if hasattr(hook, "connection_extra") else None
    style = "" if asked else getattr(module, "paramstyle", "")
    if style not in _STYLES:
        style = "qmark" if hook.placeholder == "?" else "format"
    return Driver(title, (errors,) if isinstance(errors, type) else (Exception,), style)


def not_opened(conn_id: str, error: Exception) -> MaterializeError:
    """Return why a connection could not be made."""
    message = f"Connection {conn_id!r} cannot be opened: {str(error).strip() or type(error).__name__}"
    if type(error).__name__ not in {"OperationalError", "InterfaceError"} or _REFUSED.search(message):
        return MaterializeError(message, hint="see host, port, login, password and extra of the connection")
    return TransientError(message)


def close(connection: Any) -> None:
    """Close a connection, whatever its driver thinks of its state. What was not committed is lost."""
    with suppress(Exception):
        connection.rollback()
    with suppress(Exception):
        connection.close()


def _module(connection: Any) -> Any:
    """Return the driver's module: the innermost package of the connection's class that has errors and a paramstyle."""
    name = type(connection).__module__
    while name:
        module = sys.modules.get(name)
        if hasattr(module, "Error") and hasattr(module, "paramstyle"):
            return module
        name = name.rpartition(".")[0]
    return None


def _sqlstate(error: Exception) -> str:
    for name in ("sqlstate", "pgcode"):
        if code := getattr(error, name, None):
            return str(code)
    first = error.args[0] if error.args else ""
    return first if isinstance(first, str) and _CODE.fullmatch(first) else ""


def _kind(error: Exception, text: str, code: str) -> type[StatementError | PassingError]:
    if code[:2] in {"08", "40"} or code in {"57P01", "57P02", "57P03"}:
        return RepeatableError
    if code:
        return PassingError if code[:2] in {"53", "55", "57", "HY"} else StatementError
    if type(error).__name__ not in {"OperationalError", "InterfaceError"}:
        return StatementError
    if _GIVEN_UP.search(text):
        return RepeatableError
    return PassingError if _MAY_PASS.search(text) else StatementError
