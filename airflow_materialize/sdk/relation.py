"""`ref(…)` and `source(…)`: a table of the database as a lazy relation. The worker writes the SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_materialize.sdk.channel import line
from airflow_materialize.sdk.exceptions import QueryError
from airflow_materialize.sdk.frames import Rows, to_arrow, to_pandas, to_polars
from airflow_materialize.sdk.queries import Form, deliver, own_connection
from airflow_materialize.sdk.values import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COMPARISON = 3


class Relation:
    """Rows of a table, before they are read.

    Every method but the last ones returns another relation and asks nothing of the database: `arrow`, `pandas`,
    `polars`, `batches`, `min`, `max`, `len()` and iteration run one statement each. A relation may be returned from
    `materialize()`.
    """

    def __init__(self, origin: dict[str, str], connection: str, steps: tuple[list[Any], ...] = ()) -> None:
        self._origin = origin
        self._connection = connection
        self._steps = steps

    def select(self, *columns: str, **renamed: str) -> Relation:
        """Keep these columns, in this order.

        Args:
            columns: Their names.
            renamed: New names with the columns that get them, as `total="amount"`.
        """
        chosen = [[name, name] for name in columns] + [[new, old] for new, old in renamed.items()]
        return self._with("select", chosen)

    def where(self, *condition: Any, **equal: Any) -> Relation:
        """Keep the rows for which all of this holds.

        Args:
            condition: Column, operator and value, as `"amount", ">", 10`; or a condition of SQL with a `?` for each
                value behind it, as `"amount > ? or urgent", 10`. Operators: = != < <= > >= in, not in, like,
                not like, between.
            equal: Columns with the value that they have, or a list of values; None is NULL.
        """
        steps = [["where", name, "in" if _is_list(value) else "=", _value(value)] for name, value in equal.items()]
        if condition and not isinstance(condition[0], str):
            raise QueryError(f"where() takes a column's name or a condition first, not {condition[0]!r}")
        if len(condition) == _COMPARISON and "?" not in condition[0]:
            column, operator, value = condition
            steps.insert(0, ["where", column, str(operator), _value(value)])
        elif condition:
            text, *values = condition
            steps.insert(0, ["condition", text, [_value(value) for value in values]])
        return Relation(self._origin, self._connection, (*self._steps, *steps))

    def join(self, other: Relation | str, on: str | Sequence[str] | dict[str, str], how: str = "inner") -> Relation:
        """Add the columns of another relation to the rows that match.

        Args:
            other: The other one, or the name of a table.
            on: The column that is equal on both sides, several of them, or the left ones with the right ones. Of a
                column that has one name on both sides one remains.
            how: `inner`, `left`, `right` or `full`.
        """
        right = ref(other, self._connection) if isinstance(other, str) else other
        if right._name() != self._name():  # noqa: SLF001  # of the same class
            message = f"{right!r} is on another connection than {self!r}: one statement runs on one of them"
            raise QueryError(message)
        pairs = on.items() if isinstance(on, dict) else [(name, name) for name in ([on] if isinstance(on, str) else on)]
        return self._with("join", right._description(), [list(pair) for pair in pairs], how)  # noqa: SLF001

    def order_by(self, *columns: str) -> Relation:
        """Sort by these columns, each as `day`, or `-day` for descending. NULL comes last."""
        return self._with("order_by", list(columns))

    def limit(self, count: int) -> Relation:
        """Keep so many rows."""
        return self._with("limit", count)

    def arrow(self) -> Any:
        """Return the rows as a pyarrow Table."""
        return self._deliver(to_arrow)

    def pandas(self) -> Any:
        """Return the rows as a pandas frame."""
        return self._deliver(to_pandas)

    def polars(self) -> Any:
        """Return the rows as a polars frame."""
        return self._deliver(to_polars)

    def batches(self, count: int) -> Any:
        """Return an iterator of record batches of so many rows, in the memory of one."""
        return self._deliver(to_arrow, count)

    def min(self, column: str) -> Any:
        """Return the least value of a column; None where there are no rows with one."""
        return self._summary("min", column)

    def max(self, column: str) -> Any:
        """Return the greatest value of a column; None where there are no rows with one."""
        return self._summary("max", column)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self._rows().reader():
            yield from batch.to_pylist()

    def __len__(self) -> int:
        return int(self._summary("count"))

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._rows().reader().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        steps = "".join(f".{step[0]}(…)" for step in self._steps)
        return f"{self._origin['how']}({self._origin['table']!r}){steps}"

    def _summary(self, name: str, *columns: str) -> Any:
        of = self._with("select", [[column, column] for column in columns]) if columns else self
        return line().ask("relation", whole=True, summary=name, **of._body()).table().column(0)[0].as_py()  # noqa: SLF001  # of the same class

    def _rows(self) -> Rows:
        return line().ask("relation", whole=False, **self._body())

    def _deliver(self, form: Form, batches: int | None = None) -> Any:
        return deliver(line(), form, "relation", self._body(), batches)

    def _body(self) -> dict[str, Any]:
        return {"connection": self._name(), "relation": self._description()}

    def _name(self) -> str:
        return self._connection or own_connection()

    def _description(self) -> dict[str, Any]:
        return {**self._origin, "steps": list(self._steps)}

    def _with(self, *step: Any) -> Relation:
        return Relation(self._origin, self._connection, (*self._steps, list(step)))


def ref(name: str, connection: str | None = None) -> Relation:
    """Return the table of an asset, which the header lists under `depends`.

    Args:
        name: The asset's name.
        connection: The connection id of its database; the asset's own unless said.
    """
    return Relation({"how": "ref", "table": name}, connection or "")


def source(name: str, connection: str | None = None) -> Relation:
    """Return a table that no asset makes.

    Args:
        name: `[catalog.][schema.]table`.
        connection: The connection id of its database; the asset's own unless said.
    """
    return Relation({"how": "source", "table": name}, connection or "")


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _value(value: Any) -> Any:
    try:
        return encode(value)
    except TypeError as error:
        raise QueryError(f"where(): {error}") from error
