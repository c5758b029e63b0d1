"""What a database says of a statement that it refuses, and how to keep the values of sensitive columns out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_materialize.errors import MaterializeError, TransientError

if TYPE_CHECKING:
    from airflow_materialize.definition.model.column import Column


class StatementError(MaterializeError):
    """A statement was refused.

    Args:
        message: The database's own words.
        brief: What can be said of it without showing any value; empty where the message shows none.
    """

    def __init__(self, message: str, *, brief: str = "") -> None:
        super().__init__(message)
        self.brief = brief


class PassingError(TransientError):
    """The same where another try may do."""

    def __init__(self, message: str, *, brief: str = "") -> None:
        super().__init__(message)
        self.brief = brief


class RepeatableError(PassingError):
    """The database gave up the transaction, or was lost: nothing of it is left, and the same may go through at once."""


@contextmanager
def discreet(columns: Iterable[Column]) -> Iterator[None]:
    """Cut the words of the database short where a column is sensitive: they may show its values.

    Raises:
        MaterializeError: A statement was refused.
        TransientError: The same, and another try may do.
    """
    try:
        yield
    except (StatementError, PassingError) as error:
        secret = ", ".join(column.name for column in columns if column.sensitive)
        if not secret or not error.brief:
            raise
        kind = TransientError if isinstance(error, TransientError) else MaterializeError
        text = f"{error.brief} (its text is not shown: {secret} is sensitive)"
        raise kind(text, unchanged=error.unchanged) from None
