"""The ledger `_materialize_loads`: which loads a database has seen, written in the transaction of each."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from airflow_materialize import __version__
from airflow_materialize.destinations.arrow import scalar
from airflow_materialize.destinations.base import Table
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session
    from airflow_materialize.plan.interval import Interval
    from airflow_materialize.plan.run_plan import RunPlan

TABLE = "_materialize_loads"


class Attempt(NamedTuple):
    """One try at a load. Attempts compare in this order: a cleared task has a new id, a retry a new number.

    Attributes:
        id: The uuid7 of the `load` task instance, in lower case: later ones are greater.
        number: The try number.
    """

    id: str
    number: int


@dataclass(frozen=True)
class Entry:
    """One row: the newest attempt at one load that was committed.

    Attributes:
        target: The table, folded as the database compares names.
        interval_start, interval_end: In UTC; None where the DAG run had no interval.
        staged_file, sha256: What was loaded.
        committed_at: The worker's clock, in UTC, shortly before the commit.
    """

    load_key: str
    asset: str
    target: str
    strategy: str
    dag_id: str
    run_id: str
    run_type: str
    map_index: int
    interval_start: datetime | None
    interval_end: datetime | None
    attempt_id: str
    try_number: int
    staged_file: str
    sha256: str
    rows_in: int
    rows_deleted: int
    rows_updated: int
    rows_inserted: int
    package_version: str
    committed_at: datetime | None

    @property
    def attempt(self) -> Attempt:
        """The attempt that committed it."""
        return Attempt(self.attempt_id, self.try_number)

    def figures(self) -> dict[str, Any]:
        """Return what user code may know of it, as plain data."""
        values = {name: getattr(self, name) for name in _FIGURES}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


_NUMBERS = {"map_index", "try_number", "rows_in", "rows_deleted", "rows_updated", "rows_inserted"}
_MOMENTS = {"interval_start", "interval_end", "committed_at"}
_FIGURES = (
    *("run_id", "strategy", "interval_start", "interval_end"),
    *("rows_in", "rows_inserted", "rows_updated", "rows_deleted", "committed_at"),
)
_COLUMNS: dict[str, pa.DataType] = {
    field.name: pa.int64() if field.name in _NUMBERS else pa.timestamp("us") if field.name in _MOMENTS else pa.string()
    for field in fields(Entry)
}


class Ledger:
    """The ledger beside one table.

    Args:
        session: An open session; for writing, inside of the load's transaction.
        target: The table. The ledger is in its schema.
    """

    def __init__(self, session: Session, target: Table) -> None:
        self._session = session
        self._place = Table(TABLE, target.schema, target.catalog)
        self._name = session.name_of(self._place)
        self.target = session.table_id(target)

    def create(self) -> None:
        """Create the ledger, and the schema that it is in, where they are missing.

        Loads of several tables may come here at once: one of them makes it, the others wait.

        Raises:
            MaterializeError: There is one that is not ours, or of another version.
        """
        columns = self._session.columns(self._place)
        if columns is None:
            self._session.lock(self._place)
            self._session.create_schema(self._place)
            columns = self._session.columns(self._place)
        if columns is None:
            types = {name: self._session.column_type(kind) for name, kind in _COLUMNS.items()}
            key, last = self._session.key_type(pa.string()), next(reversed(types))
            types |= {"load_key": f"{key} PRIMARY KEY", "target": f"{key} NOT NULL"}
            # After years it has a million rows, and each load asks for those of its table. The two are unique as it is.
            types[last] += f", UNIQUE ({self._listed(['target', 'load_key'])})"
            self._session.create_table(self._place, types)
            return
        missing = sorted(_COLUMNS.keys() - columns.keys())
        if missing:
            raise MaterializeError(
                f"The ledger {self._place} lacks the columns {', '.join(missing)}",
                hint="it was altered, or made by another version; without it a load could be applied twice. Restore it",
            )

    def find(self, load_key: str) -> Entry | None:
        """Return what is known of a load; None also where there is no ledger."""
        found = self._entries(f"{self._equal('load_key')} AND {self._equal('target')}", [load_key, self.target])
        return found[0] if found else None

    def newest(self) -> Entry | None:
        """Return the load of the table that was committed last; None also where there is no ledger."""
        committed, own = self._session.quote("committed_at"), self._equal("target")
        last = f"{committed} = (SELECT max({committed}) FROM {self._name} WHERE {own})"
        found = self._entries(f"{own} AND {last}", [self.target, self.target])
        return max(found, key=lambda entry: entry.attempt, default=None)

    def has_newer(self, interval: Interval) -> bool:
        """Whether the table holds a load whose interval ends later."""
        end = self._session.quote("interval_end")
        condition = f"{self._equal('target')} AND {end} > ?"
        return self._count(condition, [self.target, self._bound(interval.end)]) > 0

    def overlapping(self, plan: RunPlan) -> int:
        """Count the loads of other DAG runs whose interval shares time with this one's."""
        if plan.interval is None:
            return 0
        quote = self._session.quote
        condition = (
            f"{self._equal('target')} AND {quote('load_key')} <> ?"
            f" AND {quote('interval_start')} < ? AND {quote('interval_end')} > ?"
        )
        bounds = [self._bound(plan.interval.end), self._bound(plan.interval.start)]
        return self._count(condition, [self.target, plan.load_key, *bounds])

    def forget(self) -> None:
        """Remove all loads of the table: it is made anew, and none of them is in it."""
        self._session.execute(f"DELETE FROM {self._name} WHERE {self._equal('target')}", [self.target])

    def write(self, entry: Entry) -> None:
        """Write one load in place of its earlier attempts."""
        row = {name: self._session.bind(scalar(getattr(entry, name), kind)) for name, kind in _COLUMNS.items()}
        self._session.announce(self._place, row)
        self._session.execute(f"DELETE FROM {self._name} WHERE {self._equal('load_key')}", [entry.load_key])
        values = [*row.values()]
        marks = ", ".join("?" * len(values))
        self._session.execute(f"INSERT INTO {self._name} ({self._listed(list(_COLUMNS))}) VALUES ({marks})", values)

    def _entries(self, condition: str, parameters: list[Any]) -> list[Entry]:
        if not self._exists():
            return []
        names = list(_COLUMNS)
        sql = f"SELECT {self._listed(names)} FROM {self._name} WHERE {condition}"
        rows = (dict(zip(names, row, strict=True)) for row in self._session.rows(sql, parameters))
        return [Entry(**values | {name: _moment(values[name]) for name in _MOMENTS}) for values in rows]

    def _exists(self) -> bool:
        return self._session.columns(self._place) is not None

    def _count(self, condition: str, parameters: list[Any]) -> int:
        if not self._exists():
            return 0
        [(count,)] = self._session.rows(f"SELECT count(*) FROM {self._name} WHERE {condition}", parameters)
        return int(count)

    def _bound(self, moment: datetime) -> Any:
        return self._session.bind(scalar(naive(moment), pa.timestamp("us")))

    def _equal(self, column: str) -> str:
        return f"{self._session.quote(column)} = ?"

    def _listed(self, names: list[str]) -> str:
        return ", ".join(self._session.quote(name) for name in names)


def last_load(session: Session, table: Table) -> Entry | None:
    """Return the last load that a table holds; None where it is gone, or was never loaded."""
    return Ledger(session, table).newest() if session.kind(table) else None


def naive(moment: datetime) -> datetime:
    """Return the moment as the ledger keeps it: in UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def new_entry(plan: RunPlan, target: str, attempt: Attempt, **facts: Any) -> Entry:
    """Return the row of a load that is about to commit.

    Args:
        plan: The DAG run's plan.
        target: The table as the ledger names it.
        attempt: This try.
        **facts: The staged file and the row counts.
    """
    interval = plan.interval
    return Entry(
        load_key=plan.load_key,
        asset=plan.asset.name,
        target=target,
        strategy=plan.strategy,
        dag_id=plan.dag_id,
        run_id=plan.run_id,
        run_type=plan.run_type,
        map_index=plan.map_index,
        interval_start=naive(interval.start) if interval else None,
        interval_end=naive(interval.end) if interval else None,
        attempt_id=attempt.id,
        try_number=attempt.number,
        package_version=__version__,
        committed_at=naive(datetime.now(UTC)),
        **facts,
    )


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
