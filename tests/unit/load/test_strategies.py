from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
import sqlglot

from airflow_materialize.connections import resolve
from airflow_materialize.definition.model.materialization import HISTORY_COLUMNS, STRATEGIES
from airflow_materialize.destinations.base import Table, for_connection
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.strategies import (
    Publication,
    current_rows,
    doubled_rows,
    statements_for,
    strategy_names,
    unreached_rows,
)

HOSTILE = Publication(
    target=Table('or"ders', "se'lect"),
    staging=Table("st;age"),
    columns=('i"d', "at", "v--"),
    keys=('i"d',),
    updates=("at", "v--"),
    incremental_key="at",
    compared={"at": pa.timestamp("us"), "v--": pa.string()},
    collated=frozenset({"v--"}),
)
PLAIN = Publication(
    Table("orders"),
    Table("staged"),
    ("id", "day", "v"),
    keys=("id",),
    updates=("day", "v"),
    incremental_key="day",
    compared={"v": pa.int64()},
)


@pytest.fixture(params=["duckdb", "sqlite"])
def session(request, tmp_path):
    destination = for_connection(resolve("shop", {"shop": f"{request.param}://{tmp_path}/shop.db"}))
    with destination.session() as opened:
        yield opened


@pytest.fixture
def portable(tmp_path):
    """A session that merges by the portable statements."""
    with for_connection(resolve("shop", {"shop": f"sqlite://{tmp_path}/shop.db"})).session() as opened:
        yield opened


def sql(session, strategy, publication=PLAIN):
    prefix = '"shop"."main".' if session.dialect == "duckdb" else '"main".'
    return [statement.sql.replace(prefix, "") for statement in statements_for(strategy, session, publication)]


INSERT = 'INSERT INTO "orders" ("id", "day", "v") SELECT "id", "day", "v" FROM "staged"'
TAKEN = 'source."id", source."day", source."v"'
NEW = f'INSERT INTO "orders" ("id", "day", "v") SELECT {TAKEN} FROM "staged" AS source'
SAME = 'source."id" = target."id"'
NEWER = '(target."day" IS NULL OR source."day" >= target."day")'


def test_what_a_header_may_say_is_what_can_be_done():
    assert set(strategy_names()) == set(STRATEGIES)


def test_an_unknown_strategy_is_refused_with_the_list(session):
    with pytest.raises(MaterializeError, match="'upsert' is no strategy\nHint: one of: append, create"):
        statements_for("upsert", session, PLAIN)


def test_the_statements_of_create_replace(session):
    assert sql(session, "create+replace") == ['DELETE FROM "orders"', INSERT]


def test_the_statements_of_append(session):
    assert sql(session, "append") == [INSERT]
    keyed = replace(PLAIN, load_key_column="key", load_key="k'1")
    assert sql(session, "append", keyed) == ['DELETE FROM "orders" WHERE "key" = ?', INSERT]
    assert statements_for("append", session, keyed)[0].parameters == ("k'1",)


def test_the_statements_of_delete_insert(portable):
    assert sql(portable, "delete+insert") == [
        'DELETE FROM "orders" WHERE "day" IN (SELECT "day" FROM "staged" WHERE "day" IS NOT NULL)',
        'DELETE FROM "orders" WHERE "day" IS NULL AND EXISTS (SELECT 1 FROM "staged" AS s WHERE s."day" IS NULL)',
        INSERT,
    ]
    bounded = replace(PLAIN, bounds=(1, 2))
    assert sql(portable, "delete+insert", bounded) == ['DELETE FROM "orders" WHERE "day" >= ? AND "day" < ?', INSERT]


def test_the_statements_of_merge(portable):
    unchanged = portable.same('target."v"', 'source."v"')
    assert sql(portable, "merge", replace(PLAIN, updates=("v",))) == [
        f'UPDATE "orders" AS target SET "v" = source."v" FROM "staged" AS source WHERE {SAME} AND {NEWER} AND NOT ({unchanged})',
        f'{NEW} LEFT JOIN "orders" AS target ON {SAME} WHERE target."id" IS NULL',
    ]
    assert len(sql(portable, "merge", replace(PLAIN, updates=()))) == 1


@pytest.mark.parametrize(("key", "idle"), [
    ("", "({unchanged})"), ("day", "({unchanged}) OR (CASE WHEN {newer} THEN 0 ELSE 1 END = 1)"),
])  # fmt: skip
def test_a_merge_deletes_and_inserts_where_nothing_may_hang_on_a_row(portable, key, idle):
    unchanged = portable.same('target."v"', 'source."v"')
    publication = replace(PLAIN, replaces_rows=True, incremental_key=key)
    portable.replaces_rows = True
    condition = f"{SAME} AND ({idle.format(unchanged=unchanged, newer=NEWER)})"
    assert sql(portable, "merge", publication) == [
        f'DELETE FROM "staged" AS source WHERE EXISTS (SELECT 1 FROM "orders" AS target WHERE {condition})',
        f'DELETE FROM "orders" AS target WHERE EXISTS (SELECT 1 FROM "staged" AS source WHERE {SAME})',
        INSERT,
    ]


def test_a_merge_into_duckdb_that_keeps_columns_goes_over_pairs_in_the_order_of_the_table(tmp_path):
    destination = for_connection(resolve("shop", {"shop": f"duckdb://{tmp_path}/shop.db"}))
    with destination.session() as session:
        for table, values in ((PLAIN.target, "(7, 1, 1), (8, 1, 1)"), (PLAIN.staging, "(9, 2, 2), (8, 2, 2)")):
            session.create_table(table, dict.fromkeys(PLAIN.columns, "INTEGER"))
            session.execute(f"INSERT INTO {session.name_of(table)} VALUES {values}")
        unchanged = session.same('target."v"', 'source."v"')
        pairs = '"temp"."main"."_materialize_pairs"'
        assert sql(session, "merge", replace(PLAIN, updates=("v",))) == [
            (
                'UPDATE "orders" AS target SET "v" = source."v"'
                ' FROM ((SELECT rowid, * FROM "staged" WHERE rowid BETWEEN 1 AND 1) AS source'
                f" JOIN (SELECT * FROM {pairs} WHERE id BETWEEN 1 AND 1) AS pair ON source.rowid = pair.staged)"
                " WHERE target.rowid = pair.id AND target.rowid BETWEEN 1 AND 1"
                f" AND {NEWER} AND NOT ({unchanged})"
            ),
            (
                f"{NEW} WHERE rowid BETWEEN 0 AND 122879 AND NOT EXISTS (SELECT 1 FROM"
                f" (SELECT staged FROM {pairs} WHERE staged BETWEEN 0 AND 122879) AS pair WHERE pair.staged = source.rowid)"
            ),
            f"DROP TABLE {pairs}",
        ]


def test_the_statements_of_history(portable):
    current = 'target."_is_current" AND NOT EXISTS (SELECT 1 FROM "staged" AS source WHERE'
    end = 'CASE WHEN target."_valid_from" > ? THEN target."_valid_from" ELSE ? END, "_is_current" = FALSE'
    versions = '(SELECT "id", "_is_current" FROM "orders" WHERE "_is_current") AS target'
    new = f'{NEW} LEFT JOIN {versions} ON {SAME} WHERE target."_is_current" IS NULL'
    equal = portable.same('target."v"', 'source."v"')
    assert sql(portable, "scd2_by_column", replace(PLAIN, incremental_key="")) == [
        f'UPDATE "orders" AS target SET "_valid_until" = {end} WHERE {current} {SAME} AND {equal})',
        new,
    ]
    later = (
        'CASE WHEN target."_valid_from" > source."_valid_from" THEN target."_valid_from" ELSE source."_valid_from" END'
    )
    former = '(SELECT "id", max("_valid_until") AS "_valid_until" FROM "orders" WHERE NOT "_is_current" GROUP BY "id")'
    conditions = {
        "scd2_by_column": f"NOT ({equal})",
        "scd2_by_time": 'target."_valid_from" < source."_valid_from"',
    }
    for strategy, condition in conditions.items():
        assert sql(portable, strategy) == [
            (
                f'UPDATE "orders" AS target SET "_valid_until" = {later}, "_is_current" = FALSE'
                f' FROM "staged" AS source WHERE {SAME} AND target."_is_current" AND {condition}'
            ),
            f'UPDATE "orders" AS target SET "_valid_until" = {end} WHERE {current} {SAME})',
            (
                f'UPDATE "staged" AS target SET "_valid_from" = source."_valid_until" FROM {former} AS source'
                f' WHERE {SAME} AND target."_valid_from" < source."_valid_until"'
            ),
            new,
        ]


def test_a_merge_with_expressions_defaults_and_a_predicate(portable):
    merge = replace(
        PLAIN,
        updates=("v",),
        expressions={"v": 'target."v" + 1'},
        filled={"w": "0"},
        predicate='target."day" > 3',
        incremental_key="",
    )
    unchanged = portable.same('target."v"', '(target."v" + 1)')
    assert sql(portable, "merge", merge) == [
        (
            'UPDATE "orders" AS target SET "v" = target."v" + 1 FROM "staged" AS source'
            f' WHERE {SAME} AND (target."day" > 3) AND NOT ({unchanged})'
        ),
        (
            f'INSERT INTO "orders" ("id", "day", "v", "w") SELECT {TAKEN}, 0 FROM "staged" AS source'
            f' LEFT JOIN "orders" AS target ON {SAME} AND (target."day" > 3) WHERE target."id" IS NULL'
        ),
    ]


def test_a_merge_in_which_null_matches_null_does_not_tell_rows_apart_by_their_key(portable):
    same = 'source."id" IS target."id"'
    assert sql(portable, "merge", replace(PLAIN, null_keys=frozenset({"id"}), updates=())) == [
        (
            f'{NEW} LEFT JOIN (SELECT *, 1 AS "_materialize_matched" FROM "orders") AS target ON {same}'
            ' WHERE target."_materialize_matched" IS NULL'
        )
    ]


@pytest.mark.parametrize("publication", [
    HOSTILE, replace(HOSTILE, replaces_rows=True), replace(HOSTILE, bounds=("a", "b")), replace(HOSTILE, load_key_column="'k"),
    replace(HOSTILE, null_keys=frozenset({'i"d'}), filled={"'k": "'x'"}, predicate='target."at" > source."at"'),
])  # fmt: skip
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_statement_is_one_statement_of_the_dialect_that_names_what_it_should(session, strategy, publication):
    if session.dialect == "duckdb":
        kinds = dict.fromkeys(publication.columns, "INTEGER")
        if STRATEGIES[strategy].history:
            kinds |= dict(zip(HISTORY_COLUMNS, ("TIMESTAMPTZ", "TIMESTAMPTZ", "BOOLEAN"), strict=True))
        session.create_schema(publication.target)
        for table in (publication.target, publication.staging):
            session.create_table(table, kinds)
            row = ", ".join("1" if kind == "INTEGER" else f"{kind} '2026-01-01'" for kind in kinds.values())
            session.execute(
                f"INSERT INTO {session.name_of(table)} VALUES ({row})".replace("BOOLEAN '2026-01-01'", "TRUE")
            )
    statements = [statement.sql for statement in statements_for(strategy, session, publication)]
    predicate = publication.predicate or "TRUE"
    asked = [*session.count_matched(publication), unreached_rows(session, replace(publication, predicate=predicate))]
    asked += [current_rows(session, publication), doubled_rows(session, publication)]
    for text in [*statements, *asked]:
        [tree] = sqlglot.parse(text, read=session.dialect)
        tables = {table.name for table in tree.find_all(sqlglot.exp.Table)}
        assert tables <= {'or"ders', "st;age", "_materialize_deleted", "_materialize_pairs", "_materialize_compared"}
        columns = {column.name for column in tree.find_all(sqlglot.exp.Column)}
        numbers = {"rowid", "id", "staged", "needless"}
        assert columns <= {'i"d', "at", "v--", "'k", "_materialize_matched", "found", *numbers, *HISTORY_COLUMNS}


def test_no_statement_scans_a_table_anew_for_each_row_in_sqlite(tmp_path):
    destination = for_connection(resolve("shop", {"shop": f"sqlite://{tmp_path}/shop.db"}))
    columns = dict.fromkeys((*PLAIN.columns, *HISTORY_COLUMNS), "INTEGER")
    variants = [
        PLAIN,
        replace(PLAIN, replaces_rows=True),
        replace(PLAIN, bounds=(1, 2)),
        replace(PLAIN, updates=("v",)),
        replace(PLAIN, updates=("v",), null_keys=frozenset({"id"})),
        replace(PLAIN, updates=("v",), predicate='target."day" > 3'),
    ]
    with destination.session() as session:
        session.create_table(PLAIN.target, columns)
        staging = session.create_staging(columns, PLAIN.keys)
        for name in STRATEGIES:
            for variant in variants:
                publication = replace(variant, staging=staging)
                queries = session.count_matched(publication)
                if publication.predicate:
                    queries.append(unreached_rows(session, publication))
                queries += [statement.sql for statement in statements_for(name, session, publication)]
                for query in queries:
                    steps = session.rows(f"EXPLAIN QUERY PLAN {query}", [0] * query.count("?"))
                    assert not _repeated_scans(steps), query


def _repeated_scans(steps):
    """Steps of a plan that read a whole table inside of a loop: in a correlated query, or as the inner side of a join."""
    correlated = {step for step, _, _, detail in steps if "CORRELATED" in detail}
    looped, repeated = set(correlated), []
    for _, parent, _, detail in steps:
        reads = detail.startswith(("SCAN", "SEARCH"))
        if detail.startswith("SCAN") and parent in looped:
            repeated.append(detail)
        if reads:
            looped.add(parent)
    return repeated
