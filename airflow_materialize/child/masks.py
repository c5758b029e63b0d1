"""Masks: what stands in a column's place from the staged file on. NULL stays NULL.

What a name means follows ingestr's documentation of data masking. A deterministic mask gives a value the same mask in
every run, whatever type the other values of its batch gave it: `1`, `1.0` and `Decimal("1.00")` have one hash.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import types

from airflow_materialize.child.convert import convert, plain_schema
from airflow_materialize.child.errors import ResultError, closest
from airflow_materialize.child.mask_dates import month_of, shift_days, year_of
from airflow_materialize.child.mask_numbers import add_noise, draw, round_to, to_range
from airflow_materialize.child.mask_texts import (
    hide_card,
    hide_email,
    hide_middle,
    hide_phone,
    hide_ssn,
    hide_tail,
    texts_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE_ROWS = 65_536
"""As many rows are masked at once."""

_NAMESPACE = uuid.UUID("3f0b6c6e-5a3c-5d0e-9f0e-6a1c4c1b7d52")
_EXACT = Context(prec=200)


@dataclass(frozen=True)
class Method:
    """One way to mask a column.

    Attributes:
        takes: Whether it fits a type.
        wants: Which types fit, in words.
        make: Its parameter as text, empty where there is none → what it does to an array.
    """

    takes: Callable[[pa.DataType], bool]
    wants: str
    make: Callable[[str], Callable[[pa.Array], pa.Array]]


class Masks:
    """The masks of one result.

    Args:
        columns: The declared columns: `name`, and `mask` as `method` or `method:parameter` where it has one.
    """

    def __init__(self, columns: list[dict[str, Any]]) -> None:
        self._masks: dict[str, tuple[str, Method, Callable[[pa.Array], pa.Array]]] = {}
        for column in columns:
            if column.get("mask"):
                name, _, parameter = column["mask"].partition(":")
                self._masks[column["name"]] = (name, METHODS[name], METHODS[name].make(parameter))
        self._seen: dict[str, None] = {}

    def apply(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Yield the rows with their masks.

        Raises:
            ResultError: A mask does not fit the type of its column.
        """
        self._seen.update(dict.fromkeys(batch.schema.names))
        if self._masks.keys().isdisjoint(batch.schema.names):
            yield batch
            return
        for start in range(0, max(batch.num_rows, 1), PIECE_ROWS):
            yield self._masked(batch.slice(start, PIECE_ROWS))

    def finish(self) -> None:
        """Raise ResultError where a column that is to be masked never came: it may have come under another name."""
        missing = next((name for name in self._masks if self._seen and name not in self._seen), None)
        if missing is not None:
            problem = f"it has a mask, and the result has no such column; it has {', '.join(self._seen)}"
            raise ResultError(problem, column=missing, hint=closest(missing, self._seen))

    def _masked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays, fields = [], []
        for field, array in zip(batch.schema, batch.columns):
            masked = self._array(field, array) if field.name in self._masks else array
            arrays.append(masked)
            fields.append(field if masked is array else pa.field(field.name, masked.type))
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def _array(self, field: pa.Field, array: pa.Array) -> pa.Array:
        name, method, change = self._masks[field.name]
        kind = plain_schema(pa.schema([field])).field(0).type
        array = convert(array, kind, field.name)
        if types.is_null(kind):
            return array
        if not method.takes(kind):
            problem = f"the mask {name} does not fit the type {kind}: it takes {method.wants}"
            raise ResultError(problem, column=field.name)
        try:
            return change(array)
        except (pa.ArrowException, OverflowError):
            # What Arrow says may show the value.
            raise ResultError(f"the mask {name} gives a value beyond {kind}", column=field.name) from None


def _is_text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _is_dated(kind: pa.DataType) -> bool:
    return bool(types.is_date32(kind) or types.is_timestamp(kind))


def _has_text(kind: pa.DataType) -> bool:
    return _is_text(kind) or _is_number(kind) or _is_dated(kind) or types.is_boolean(kind) or types.is_time(kind)


def _has_bytes(kind: pa.DataType) -> bool:
    return _has_text(kind) or types.is_binary(kind) or types.is_large_binary(kind)


def _each(values: Callable[[pa.Array], list[Any]], change: Callable[[Any], Any], kind: pa.DataType) -> Any:
    """Return what changes an array value by value, each distinct one once."""

    def apply(array: pa.Array) -> pa.Array:
        encoded = array.dictionary_encode()
        changed = [None if value is None else change(value) for value in values(encoded.dictionary)]
        return pa.array(changed, kind).take(encoded.indices)

    return apply


def _text(change: Callable[[str, str], str]) -> Method:
    def make(parameter: str) -> Any:
        return _each(texts_of, lambda text: change(text, parameter), pa.string())

    return Method(_has_text, "texts, numbers, booleans, dates and times", make)


def _digest(change: Callable[[bytes, str], Any], kind: pa.DataType = pa.string()) -> Method:  # noqa: B008  # a constant
    def make(parameter: str) -> Any:
        return _each(_bytes_of, lambda value: change(value, parameter), kind)

    return Method(_has_bytes, "everything but lists, structs and durations", make)


def _bytes_of(array: pa.Array) -> list[Any]:
    if types.is_binary(array.type) or types.is_large_binary(array.type):
        return list(array.to_pylist())
    return [None if text is None else text.encode("utf-8", "surrogatepass") for text in texts_of(array)]


def _constant(default: str) -> Method:
    def make(parameter: str) -> Any:
        text = parameter or default
        return lambda array: pa.array([text if there else None for there in array.is_valid().to_pylist()], pa.string())

    return Method(lambda _: True, "everything", make)


def _sequential() -> Method:
    def make(_: str) -> Any:
        numbers: dict[bytes, int] = {}
        return _each(_bytes_of, lambda value: numbers.setdefault(value, len(numbers) + 1), pa.int64())

    return Method(_has_bytes, "everything but lists, structs and durations", make)


def _numbers(make: Callable[[Decimal], Any], default: str) -> Method:
    return Method(_is_number, "numbers", lambda parameter: make(_EXACT.create_decimal(parameter or default)))


METHODS: dict[str, Method] = {
    **dict.fromkeys(("hash", "sha256"), _digest(lambda value, _: hashlib.sha256(value).hexdigest())),
    # For those who must match what another system made. Not meant to be safe.
    "md5": _digest(lambda value, _: hashlib.md5(value, usedforsecurity=False).hexdigest()),
    "hmac": _digest(lambda value, key: hmac.new(key.encode(), value, "sha256").hexdigest()),
    "uuid": _digest(lambda value, _: str(uuid.uuid5(_NAMESPACE, value.hex()))),
    "sequential": _sequential(),
    "redact": _constant("REDACTED"),
    "fixed": _constant("MASKED"),
    "email": _text(lambda text, _: hide_email(text)),
    "phone": _text(lambda text, _: hide_phone(text)),
    "credit_card": _text(lambda text, _: hide_card(text)),
    "ssn": _text(lambda text, _: hide_ssn(text)),
    "stars": _text(lambda text, _: "*" * len(text)),
    "partial": _text(lambda text, shown: hide_middle(text, int(shown or 2))),
    "first_letter": _text(lambda text, _: hide_tail(text)),
    "random": Method(lambda kind: _is_number(kind) or _is_text(kind), "texts and numbers", lambda _: draw),
    "round": _numbers(round_to, "10"),
    "range": _numbers(to_range, "100"),
    "noise": _numbers(add_noise, "0.1"),
    "date_shift": Method(_is_dated, "dates and timestamps", lambda days: shift_days(int(days or 30))),
    "year_only": Method(_is_dated, "dates and timestamps", lambda _: year_of),
    "month_year": Method(_is_dated, "dates and timestamps", lambda _: month_of),
}
"""What a mask does, by its name. What a header may say is in `definition/model/masks.py`."""
