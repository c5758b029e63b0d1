from __future__ import annotations

import os
import subprocess
import sys

import pyarrow as pa
import pytest

from airflow_materialize.child import writer as module
from airflow_materialize.child.errors import WriteError
from airflow_materialize.child.unify import Lossy
from airflow_materialize.child.writer import BATCH_BYTES, BATCH_ROWS, StagedWriter


def batch(**columns):
    return pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})


def write(path, batches):
    writer = StagedWriter(str(path))
    try:
        for each in batches:
            writer.add(each)
        return writer.finish()
    except Exception:
        writer.abandon()
        raise


def opened(path):
    return pa.ipc.open_file(pa.memory_map(str(path)))


def test_small_batches_are_put_together_and_large_ones_cut(tmp_path):
    path = tmp_path / "f"
    staged = write(path, [batch(n=range(100))] * 700 + [batch(n=range(150_000))])

    reader = opened(path)
    sizes = [reader.get_batch(index).num_rows for index in range(reader.num_record_batches)]
    assert sum(sizes) == staged.rows == 220_000
    assert len(sizes) == staged.batches
    assert all(BATCH_ROWS <= size < 2 * BATCH_ROWS for size in sizes[:-1])


def test_wide_rows_are_cut_by_their_bytes(tmp_path):
    text = "x" * 1_000_000
    write(tmp_path / "f", [batch(t=[text] * 100)])

    reader = opened(tmp_path / "f")
    sizes = [reader.get_batch(index).nbytes for index in range(reader.num_record_batches)]
    assert max(sizes) < 2 * BATCH_BYTES
    assert len(sizes) > 1


def test_the_file_is_uncompressed_and_for_its_user_alone(tmp_path):
    write(tmp_path / "f", [batch(t=["needle" * 1000])])

    assert b"needle" * 1000 in (tmp_path / "f").read_bytes()
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_a_type_that_widens_rewrites_what_is_there_once(tmp_path):
    rows = BATCH_ROWS
    parts = [batch(a=[None] * rows), batch(a=[1] * rows), batch(a=[2.5] * rows, b=["x"] * rows)]
    staged = write(tmp_path / "f", parts)

    table = opened(tmp_path / "f").read_all()
    assert table.schema == staged.schema == pa.schema([("a", pa.float64()), ("b", pa.string())])
    assert table.column("a").to_pylist() == [None] * rows + [1.0] * rows + [2.5] * rows
    assert table.column("b").null_count == 2 * rows
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_type_that_widens_within_a_batch_needs_no_segment(tmp_path, monkeypatch):
    opened_paths = []
    original = module._open
    monkeypatch.setattr(module, "_open", lambda path, schema: opened_paths.append(path) or original(path, schema))
    write(tmp_path / "f", [batch(a=[1]), batch(a=[1.5]), batch(b=["x"])])

    assert opened_paths == [str(tmp_path / "f.0")]


def test_a_narrower_batch_after_a_wider_one_is_widened(tmp_path):
    write(tmp_path / "f", [batch(a=[1.5] * BATCH_ROWS), batch(a=[2] * BATCH_ROWS), batch(a=[None])])

    assert opened(tmp_path / "f").read_all().column("a").to_pylist()[-2:] == [2.0, None]


def test_a_type_that_does_not_go_with_the_former_names_row_and_value(tmp_path):
    with pytest.raises(Lossy) as caught:
        write(tmp_path / "f", [batch(a=[1] * 70_000), batch(a=[None, None, "x"])])

    assert str(caught.value) == "column 'a', row 70003: string after int64: one column has one type; the value is 'x'"


def test_a_value_that_does_not_survive_the_rewrite_names_its_row(tmp_path):
    with pytest.raises(Lossy) as caught:
        write(tmp_path / "f", [batch(a=[1] * BATCH_ROWS), batch(a=[7, 2**53 + 1] * BATCH_ROWS), batch(a=[0.5])])

    text = f"column 'a', row {BATCH_ROWS + 2}: int64 becomes double, and this value would change"
    assert str(caught.value) == f"{text}; the value is {2**53 + 1}"


def test_no_batch_makes_no_file(tmp_path):
    assert write(tmp_path / "f", []) is None
    assert list(tmp_path.iterdir()) == []


def test_an_empty_batch_makes_a_file_with_its_columns(tmp_path):
    staged = write(tmp_path / "f", [batch(a=pa.array([], pa.int8()))])

    assert (staged.rows, staged.batches) == (0, 0)
    assert opened(tmp_path / "f").schema == pa.schema([("a", pa.int8())])


def test_an_abandoned_file_leaves_nothing(tmp_path):
    writer = StagedWriter(str(tmp_path / "f"))
    writer.add(batch(a=[1] * BATCH_ROWS))
    writer.add(batch(a=[1.5] * BATCH_ROWS))
    writer.abandon()

    assert list(tmp_path.iterdir()) == []


def test_a_file_or_a_link_that_is_there_is_not_written_through(tmp_path):
    (tmp_path / "f.0").symlink_to(tmp_path / "victim")

    with pytest.raises(WriteError, match="File exists"):
        write(tmp_path / "f", [batch(a=[1])])
    assert not (tmp_path / "victim").exists()


def test_progress_is_told_at_most_every_ten_seconds(tmp_path, monkeypatch):
    times = iter([0.0, 5.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(times))
    told = []
    writer = StagedWriter(str(tmp_path / "f"), lambda rows, size: told.append((rows, size)))
    for _ in range(3):
        writer.add(batch(a=[1] * BATCH_ROWS))
    writer.abandon()

    assert told == [(2 * BATCH_ROWS, 2 * BATCH_ROWS * 8)]


FULL = """
import resource, sys
import pyarrow as pa
from airflow_materialize.child.writer import StagedWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
writer = StagedWriter(sys.argv[1])
try:
    for _ in range(10):
        writer.add(pa.RecordBatch.from_pydict({"a": list(range(65_536))}))
    writer.finish()
except Exception as error:
    writer.abandon()
    print(type(error).__name__, error)
"""


def test_a_disk_that_takes_no_more_is_an_error_of_the_write(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "f")], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == f"WriteError the result cannot be written to {tmp_path}: File too large\n"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_no_space_comes_with_what_to_do(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "open", full)
        with pytest.raises(WriteError, match="No space left on device") as caught:
            write(tmp_path / "f", [batch(a=[1])])

    assert caught.value.hint.startswith("free space on that disk")
