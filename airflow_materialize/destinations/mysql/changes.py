"""What a load changes by statements that commit at once, as every ALTER does here: made so that it can be taken back.

Columns are added and widened before the first row is written, and taken back if the load fails. Columns are dropped
after COMMIT. Other columns in place of all rows are prepared under the table's own name in a temporary table, which
nobody else sees, and take its place by one RENAME right before the ledger's row is committed. Until both are there, the
new table's comment holds that row: a load that dies between the two is settled by the next one.
"""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_materialize.destinations.base import Table
from airflow_materialize.destinations.discretion import PassingError
from airflow_materialize.destinations.mysql.types import is_text_type
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.mysql.session import MySQLSession

_MARK = "airflow-materialize "
_LONGEST_COMMENT = 2048
_KEPT_OF_NAME = 48
_JSON_RULE = re.compile(r" CHECK \(json_valid\(`(?:[^`]|``)+`\)\)")
_SAYS_NOTHING = re.compile(_JSON_RULE.pattern + r"| DEFAULT NULL| COMMENT '(?:[^']|'')*'|^ NULL\b")
_TEXT_RULES = re.compile(r"^(?: CHARACTER SET \w+)?(?: COLLATE \w+)?")


class Changes:
    """The changes of one load to its table.

    Args:
        session: The load's.
        say: Writes a sentence into its log.
    """

    def __init__(self, session: MySQLSession, say: Callable[[str], None]) -> None:
        self._session, self._say = session, say
        self._forget()

    def _forget(self) -> None:
        self._undo: list[Callable[[], None]] = []
        self._later: list[Callable[[], None]] = []
        self._going: set[tuple[Table, str]] = set()
        self._shadow: tuple[Table, dict[str, str]] | None = None
        self._lost: list[str] = []

    def begin(self, table: Table) -> None:
        """See that the table takes part in transactions, and settle what a load that died left of it.

        Raises:
            MaterializeError: It does not.
        """
        found = self._described(table)
        if found is None:
            return
        engine, comment, is_transactional = found
        if not is_transactional:
            raise MaterializeError(
                f"{table} is kept by {engine}, which knows no transactions: a load that fails would leave a part of it",
                hint=f"ALTER TABLE {self._session.name_of(table)} ENGINE = InnoDB",
            )
        self._settle(table, comment)

    def created(self, table: Table) -> None:
        """Remember to drop a new table if the load fails."""
        self._undo.append(lambda: self._drop_if_empty(table))

    def created_view(self, view: Table) -> None:
        """Remember to drop a new view if the load fails."""
        self._undo.append(lambda: self._execute(f"DROP VIEW IF EXISTS {self._session.name_of(view)}"))

    def do_later(self, work: Callable[[], None]) -> None:
        """Do something once the load is committed."""
        self._later.append(work)

    def added(self, table: Table, name: str) -> None:
        """Remember to drop a new column if the load fails."""
        self._undo.append(lambda: self._alter(table, f"DROP COLUMN {self._session.quote(name)}"))

    def indexed(self, table: Table, name: str) -> None:
        """Remember to drop a new index if the load fails."""
        self._undo.append(lambda: self._alter(table, f"DROP INDEX {self._session.quote(name)}"))

    def change_type(self, table: Table, name: str, sql_type: str) -> None:
        """Change a column's type and keep its other rules."""
        kind, rules = self._session.defined(table, name)
        kept = _JSON_RULE.sub("", rules)
        if kept != rules or is_text_type(sql_type) != is_text_type(kind.upper()):
            kept = _TEXT_RULES.sub("", kept)
        self._modify(table, name, self._session.completed(f"{sql_type}{kept}"), f"{kind}{rules}")

    def drop_column(self, table: Table, name: str) -> None:
        """Drop a column once the load is committed. Until then, new rows leave it out."""
        if name in self._session.required(table):
            kind, rules = self._session.defined(table, name)
            self._modify(table, name, f"{kind}{rules.replace(' NOT NULL', ' NULL', 1)}", f"{kind}{rules}")
        self._going.add((table, name))
        self._later.append(lambda: self._alter(table, f"DROP COLUMN {self._session.quote(name)}"))

    def is_going(self, table: Table, name: str) -> bool:
        """Whether a column goes when the load is committed."""
        return (table, name) in self._going

    def prepare_swap(self, table: Table, columns: Mapping[str, str]) -> None:
        """Let this connection see an empty table of other columns in place of the table.

        Raises:
            MaterializeError: Other tables refer to the table, so that it cannot be replaced.
        """
        schema, name = self._session.place_of(table)
        referring = self._session.rows(
            "SELECT DISTINCT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.KEY_COLUMN_USAGE"
            " WHERE REFERENCED_TABLE_SCHEMA = ? AND REFERENCED_TABLE_NAME = ?",
            [schema, name],
        )
        if referring:
            raise MaterializeError(
                f"{table} cannot get other columns: foreign keys of {', '.join(row[0] for row in referring)}"
                " lead to it",
                hint="drop these, or let on_schema_change: ignore or freeze keep the columns",
            )
        definitions = dict(columns)
        for kept, kind in (self._session.columns(table) or {}).items():
            # Where the header says nothing of a column, it stays as it is.
            if columns.get(kept) == kind:
                definitions[kept] = "".join(self._session.defined(table, kept))
            elif kept in columns and (rules := self._rules(table, kept)):
                self._lost.append(f"{rules} of {kept} could not be kept: {kept} has another type")
        self._session.create_temporary(table, definitions)
        self._shadow = (table, definitions)

    def swap_now(self, ledger: Table, row: Mapping[str, Any]) -> None:
        """Put what was prepared in the place of the table, for everybody.

        Args:
            ledger: The ledger.
            row: The load's row in it, which is written next.
        """
        if self._shadow is None:
            return
        session, (table, columns) = self._session, self._shadow
        token = secrets.token_hex(4)
        new, old = (Table(f"{table.name[:_KEPT_OF_NAME]}__{kind}_{token}", table.schema) for kind in ("new", "old"))
        _, told, _ = self._described(table) or ("", "", True)
        facts = {"table": session.table_id(table), "old": old.name, "ledger": ledger.name, "row": dict(row)}
        facts["comment"] = told
        comment = _MARK + json.dumps(facts, separators=(",", ":"))
        if len(comment) > _LONGEST_COMMENT:
            comment = _MARK + json.dumps({**facts, "row": None, "comment": ""}, separators=(",", ":"))
        names, place = session.name_of(new), session.name_of(table)
        listed = ", ".join(map(session.quote, columns))
        self._undo.append(lambda: self._drop(new))
        session.execute(session.creation(f"TABLE {names}", columns, comment=comment))
        session.execute(f"INSERT INTO {names} ({listed}) SELECT {listed} FROM {place}")
        session.execute("COMMIT")
        session.drop_temporary(table)
        self._shadow = None
        self._keep_rules(table, new)
        session.execute(f"RENAME TABLE {place} TO {session.name_of(old)}, {names} TO {place}")
        self._undo.append(lambda: self._execute(f"RENAME TABLE {place} TO {names}, {session.name_of(old)} TO {place}"))
        self._later += [lambda: self._drop(old), lambda: self._alter(table, f"COMMENT = {session.text(told)}")]

    def take_back(self) -> None:
        """Take back what was changed, the last thing first; the transaction is rolled back already."""
        if self._shadow is not None:
            with suppress(MaterializeError):
                self._session.drop_temporary(self._shadow[0])
        for undo in reversed(self._undo):
            try:
                with suppress(PassingError):
                    undo()
                    continue
                # An interrupt that was on its way may have met it.
                undo()
            except MaterializeError as error:
                self._say(f"A change to the table's columns could not be taken back: {error.message}")
        self._forget()

    def finish(self) -> None:
        """Do what waited for COMMIT. What fails is done by the next load."""
        for later in self._later:
            try:
                later()
            except MaterializeError as error:
                self._say(f"Committed, and not yet cleaned up after: {error.message}")
        self._forget()

    def _settle(self, table: Table, comment: str) -> None:
        """Finish a replacement that was cut short, and remove tables that were never put in place."""
        session = self._session
        schema, name = session.place_of(table)
        left = session.rows(
            "SELECT TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA = ? AND LOCATE(?, TABLE_NAME) = 1 AND LOCATE(?, TABLE_COMMENT) = 1",
            [schema, f"{name[:_KEPT_OF_NAME]}__new_", _MARK],
        )
        for new, told in left:
            if _facts(told).get("table") == session.table_id(table):
                self._drop(Table(new, table.schema))
                self._say(f"{new}, which a load that died had left, is removed")
        facts = _facts(comment)
        if facts.get("table") != session.table_id(table):
            return
        if row := facts.get("row"):
            ledger = session.name_of(Table(str(facts["ledger"]), table.schema))
            session.execute(f"DELETE FROM {ledger} WHERE load_key = ?", [row["load_key"]])
            marks, columns = ", ".join("?" * len(row)), ", ".join(map(session.quote, row))
            session.execute(f"INSERT INTO {ledger} ({columns}) VALUES ({marks})", [*row.values()])
        session.execute("COMMIT")
        old = Table(str(facts["old"]), table.schema)
        if session.kind(old):
            self._drop(old)
        self._alter(table, f"COMMENT = {session.text(str(facts.get('comment') or ''))}")
        self._say(f"A replacement of {table} that was cut short after the new table was in place is settled")

    def _keep_rules(self, table: Table, new: Table) -> None:
        """Give the new table the constraints and indexes of the old one where it takes them, and say what is lost."""
        session, lost = self._session, [*self._lost]
        for name, text in session.checks(table).items():
            try:
                self._alter(new, f"ADD CONSTRAINT {session.quote(name)} {text}")
            except MaterializeError as error:
                lost.append(f"{text} could not be kept: {error.message}")
        for name, (unique, parts) in session.indexes(table).items():
            kind = "PRIMARY KEY" if name == "PRIMARY" else f"{'UNIQUE ' if unique else ''}INDEX {session.quote(name)}"
            listed = ", ".join(session.quote(part) + (f"({length})" if length else "") for part, length in parts)
            try:
                self._alter(new, f"ADD {kind} ({listed})")
            except MaterializeError as error:
                lost.append(f"index {name} could not be kept: {error.message}")
        schema, place = session.place_of(table)
        lost += [
            f"trigger {trigger} could not be kept"
            for (trigger,) in session.rows(
                "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS"
                " WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ?",
                [schema, place],
            )
        ]
        lost += [
            f"foreign key {constraint} could not be kept"
            for (constraint,) in session.rows(
                "SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS"
                " WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND CONSTRAINT_TYPE = 'FOREIGN KEY'",
                [schema, place],
            )
        ]
        for sentence in lost:
            self._say(f"{table}: {sentence}")
        session.losses.extend(lost)

    def _rules(self, table: Table, name: str) -> str:
        """Return what the table says of a column's values, as its default and its CHECK."""
        return _SAYS_NOTHING.sub("", _TEXT_RULES.sub("", self._session.defined(table, name)[1])).strip()

    def _described(self, table: Table) -> tuple[str, str, bool] | None:
        """Return a table's engine, its comment, and whether the engine knows transactions."""
        found = self._session.rows(
            "SELECT t.ENGINE, t.TABLE_COMMENT, e.TRANSACTIONS FROM information_schema.TABLES AS t"
            " LEFT JOIN information_schema.ENGINES AS e ON e.ENGINE = t.ENGINE"
            " WHERE t.TABLE_SCHEMA = ? AND t.TABLE_NAME = ? AND t.TABLE_TYPE NOT LIKE '%VIEW'",
            self._session.place_of(table),
        )
        return (found[0][0], found[0][1], found[0][2] == "YES") if found else None

    def _modify(self, table: Table, name: str, new: str, old: str) -> None:
        quoted = self._session.quote(name)
        self._alter(table, f"MODIFY COLUMN {quoted} {new}")
        self._undo.append(lambda: self._alter(table, f"MODIFY COLUMN {quoted} {old}"))

    def _alter(self, table: Table, change: str) -> None:
        self._execute(f"ALTER TABLE {self._session.name_of(table)} {change}")

    def _drop(self, table: Table) -> None:
        self._execute(f"DROP TABLE IF EXISTS {self._session.name_of(table)}")

    def _drop_if_empty(self, table: Table) -> None:
        if not self._session.rows(f"SELECT 1 FROM {self._session.name_of(table)} LIMIT 1"):
            self._drop(table)

    def _execute(self, statement: str) -> None:
        self._session.execute(statement)


def _facts(comment: str) -> dict[str, Any]:
    if not comment.startswith(_MARK):
        return {}
    try:
        facts = json.loads(comment.removeprefix(_MARK))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
