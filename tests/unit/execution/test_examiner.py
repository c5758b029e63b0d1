"""What user code wrote is examined where nothing can be lost. Each test writes a file and has it examined."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from airflow_materialize.arrow_file import examine, open_summed
from airflow_materialize.errors import MaterializeError
from airflow_materialize.examined import ArrowFileError
from airflow_materialize.execution import examiner as examiner_module
from airflow_materialize.execution.examiner import Examiner
from airflow_materialize.execution.isolation import Isolation
from airflow_materialize.execution.limits import Limits
from airflow_materialize.settings import Settings
from airflow_materialize.staged_file import part_path, seal

TABLE = pa.table({"id": range(1000), "name": [f"name {number}" for number in range(1000)], "l": [[1], None] * 500})
# How many broken files are read; the long run has many more.
MUTATIONS = int(os.environ.get("MUTATIONS", "1500"))


@pytest.fixture(params=["process", "namespaces"])
def isolation(request, namespaces, tmp_path):
    if request.param == "namespaces" and namespaces:
        pytest.skip(namespaces)
    return Isolation(Settings(tmp_path / "staged", tmp_path / "environments", isolation=request.param), tmp_path)


def written(path, table=TABLE, **options):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, **options) as writer:
        writer.write_table(table, max_chunksize=300)
    return path


def examined(isolation, path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with Examiner(isolation) as examiner:
            return examiner.examine(descriptor)
    finally:
        os.close(descriptor)


def test_it_tells_rows_batches_schema_and_sum(isolation, tmp_path):
    path = written(tmp_path / "file")
    told = examined(isolation, path)
    with path.open("rb") as file:
        assert told == examine(file.fileno())
    assert (told.rows, told.batches, told.size) == (1000, 4, path.stat().st_size)
    # One piece, so the sum of its sum.
    assert told.sha256 == hashlib.sha256(hashlib.sha256(path.read_bytes()).digest()).hexdigest()


def test_a_large_file_is_summed_in_pieces_of_four_mebibytes_in_their_order(isolation, tmp_path):
    path = tmp_path / "file"
    table = pa.table({"id": pa.array(range(1_200_000), pa.int64())})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, 100_000)
    size, whole = 4 * 2**20, path.read_bytes()
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert len(pieces) == 3
    told = examined(isolation, path)
    assert told.sha256 == hashlib.sha256(b"".join(hashlib.sha256(piece).digest() for piece in pieces)).hexdigest()
    with path.open("rb") as file:
        assert open_summed(file.fileno(), told.sha256).rows == 1_200_000
    path.write_bytes(b"".join((pieces[1], pieces[0], pieces[2])))
    with path.open("rb") as file, pytest.raises(ArrowFileError, match="its checksum is"):
        open_summed(file.fileno(), told.sha256)


def test_a_refusal_comes_with_its_reason(isolation, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"no file of Arrow's")
    with pytest.raises(ArrowFileError, match="it is no valid Arrow file"):
        examined(isolation, path)


def test_one_that_was_started_early_answers_as_well_and_one_that_is_not_asked_ends(isolation, tmp_path):
    path = written(tmp_path / "file")
    with Examiner(isolation) as examiner:
        examiner.start()
        with path.open("rb") as file:
            assert examiner.examine(file.fileno()).rows == 1000
    with Examiner(isolation) as examiner:
        examiner.start()
        warden = examiner._contained._process.pid
    assert not Path(f"/proc/{warden}").exists()


def test_a_crash_is_a_refusal_that_says_so(isolation, tmp_path, monkeypatch):
    monkeypatch.setattr(examiner_module, "_START", "import os; os.kill(os.getpid(), 11)")
    with pytest.raises(MaterializeError) as caught:
        examined(isolation, written(tmp_path / "file"))
    message = "the process that examined the result was ended by SIGSEGV, so the result is refused"
    assert caught.value.message == message
    assert "return the data from materialize() instead" in caught.value.hint


def test_a_crash_while_a_result_is_sealed_seals_nothing(isolation, tmp_path, monkeypatch, plan):
    monkeypatch.setattr(examiner_module, "_START", "import os; os.kill(os.getpid(), 11)")
    part = written(part_path(tmp_path, plan, "1"))
    with Examiner(isolation) as examiner, pytest.raises(MaterializeError, match="SIGSEGV"):
        seal(tmp_path, plan, "1", examiner.examine)
    assert [path.name for path in part.parent.iterdir()] == ["1.part"]


@pytest.fixture
def plan(lake):
    return lake.desk()._plan


def test_it_has_no_variable_and_no_file_but_the_one(isolation, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "canary")
    text = "import os; print('\\n' + ' '.join([*sorted(os.environ), *os.listdir('/proc/self/fd')]), flush=True); os._exit(3)"
    monkeypatch.setattr(examiner_module, "_START", text.replace("{", "{{"))
    with pytest.raises(MaterializeError, match="ended with exit code 3") as caught:
        examined(isolation, written(tmp_path / "file"))
    seen = caught.value.message.rpartition(": ")[2].split()
    # Three of its own streams, the line to the worker, and the folder that it lists; Python adds LC_CTYPE itself.
    assert len([word for word in seen if word.isdecimal()]) == 5
    assert {word for word in seen if not word.isdecimal()} <= {"LC_CTYPE"}


def test_a_file_that_swells_beyond_its_bound_is_refused(isolation, tmp_path, monkeypatch):
    monkeypatch.setattr(examiner_module, "_LIMITS", Limits(memory=250_000_000))
    zeros = pa.Array.from_buffers(pa.int64(), 40_000_000, [None, pa.py_buffer(bytes(320_000_000))])
    swollen = pa.table({"zeros": zeros})
    path = tmp_path / "file"
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, swollen.schema, options=options) as writer:
        writer.write_table(swollen)
    assert path.stat().st_size < 5_000_000
    with pytest.raises((ArrowFileError, MaterializeError), match="no valid Arrow file|is refused"):
        examined(isolation, path)


READER = """
import os, random, sys
from airflow_materialize.arrow_file import examine, open_summed
from airflow_materialize.examined import ArrowFileError
path, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
whole = open(path, "rb").read()
chance = random.Random(seed)
outcomes = {"refused": 0, "read": 0}
for number in range(count):
    data = bytearray(whole)
    way = chance.randrange(5)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data))
        if way == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif way == 1:
            data[place : place + 8] = chance.randbytes(8)
        elif way == 2:
            data[place : place + 4] = (0xFFFFFFFF).to_bytes(4, "little")
        elif way == 3:
            del data[place : place + chance.randint(1, 64)]
        else:
            data[place : place + 64] = bytes(64)
    with open(path + ".broken", "wb") as file:
        file.write(data)
    print(number, end=" ", flush=True)
    with open(path + ".broken", "rb") as file:
        try:
            seen = examine(file.fileno())
        except ArrowFileError:
            outcomes["refused"] += 1
            continue
        reader = open_summed(file.fileno(), seen.sha256).reader
        for index in range(reader.num_record_batches):
            reader.get_batch(index).to_pylist()
        outcomes["read"] += 1
print(outcomes)
"""


@pytest.mark.parametrize("compression", [None, "lz4"])
def test_no_broken_file_crashes_its_reader_once_it_is_examined(tmp_path, compression):
    """Whatever is broken is refused, or can be read: it is other data, which nobody but the asset can tell."""
    options = pa.ipc.IpcWriteOptions(compression=compression)
    path = written(tmp_path / "file", TABLE.slice(0, 60), options=options)
    seed = random.randrange(10**9) if MUTATIONS > 10_000 else 7
    command = [sys.executable, "-c", READER, path, str(seed), str(MUTATIONS)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"seed {seed}, {ended.stdout[-20:]}: {ended.stderr}"
    assert "'read': 0" not in ended.stdout
    assert "'refused': 0" not in ended.stdout
