"""Which code loads into connections of a type: this package's own, another package's, or the generic one."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from airflow_materialize.destinations import MODULES
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.connections import Connection
    from airflow_materialize.destinations.base import Destination

GROUP = "airflow_materialize.destinations"
"""The group of the entry points by which other packages bring destinations. A name in it is a `conn_type`."""


def class_for(connection: Connection) -> type[Destination]:
    """Return the class of the destination that a connection leads to. Its module is imported only now.

    Raises:
        MaterializeError: There is none for its type, or it cannot be imported.
    """
    conn_type = connection.conn_type
    if conn_type in MODULES:
        return _own(connection)
    found = [*entry_points(group=GROUP, name=conn_type)]
    if len(found) > 1:
        raise MaterializeError(
            f"Several packages load into connections of the type {conn_type!r}: {', '.join(map(_package, found))}",
            hint="uninstall all but one",
            unchanged="any table",
        )
    return _of_package(found[0]) if found else _generic(connection)


def _own(connection: Connection) -> type[Destination]:
    from airflow_materialize.destinations.base import known

    try:
        import_module(MODULES[connection.conn_type])
    except ImportError as error:
        raise MaterializeError(
            f"Connection {connection.conn_id!r} has the type {connection.conn_type!r}, whose driver is not installed:"
            f" {error}",
            hint=f"pip install 'airflow-materialize[{connection.conn_type}]'; docs/destinations says what it needs",
            unchanged="any table",
        ) from error
    return known(connection.conn_type)


def _of_package(entry: EntryPoint) -> type[Destination]:
    from airflow_materialize.destinations.base import Destination

    try:
        found = entry.load()
    except Exception as error:
        raise MaterializeError(
            f"The destination {entry.name!r} of {_package(entry)} cannot be imported: {type(error).__name__}: {error}",
            hint=f"mend or uninstall {_package(entry)}",
            unchanged="any table",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Destination)):
        raise MaterializeError(
            f"The destination {entry.name!r} of {_package(entry)} is {entry.value}, which is no Destination",
            hint="a subclass of airflow_materialize.destinations.base.Destination",
            unchanged="any table",
        )
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value


def _generic(connection: Connection) -> type[Destination]:
    """Return the class for whatever has a DbApiHook. The hook is made, and opens nothing."""
    reason, hook = "it has no hook", None
    if connection.hook:
        try:
            hook = connection.hook()
        except MaterializeError as error:
            reason = f"{error.message} ({error.hint})"
        else:
            reason = f"its hook, {type(hook).__name__}, is no DbApiHook"
    if hook is not None:
        from airflow.providers.common.sql.hooks.sql import DbApiHook

        if isinstance(hook, DbApiHook):
            from airflow_materialize.destinations.generic.destination import Generic

            return Generic
    raise MaterializeError(
        f"Connection {connection.conn_id!r} has the type {connection.conn_type!r}, into which nothing is loaded:"
        f" {reason}",
        hint=f"one of: {', '.join(sorted(MODULES))} (exactly once); a type whose hook is a DbApiHook (at least once)",
        unchanged="any table",
    )
