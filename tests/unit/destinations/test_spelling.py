from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from airflow_materialize.destinations.duckdb.destination import DuckDBSession
from airflow_materialize.destinations.postgres.session import PostgresSession
from airflow_materialize.destinations.sqlite.destination import SQLiteSession

SESSIONS = (DuckDBSession, PostgresSession, SQLiteSession)
NAMES = st.text(st.characters(exclude_characters="\0"), min_size=1) | st.text("ab\"'`\\%?[]$ \n", min_size=1)


@pytest.mark.parametrize("kind", SESSIONS, ids=lambda kind: kind.dialect)
@given(NAMES)
def test_a_name_is_quoted_as_a_parser_of_the_dialect_reads_it(kind, name):
    session = object.__new__(kind)
    assert session.quote(name) == exp.to_identifier(name, quoted=True).sql(dialect=session.dialect)


@pytest.mark.parametrize("kind", SESSIONS, ids=lambda kind: kind.dialect)
@given(NAMES)
def test_a_text_is_written_as_a_parser_of_the_dialect_reads_it(kind, text):
    session = object.__new__(kind)
    assert session.text(text) == exp.Literal.string(text).sql(dialect=session.dialect)
