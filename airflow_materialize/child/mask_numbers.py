"""The masks that change numbers, and random values in place of any."""

from __future__ import annotations

import math
import string
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import types

if TYPE_CHECKING:
    from collections.abc import Callable

# Exact for every number that a column can hold.
_EXACT = Context(prec=400)
_LETTERS = string.ascii_letters + string.digits
_MAX_DIGITS_128 = 38
_MAX_DIGITS_256 = 76
_random = SystemRandom()


def round_to(step: Decimal) -> Callable[[pa.Array], pa.Array]:
    """Return what rounds each number to the nearest multiple of `step`, halves away from zero.

    The type stays, where it can hold the multiples.
    """

    def one(value: Any) -> Decimal:
        times = _EXACT.divide(_exact(value), step).to_integral_value(ROUND_HALF_UP)
        return _EXACT.multiply(times, step)

    def change(array: pa.Array) -> pa.Array:
        return _in_type(array, one, _type_of(array.type, step))

    return change


def to_range(step: Decimal) -> Callable[[pa.Array], pa.Array]:
    """Return what gives the bounds of the bucket of width `step` that a number falls into, as `100-200`."""

    def one(value: Any) -> str:
        if not math.isfinite(value):
            return str(value)
        lower = _EXACT.multiply(_EXACT.divide(_exact(value), step).to_integral_value(ROUND_FLOOR), step)
        return f"{_plain(lower)}-{_plain(_EXACT.add(lower, step))}"

    def change(array: pa.Array) -> pa.Array:
        return pa.array([None if value is None else one(value) for value in array.to_pylist()], pa.string())

    return change


def add_noise(share: Decimal) -> Callable[[pa.Array], pa.Array]:
    """Return what moves each number by at random up to `share` of itself, a zero by up to `share`."""

    def one(value: Any) -> Decimal:
        number = _exact(value)
        reach = _EXACT.multiply(abs(number) or Decimal(1), share)
        return _EXACT.add(number, _EXACT.multiply(reach, Decimal(repr(_random.uniform(-1, 1)))))

    def change(array: pa.Array) -> pa.Array:
        return _in_type(array, one, _type_of(array.type, Decimal(1), digits=len(str(int(share) + 1))))

    return change


def draw(array: pa.Array) -> pa.Array:
    """Give each value a random one of its length or size."""
    if types.is_integer(array.type):
        return pa.array([None if value is None else _whole_like(value) for value in array.to_pylist()], pa.int64())
    if types.is_floating(array.type) or types.is_decimal(array.type):
        drawn = [
            None if value is None else _random.uniform(0, 2) * (abs(float(value)) or 1) for value in array.to_pylist()
        ]
        return pa.array(drawn, pa.float64())
    texts = (
        "".join(_random.choices(_LETTERS, k=len(text))) if text is not None else None for text in array.to_pylist()
    )
    return pa.array(list(texts), pa.string())


def _whole_like(value: int) -> int:
    low = 10 ** (len(str(abs(value))) - 1)
    return _random.randrange(min(low, 2**62), min(low * 10, 2**63))


def _exact(value: Any) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _type_of(kind: pa.DataType, step: Decimal, digits: int = 1) -> pa.DataType:
    """Return the type for multiples of `step` that may have `digits` more than those of `kind`."""
    finer = max(0, -int(step.normalize(_EXACT).as_tuple().exponent))
    if types.is_decimal(kind):
        scale = max(kind.scale, finer)
        precision = min(kind.precision + scale - kind.scale + digits, _MAX_DIGITS_256)
        return (pa.decimal128 if precision <= _MAX_DIGITS_128 else pa.decimal256)(precision, scale)
    if types.is_floating(kind) or finer:
        return pa.float64()
    return pa.uint64() if types.is_uint64(kind) else pa.int64()


def _in_type(array: pa.Array, change: Callable[[Any], Decimal], kind: pa.DataType) -> pa.Array:
    """Change each number, and give what is none (NaN, infinity) back as it is."""
    result: list[Any] = []
    for value in array.to_pylist():
        if value is None or not math.isfinite(value):
            result.append(value)
        elif types.is_decimal(kind):
            result.append(_EXACT.quantize(change(value), Decimal(1).scaleb(-kind.scale)))
        else:
            result.append(float(change(value)) if types.is_floating(kind) else int(change(value)))
    return pa.array(result, kind)
