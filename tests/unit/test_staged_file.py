from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from dataclasses import replace

import pyarrow as pa
import pytest

from airflow_materialize.arrow_file import examine
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.errors import MaterializeError
from airflow_materialize.manifest import signed
from airflow_materialize.plan.run_plan import RunPlan
from airflow_materialize.report import RunReport
from airflow_materialize.signing import Signer
from airflow_materialize.staged_file import (
    Manifest,
    StagedFile,
    discard,
    discard_part,
    folder_of,
    newest_manifest,
    open_verified,
    part_path,
    prune,
    seal,
    write_manifest,
)

TABLE = pa.table({"id": pa.array([1, 2, 3]), "name": ["a", None, "c"], "l": [[1], [], None]})
UNCHANGED = "Nothing was changed in raw.orders."


def plan_of(name="raw.orders", run_id="manual__1"):
    return RunPlan(
        asset=Asset.model_validate({"name": name}),
        pipeline="sales",
        source="sales/assets/orders.py",
        source_hash="0" * 64,
        dag_id="sales",
        run_id=run_id,
        run_type="manual",
        interval=None,
        full_refresh=False,
        strategy="create+replace",
        connection="wh",
    )


@pytest.fixture(name="plan")
def _plan():
    return plan_of()


@pytest.fixture
def signer(tmp_path):
    return Signer("manifest", tmp_path, b"a secret of this Airflow")


def write(path, table=TABLE):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def stage(root, plan, attempt="1", table=TABLE):
    write(part_path(root, plan, attempt), table)
    return seal(root, plan, attempt, examine)


def manifest_of(plan, file, attempt="1"):
    return Manifest(plan, RunReport(plan.asset.name, "data", file.rows, file.size, {"run": 1.5}), attempt, (file,))


def refusal(file, root, plan):
    with pytest.raises(MaterializeError) as caught:
        open_verified(file, root, plan)
    return str(caught.value)


def rewritten(path, data):
    path.chmod(0o600)
    path.write_bytes(data)


def test_a_sealed_file_is_read_as_it_was_written(tmp_path, plan):
    file = stage(tmp_path, plan)

    assert file.path == f"raw__orders/{plan.load_key[:32]}/1.arrow"
    assert (file.rows, file.size) == (3, (tmp_path / file.path).stat().st_size)
    assert open_verified(file, tmp_path, plan).read_all().equals(TABLE)
    assert [path.name for path in (tmp_path / folder_of(plan)).iterdir()] == ["1.arrow"]


def test_folders_are_for_the_worker_alone_and_the_file_is_not_written_again(tmp_path, plan):
    file = stage(tmp_path / "new" / "root", plan)

    modes = [stat.S_IMODE((tmp_path / "new" / "root" / part).stat().st_mode) for part in ("", "raw__orders", file.path)]
    assert modes == [0o700, 0o700, 0o400]


@pytest.mark.parametrize(
    "name",
    ["raw.orders", "raw__orders", "RAW.orders", "raw.Orders", "a/../b", "..", "ünï", "x" * 300, "raw orders", "."],
)
def test_every_asset_has_one_safe_folder_of_its_own(name):
    def folder(asset):
        return folder_of(replace(plan_of(), asset=Asset.model_construct(name=asset))).split("/")[0]

    others = {"raw.orders", "raw__orders", "RAW.orders", "raw.Orders", "raw_orders", "raw orders"} - {name}
    assert folder(name) not in {folder(other).lower() for other in others}
    assert folder(name).replace("-", "").replace("_", "").isalnum()
    assert len(folder(name)) < 100


@pytest.mark.parametrize("attempt", ["", "..", "../x", "a/b", ".hidden", "x" * 101, "a\n"])
def test_an_attempt_that_is_no_file_name_is_refused(tmp_path, plan, attempt):
    with pytest.raises(MaterializeError, match="cannot name an attempt"):
        part_path(tmp_path, plan, attempt)


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path, plan):
    (tmp_path / "file").touch()

    with pytest.raises(MaterializeError) as caught:
        part_path(tmp_path / "file" / "staged", plan, "1")
    assert "cannot be written on the host" in caught.value.message
    assert caught.value.hint == "point [materialize] staged_files to a folder that the worker may write"
    assert str(caught.value).endswith(UNCHANGED)


def test_a_missing_result_cannot_be_sealed(tmp_path, plan):
    part_path(tmp_path, plan, "1")

    with pytest.raises(MaterializeError, match="it left no file with its result"):
        seal(tmp_path, plan, "1", examine)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder", "hard link"])
def test_what_is_no_ordinary_file_cannot_be_sealed(tmp_path, plan, kind):
    part = part_path(tmp_path, plan, "1")
    write(tmp_path / "elsewhere")
    make = {
        "symlink": lambda: part.symlink_to(tmp_path / "elsewhere"),
        "fifo": lambda: os.mkfifo(part),
        "folder": part.mkdir,
        "hard link": lambda: part.hardlink_to(tmp_path / "elsewhere"),
    }
    make[kind]()

    with pytest.raises(MaterializeError, match="is refused: it "):
        seal(tmp_path, plan, "1", examine)
    assert not part.with_suffix(".arrow").exists()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (pa.table({}), "it has no columns"),
        (pa.table([[1], [2]], names=["a", "a"]), "two of its columns have the same name"),
        (pa.table({"a": pa.array(["x"]).dictionary_encode()}), "column 'a' has the type dictionary"),
        (pa.table({"a": pa.array([b"x" * 16], pa.uuid())}), "column 'a' has the type extension<arrow.uuid>"),
        (pa.table({"a": pa.array([[b"x"]], pa.list_(pa.binary(1)))}), "column 'a' has the type fixed_size_binary"),
        (pa.table({"a": pa.array([{}], pa.struct([]))}), "column 'a' has a struct without fields"),
    ],
)
def test_types_that_a_result_does_not_have_are_refused(tmp_path, plan, table, problem):
    with pytest.raises(MaterializeError, match="is refused") as caught:
        stage(tmp_path, plan, table=table)

    assert problem in str(caught.value)
    assert str(caught.value).endswith(UNCHANGED)


def test_types_nested_beyond_reason_are_refused(tmp_path, plan):
    kind = pa.int8()
    for _ in range(40):
        kind = pa.list_(kind)

    with pytest.raises(MaterializeError, match="which a staged file does not have"):
        stage(tmp_path, plan, table=pa.table({"a": pa.nulls(1, kind)}))


def test_invalid_text_is_refused(tmp_path, plan):
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())

    with pytest.raises(MaterializeError, match="it is no valid Arrow file"):
        stage(tmp_path, plan, table=pa.table({"a": bad}))


@pytest.mark.parametrize("data", [b"", b"ARROW1", b"x" * 1000])
def test_what_is_no_arrow_file_is_refused(tmp_path, plan, data):
    part_path(tmp_path, plan, "1").write_bytes(data)

    with pytest.raises(MaterializeError, match=r"is refused: it is (empty|no valid Arrow file)"):
        seal(tmp_path, plan, "1", examine)


def test_a_stream_or_a_cut_file_is_refused(tmp_path, plan):
    part = part_path(tmp_path, plan, "1")
    write(part)
    part.write_bytes(part.read_bytes()[:-20])

    with pytest.raises(MaterializeError, match="it is no valid Arrow file"):
        seal(tmp_path, plan, "1", examine)


def test_a_file_altered_by_one_byte_is_refused_wherever_it_is(tmp_path, plan):
    file = stage(tmp_path, plan)
    path = tmp_path / file.path
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        rewritten(path, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert "is not the one that was sealed: its checksum is" in refusal(file, tmp_path, plan)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda _: b""])
def test_a_file_of_another_size_is_refused(tmp_path, plan, change):
    file = stage(tmp_path, plan)
    rewritten(tmp_path / file.path, change((tmp_path / file.path).read_bytes()))

    text = refusal(file, tmp_path, plan)
    assert "bytes, and" in text
    assert text.endswith(UNCHANGED)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rows": 4}, "it has 3 rows, and 4 were written"),
        ({"size": 1}, "and 1 were written"),
        ({"sha256": "0" * 64}, f"and {'0' * 64} was written"),
        ({"schema_fingerprint": "0" * 64}, "it has other columns than were written"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(tmp_path, plan, change, problem):
    assert problem in refusal(replace(stage(tmp_path, plan), **change), tmp_path, plan)


def test_a_missing_file_names_the_host_and_the_setting(tmp_path, plan):
    file = stage(tmp_path, plan)
    (tmp_path / file.path).unlink()

    text = refusal(file, tmp_path, plan)
    assert f"The staged file {file.path} is not in {tmp_path} on the host {os.uname().nodename}" in text
    assert "staged_files_shared = True" in text
    assert text.endswith(UNCHANGED)


def test_a_file_outside_its_place_is_refused(tmp_path, plan):
    root = tmp_path / "root"
    file = stage(root, plan)
    other = stage(root, plan_of(run_id="manual__2"))
    write(tmp_path / "outside.arrow")
    folder = folder_of(plan)
    for path in (
        "../outside.arrow",
        str(tmp_path / "outside.arrow"),
        f"{folder}/../../../outside.arrow",
        f"{folder}//1.arrow",
        f"./{file.path}",
        f"{folder}/1.json",
        f"{file.path}\n",
        "",
    ):
        assert "which is no place for one" in refusal(replace(file, path=path), root, plan)
    assert "which is not one of this run of raw.orders" in refusal(other, root, plan)


def test_a_link_in_the_place_of_a_file_or_a_folder_is_refused(tmp_path, plan):
    file = stage(tmp_path / "root", plan)
    path = tmp_path / "root" / file.path
    path.rename(tmp_path / "moved.arrow")
    path.symlink_to(tmp_path / "moved.arrow")
    assert "it cannot be opened" in refusal(file, tmp_path / "root", plan)

    path.unlink()
    (tmp_path / "moved.arrow").rename(path)
    path.parent.rename(tmp_path / "folder")
    path.parent.symlink_to(tmp_path / "folder")
    assert "which is no place for one" in refusal(file, tmp_path / "root", plan)


def test_nothing_is_sealed_in_a_folder_that_was_replaced_by_a_link(tmp_path, plan):
    part = part_path(tmp_path, plan, "1")
    elsewhere = part.parent.rename(tmp_path / "elsewhere")
    part.parent.symlink_to(elsewhere)
    write(part)

    with pytest.raises(MaterializeError, match="its folder was replaced by a link"):
        seal(tmp_path, plan, "1", examine)
    assert [path.name for path in elsewhere.iterdir()] == ["1.part"]


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_whatever_stands_where_a_result_was_to_be_is_removed_with_the_attempt(tmp_path, plan, kind):
    part = part_path(tmp_path, plan, "1")
    kept = tmp_path / "kept"
    kept.mkdir()
    if kind == "folder":
        (part / "deeper").mkdir(parents=True)
    elif kind == "link":
        part.symlink_to(kept)
    else:
        os.mkfifo(part)

    discard_part(tmp_path, plan, "1")
    assert (list(part.parent.iterdir()), kept.exists()) == ([], True)


def test_what_earlier_attempts_left_unfinished_goes_and_what_is_newer_or_sealed_stays(tmp_path, plan):
    killed, own, newer = (f"01a227c89842728{number}-{number}" for number in (1, 2, 3))
    sealed = stage(tmp_path, plan, "01a227c898427280-0")
    for attempt in (killed, own, newer):
        part_path(tmp_path, plan, attempt).touch()
    part_path(tmp_path, plan, killed).with_name(f"{killed}.part.7").touch()

    prune(tmp_path, plan, own)
    left = {path.name for path in (tmp_path / folder_of(plan)).iterdir()}
    assert left == {f"{own}.part", f"{newer}.part", "01a227c898427280-0.arrow"}
    assert (tmp_path / sealed.path).exists()


def test_the_root_itself_may_be_a_link(tmp_path, plan):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    file = stage(tmp_path / "link", plan)

    assert open_verified(file, tmp_path / "link", plan).read_all().num_rows == 3


def test_batches_outlive_the_file_once_it_is_open(tmp_path, plan):
    file = stage(tmp_path, plan)
    reader = open_verified(file, tmp_path, plan)
    discard(tmp_path, file)
    assert reader.get_batch(0).num_rows == 3


def test_a_manifest_goes_to_json_and_back(tmp_path, plan):
    manifest = manifest_of(plan, stage(tmp_path, plan))

    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def set_in(data, path, value):
    *folders, name = path
    for each in folders:
        data = data[each]
    if value is KeyError:
        del data[name]
    else:
        data[name] = value


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["version"], 2, "The manifest has version 2, and this worker reads version 3"),
        (["version"], True, "The manifest has version True"),
        (["plan"], None, "manifest.plan is None, not an object"),
        (["plan", "version"], 99, "The run plan has version 99"),
        (["plan", "asset"], 3, "The run plan is damaged"),
        (["plan", "interval"], 3, ""),
        (["plan", "notes"], KeyError, "damaged"),
        (["report", "outcome"], "fine", "report.outcome is 'fine', not data, no_data, script or skipped"),
        (["report", "outcome"], ["data"], "report.outcome is ['data']"),
        (["report", "outcome"], "no_data", "its report says no_data, 3 rows"),
        (["report", "rows"], -1, "report.rows is -1, not a whole number from 0 on"),
        (["report", "rows"], 4, "its report says data, 4 rows"),
        (["report", "seconds"], {"a": "b"}, "report.seconds is"),
        (["report", "metadata"], {"a": "x" * 20_000}, "report.metadata is {'a': 'xx"),
        (["report", "metadata"], ["a"], "not small metadata"),
        (["report", "materialized"], "yes", "report.materialized is 'yes', not true, false or null"),
        (["report", "peak_memory_bytes"], -1, "report.peak_memory_bytes is -1, not a whole number from 0 on"),
        (["report", "skip"], "soft", "report.skip is 'soft', not an object or null"),
        (["report", "skip"], {"mode": ["soft"], "reason": "x", "after": ""}, "report.skip.mode is ['soft']"),
        (["report", "skip"], {"mode": "soft", "reason": "x", "after": ""}, "its report says data, 3 rows"),
        (["report", "extra"], 1, "report has other fields than it should: 'extra'"),
        (["attempt"], "../x", "manifest.attempt is '../x', not the name of an attempt"),
        (["files"], {}, "manifest.files is {}, not a list"),
        (["files"], [], "and its 0 files have 0 rows"),
        (["files", 0], "x", "files[0] is a str, not an object"),
        (["files", 0, "path"], 3, "files[0].path is 3, not text"),
        (["files", 0, "size"], "9", "files[0].size is '9'"),
        (["files", 0, "rows"], True, "files[0].rows is True"),
        (["files", 0, "sha256"], "A" * 64, "not a SHA-256 in hexadecimal"),
        (["files", 0, "schema_fingerprint"], KeyError, "other fields than it should: 'schema_fingerprint'"),
        (["extra"], 1, "manifest has other fields than it should: 'extra'"),
    ],
)
def test_a_manifest_is_read_strictly(tmp_path, plan, path, value, problem):
    data = json.loads(json.dumps(manifest_of(plan, stage(tmp_path, plan)).to_json()))
    set_in(data, path, value)

    with pytest.raises(MaterializeError) as caught:
        Manifest.from_json(data)
    assert problem in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "x", {}, {"files": []}])
def test_what_is_no_manifest_is_named(data):
    with pytest.raises(MaterializeError, match="This is no manifest of a run step"):
        Manifest.from_json(data)


def test_the_newest_manifest_whose_file_is_there_is_found(tmp_path, signer):
    assert newest_manifest(tmp_path, "raw.orders", signer) is None
    for age, run_id in ((30, "a"), (20, "b"), (10, "c")):
        plan = plan_of(run_id=run_id)
        file = stage(tmp_path, plan)
        write_manifest(tmp_path, manifest_of(plan, file), signer)
        path = (tmp_path / file.path).with_suffix(".json")
        os.utime(path, (time.time() - age,) * 2)
    (tmp_path / file.path).unlink()
    (path.parent / "2.json").write_text("{")

    assert newest_manifest(tmp_path, "raw.orders", signer).plan.run_id == "b"
    assert newest_manifest(tmp_path, "raw.other", signer) is None


def test_a_manifest_beside_a_file_that_another_hand_wrote_is_refused(tmp_path, plan, signer):
    """Whoever can write into the folder can put any file there, and name its right sum."""
    file = stage(tmp_path, plan)
    write_manifest(tmp_path, manifest_of(plan, file), signer)
    path = (tmp_path / file.path).with_suffix(".json")
    rewritten(tmp_path / file.path, b"no Arrow at all")
    forged = json.loads(path.read_text())
    forged["files"][0]["sha256"] = hashlib.sha256(b"no Arrow at all").hexdigest()
    path.write_text(json.dumps(forged))

    with pytest.raises(MaterializeError) as caught:
        newest_manifest(tmp_path, "raw.orders", signer)
    assert str(caught.value) == (
        "raw.orders: the manifest of its step run bears another signature: "
        "it was changed, or made where the key is another\n"
        "Hint: clear the step run to make a new one; workers on several machines need the same [core] fernet_key\n"
        "Nothing was changed in raw.orders."
    )


def test_without_a_secret_the_key_lies_beside_the_files_for_the_workers_eyes_alone(tmp_path, plan):
    file = stage(tmp_path, plan)
    write_manifest(tmp_path, manifest_of(plan, file), Signer("manifest", tmp_path))

    assert stat.S_IMODE((tmp_path / ".key").stat().st_mode) == 0o600
    assert newest_manifest(tmp_path, "raw.orders", Signer("manifest", tmp_path)) is not None


def test_a_key_that_cannot_be_made_names_what_to_set(tmp_path, plan):
    (tmp_path / "file").touch()
    with pytest.raises(MaterializeError) as caught:
        signed(manifest_of(plan, stage(tmp_path, plan)), Signer("manifest", tmp_path / "file"))
    assert str(caught.value) == (
        f"raw.orders: the key for manifests in {tmp_path}/file cannot be made or read: File exists\n"
        "Hint: set [core] fernet_key, or let the worker write the folder of [materialize] staged_files\n"
        "Nothing was changed in raw.orders."
    )


def test_a_discarded_file_is_gone_with_its_manifest_also_twice(tmp_path, plan, signer):
    file = stage(tmp_path, plan)
    write_manifest(tmp_path, manifest_of(plan, file), signer)
    for _ in range(2):
        discard(tmp_path, file)

    assert list((tmp_path / folder_of(plan)).iterdir()) == []


def test_nothing_outside_its_place_is_discarded(tmp_path):
    write(tmp_path / "x.arrow")

    with pytest.raises(MaterializeError, match="which is no place for one"):
        discard(tmp_path / "root", StagedFile("../x.arrow", 1, "0" * 64, 1, "0" * 64))
    assert (tmp_path / "x.arrow").exists()


def test_what_a_failed_attempt_left_is_discarded_and_the_rest_stays(tmp_path, plan):
    part = part_path(tmp_path, plan, "1")
    for name in ("1.part", "1.part.0", "1.part.12", "1.arrow", "11.part", "1.part.x"):
        part.with_name(name).touch()
    discard_part(tmp_path, plan, "1")

    assert sorted(path.name for path in part.parent.iterdir()) == ["1.arrow", "1.part.x", "11.part"]


def test_pruning_removes_what_expired_of_this_asset_alone(tmp_path, plan, signer):
    old_run, new_run, other = plan_of(run_id="old"), plan_of(run_id="new"), plan_of("raw.other", "old")
    for each in (plan, old_run, other):
        file = stage(tmp_path, each)
        write_manifest(tmp_path, manifest_of(each, file), signer)
        (tmp_path / folder_of(each) / "9.part.0").touch()
        for path in (tmp_path / folder_of(each)).iterdir():
            os.utime(path, (time.time() - 8 * 86_400,) * 2)
    (tmp_path / folder_of(old_run) / "foreign.txt").touch()
    os.utime(tmp_path / folder_of(old_run) / "foreign.txt", (0, 0))
    stage(tmp_path, new_run)
    prune(tmp_path, plan)

    def names(each):
        return sorted(path.name for path in (tmp_path / folder_of(each)).iterdir())

    assert names(old_run) == ["foreign.txt"]
    assert names(new_run) == ["1.arrow"]
    assert names(plan) == names(other) == ["1.arrow", "1.json", "9.part.0"]


def test_pruning_removes_old_empty_folders_and_keeps_young_ones(tmp_path, plan):
    for run_id in ("old", "young"):
        part_path(tmp_path, plan_of(run_id=run_id), "1")
    os.utime(tmp_path / folder_of(plan_of(run_id="old")), (0, 0))
    prune(tmp_path, plan)

    assert [path.name for path in (tmp_path / "raw__orders").iterdir()] == [
        folder_of(plan_of(run_id="young")).split("/")[1]
    ]


def test_pruning_without_a_folder_does_nothing(tmp_path, plan):
    prune(tmp_path / "none", plan)

    assert not (tmp_path / "none").exists()
