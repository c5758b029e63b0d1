"""The header's statements before and after a load, inside of its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_materialize.destinations.discretion import PassingError, StatementError
from airflow_materialize.destinations.statement import one_statement
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.ledger import TABLE as LEDGER_TABLE

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session
    from airflow_materialize.plan.run_plan import RunPlan

_TRANSACTION = {
    *("abort", "begin", "commit", "end", "release", "rollback", "savepoint", "start"),
    *("attach", "checkpoint", "detach", "force", "pragma", "vacuum"),
    # These could run any of the above.
    *("deallocate", "execute", "explain", "import", "prepare"),
}
"""First words of statements that end a transaction, do not run in one, or outlive it."""


@dataclass(frozen=True)
class Hook:
    """One statement, and where it stands in the header."""

    place: str
    sql: str


def read_hooks(plan: RunPlan, session: Session) -> tuple[tuple[Hook, ...], tuple[Hook, ...]]:
    """Return the hooks that run before a load and those that run after it.

    Raises:
        MaterializeError: One is not a single statement, or one that a load's transaction does not survive.
    """
    pre = tuple(
        _read(f"hooks.pre[{index}]", text, session.dialect, frozenset()) for index, text in enumerate(plan.hooks_pre)
    )
    post = tuple(
        _read(f"hooks.post[{index}]", text, session.dialect, session.committing)
        for index, text in enumerate(plan.hooks_post)
    )
    return pre, post


def run_hooks(session: Session, hooks: Sequence[Hook]) -> None:
    """Run hooks in their order.

    Raises:
        MaterializeError: The database refuses one. It is named, with the database's reason.
    """
    for hook in hooks:
        try:
            session.execute(hook.sql)
        except MaterializeError as error:
            error.message = f"{hook.place} failed: {error.message}"
            if isinstance(error, StatementError | PassingError) and error.brief:
                error.brief = f"{hook.place} failed: {error.brief}"
            raise


def _read(place: str, text: str, dialect: str, committing: frozenset[str]) -> Hook:
    statement = one_statement(text, dialect, place, hint="one statement; each further one is a hook of its own")
    first = statement.words[0].casefold()
    if first in _TRANSACTION:
        raise MaterializeError(
            f"{place} begins with {first.upper()}, which has no place in the transaction of a load",
            hint="the load begins and commits by itself; leave it out",
        )
    if first in committing and "temporary" not in map(str.casefold, statement.words[:4]):
        raise MaterializeError(
            f"{place} begins with {first.upper()}, which commits by itself in {dialect}: a load that fails could not be"
            " taken back",
            hint="let it run under hooks.pre, before the first row is written",
        )
    if any(LEDGER_TABLE in word.casefold() for word in statement.words):
        raise MaterializeError(
            f"{place} names {LEDGER_TABLE}, by which loads are told apart", hint="no hook reads or changes it"
        )
    return Hook(place, statement.text)
