"""Columns that the table holds as JSON: each value becomes its JSON text, whatever the values beside it are."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.child.errors import ResultError, type_name
from airflow_materialize.child.values import converted, plain

if TYPE_CHECKING:
    from collections.abc import Callable

_MICROSECOND = dt.timedelta(microseconds=1)


class DeclaredJson:
    """Knows which columns the table holds as JSON, and turns what came as a nested Arrow column into texts too.

    Args:
        columns: The declared columns: `name`, `json` where it is true, and `source` where the result has another name.
    """

    def __init__(self, columns: list[dict[str, Any]]) -> None:
        declared = [column for column in columns if column.get("json")]
        self._names = frozenset(column["name"] for column in declared)
        self.names = frozenset(column.get("source") or column["name"] for column in declared)
        """As the result spells them."""

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch, with the table's names, without nested columns among those of JSON.

        Raises:
            ResultError: A value has no JSON.
        """
        for index, field in enumerate(batch.schema):
            if field.name in self._names and pa.types.is_nested(field.type):
                values = batch.column(index).to_pylist(**_maps_as_dicts(field.type))
                batch = batch.set_column(index, field.name, json_array(values, field.name))
        return batch


def json_array(values: list[Any], column: str) -> pa.Array:
    """Return values as JSON texts. A text is taken for JSON as it stands.

    Raises:
        ResultError: A value has no JSON; with its row.
    """
    texts = converted(values, _json, column)
    try:
        return pa.array(texts, pa.string())
    except pa.ArrowException:
        return pa.array(texts, pa.large_string())


def _json(value: Any) -> str | None:
    value = plain(value)
    if value is None or isinstance(value, str):
        return value
    return json.dumps(_jsonable(value), ensure_ascii=False)


def _jsonable(value: Any) -> Any:
    """Return what `json` writes: decimals, moments and days as texts, durations in microseconds."""
    value = plain(value)
    for kind, write in _WRITTEN.items():
        if isinstance(value, kind):
            return write(value)
    raise ResultError(f"a value of type {type_name(value)} has no JSON", value=value, hint="convert it to text")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ResultError("a float that is no number has no JSON", value=value, hint="None in its place")
    return value


def _object(value: dict[Any, Any]) -> dict[str, Any]:
    wrong = next((key for key in value if not isinstance(key, str)), None)
    if wrong is not None:
        raise ResultError(f"a nested key is a {type_name(wrong)}, not text", value=wrong)
    return {key: _jsonable(item) for key, item in value.items()}


_WRITTEN: dict[Any, Callable[[Any], Any]] = {
    (type(None), str, int): lambda value: value,
    float: _finite,
    dict: _object,
    list: lambda value: [_jsonable(item) for item in value],
    Decimal: str,
    (dt.date, dt.time): lambda value: value.isoformat(),
    dt.timedelta: lambda value: value // _MICROSECOND,
}


def _maps_as_dicts(kind: pa.DataType) -> dict[str, str]:
    # Before pyarrow 15 a map is a list of pairs, and there is no choice.
    return {"maps_as_pydicts": "strict"} if "map<" in str(kind) else {}
