"""The masks of dates and timestamps. A timestamp with a zone counts in UTC."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

if TYPE_CHECKING:
    from collections.abc import Callable

_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_random = SystemRandom()


def shift_days(days: int) -> Callable[[pa.Array], pa.Array]:
    """Return what moves each value by a number of days of its own, at random from -days to days."""

    def change(array: pa.Array) -> pa.Array:
        kind = array.type
        day, number = (1, pa.int32()) if types.is_date32(kind) else (_DAY[kind.unit], pa.int64())
        moves = pa.array([_random.randint(-days, days) * day for _ in range(len(array))], number)
        return pc.add_checked(array.cast(number), moves).cast(kind)

    return change


def year_of(array: pa.Array) -> pa.Array:
    """Return the years as whole numbers."""
    return pc.year(_in_utc(array)).cast(pa.int64())


def month_of(array: pa.Array) -> pa.Array:
    """Return the months as texts: `2026-04`."""
    local = _in_utc(array)
    pairs = zip(pc.year(local).to_pylist(), pc.month(local).to_pylist())
    return pa.array([None if year is None else f"{year:04}-{month:02}" for year, month in pairs], pa.string())


def _in_utc(array: pa.Array) -> Any:
    return array.cast(pa.timestamp(array.type.unit)) if types.is_timestamp(array.type) else array
