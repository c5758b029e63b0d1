"""Comments on tables and columns: every change of one is an ALTER, which commits at once."""

# Names are quoted by the session, and values are bound.

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Table
    from airflow_materialize.destinations.mysql.session import MySQLSession

_LONGEST_OF_COLUMN = 1024
_LONGEST_OF_TABLE = 2048

_FOUR_BYTES = re.compile("[\U00010000-\U0010ffff]")
_QUOTED = r"'(?:[^'\\]|''|\\.)*'"
_COMMENT = re.compile(rf" COMMENT {_QUOTED}|{_QUOTED}|`(?:[^`]|``)*`", re.DOTALL)
_CHECK = re.compile(rf"( CHECK \()|{_QUOTED}|`(?:[^`]|``)*`", re.DOTALL)


class Comments:
    """The comments that one load changes, once it is committed.

    Args:
        session: The load's.
    """

    def __init__(self, session: MySQLSession) -> None:
        self._session = session
        self._wanted: dict[Table, dict[str, str]] = {}

    def want(self, table: Table, column: str, text: str) -> None:
        """Remember a comment for a column, or for the table where the column's name is empty.

        What the server would change is changed here, so that the comment is found again: it keeps no characters of four
        bytes there, and no more than a number of others.
        """
        longest = _LONGEST_OF_COLUMN if column else _LONGEST_OF_TABLE
        text = _FOUR_BYTES.sub("?", text)
        text = text if len(text) <= longest else text[: longest - 1] + "…"
        if self._session.comments(table).get(column) != text:
            self._wanted.setdefault(table, {})[column] = text

    def forget(self) -> None:
        """Let all comments stay as they are."""
        self._wanted.clear()

    def write(self) -> None:
        """Change them. What fails is done by the next load."""
        session = self._session
        for table, wanted in self._wanted.items():
            try:
                changes = [self._change(table, column, text) for column, text in wanted.items()]
                session.execute(f"ALTER TABLE {session.name_of(table)} {', '.join(changes)}")
            except MaterializeError as error:
                session.say(f"Committed, and not yet commented on: {error.message}")
        self.forget()

    def _change(self, table: Table, column: str, text: str) -> str:
        literal = self._session.text(text)
        if not column:
            return f"COMMENT = {literal}"
        kind, rules = self._session.defined(table, column)
        return f"MODIFY COLUMN {self._session.quote(column)} {kind}{commented(rules, literal)}"


def commented(rules: str, comment: str) -> str:
    """Return what stands behind a column's type in SHOW CREATE TABLE, with another comment.

    Args:
        rules: It.
        comment: The comment as a literal.
    """
    bare = _COMMENT.sub(lambda match: "" if match[0].startswith(" COMMENT") else match[0], rules)
    check = next((match.start() for match in _CHECK.finditer(bare) if match[1]), len(bare))
    return f"{bare[:check]} COMMENT {comment}{bare[check:]}"
