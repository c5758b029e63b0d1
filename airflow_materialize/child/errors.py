"""What can be wrong with a result, said in the words of the user's data."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

_ABSENT: Any = object()
_SHOWN = 80

ONE_TYPE = "convert the column to one type, as with str()"
ONE_NAME = "rename one of them"
ANY_SHAPE = "`type: json` at the column, with `enforce_schema: true`, keeps nested values of any shape"


class ResultError(Exception):
    """What `materialize()` returned cannot become a table.

    Args:
        problem: What is wrong.
        column: The column, as `address.zip` inside a nested one; empty for the result as a whole.
        row: The row's place in what was being read, from 0. Whoever knows what came before adds it.
        value: The value at fault. It is not shown for a sensitive column.
        detail: What a library says of it, which may show values: not shown for a sensitive column either, nor where
            the column is not known.
        hint: What would be right.
    """

    phase = "materialize"

    def __init__(
        self,
        problem: str,
        *,
        column: str = "",
        row: int | None = None,
        value: Any = _ABSENT,
        detail: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.column = column
        self.row = row
        self.value = value
        self.detail = detail
        self.hint = hint

    def after(self, rows: int) -> ResultError:
        """Count `rows` that came before."""
        if self.row is not None:
            self.row += rows
        return self

    def text(self, sensitive: Collection[str] = ()) -> str:
        """Return the message; rows are counted from 1."""
        place = [f"column {self.column!r}"] if self.column else []
        place += [f"row {self.row + 1}"] if self.row is not None else []
        hidden = any(self.column == name or self.column.startswith(f"{name}.") for name in sensitive)
        detail = f" ({self.detail})" if self.detail and not hidden and (self.column or not sensitive) else ""
        shown = self.value is not _ABSENT and not hidden
        value = f"; the value is {short(self.value)}" if shown else ""
        return (", ".join(place) + ": " if place else "") + self.problem + detail + value

    def __str__(self) -> str:
        return self.text()


class AssetMistake(Exception):  # noqa: N818  # it is the asset's, not this package's
    """The file is not an asset that can run: no `materialize`, a wrong signature, a changed text."""

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.hint = hint


class WriteError(Exception):
    """The staged file could not be written."""

    phase = "write"

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.hint = hint


def short(value: Any) -> str:
    """Return a value's repr, cut to a length that fits a log line."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  # a repr of user code may raise anything
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def closest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names what looks like `name`; empty where nothing does."""
    from difflib import get_close_matches

    alike = get_close_matches(name, list(known), 1)
    return f"did you mean {alike[0]!r}?" if alike else ""


def type_name(value: Any) -> str:
    """Return the name of a value's type as one would import it."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
