"""The errors that users read. Text is made here once, so that every part says it in the same way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

_SHOWN = 120
_UNPRINTABLE = " "


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
        code: Its kind, as `AM301`: stable, and a heading of the reference.
        excerpt: The line of the file.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    code: str = field(default="", compare=False)
    excerpt: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        mark = "warning: " if self.severity == "warning" else ""
        said = f"{mark}{path}{self.message}" + (f" ({self.hint})" if self.hint else "")
        return f"{_printable(where)}: {_printable(said, kept=chr(10))}"

    def explain(self) -> str:
        """Return the sentence with the problem's code, and below it the line of the file with a caret."""
        sentence = f"{self} [{self.code}]" if self.code else str(self)
        if not self.excerpt.strip() or not self.line:
            return sentence
        column = max(0, min(self.column - 1, len(self.excerpt)))
        start = max(0, column - _SHOWN // 2) if len(self.excerpt) > _SHOWN else 0
        shown = "".join(sign if sign.isprintable() else _UNPRINTABLE for sign in self.excerpt[start : start + _SHOWN])
        left, right = "…" if start else "", "…" if start + _SHOWN < len(self.excerpt) else ""
        margin = f"{self.line:>5} | "
        caret = " " * (len(left) + column - start) + "^"
        return f"{sentence}\n{margin}{left}{shown.rstrip()}{right}\n{'| ':>{len(margin)}}{caret}"


def _printable(text: str, kept: str = "") -> str:
    """Return the text with control characters and undecoded bytes as escapes: a terminal obeys what it prints."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in kept else repr(sign)[1:-1] for sign in text)


@dataclass(frozen=True)
class Ending:
    """How an asset, or what was done for it, ended.

    Attributes:
        cause: The exception in one line, or what else ended it.
        traceback: The frames of the asset's own files; empty where there was no exception.
        output: The last lines that it printed and logged.
        peak_memory_bytes: Its peak memory.
        environment: The lock of its environment: a file that lists every package with its version.
    """

    cause: str
    traceback: str = ""
    output: tuple[str, ...] = ()
    peak_memory_bytes: int = 0
    environment: str = ""


_UNKNOWN = Ending("")


class MaterializeError(Exception):
    """The root of all errors of this package.

    Args:
        message: What is wrong, and where.
        hint: What would be right.
        unchanged: The table that is as it was, where that is certain.
        kinds: The names that a rule for retries may give to it: of the user's exception and its bases, or of what
            ended the asset's process.
        phase: The part of a step in which it happened, where that is known.

    Attributes:
        ending: The same in parts; without any where nothing else is known.
    """

    ending: Ending

    def __init__(
        self, message: str, *, hint: str = "", unchanged: str = "", kinds: tuple[str, ...] = (), phase: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.unchanged = unchanged
        self.kinds = kinds
        self.phase = phase
        self.ending = _UNKNOWN

    def __str__(self) -> str:
        lines = [self.message]
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        if self.unchanged:
            lines.append(f"Nothing was changed in {self.unchanged}.")
        return "\n".join(lines)


class TransientError(MaterializeError):
    """A failure that may pass by itself: a lock, a lost connection. Trying again is right."""


class RunError(MaterializeError):
    """User code failed.

    Args:
        message: The phase, the cause and what helps to understand it.
        ending: The same in parts.
        hint: What would be right.
        unchanged: The table that is as it was.
        kinds: As of every MaterializeError.
        phase: As of every MaterializeError.
    """

    def __init__(  # as the class above, and one more
        self,
        message: str,
        ending: Ending,
        *,
        hint: str = "",
        unchanged: str = "",
        kinds: tuple[str, ...] = (),
        phase: str = "",
    ) -> None:
        super().__init__(message, hint=hint, unchanged=unchanged, kinds=kinds, phase=phase)
        self.ending = ending


class AssetError(MaterializeError):
    """An asset or a pipeline that cannot be used as it is written.

    Args:
        problems: Everything that is wrong with it, in the order of the file.
        unchanged: The table that is as it was, where there is one.
    """

    def __init__(self, problems: Iterable[Problem], *, unchanged: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.explain() for problem in self.problems), unchanged=unchanged)
