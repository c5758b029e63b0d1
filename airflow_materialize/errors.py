"""The errors that users read. Text is made here once, so that every part says it in the same way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a file.

    Attributes:
        file: The path as the user knows it.
        line: Counted from 1; 0 where the problem has no line (a missing file).
        column: Counted from 1.
        path: The field, as `columns[2].checks[0].name`; empty for the file as a whole.
        message: What is wrong.
        hint: What would be right.
        severity: An error stops the asset; a warning does not.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        field = f"{self.path}: " if self.path else ""
        mark = "warning: " if self.severity == "warning" else ""
        return f"{where}: {mark}{field}{self.message}" + (f" ({self.hint})" if self.hint else "")


class MaterializeError(Exception):
    """The root of all errors of this package.

    Args:
        message: What is wrong, and where.
        hint: What would be right.
        unchanged: The table that is as it was, where that is certain.
    """

    def __init__(self, message: str, *, hint: str = "", unchanged: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.unchanged = unchanged

    def __str__(self) -> str:
        lines = [self.message]
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        if self.unchanged:
            lines.append(f"Nothing was changed in {self.unchanged}.")
        return "\n".join(lines)


class TransientError(MaterializeError):
    """A failure that may pass by itself: a lock, a lost connection. Trying again is right."""


class AssetError(MaterializeError):
    """An asset or a pipeline that cannot be used as it is written.

    Args:
        problems: Everything that is wrong with it, in the order of the file.
        unchanged: The table that is as it was, where there is one.
    """

    def __init__(self, problems: Iterable[Problem], *, unchanged: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)), unchanged=unchanged)
