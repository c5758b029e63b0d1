from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from airflow_materialize.execution import scratch as module
from airflow_materialize.execution.scratch import delete_tree, scratch

HOLDER = """
import sys, time
from airflow_materialize.execution.scratch import scratch
with scratch() as folder:
    (folder / "left").write_text("x")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_it_is_there_for_its_user_alone_and_gone_afterwards(place):
    with scratch() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(place.iterdir()) == []


def test_what_a_killed_worker_has_left_goes_with_the_next_run_and_what_is_in_use_stays(place):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    held = Path(holder.stdout.readline().strip())
    try:
        with scratch():
            assert [path.name for path in held.iterdir()] == ["left"]
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert held.exists()
    (place / "materialize-runs-of-somebody").mkdir()
    with scratch() as folder:
        assert {path.name for path in place.iterdir()} == {folder.name, "materialize-runs-of-somebody"}


def test_a_folder_that_is_deeper_than_python_can_go_is_deleted(place):
    with scratch() as folder:
        here = os.open(folder, os.O_RDONLY)
        for _ in range(3000):
            os.mkdir("deeper", dir_fd=here)
            below = os.open("deeper", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
    assert list(place.iterdir()) == []


def test_folders_without_rights_and_links_are_deleted_and_nothing_behind_a_link(place):
    kept = place / "kept"
    kept.mkdir(mode=0o750)
    (kept / "file").write_text("x")
    text = """
import os, sys
from pathlib import Path
from airflow_materialize.execution.scratch import delete_tree
if os.getuid() == 0:
    # Root's rights would do.
    os.setuid(65534)
top = Path(sys.argv[1], "top")
(top / "a/b/c").mkdir(parents=True)
(top / "a/b/c/file").write_text("x")
(top / "link").symlink_to(sys.argv[2])
(top / "a/link").symlink_to(sys.argv[2])
os.mkfifo(top / "a/b/pipe")
for name in ("a/b/c", "a/b", "a"):
    (top / name).chmod(0)
delete_tree(top)
print(os.path.lexists(top))
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        Path(open_to_all).chmod(0o1777)
        command = [sys.executable, "-c", text, open_to_all, str(kept)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
    assert (kept.stat().st_mode & 0o777, [*kept.iterdir()]) == (0o750, [kept / "file"])


def test_a_link_in_its_place_is_not_followed(place):
    kept = place / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (place / "link").symlink_to(kept)
    delete_tree(place / "link")
    assert [*kept.iterdir()] == [kept / "file"]


@pytest.mark.parametrize("taken", ["before it is opened", "before it is locked"])
def test_a_folder_that_another_run_deletes_before_it_is_locked_is_made_anew(monkeypatch, taken):
    made = []

    def deleted(folder):
        made.append(Path(folder))
        if len(made) == 1:
            with scratch():  # Another run, which deletes what nobody has locked.
                assert not made[0].exists()
        return folder

    name, place = ("mkdtemp", tempfile) if taken == "before it is opened" else ("_is_locked", module)
    original = getattr(place, name)
    if place is tempfile:
        monkeypatch.setattr(place, name, lambda **options: deleted(original(**options)))
    else:
        monkeypatch.setattr(place, name, lambda opened, folder: original(opened, deleted(folder)))
    with scratch() as folder:
        assert folder.is_dir()
        assert folder != made[0]
