from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest
import uv

from airflow_materialize.errors import AssetError
from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.lock_text import entries_of
from airflow_materialize.execution.environments.requirements import find_requirements

OWN = platform.python_version().rpartition(".")[0]


def packages(environment):
    return [entry.split()[0] for entry in entries_of(environment.lock)]


def state(folder):
    return {str(path): path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


class Project:
    """A project of uv beside an asset, with the package index that it was locked with."""

    def __init__(self, folder, index):
        self.folder, self.index = folder, index
        folder.mkdir()

    def write(self, *dependencies, name="shop", more=""):
        listed = ", ".join(f'"{each}"' for each in dependencies)
        text = (
            f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = [{listed}]\n{more}'
        )
        (self.folder / "pyproject.toml").write_text(text)

    def lock(self, *options):
        command = [uv.find_uv_bin(), "lock", "--quiet", "--no-config", "--default-index", self.index.url, *options]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def requirements(self, policy="open"):
        return find_requirements(self.folder / "assets/orders.py", self.folder, policy)

    def build(self, environments, log, policy="open"):
        return ensure_environment(self.requirements(policy), OWN, environments, log, index=self.index.url)


@pytest.fixture
def project(tmp_path, package_index):
    package_index.add("ours", "1.0", requires=["theirs", "windowed; sys_platform == 'win32'", "pyarrow"])
    package_index.add("theirs", "1.0")
    package_index.add("windowed", "1.0")
    return Project(tmp_path / "project", package_index)


def test_exactly_what_the_lock_says_is_installed_and_the_project_stays_as_it_was(project, folder, log):
    project.write("ours")
    project.lock()
    project.index.add("theirs", "2.0")
    before = state(project.folder)
    for path in [project.folder, *project.folder.iterdir()]:
        path.chmod(0o555)
    environment = project.build(folder, log)
    assert packages(environment) == ["ours==1.0", "pyarrow==99.0", "theirs==1.0"]
    assert environment.lock.count("--hash=sha256:") == 3
    assert state(project.folder) == before
    project.folder.chmod(0o755)


def test_without_an_index_a_lock_needs_no_resolution(project, folder, log, records, tmp_path):
    project.write("ours")
    project.lock()
    project.build(tmp_path / "before", log)
    project.index.down()
    try:
        assert packages(project.build(folder, log)) == ["ours==1.0", "pyarrow==99.0", "theirs==1.0"]
    finally:
        project.index.up()


def test_pyarrow_is_added_to_a_lock_that_has_none(project, folder, log):
    project.write("theirs")
    project.lock()
    assert packages(project.build(folder, log)) == ["theirs==1.0", "pyarrow==99.0"]


def test_what_a_lock_was_made_without_is_named_at_its_line(project, folder, log):
    project.write("theirs")
    project.lock()
    project.write("theirs", "ours[more]>=1")
    with pytest.raises(AssetError) as caught:
        project.build(folder, log)
    assert str(caught.value) == (
        f"{project.folder}/pyproject.toml:5:1: 'ours[more]>=1' is not what {project.folder}/uv.lock was made from "
        "(run `uv lock` in its folder) [AM708]"
    )
    project.write("theirs<2")
    with pytest.raises(AssetError, match="'theirs<2' is not what"):
        project.build(folder, log)
    project.lock()
    assert packages(project.build(folder, log)) == ["theirs==1.0", "pyarrow==99.0"]


@pytest.mark.parametrize(
    ("lock", "message"),
    [("[[", "uv.lock: is not TOML: "), ("version = 1\n", "uv.lock: has no project 'shop', which ")],
)
def test_a_lock_that_cannot_be_used_is_named(project, folder, log, lock, message):
    project.write("theirs")
    (project.folder / "uv.lock").write_text(lock)
    with pytest.raises(AssetError, match=message):
        project.build(folder, log)


def test_a_member_of_a_workspace_has_the_lock_of_the_workspace(project, folder, log):
    project.write(name="top", more='[tool.uv.workspace]\nmembers = ["member"]\n')
    top = project.folder
    member = Project(top / "member", project.index)
    member.write("theirs")
    project.lock()
    requirements = find_requirements(member.folder / "orders.py", top)
    assert requirements.uv_lock == top / "uv.lock"
    environment = ensure_environment(requirements, OWN, folder, log, index=project.index.url)
    assert packages(environment) == ["theirs==1.0", "pyarrow==99.0"]


def test_a_lock_above_a_project_that_is_no_member_is_not_its_own(project):
    project.write()
    (project.folder / "uv.lock").write_text("")
    below = Project(project.folder / "below", project.index)
    below.write()
    assert find_requirements(below.folder / "orders.py", project.folder).uv_lock is None


def test_settings_of_a_project_without_a_lock_count(project, folder, log):
    project.index.add("theirs", "2.0")
    project.write("theirs", more='[tool.uv]\nconstraint-dependencies = ["theirs<2"]\n')
    assert packages(project.build(folder, log)) == ["pyarrow==99.0", "theirs==1.0"]
    assert not Path(project.folder, "uv.lock").exists()


def test_a_package_of_an_explicit_index_is_installed_from_it(project, folder, log, tmp_path):
    special = type(project.index)(tmp_path / "special")
    special.add("tuned", "1.0")
    special.add("theirs", "1.0", module="# another build\n")
    index = f'[[tool.uv.index]]\nname = "special"\nurl = "{special.url}"\nexplicit = true\n'
    more = f'{index}[tool.uv.sources]\ntuned = {{ index = "special" }}\n'
    project.write("tuned", "theirs", more=more)
    unlocked = packages(project.build(folder, log))
    project.lock()
    locked = packages(project.build(folder, log))
    special.down()
    assert sorted(unlocked) == sorted(locked) == ["pyarrow==99.0", "theirs==1.0", "tuned==1.0"]


def test_a_policy_takes_a_lock_of_releases_and_refuses_one_of_folders(project, folder, log):
    project.write("ours", "pyarrow")
    project.lock()
    for policy in ("pinned", "locked"):
        assert packages(project.build(folder, log, policy)) == ["ours==1.0", "pyarrow==99.0", "theirs==1.0"]
    local = Project(project.folder / "local", project.index)
    local.write(name="local")
    project.write("local", name="top", more='[tool.uv.sources]\nlocal = { path = "local" }\n')
    project.lock()
    with pytest.raises(AssetError, match=r"\[tool\.uv\] sets sources, which the policy"):
        project.requirements("pinned")
