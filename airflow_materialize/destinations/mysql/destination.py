"""MySQL and MariaDB: a server whose schemas are its databases, and whose ALTER commits at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from MySQLdb.connections import Connection as DriverConnection
from MySQLdb.cursors import Cursor

from airflow_materialize.destinations.base import Destination, Progress, Session, Table
from airflow_materialize.destinations.mysql.catalog import Server
from airflow_materialize.destinations.mysql.errors import translated
from airflow_materialize.destinations.mysql.session import MySQLSession
from airflow_materialize.destinations.mysql.spelling import LONGEST_NAME
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.connections import Connection

_OLDEST = {"MySQL": (8, 0, 17), "MariaDB": (10, 3, 0)}
_STATEMENT_WAIT, _SILENCE, _SLOW_READER = 5, 60, 600
_MULTI_STATEMENTS_OFF = 1
_MODE = (
    "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    # Else a zero for a column that counts by itself would become its next number.
    "NO_AUTO_VALUE_ON_ZERO"
)
"""One mode on every server: texts in single and double quotes, names in backticks, values refused that do not fit."""

_SETTINGS = (
    f"SET SESSION sql_mode = '{_MODE}', time_zone = '+00:00'",
    # A wait is a statement that is tried again, so that the log can say who is waited for.
    f"SET SESSION innodb_lock_wait_timeout = {_STATEMENT_WAIT}, lock_wait_timeout = {_STATEMENT_WAIT}",
    # Who is silent for so long is stopped or cut off, and gives up its locks; who takes long to read rows is not.
    f"SET SESSION net_read_timeout = {_SILENCE}, wait_timeout = {_SILENCE}, net_write_timeout = {_SLOW_READER}",
)


_ASKED = ("version", "lower_case_table_names", "local_infile", "innodb_rollback_on_timeout", "log_bin", "binlog_format")


class MySQL(Destination):
    """A server of MySQL or MariaDB."""

    conn_type = "mysql"
    title = "MySQL"

    def table(self, name: str) -> Table:  # noqa: D102
        table = Table.named(name, "[database.]table", " in MySQL")
        if too_long := next((part for part in (table.schema, table.name) if len(part) > LONGEST_NAME), ""):
            raise MaterializeError(
                f"{too_long!r} has {len(too_long)} characters, and a name in MySQL has {LONGEST_NAME} at most",
                hint="a shorter name",
            )
        return table

    @contextmanager
    def open(  # noqa: D102
        self, *, read_only: bool = False, purpose: str = "", progress: Progress | None = None
    ) -> Iterator[Session]:
        del purpose  # There is no place that every user of a server may look at.
        with closing(self._connect()) as connection:
            server = _set_up(connection, read_only=read_only)
            yield MySQLSession(connection, server, self._connect, progress)

    def _connect(self) -> Any:
        hook = _hook(self.connection)
        try:
            with translated("MySQL"):
                connection = hook.get_conn()
        except (RuntimeError, ValueError, ImportError) as error:
            raise _unusable(self.connection, str(error)) from error
        except MaterializeError as error:
            error.message = f"Connection {self.connection.conn_id!r} cannot be opened: {error.message}"
            raise
        if not isinstance(connection, DriverConnection):
            connection.close()
            raise _unusable(self.connection, "its extra names another driver than mysqlclient")
        connection.cursorclass = Cursor
        return connection


def _hook(connection: Connection) -> Any:
    if connection.hook is None:
        raise _unusable(connection, "it has no hook")
    return connection.hook(local_infile=True)


def _unusable(connection: Connection, why: str) -> MaterializeError:
    return MaterializeError(
        f"Connection {connection.conn_id!r} cannot be opened: {why}",
        hint="pip install 'airflow-materialize[mysql]'; on Linux mysqlclient is built from source, which needs the"
        " package default-libmysqlclient-dev or mariadb-connector-c-devel, pkg-config and a C compiler",
    )


def _set_up(connection: Any, *, read_only: bool) -> Server:
    """Bring a connection into the one state that everything here counts on, and ask what there is to know."""
    with translated("MySQL"), closing(connection.cursor()) as cursor:
        connection.set_server_option(_MULTI_STATEMENTS_OFF)
        connection.set_character_set("utf8mb4")
        for statement in _SETTINGS:
            cursor.execute(statement)
        # Servers differ in what they have.
        cursor.execute(f"SHOW VARIABLES WHERE Variable_name IN {_ASKED}")
        said = {name.lower(): value for name, value in cursor.fetchall()}
        cursor.execute("SELECT DATABASE()")
        [(home,)] = cursor.fetchall()
        by_statement = said.get("log_bin") == "ON" and said.get("binlog_format") == "STATEMENT"
        # Each statement of a load sees what is committed, and locks no gaps between rows.
        level = "REPEATABLE READ" if read_only or by_statement else "READ COMMITTED"
        access = "READ ONLY" if read_only else "READ WRITE"
        cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}, {access}")
        # Who reads sees one state in all statements.
        cursor.execute(f"SET SESSION autocommit = {int(not read_only)}")
    version = said["version"]
    product = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if numbers < _OLDEST[product]:
        oldest = ".".join(map(str, _OLDEST[product]))
        raise MaterializeError(f"{product} {version} is too old", hint=f"{product} {oldest} or a later one")
    return Server(
        product,
        home or "",
        # In these, texts are equal where all their characters are, spaces at their end included.
        collation="utf8mb4_nopad_bin" if product == "MariaDB" else "utf8mb4_0900_bin",
        folds_tables=said.get("lower_case_table_names", "0") != "0",
        local_infile=said.get("local_infile") == "ON",
        is_read_only=read_only,
        undoes_statements=said.get("innodb_rollback_on_timeout") != "ON",
    )
