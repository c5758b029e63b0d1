"""Arrow batches into a table of MySQL: LOAD DATA LOCAL from a pipe, or INSERT where that is forbidden."""

# ruff: noqa: S608  # Names are quoted by the session, and values are escaped by the driver.

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import MySQLdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from airflow_materialize.destinations.arrow import is_binary, is_json, is_text, is_uuid, to_json_text
from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.destinations.mysql.errors import RULES, translated, translation
from airflow_materialize.errors import MaterializeError

_OPTIONS = (
    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
)
_STATEMENT_BYTES = 1 << 20
_RESERVE = 1 << 16
_SHOWN = 3
_PAUSE = 0.02


def load_data(connection: Any, product: str, target: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Load batches by LOAD DATA LOCAL from a pipe that a thread fills, and return the number of rows.

    Args:
        connection: The driver's, with `local_infile`.
        product: What the server calls itself.
        target: The quoted table and its columns, as `columns_of` lists them.
        schema: Of the batches.
        batches: As `texts` gives them.

    Raises:
        MaterializeError: The server refuses the statement, or warns of a value that it would change.
    """
    with _pipe() as path, closing(connection.cursor()) as cursor:
        feeder = _Feeder(path, schema, batches)
        feeder.start()
        failure: MaterializeError | None = None
        try:
            with translated(product):
                cursor.execute(f"LOAD DATA LOCAL INFILE %s INTO TABLE {target.replace('%', '%%')}", [str(path)])
        except MaterializeError as error:
            failure = error
        finally:
            feeder.end()
        # What stopped the values is the cause of whatever the server says of them.
        if feeder.failure is not None:
            raise feeder.failure
        if failure is not None:
            raise failure
        count = int(cursor.rowcount)
        _refuse_warnings(connection, cursor, product)
        return count


def insert_rows(connection: Any, product: str, target: str, batches: Iterable[pa.RecordBatch]) -> int:
    """Insert batches by statements of many rows, and return the number of rows.

    Args:
        connection: The driver's.
        product: What the server calls itself.
        target: The quoted table and its columns.
        batches: As `texts` gives them.
    """
    count = 0
    with closing(connection.cursor()) as cursor, translated(product):
        cursor.execute("SELECT @@max_allowed_packet")
        [(most,)] = cursor.fetchall()
        cursor.max_stmt_length = max(_RESERVE, min(_STATEMENT_BYTES, most - _RESERVE))
        for batch in batches:
            row = f"({', '.join(['%s'] * batch.num_columns)})"
            rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            if rows:
                cursor.executemany(f"INSERT INTO {target.replace('%', '%%')} VALUES {row}", rows)
            count += len(rows)
    return count


def texts(
    batches: Iterable[pa.RecordBatch], limits: Mapping[str, int], *, hexadecimal: bool
) -> Iterator[pa.RecordBatch]:
    """Yield batches as the statements that load them take them.

    Args:
        batches: Of storable types.
        limits: The length of each column that has one.
        hexadecimal: Whether bytes become hexadecimal digits.

    Raises:
        MaterializeError: The database has nothing that stands for a value.
    """
    row = 0
    for batch in batches:
        _check_lengths(batch, limits, row)
        arrays = [_text(batch[name], name, row, hexadecimal=hexadecimal) for name in batch.schema.names]
        yield pa.RecordBatch.from_arrays(arrays, batch.schema.names)
        row += batch.num_rows


def text_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of what `texts` yields, with hexadecimal digits."""
    arrays = [_text(pa.nulls(0, field.type), field.name, 0, hexadecimal=True) for field in schema]
    return pa.schema([(field.name, array.type) for field, array in zip(schema, arrays, strict=True)])


def columns_of(schema: pa.Schema, quote: Callable[[str], str]) -> str:
    """Return how LOAD DATA reads the columns: bytes arrive as hexadecimal digits."""
    named, taken = [], []
    for index, field in enumerate(schema):
        if is_binary(field.type):
            named.append(f"@b{index}")
            taken.append(f"{quote(field.name)} = UNHEX(@b{index})")
        else:
            named.append(quote(field.name))
    return f"{_OPTIONS} ({', '.join(named)})" + (f" SET {', '.join(taken)}" if taken else "")


def _text(  # noqa: PLR0911  # one for each kind
    array: pa.Array, name: str, first_row: int, *, hexadecimal: bool
) -> pa.Array:
    kind = array.type
    if pa.types.is_floating(kind):
        _refuse_strange(array, name, first_row)
        # The shortest text of four bytes stands for another number in eight.
        return array.cast(pa.float64())
    if pa.types.is_boolean(kind) or pa.types.is_duration(kind):
        return array.cast(pa.int8() if pa.types.is_boolean(kind) else pa.int64())
    if pa.types.is_decimal(kind):
        return array.cast(pa.string())
    if pa.types.is_timestamp(kind) and kind.tz:
        return array.cast(pa.timestamp(kind.unit))
    if is_uuid(kind):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    if is_json(kind):
        return array.storage
    if is_binary(kind) and hexadecimal:
        return pa.array([None if value is None else value.hex() for value in array.to_pylist()], pa.large_string())
    if pa.types.is_nested(kind):
        try:
            return to_json_text(array)
        except (pa.ArrowInvalid, ValueError) as error:
            place = f"Column {name!r}, rows from {first_row + 1}"
            raise StatementError(f"{place}: {error}", brief=f"{place}: a value does not fit") from error
    return array


def _check_lengths(batch: pa.RecordBatch, limits: Mapping[str, int], first_row: int) -> None:
    """See that no text is longer than its column."""
    for name, limit in limits.items():
        array = batch[name]
        if not (is_text(array.type) or is_binary(array.type)):
            continue
        lengths = pc.utf8_length(array) if is_text(array.type) else pc.binary_length(array)
        longest = pc.max(lengths).as_py() or 0
        if longest > limit:
            row = first_row + pc.index(pc.greater(lengths, limit), True).as_py() + 1
            unit = "characters" if is_text(array.type) else "bytes"
            raise MaterializeError(
                f"Column {name!r}, row {row}: the column takes {limit} {unit}, and the longest value has {longest}",
                hint="shorten it, or give the column more room",
            )


class _Feeder:
    """The thread that writes the rows into the pipe."""

    def __init__(self, path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self._path, self._schema, self._batches = path, schema, batches
        self._thread = Thread(target=self._run, name="rows for LOAD DATA", daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Wait until the thread is done, whether or not anybody has read what it writes."""
        while self._thread.is_alive():
            # A writer waits for a reader. This one comes and goes: the writer finds a broken pipe at its next byte.
            # Once the server's has come, there is no path any more, and the writer finds out by itself.
            with suppress(FileNotFoundError):
                os.close(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK))
            self._thread.join(_PAUSE)

    def _run(self) -> None:
        options = pa.csv.WriteOptions(include_header=False, null_string="NULL")
        try:
            with self._path.open("wb") as pipe:
                # Both ends are open. A process that is killed from now on leaves nothing.
                self._path.unlink()
                self._path.parent.rmdir()
                with pa.csv.CSVWriter(pipe, self._schema, write_options=options) as writer:
                    for batch in self._batches:
                        writer.write_batch(batch)
        except BaseException as error:  # noqa: BLE001  # the thread that waits for this one raises it
            # Where nobody reads, the server refused the statement, and says why.
            if getattr(error, "errno", None) != errno.EPIPE:
                self.failure = error


@contextmanager
def _pipe() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="materialize-") as folder:
        path = Path(folder) / "rows"
        os.mkfifo(path, 0o600)
        yield path


def _refuse_warnings(connection: Any, cursor: Any, product: str) -> None:
    """Raise what the server only warns of: LOAD DATA LOCAL cuts values short instead of refusing them."""
    if not connection.warning_count():
        return
    with translated(product):
        cursor.execute("SHOW WARNINGS")
        found: Sequence[tuple[str, int, str]] = cursor.fetchall()
    serious = [(code, text) for level, code, text in found if level != "Note"]
    if serious:
        if serious[0][0] in RULES:
            # LOCAL makes warnings of these, too, and leaves the row out.
            raise translation(MySQLdb.IntegrityError(*serious[0]), product)
        listed = "; ".join(text for _, text in serious[:_SHOWN])
        raise StatementError(
            f"{product} would not store the values as they are: {listed}",
            brief=f"{product} would not store some values as they are",
        )


def _refuse_strange(array: pa.Array, name: str, first_row: int) -> None:
    strange = pc.invert(pc.is_finite(array))
    if pc.any(strange).as_py():
        row = first_row + pc.index(strange, True).as_py() + 1
        at = array[row - first_row - 1].as_py()
        what = "NaN" if at != at else "infinity"  # noqa: PLR0124  # NaN is the only value of the kind
        raise MaterializeError(
            f"Column {name!r}, row {row}: MySQL has no {what}", hint="return None in its place, or a text"
        )
