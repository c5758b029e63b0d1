"""The types of header fields: what YAML text each takes, and what it says about text that it does not take."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y"), True),
    **dict.fromkeys(("false", "no", "off", "n"), False),
}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_SHOWN = 60
# More are no number that anything counts; Python itself refuses to read some thousand.
_DIGITS = 40


class Plain(str):
    """A scalar that stands without quotes.

    It is its text as written, so that `name: NO` and `start_date: 2024-01-01` stay what the author sees. A field that
    takes a number or a boolean reads it as one.
    """

    __slots__ = ()


class Model(BaseModel):
    """The base of all header models: unchangeable, without unknown fields, an empty value counts as absent."""

    # Most processes that import the models use few of them, and each takes long to build.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, ser_json_inf_nan="constants")

    @model_validator(mode="before")
    @classmethod
    def _without_empty_values(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


def refuse(message: str, hint: str = "", *, instead: str = "", code: str) -> PydanticCustomError:
    """Return the error of a value that cannot be used.

    Args:
        message: What is wrong.
        hint: What would be right.
        instead: The field beside the validated one at which the problem stands.
        code: Its code, one of `definition.codes`.
    """
    context = {"message": message, "hint": hint, "instead": instead, "code": code}
    return PydanticCustomError("header", "{message}", context)


def describe(value: Any) -> str:
    """Say in words what YAML gave."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "empty"
    return f"the text {quoted(value)}" if isinstance(value, str) else quoted(value)


def quoted(value: Any) -> str:
    """Return the value as a message shows it, cut where it is long."""
    text = str(value)
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def parse_duration(text: str) -> timedelta:
    """Read a duration as Go writes it: `30s`, `10m`, `1h30m`.

    Raises:
        ValueError: The text is no such duration.
    """
    parts = _DURATION.findall(text) if len(text) <= _SHOWN else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration")
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f"{text!r} is longer than any time") from None


def as_value(value: Any) -> Any:
    """Give every plain scalar in `value` the type that YAML 1.2 gives it; dates stay text."""
    if isinstance(value, dict):
        return {str(key): as_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_value(item) for item in value]
    return _scalar_value(value) if isinstance(value, Plain) else value


def _scalar_value(value: Plain) -> str | bool | int | float:
    if value in {"true", "True", "TRUE"}:
        return True
    if value in {"false", "False", "FALSE"}:
        return False
    if _WHOLE.fullmatch(value) and len(value) <= _DIGITS:
        return int(value)
    return float(value) if _DECIMAL.fullmatch(value) else str(value)


def as_text(value: Any) -> str:
    """Take any scalar as its text."""
    if isinstance(value, str):
        return str(value)
    raise refuse(f"a text is expected, this is {describe(value)}", code="AM103")


def as_flag(value: Any) -> bool:
    """Take a boolean, or the plain words that YAML knows for one."""
    if isinstance(value, bool):
        return value
    word = _BOOLEANS.get(value.lower()) if isinstance(value, Plain) else None
    if word is None:
        message = f"{quoted(value)} is no boolean" if isinstance(value, str) else _unlike("a boolean", value)
        raise refuse(message, _FLAG, code="AM104")
    return word


def as_whole(value: Any) -> int:
    """Take a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, Plain) and _WHOLE.fullmatch(value) and len(value) <= _DIGITS:
        return int(value)
    message = f"{quoted(value)} is no whole number" if isinstance(value, str) else _unlike("a whole number", value)
    raise refuse(message, code="AM105")


def _unlike(wanted: str, value: Any) -> str:
    return f"{wanted} is expected, this is {describe(value)}"


def _as_day(value: Any) -> str:
    text = as_text(value)
    try:
        if text and date.fromisoformat(text).isoformat() != text:
            raise ValueError(text)
    except ValueError:
        raise refuse(f"{quoted(text)} is no day", "YYYY-MM-DD", code="AM110") from None
    return text


def _as_seconds(value: Any) -> float:
    """Take a duration, or a number of seconds."""
    seconds = as_value(value)
    if isinstance(seconds, str):
        try:
            seconds = parse_duration(seconds).total_seconds()
        except (ValueError, OverflowError):
            raise refuse(f"{quoted(value)} is no duration", "seconds, or as 30s, 10m or 1h30m", code="AM111") from None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise refuse(_unlike("a duration", value), "seconds, or as 30s, 10m or 1h30m", code="AM111")
    if not 0 <= seconds <= _LONGEST_PAUSE:
        raise refuse(f"{value} is no duration", f"from 0 to {_LONGEST_PAUSE} seconds", code="AM111")
    return float(seconds)


def _as_tag(value: Any) -> str:
    text = as_text(value)
    if not text.strip():
        raise refuse("the tag is empty", "leave it out", code="AM132")
    if len(text) > _LONGEST_TAG:
        raise refuse(f"the tag has {len(text)} characters", f"at most {_LONGEST_TAG}", code="AM132")
    return text


def _as_name(value: Any) -> str:
    text = as_text(value)
    if not text:
        raise refuse("it is empty", code="AM108")
    return text


_FLAG = "true or false"
_LONGEST_TAG = 100  # What Airflow takes.
_LONGEST_PAUSE = 30 * 24 * 3600

# What an editor sees: it reads YAML 1.2, where `12` is a number and `yes` a text.
_SCALAR = {"type": ["string", "number", "boolean"]}
_WORD = {"type": "string", "pattern": "^([Yy]([Ee][Ss])?|[Nn][Oo]?|[Oo][Nn]|[Oo][Ff][Ff])$", "$comment": "in words"}
_DAY = {"type": "string", "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$"}

Text = Annotated[str, BeforeValidator(as_text), WithJsonSchema(_SCALAR)]
"""Any scalar, as it is written."""

Named = Annotated[str, BeforeValidator(_as_name), WithJsonSchema({**_SCALAR, "minLength": 1})]
"""A text that is not empty."""

Flag = Annotated[bool, BeforeValidator(as_flag), WithJsonSchema({"anyOf": [{"type": "boolean"}, _WORD]})]
"""`true` or `false`; unquoted `yes`, `no`, `on`, `off` too."""

Whole = Annotated[int, BeforeValidator(as_whole), WithJsonSchema({"type": "integer"})]
"""A whole number."""

Day = Annotated[str, BeforeValidator(_as_day), WithJsonSchema(_DAY)]
"""A day as `YYYY-MM-DD`, or nothing."""

Seconds = Annotated[float, BeforeValidator(_as_seconds), WithJsonSchema({"type": ["string", "number"]})]
"""A duration as `30s`, or a number of seconds."""

Words = tuple[Text, ...]
"""A list of texts."""

Tags = tuple[Annotated[str, BeforeValidator(_as_tag), WithJsonSchema({**_SCALAR, "minLength": 1})], ...]
"""A list of tags."""

Json = Annotated[Any, BeforeValidator(as_value)]
"""Any value."""

Bag = Annotated[dict[str, Any], BeforeValidator(as_value)]
"""A mapping of any values."""

Labels = dict[str, Text]
"""A mapping of texts."""
