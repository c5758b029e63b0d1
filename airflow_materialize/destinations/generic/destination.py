"""Any other database with a DbApiHook of Airflow's: typed and in one transaction, and no promise beyond."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_materialize.destinations.base import Capabilities, Destination, Progress, Session, Table
from airflow_materialize.destinations.generic.behaviour import Behaviour
from airflow_materialize.destinations.generic.catalog import Place
from airflow_materialize.destinations.generic.driver import close, driver_of, not_opened
from airflow_materialize.destinations.generic.session import GenericSession
from airflow_materialize.destinations.generic.spelling import folded
from airflow_materialize.destinations.generic.types import style_of
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.connections import Connection


class Generic(Destination):
    """Whatever the connection's hook opens."""

    _place: Place | None = None
    _behaviour: Behaviour | None = None

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.conn_type = connection.conn_type
        self._style = style_of(connection.conn_type, connection.extra)
        self.capabilities = Capabilities("at_least_once", schemas=not self._style.few_classes)

    def table(self, name: str) -> Table:  # noqa: D102
        style = self._style
        if style.few_classes:
            return Table(name)
        return Table.named(name, "[catalog.][schema.]table", fold=lambda part: folded(part, style.dialect))

    @contextmanager
    def open(  # noqa: D102
        self, *, read_only: bool = False, purpose: str = "", progress: Progress | None = None
    ) -> Iterator[Session]:
        del purpose, progress  # No driver has a place for the one, and none tells of waits.
        connection, hook = self._connected()
        try:
            driver = driver_of(connection, hook, self.connection.conn_type)
            session = GenericSession(
                connection, driver, self._style, connect=lambda: self._connected()[0], read_only=read_only
            )
            self._place = self._place or session.find_place()
            session.place, session.behaviour = self._place, self._behaviour
            yield session
            self._behaviour = session.behaviour
        finally:
            close(connection)

    def _connected(self) -> tuple[Any, Any]:
        """Open a connection by Airflow's hook. Nothing on it is committed by itself."""
        if self.connection.hook is None:
            raise MaterializeError(f"Connection {self.connection.conn_id!r} has no hook")
        hook = self.connection.hook()
        try:
            opened = hook.get_conn()
            if hook.supports_autocommit:
                hook.set_autocommit(opened, False)
        except MaterializeError:
            raise
        except Exception as error:
            # Only an open connection tells which errors its driver has.
            raise not_opened(self.connection.conn_id, error) from error
        return opened, hook
