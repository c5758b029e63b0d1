"""Where the marks of YAML point: it ends lines at characters at which no editor does."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Any

_ODD_BREAK = re.compile("[\r\x85\u2028\u2029]")
_NEWLINE = re.compile("\n")


class Spots:
    """The lines of one text.

    Args:
        text: The text.
        first_line: The line of the file at which it starts.
    """

    def __init__(self, text: str, first_line: int) -> None:
        self.first_line = first_line
        # Nearly every text has the lines that YAML counts.
        self.newlines = [found.start() for found in _NEWLINE.finditer(text)] if _ODD_BREAK.search(text) else None

    def at(self, mark: Any) -> tuple[int, int]:
        """Return the line and the column of a mark, as editors count them."""
        if self.newlines is None:
            return mark.line + self.first_line, mark.column + 1
        line = bisect_left(self.newlines, mark.index)
        return line + self.first_line, mark.index - (self.newlines[line - 1] if line else -1)
