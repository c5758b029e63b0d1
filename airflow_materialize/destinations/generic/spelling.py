"""How any database writes types and conditions, as far as its SQL alone tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.destinations.arrow import is_text
from airflow_materialize.destinations.base import Session
from airflow_materialize.destinations.generic.types import Style, values_of
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.generic.behaviour import Behaviour
    from airflow_materialize.destinations.publishing import Publication, Statement


class GenericSpelling(Session):
    """The part of a session that writes SQL.

    Attributes:
        title: What errors call the database.
        style: What its SQL is like.
        behaviour: How its transactions and texts behave; None as long as nobody has tried.
    """

    title: str
    style: Style
    behaviour: Behaviour | None = None

    def storable(self, arrow_type: pa.DataType) -> pa.DataType:  # noqa: D102
        return self.style.storable(arrow_type)

    def column_type(self, arrow_type: pa.DataType) -> str:  # noqa: D102
        return self.style.column_type(arrow_type)

    def key_type(self, arrow_type: pa.DataType) -> str:  # noqa: D102
        return self.style.key if is_text(arrow_type) else self.column_type(arrow_type)

    def bind(self, scalar: pa.Scalar[Any]) -> Any:  # noqa: D102
        return values_of("", pa.repeat(scalar, 1), 0, self.style)[0]

    def quote(self, identifier: str) -> str:  # noqa: D102
        from sqlglot import exp

        super().quote(identifier)
        return exp.to_identifier(identifier, quoted=True).sql(dialect=self.dialect)

    def text(self, value: str) -> str:  # noqa: D102
        from sqlglot import exp

        return exp.Literal.string(value).sql(dialect=self.dialect)

    def spelled(self, name: str) -> str:  # noqa: D102
        return folded(name, self.dialect)

    def same(self, left: str, right: str) -> str:  # noqa: D102
        # Never NULL itself, as NOT is put before it.
        return f"CASE WHEN {left} = {right} OR ({left} IS NULL AND {right} IS NULL) THEN 1 ELSE 0 END = 1"

    def unchanged(self, left: str, right: str, arrow_type: pa.DataType, *, collated: bool) -> str:  # noqa: D102
        if self._in_texts(arrow_type) and (collated or not (self.behaviour and self.behaviour.exact_texts)):
            return "1 = 0"
        return self.same(left, right)

    def scd2_by_column(self, publication: Publication) -> list[Statement] | None:
        """Refuse what would take a row for changed because nobody can tell.

        Raises:
            MaterializeError: Texts that differ may count as equal here.
        """
        texts = [name for name, kind in publication.compared.items() if self._in_texts(kind)]
        if texts and not (self.behaviour and self.behaviour.exact_texts and not publication.collated):
            raise MaterializeError(
                f"scd2_by_column cannot tell whether {', '.join(texts)} changed: texts that differ may be equal here",
                hint="scd2_by_time",
            )
        return None

    def _in_texts(self, arrow_type: pa.DataType) -> bool:
        return pa.types.is_null(arrow_type) or self.column_type(arrow_type) == self.style.text

    def moment(self, arrow_type: pa.DataType, *, whole_day: bool) -> str:  # noqa: ARG002, D102
        raise MaterializeError(f"how {self.title} writes the current moment in UTC is not known")

    def unmatched_pattern(self, column_sql: str) -> str:  # noqa: D102
        from sqlglot import exp

        if self.dialect not in {"postgres", "redshift", "duckdb"}:
            raise MaterializeError(f"how {self.title} matches a pattern is not known", hint="a custom check")
        text = exp.DataType.build("text").sql(self.dialect)
        return f"NOT (CAST({column_sql} AS {text}) ~ ?)"


def folded(name: str, dialect: str) -> str:
    """Return a name in the case that the database gives names that nobody quotes, where it is in lower case."""
    from sqlglot.dialects.dialect import Dialect, NormalizationStrategy

    strategy = Dialect.get_or_raise(dialect).normalization_strategy
    return name.upper() if strategy is NormalizationStrategy.UPPERCASE and name == name.lower() else name
