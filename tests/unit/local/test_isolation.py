"""What a hostile asset finds, with both settings of `isolation`, as root and as another user."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest
from hostile import write_spies, write_spying_package

import airflow_materialize
from airflow_materialize.execution.containment import Child, run_contained
from airflow_materialize.execution.isolation import refusal_of_namespaces
from airflow_materialize.execution.view import View
from airflow_materialize.execution.warden import kernel, landlock

pytestmark = pytest.mark.skipif(not kernel.LINUX, reason="other systems have no such privileges")

NOBODY = 65534
WORKER = """
import json, os, sys
from airflow_materialize import materialize
secret = sys.stdin.readline()
held = open(os.environ["HELD"])
os.set_inheritable(held.fileno(), True)
result = materialize(sys.argv[1], connections={"warehouse": sys.argv[2]}, raise_on_error=False)
print(json.dumps({name: str(asset.error or "") for name, asset in result.assets.items()}))
"""


class Machine:
    """A worker's machine, full of secrets: in variables, files, open files, memory, and in a process beside it."""

    def __init__(self, folder: Path, isolation: str, user: int, environments: Path) -> None:
        self.word = f"canary-{uuid.uuid4().hex}"
        self.folder, self.isolation, self.user = folder, isolation, user
        home = folder / "home"
        self.airflow = home / "airflow"
        secrets = [home / ".aws/credentials", home / ".netrc", folder / "mounted/token"]
        secrets += [folder / "staged/raw__other/0/1.arrow", self.airflow / "airflow.cfg", folder / self.word]
        for file in secrets:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"[core]\nfernet_key = {self.word}\n")
        self.secrets = {*secrets}
        self.env = {
            **{name: value for name, value in os.environ.items() if name.startswith(("PATH", "UV_", "PIP_", "SSL_"))},
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "HOME": str(home),
            "AIRFLOW_HOME": str(self.airflow),
            "AIRFLOW__CELERY__BROKER_URL": self.word,
            "AIRFLOW_CONN_OTHER": json.dumps({"conn_type": "http", "password": self.word}),
            "CLOUD_TOKEN_FILE": str(folder / "mounted/token"),
            "HELD": str(folder / self.word),
            "AIRFLOW__MATERIALIZE__ISOLATION": isolation,
            "AIRFLOW__MATERIALIZE__ENVIRONMENTS": str(environments),
            "AIRFLOW__MATERIALIZE__STAGED_FILES": str(folder / "staged"),
        }
        self.shop = self.airflow / "dags/shop"

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run an asset that looks for the word, three times: one ends well, one badly, one crashes."""
        (self.shop / "assets").mkdir(parents=True)
        (self.shop / "pipeline.yml").write_text("name: shop\ndefault_connections: {duckdb: warehouse}\n")
        (self.shop / "requirements.txt").touch()
        # At `process` files are open to an asset, so it looks at none but those that the run itself made.
        folders = [self.folder, "/run"] if self.isolation == "namespaces" else [self.shop]
        write_spies(self.shop / "assets", self.word, folders)
        if self.user == 0:
            write_spying_package(self.shop / "package", self.word, folders)
            (self.shop / "requirements.txt").write_text("./package\n")
            with (self.shop / "assets/well.py").open("a") as asset:
                asset.write("import spied\nprint('found', json.dumps(spied.FOUND), 'end')\n")
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, self.user, -1)
        beside = subprocess.Popen(["sleep", "600"], env={"A": self.word}, user=self.user)
        try:
            return self.work(str(self.shop), f"duckdb:///{self.folder}/warehouse.duckdb", secret=self.word)
        finally:
            beside.kill()
            beside.wait()

    def work(self, *arguments: str, secret: str) -> subprocess.CompletedProcess[str]:
        python = sys.executable if self.user == 0 else world_python()
        return subprocess.run(
            [python, "-c", WORKER, *arguments],
            input=f"{secret}\n",
            env=self.env,
            cwd=self.folder,
            user=self.user,
            capture_output=True,
            text=True,
            check=False,
        )


def world_python() -> str:
    """Return an interpreter like this one that every user may run."""
    ours = Path(airflow_materialize.__file__).parent
    if closed := next((folder for folder in (ours, *ours.parents) if not folder.stat().st_mode & stat.S_IXOTH), None):
        pytest.skip(f"not every user may enter {closed}, in which this checkout lies")
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for folder in ("/usr/bin", "/usr/local/bin"):
        path = Path(folder) / name
        if path.exists() and not str(path.resolve()).startswith("/root"):
            return str(path)
    pytest.skip(f"there is no {name} that every user may run")


@pytest.fixture
def folder():
    """A folder that every user can get to."""
    path = Path(tempfile.mkdtemp(prefix="machine-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def environments_of_nobody():
    """Where another user keeps environments."""
    path = Path(tempfile.mkdtemp(prefix="environments-"))
    if os.getuid() == 0:
        os.chown(path, NOBODY, -1)
    yield path
    shutil.rmtree(path)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("isolation", ["process", "namespaces"])
@pytest.mark.parametrize("user", [0, NOBODY], ids=["root", "nobody"])
def test_a_hostile_asset_finds_no_secret_however_it_ends(folder, environments, environments_of_nobody, isolation, user):
    if os.getuid():
        pytest.skip("needs root, to be another user")
    if isolation == "namespaces" and (refusal := refusal_of_namespaces()):
        pytest.skip(refusal)
    if user and isolation == "process" and not landlock.version():
        pytest.skip("without Landlock other processes of a user can be read, which the documentation says")
    machine = Machine(folder, isolation, user, environments_of_nobody if user else environments)
    done = machine.run()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    errors = json.loads(done.stdout.splitlines()[-1])
    assert errors["well"] == "", done.stderr
    found = re.findall(r"found (.*?) end", done.stdout)
    assert {*found} == {"[]"}
    assert len(found) >= (4 if user == 0 else 3)
    assert machine.word not in done.stdout + done.stderr
    files = [file for file in folder.rglob("*") if file.is_file()]
    kept = Path(machine.env["AIRFLOW__MATERIALIZE__ENVIRONMENTS"])
    # Keys, locks, resolutions and what tasks wait by: all but the packages themselves.
    files += [file for pattern in ("*", "*/*") for file in kept.glob(pattern) if file.is_file()]
    assert {file for file in files if machine.word.encode() in file.read_bytes()} == machine.secrets
    assert "ValueError: no" in errors["badly"]
    assert "SIGSEGV" in errors["crashing"]


def test_what_an_asset_is_shown_at_namespaces(shop, monkeypatch, tmp_path):
    if refusal := refusal_of_namespaces():
        pytest.skip(refusal)
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ISOLATION", "namespaces")
    body = f"""
import json, os, socket
from pathlib import Path
def tried(write):
    try:
        write()
    except OSError as error:
        return error.errno
    return 0
def materialize():
    repository = Path({str(Path(airflow_materialize.__file__).parent)!r})
    return [{{
        "folder": Path.cwd() == Path({str(shop.folder)!r}),
        "dags": tried(lambda: Path("new").write_text("x")),
        "package": tried(lambda: (repository / "new").write_text("x")),
        "environment": tried(lambda: (Path(os.environ["VIRTUAL_ENV"]) / "new").write_text("x")),
        "home": tried(lambda: (Path.home() / "new").write_text("x")),
        "tmp": tried(lambda: Path("/tmp/new").write_text("x")),
        "devices": " ".join(sorted(os.listdir("/dev"))),
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())[:2] == [1, 2],
        "staged": len(os.listdir({str(tmp_path / "staged")!r})),
    }}]
"""
    (tmp_path / "staged" / "raw__other").mkdir(parents=True)
    shop.write("shown", body)
    shop.run()
    [row] = shop.rows("SELECT * FROM shown")
    # A checkout below /tmp is not even seen.
    assert row[2] in {30, 2}
    assert (*row[:2], *row[3:6]) == (True, 30, 30, 0, 0)
    assert row[6].startswith("fd full null ptmx pts random shm stderr")
    assert row[7:] == (True, 1)
    assert not (Path("/tmp/new")).exists()


def test_what_an_asset_compiles_at_namespaces_is_read_by_itself_alone(shop, monkeypatch):
    if refusal := refusal_of_namespaces():
        pytest.skip(refusal)
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ISOLATION", "namespaces")
    body = """
import pyarrow
from importlib.util import find_spec
from pathlib import Path
def compiled(name):
    return Path(find_spec(name).cached)
# Of pyarrow, but nothing else imports it.
before = compiled("pyarrow.csv").exists()
import pyarrow.csv
def materialize():
    shared = compiled("pyarrow").resolve()
    try:
        refused = shared.write_bytes(b"x") and 0
    except OSError as error:
        refused = error.errno
    return [{
        "found": "pycache-of-assets" not in str(shared),
        "refused": refused,
        "before": before,
        "after": compiled("pyarrow.csv").exists(),
    }]
"""
    for name in ("one", "two"):
        shop.write(name, body)
    shop.run()
    assert shop.rows("SELECT * FROM one UNION ALL SELECT * FROM two") == [(True, 30, False, True)] * 2


@pytest.mark.parametrize("isolation", ["process", "namespaces"])
def test_an_asset_without_a_network_reaches_itself_alone(shop, monkeypatch, isolation):
    if refusal := refusal_of_namespaces():
        pytest.skip(refusal)
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ISOLATION", isolation)
    body = """
import socket
from bruin import query
def materialize():
    server = socket.create_server(("127.0.0.1", 0))
    with socket.create_connection(server.getsockname()):
        pass
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=3)
    except OSError as error:
        return [{"error": error.errno, "others": len(others), "asked": int(query("SELECT 42 AS n").to_pylist()[0]["n"])}]
"""
    shop.write("alone", body, "materialization: {type: table}\nresources: {network: none}\n")
    shop.run()
    assert shop.rows("SELECT * FROM alone") == [(101, 0, 42)]


REFUSED = """
import os, sys
from airflow_materialize import materialize
result = materialize(sys.argv[1], connections={"warehouse": sys.argv[2]}, raise_on_error=False)
print(result.assets["never"].error)
"""


@pytest.mark.parametrize("header", ["name: never\n", "name: never\nresources: {network: none}\n"])
def test_where_the_kernel_refuses_namespaces_user_code_is_not_started(shop, monkeypatch, tmp_path, header):
    """A worker that is in such namespaces itself can make no others."""
    if refusal := refusal_of_namespaces():
        pytest.skip(refusal)
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ISOLATION", "process" if "none" in header else "namespaces")
    shop.write("never", f"open({str(tmp_path / 'ran')!r}, 'w')\n", header)
    packages = os.environ["AIRFLOW__MATERIALIZE__ENVIRONMENTS"]
    view = View(apart=True).writing(tmp_path, Path(packages))
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "TMPDIR": str(tmp_path),
    }
    command = [sys.executable, "-c", REFUSED, str(shop.folder), f"duckdb:///{shop.warehouse}"]
    ended = run_contained(command, env=env, cwd=Path("/"), child=Child(view))
    said = ended.stdout + ended.stderr
    assert "user code is not started, as it cannot be set apart: a user namespace cannot be made: the limit of" in said
    assert "else set [materialize] isolation = process, and no `resources.network`" in said
    assert not (tmp_path / "ran").exists()
