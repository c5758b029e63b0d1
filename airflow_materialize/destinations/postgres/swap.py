"""Other columns for a table of PostgreSQL: in place, so that grants, indexes, comments and views stay."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airflow_materialize.destinations.base import Table
from airflow_materialize.destinations.postgres.catalog import Catalog
from airflow_materialize.errors import MaterializeError

_READERS = """
WITH RECURSIVE reader(oid, depth) AS (
  SELECT r.ev_class, 1 FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid = to_regclass(?) AND a.attname = ANY(?) AND r.ev_class <> d.refobjid
  UNION
  SELECT r.ev_class, reader.depth + 1 FROM reader
    JOIN pg_catalog.pg_depend AS d ON d.refobjid = reader.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
  WHERE r.ev_class <> reader.oid
)
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.pg_get_viewdef(c.oid), array_to_string(c.reloptions, ', '),
  pg_catalog.pg_get_userbyid(c.relowner), pg_catalog.obj_description(c.oid, 'pg_class'), max(reader.depth),
  EXISTS (SELECT 1 FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
FROM reader JOIN pg_catalog.pg_class AS c ON c.oid = reader.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
GROUP BY c.oid, n.nspname ORDER BY max(reader.depth)
"""
_GRANTS = """
SELECT pg_catalog.pg_get_userbyid(g.grantee), g.grantee = 0, g.privilege_type, g.is_grantable
FROM pg_catalog.pg_class AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS g WHERE c.oid = ?
"""
_COMMENTS = """
SELECT a.attname, d.description FROM pg_catalog.pg_description AS d
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
WHERE d.objoid = ? AND d.classoid = 'pg_class'::regclass AND d.objsubid > 0
"""
_GOES_ALONG = """
SELECT DISTINCT c.relname FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid = to_regclass(?) AND a.attname = ANY(?)
UNION
SELECT DISTINCT k.conname FROM pg_catalog.pg_constraint AS k
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey)
WHERE k.conrelid = to_regclass(?) AND a.attname = ANY(?)
ORDER BY 1
"""
_KEPT_FROM_TRUNCATE = """
SELECT 1 FROM pg_catalog.pg_constraint WHERE confrelid = to_regclass(?) AND contype = 'f'
UNION ALL SELECT 1 FROM pg_catalog.pg_trigger WHERE tgrelid = to_regclass(?) AND NOT tgisinternal
"""
_REST = re.compile(r"(?P<collate> COLLATE \S+)?(?: DEFAULT (?P<default>.+?))?(?P<required> NOT NULL)?", re.DOTALL)


@dataclass(frozen=True)
class _View:
    """A view, with all that is lost with it."""

    name: str
    oid: int
    statements: tuple[str, ...]


class Swapping(Catalog):
    """The part of a session that changes columns and loses nothing by it."""

    def swap(self, table: Table, columns: Mapping[str, str], changed: Mapping[str, str]) -> Table:  # noqa: D102
        there = self.columns(table) or {}
        dropped = [name for name in there if name not in columns]
        self._refuse_readers(table, dropped)
        self._tell_losses(table, dropped)
        with self._views_aside(table, list(changed)):
            self._empty(table, rewrites=bool(changed))
            actions = [f"DROP COLUMN {self.quote(name)}" for name in dropped]
            for name, sql_type in changed.items():
                actions += self._retyped(name, sql_type, columns[name].removeprefix(sql_type))
            actions += [
                f"ADD COLUMN {self.quote(name)} {definition}"
                for name, definition in columns.items()
                if name not in there
            ]
            if actions:
                self.execute(f"ALTER TABLE {self.name_of(table)} {', '.join(actions)}")
        return table

    def change_type(self, table: Table, name: str, sql_type: str) -> None:  # noqa: D102
        column = self.quote(name)
        with self._views_aside(table, [name]):
            self.execute(
                f"ALTER TABLE {self.name_of(table)} ALTER COLUMN {column} TYPE {sql_type} USING {column}::{sql_type}"
            )

    def drop_column(self, table: Table, name: str) -> None:  # noqa: D102
        self._refuse_readers(table, [name])
        self._tell_losses(table, [name])
        super().drop_column(table, name)

    def _retyped(self, name: str, sql_type: str, rest: str) -> list[str]:
        """Return the actions that give an empty column another type, and what the header says of it."""
        column = f"ALTER COLUMN {self.quote(name)}"
        found = _REST.fullmatch(rest)
        collate, default = (found["collate"] or "", found["default"]) if found else ("", None)
        actions = [f"{column} DROP DEFAULT", f"{column} TYPE {sql_type}{collate} USING NULL::{sql_type}"]
        if default:
            actions.append(f"{column} SET DEFAULT {default}")
        if found and found["required"]:
            actions.append(f"{column} SET NOT NULL")
        return actions

    def _empty(self, table: Table, *, rewrites: bool) -> None:
        """Remove all rows. Where the table is written anew in any case, TRUNCATE costs readers nothing more."""
        name = self.name_of(table)
        if rewrites and not self.rows(_KEPT_FROM_TRUNCATE, [name, name]):
            self.execute(f"TRUNCATE TABLE {name}")
        else:
            self.execute(f"DELETE FROM {name}")

    def _refuse_readers(self, table: Table, dropped: Sequence[str]) -> None:
        readers = self.rows(_READERS, [self.name_of(table), list(dropped)]) if dropped else []
        if readers:
            views = ", ".join(f"{schema}.{name}" for _, schema, name, *_ in readers)
            verb, listed = "reads" if len(readers) == 1 else "read", ", ".join(dropped)
            raise MaterializeError(
                f"{views} {verb} columns of {table} that the result lacks ({listed})",
                hint="return them, or change what reads them; nothing is dropped along with a column",
            )

    def _tell_losses(self, table: Table, dropped: Sequence[str]) -> None:
        name = self.name_of(table)
        lost = self.rows(_GOES_ALONG, [name, list(dropped), name, list(dropped)]) if dropped else []
        if lost:
            listed = ", ".join(name for (name,) in lost)
            self.losses.append(f"with {', '.join(dropped)} go what was built on them: {listed}")

    @contextmanager
    def _views_aside(self, table: Table, changed: Sequence[str]) -> Iterator[None]:
        """Make the views anew that read columns whose type changes: PostgreSQL refuses it while they are there.

        Raises:
            MaterializeError: One of them cannot be made again.
        """
        views = [self._saved(table, row) for row in self.rows(_READERS, [self.name_of(table), list(changed)])]
        for view in reversed(views):
            self.execute(f"DROP VIEW {view.name}")
        yield
        for view in views:
            for statement in view.statements:
                try:
                    self.execute(statement)
                except MaterializeError as error:
                    raise MaterializeError(
                        f"The view {view.name} cannot be kept, as {', '.join(changed)} of {table} change their type:"
                        f" {error.message}",
                        hint="change or drop the view, or keep the type with on_schema_change: freeze",
                    ) from error

    def _saved(self, table: Table, row: tuple[Any, ...]) -> _View:
        oid, schema, name, kind, definition, options, owner, comment, _, has_triggers = row
        full = f"{self.quote(schema)}.{self.quote(name)}"
        if kind != "v" or has_triggers:
            what = {"m": "The materialized view", "v": "The view with triggers"}.get(kind, "A rule of")
            raise MaterializeError(
                f"{what} {schema}.{name} reads columns of {table} whose type changes, and would be lost",
                hint=f"drop it and make it again after the load, as {full} in hooks.pre and hooks.post",
            )
        statements = [
            f"CREATE VIEW {full}{f' WITH ({options})' if options else ''} AS {definition}",
            f"ALTER VIEW {full} OWNER TO {self.quote(owner)}",
        ]
        for grantee, to_all, privilege, grantable in self.rows(_GRANTS, [oid]):
            to = "PUBLIC" if to_all else self.quote(grantee)
            further = " WITH GRANT OPTION" if grantable else ""
            statements.append(f"GRANT {privilege} ON {full} TO {to}{further}")
        if comment:
            statements.append(f"COMMENT ON VIEW {full} IS {self.text(comment)}")
        for column, text in self.rows(_COMMENTS, [oid]):
            statements.append(f"COMMENT ON COLUMN {full}.{self.quote(column)} IS {self.text(text)}")
        return _View(full, oid, tuple(statements))
