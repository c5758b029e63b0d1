from __future__ import annotations

import json
import platform
import subprocess

import pytest

from airflow_materialize.errors import AssetError, MaterializeError, TransientError
from airflow_materialize.execution.environments.cache import prune
from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.index import Index, find_indexes, index_identity
from airflow_materialize.execution.environments.requirements import find_requirements
from airflow_materialize.execution.warden import kernel

OWN = platform.python_version().rpartition(".")[0]
TOKEN = "canary-of-the-index"

# A build backend that writes down all that it finds, beside itself and into the package.
BACKEND = """
import os, pathlib, re, zipfile

def look():
    said = [*os.environ.values()]
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        for name in ("cmdline",):
            try:
                said.append((process / name).read_text())
            except OSError:
                pass
    parent = pathlib.Path("/proc", str(os.getppid()))
    try:
        said.append((parent / "environ").read_text())
    except OSError:
        pass
    for place in ("/proc/self/fd", parent / "fd"):
        try:
            names = os.listdir(place)
        except OSError:
            continue
        for name in names:
            try:
                if "pipe:" in os.readlink(f"{place}/{name}") and int(name) > 2:
                    descriptor = os.open(f"{place}/{name}", os.O_RDONLY | os.O_NONBLOCK)
                    said.append(os.read(descriptor, 10000).decode())
            except OSError:
                pass
    said += remembered(parent)
    return "\\n".join(said)

def remembered(process):
    # What a process holds in its memory, of that which follows the name of the user.
    try:
        with open(process / "maps") as maps, open(process / "mem", "rb", 0) as memory:
            for line in maps:
                span, rights = line.split()[:2]
                start, end = (int(each, 16) for each in span.split("-"))
                if rights.startswith("rw"):
                    memory.seek(start)
                    try:
                        data = memory.read(min(end - start, 1 << 26))
                    except OSError:
                        continue
                    yield from (found.decode() for found in re.findall(b"canary-[a-z-]{2,30}", data))
    except OSError as error:
        yield f"its memory is closed: {error.strerror}"

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, info = "hostile-1.0-py3-none-any.whl", "hostile-1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("hostile.py", f"seen = {look()!r}\\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: hostile\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


@pytest.fixture
def asked(tmp_path):
    """Write a requirements file, and read it as an asset beside it does."""
    folder = tmp_path / "pipeline"
    folder.mkdir()

    def write(text):
        (folder / "requirements.txt").write_text(text)
        return find_requirements(folder / "orders.py", tmp_path)

    return write


@pytest.fixture
def internal(package_index, monkeypatch):
    """The connection `internal`, which leads to a package index that asks for a password."""

    def rotate(token):
        package_index.token = token
        connection = {"conn_type": "package_index", "host": package_index.url, "login": "robot", "password": token}
        monkeypatch.setenv("AIRFLOW_CONN_INTERNAL", json.dumps(connection))

    rotate(TOKEN)
    return rotate


def found_in(*folders, text=TOKEN):
    return subprocess.run(["grep", "-rl", text, *folders], capture_output=True, text=True, check=False).stdout


def seen_by(environment, code):
    return subprocess.check_output([environment.python, "-I", "-c", code], text=True, env={}).strip()


def test_packages_come_from_the_connection_and_its_password_is_left_nowhere(
    package_index, internal, asked, folder, log, records, tmp_path
):
    package_index.add("ours", module="mine = True\n")
    environment = ensure_environment(asked("ours\n"), OWN, folder, log, index="internal")
    assert seen_by(environment, "import ours; print(ours.mine)") == "True"
    assert found_in(folder, tmp_path / "uv-cache", tmp_path / "pipeline") == ""
    assert TOKEN not in "".join(records.texts)


def test_a_build_script_does_not_see_the_password(package_index, internal, asked, folder, log, tmp_path):
    package = tmp_path / "pipeline" / "hostile"
    package.mkdir()
    project = '[project]\nname = "hostile"\nversion = "1.0"\n[build-system]\nrequires = []\n'
    (package / "pyproject.toml").write_text(f'{project}build-backend = "backend"\nbackend-path = ["."]\n')
    (package / "backend.py").write_text(BACKEND)
    environment = ensure_environment(asked("./hostile\n"), OWN, folder, log, index="internal")
    seen = seen_by(environment, "import hostile; print(hostile.seen)")
    assert "UV_LINK_MODE" in seen or "copy" in seen
    assert "/dev/fd/" in seen
    assert TOKEN not in seen
    assert package_index.url not in seen
    if kernel.LINUX:
        assert "its memory is closed: Permission denied" in seen


def test_a_new_password_changes_nothing_and_asks_nobody(package_index, internal, asked, folder, log, records):
    package_index.add("ours")
    environment = ensure_environment(asked("ours\n"), OWN, folder, log, index="internal")
    records.lines.clear()
    package_index.requests.clear()
    internal("another-token")
    assert ensure_environment(asked("ours\n"), OWN, folder, log, index="internal") == environment
    assert (records.lines, package_index.requests) == ([], [])


def test_a_password_that_the_index_refuses_is_named_at_its_line_and_not_shown(
    package_index, internal, asked, folder, log, monkeypatch, tmp_path
):
    package_index.add("ours")
    package_index.token = "another-token"
    with pytest.raises(AssetError) as caught:
        ensure_environment(asked("# ours\nours\n"), OWN, folder, log, index="internal")
    said = str(caught.value)
    assert f"{tmp_path}/pipeline/requirements.txt:2:1: 'ours' does not resolve: " in said
    assert "(401 Unauthorized)" in said
    assert "see that the credential of the package index is right" in said
    assert TOKEN not in said


def test_a_url_with_a_password_is_an_index_and_the_password_is_not_shown(package_index, asked, folder, log):
    package_index.token = TOKEN
    url = package_index.url.replace("//", f"//robot:{TOKEN}@")
    with pytest.raises(AssetError) as caught:
        ensure_environment(asked("ours\n"), OWN, folder, log, index=url)
    assert "'ours' does not resolve: " in str(caught.value)
    assert TOKEN not in str(caught.value)
    package_index.add("ours")
    ensure_environment(asked("ours>0\n"), OWN, folder, log, index=url)
    assert found_in(folder) == ""


def test_a_password_in_a_requirement_itself_is_neither_kept_nor_shown(package_index, asked, folder, log):
    package_index.add("ours", module="mine = True\n")
    package_index.add("pyarrow", "98.0")
    package_index.token = TOKEN
    files = package_index.url.replace("//", f"//robot:{TOKEN}@").replace("simple", "files")
    pyarrow = package_index.folder / "pyarrow-99.0-py3-none-any.whl"
    text = f"ours @ {files}/ours-1.0-py3-none-any.whl\npyarrow @ {files}/{pyarrow.name}\n"
    environment = ensure_environment(asked(text), OWN, folder, log)
    assert seen_by(environment, "import ours; print(ours.mine)") == "True"
    assert found_in(folder) == ""
    with pytest.raises(AssetError) as caught:
        ensure_environment(asked(f"ours @ {files}/ours-2.0-py3-none-any.whl\n"), OWN, folder, log)
    assert f"'ours @ http://***@{files.partition('@')[2]}/ours-2.0-py3-none-any.whl' does not resolve" in str(
        caught.value
    )
    assert TOKEN not in str(caught.value)


def test_of_several_indexes_the_first_that_has_a_package_gives_it(
    package_index, internal, asked, folder, log, tmp_path
):
    public = type(package_index)(tmp_path / "public")
    package_index.add("ours", "1.0")
    public.add("ours", "2.0")
    public.add("theirs", "3.0")
    environment = ensure_environment(asked("ours\ntheirs\n"), OWN, folder, log, index=f"internal {public.url}")
    public.down()
    assert [line.split()[0] for line in environment.lock.splitlines() if "==" in line] == [
        *("ours==1.0", "pyarrow==99.0", "theirs==3.0"),
    ]


def test_while_the_index_is_down_what_was_built_runs_and_what_uv_has_kept_is_built(
    package_index, internal, asked, folder, log, records
):
    package_index.add("ours")
    environment = ensure_environment(asked("ours\n"), OWN, folder, log, index="internal")
    package_index.down()
    try:
        assert ensure_environment(asked("ours\n"), OWN, folder, log, index="internal") == environment
        assert prune(folder, 0, log)
        records.lines.clear()
        assert ensure_environment(asked("ours\n"), OWN, folder, log, index="internal") == environment
        assert "the package index was not reached; what uv has kept of it is enough" in records.texts
        assert seen_by(environment, "import ours") == ""
        with pytest.raises(TransientError, match=r"requirements\.txt:1:1: 'theirs': the package index was not reached"):
            ensure_environment(asked("theirs\n"), OWN, folder, log, index="internal")
    finally:
        package_index.up()


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, []),
        (
            {"PIP_INDEX_URL": "https://a/s", "PIP_EXTRA_INDEX_URL": "https://b/s"},
            ["https://b/s", "https://a/s default"],
        ),
        ({"PIP_INDEX_URL": "https://a/s", "UV_DEFAULT_INDEX": "https://b/s"}, ["https://b/s default"]),
        ({"UV_INDEX": "x=https://a/s https://b/s", "UV_INDEX_X_USERNAME": "u"}, ["https://u@a/s x", "https://b/s"]),
        ({"UV_INDEX_URL": "https://u:p%2F@a/s", "UV_EXTRA_INDEX_URL": ""}, ["https://u:p%2F@a/s default"]),
    ],
)
def test_without_the_setting_the_indexes_of_the_worker_count(env, expected):
    found = [
        " ".join(filter(None, [each.address, each.name, "default" if each.default else ""]))
        for each in find_indexes("", env)
    ]
    assert found == expected


def test_the_identity_of_indexes_has_no_credential_and_looks_up_no_connection():
    assert index_identity("internal https://robot:canary@a/s", {}) == ["internal", "https://a/s"]
    assert index_identity("", {"UV_DEFAULT_INDEX": "https://robot:canary@a/s"}) == ["https://a/s"]


def test_a_connection_in_the_form_of_a_url_is_an_https_index(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_INTERNAL", "package-index://robot:se%40cret@packages.example.com:8443/simple")
    index = Index("https://packages.example.com:8443/simple", "robot", "se@cret", "internal", default=True)
    assert find_indexes("internal", {}) == [index]
    assert index.address == "https://robot:se%40cret@packages.example.com:8443/simple"
    assert "cret" not in repr(index)


@pytest.mark.parametrize(
    ("setting", "connection", "message"),
    [
        ("internal", "", "the setting [materialize] index names the connection 'internal', which is not defined"),
        (
            "internal",
            '{"conn_type": "package_index", "password": "canary"}',
            "the connection 'internal' of the setting [materialize] index has no URL of an index",
        ),
        ("https://robot:canary@[a/s", "", "an index of the setting [materialize] index is no URL"),
    ],
)
def test_an_index_that_cannot_be_used_is_named_without_its_password(setting, connection, message, monkeypatch):
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_INTERNAL", connection)
    with pytest.raises(MaterializeError) as caught:
        find_indexes(setting, {})
    assert str(caught.value).startswith(message)
    assert "canary" not in str(caught.value)
