"""The masks that a column may ask for, by name. What each does is in `child/masks.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from difflib import get_close_matches
from typing import NamedTuple

from airflow_materialize.definition.text.fields import quoted


class MaskKind(NamedTuple):
    """What one kind of mask asks of its parameter.

    Attributes:
        description: What stands in the value's place.
        wants: What its parameter is, in words; empty where it takes none.
        accepts: Whether a parameter will do; an empty one is none.
        example: The mask as a header has it.
    """

    description: str
    wants: str = ""
    accepts: Callable[[str], bool] = lambda parameter: not parameter
    example: str = ""


def _is_count(parameter: str) -> bool:
    return not parameter or (re.fullmatch(r"[0-9]{1,4}", parameter) is not None and int(parameter) > 0)


def _is_step(parameter: str) -> bool:
    return not parameter or (_is_share(parameter) and Decimal(parameter) > 0)


def _is_share(parameter: str) -> bool:
    return not parameter or re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?", parameter) is not None


_COUNT = "a whole number from 1 to 9999"
_STEP = "a number above zero"

MASKS: dict[str, MaskKind] = {
    "hash": MaskKind("Its SHA-256, in hexadecimal digits."),
    "sha256": MaskKind("The same."),
    "md5": MaskKind("Its MD5, in hexadecimal digits: to match another system, not to be safe."),
    "hmac": MaskKind(
        "Its HMAC with SHA-256. The parameter names a secret of the asset, which is the key.",
        "the name of a declared secret",
        bool,
        "hmac:MASK_KEY",
    ),
    "uuid": MaskKind("A UUID, the same for the same value in every run."),
    "sequential": MaskKind("1 for the first value of the run, 2 for the next one that differs, …."),
    "redact": MaskKind("The text REDACTED."),
    "fixed": MaskKind("The parameter, else the text MASKED.", "any text", lambda _: True, "fixed:unknown"),
    "email": MaskKind("The address with stars between both ends of what stands before the @."),
    "phone": MaskKind("The number with stars for its last seven digits; for all where it has less than ten."),
    "credit_card": MaskKind("The number with stars for all but its last four digits."),
    "ssn": MaskKind("The number with stars for all but the last four of its nine digits."),
    "stars": MaskKind("As many stars as it has characters."),
    "partial": MaskKind("Its first and last characters, 2 each unless said.", _COUNT, _is_count, "partial:3"),
    "first_letter": MaskKind("Its first character."),
    "random": MaskKind("A random text of its length, or a number of its size. Differs from run to run."),
    "round": MaskKind("The nearest multiple of the parameter, 10 unless said.", _STEP, _is_step, "round:1000"),
    "range": MaskKind("The range that it falls into, 100 wide unless said: `200-300`.", _STEP, _is_step, "range:10000"),
    "noise": MaskKind(
        "Itself and a random share of it, up to a tenth unless said. Differs from run to run.",
        "a number, zero or more",
        _is_share,
        "noise:0.2",
    ),
    "date_shift": MaskKind(
        "A day up to 30 days before or after it unless said. Differs from run to run.",
        _COUNT,
        _is_count,
        "date_shift:7",
    ),
    "year_only": MaskKind("Its year, as a number."),
    "month_year": MaskKind("Its month, as the text `2026-04`."),
}


class Mask(NamedTuple):
    """A mask as a header asks for it."""

    method: str
    parameter: str = ""

    def __str__(self) -> str:
        return f"{self.method}:{self.parameter}" if self.parameter else self.method


def split_mask(text: str, column: str = "") -> Mask:
    """Return method and parameter of a text like `partial:3`, or `email:hash` where the column is `email`.

    Args:
        text: What the header says, not necessarily right.
        column: The column's name, which may stand in front, as Bruin allows.
    """
    head, _, rest = text.strip().partition(":")
    if column and head == column and rest.partition(":")[0].strip().lower() in MASKS:
        head, _, rest = rest.partition(":")
    return Mask(head.strip().lower(), rest)


def mask_problem(text: str, column: str = "") -> tuple[str, str] | None:
    """Say what is wrong with a mask, and what would be right; None where it will do.

    Args:
        text: `method`, `method:parameter`, or one of these behind the column's name.
        column: The column's name.
    """
    method, parameter = split_mask(text, column)
    kind = MASKS.get(method)
    if kind is None:
        alike = get_close_matches(method, MASKS, 1)
        hint = f"did you mean {alike[0]!r}?" if alike else f"one of: {', '.join(MASKS)}"
        return f"{quoted(method)} is no mask", hint
    if not kind.wants:
        return (f"{method} takes no parameter", method) if parameter else None
    if kind.accepts(parameter):
        return None
    if not parameter:
        return f"{method} needs a parameter", f"{kind.wants}, as {kind.example}"
    # A parameter may be a key.
    return f"{method} cannot use its parameter", f"it takes {kind.wants}, as {kind.example}"


def split_rule(text: str) -> tuple[str, Mask]:
    """Return the column and the mask of `parameters.mask`: `email:hash`, `name:partial:3`."""
    column, _, mask = text.strip().partition(":")
    return column, split_mask(mask)


def rule_problem(text: str) -> tuple[str, str] | None:
    """Say what is wrong with the text of `parameters.mask`, and what would be right; None where it will do."""
    column, _, mask = text.strip().partition(":")
    if not column or not mask:
        return f"{quoted(text)} is no rule for a mask", "a column and its mask, as email:hash"
    return mask_problem(mask)
