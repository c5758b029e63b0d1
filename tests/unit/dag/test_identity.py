"""A DAG is the same wherever and whenever it is parsed, changes with what it is made of, and holds no secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PIPELINE = """\
name: shop
description: All of the **shop**.
schedule: daily
start_date: 2026-01-01
owner: Ada
tags: [zeta, alpha, mid]
domains: [sales, web]
meta: {z: 1, a: 2}
retries: 1
concurrency: 2
max_active_steps: 3
check_tasks: each
default_connections: {duckdb: warehouse}
default:
  tags: [inherited]
  notifications: {slack: [{channel: '#all'}]}
variables:
  country: {type: string, default: BE, enum: [BE, NL]}
  days: {type: integer, default: 3}
notifications:
  slack: [{channel: '#data'}]
  email: [{recipients: [a@example.com]}]
  webhook: [{connection: hook}]
"""

ORDERS = '''"""@bruin
name: raw.orders
uri: shop://orders
description: Orders.
owner: Grace, Alan
tier: 1
tags: [x, c, b]
domains: [sales]
meta: {z: '1', b: '2'}
metadata: {y: '3'}
instance: pool:small
enabled: "{{ var.country == 'BE' }}"
timeout: 10m
retries: {max: 3, delay: 30s, backoff: 2, max_delay: 10m, on: [TimeoutError, OSError]}
rerun_cooldown: 5
extends: [Order]
secrets: [{key: api, inject_as: API}]
parameters: {note: "{{ start_date }}", deep: {b: 1, a: [2]}}
interval_modifiers: {start: -2h}
hooks: {pre: [{query: SELECT 1}], post: [{query: "SELECT '{{ this }}'"}]}
materialization: {type: table, strategy: merge, on_duplicate_key: last}
depends:
  - {asset: raw.customers, columns: [id, name]}
columns:
  - name: id
    type: integer
    primary_key: true
    nullable: false
    tags: [k, a]
    checks: [{name: unique, retries: 4}, {name: not_null}, {name: min, value: 1, blocking: false}]
    upstreams: [{table: raw.customers, column: id}]
  - {name: mail, type: varchar, length: 80, mask: hash, sensitive: true}
custom_checks:
  - {name: no gaps, query: SELECT 0, retries: 2}
  - {name: late, query: SELECT 0, blocking: false}
notifications:
  discord: [{connection: chat, success: false}]
  ms_teams: [{connection: teams}]
@bruin"""

import os

open(os.environ["USER_CODE_RAN"], "w").close()


def materialize():
    return [{"id": 1, "mail": "a"}]
'''

CUSTOMERS = '"""@bruin\nname: raw.customers\nmaterialization: {type: table}\n@bruin"""\n'
DAILY = '"""@bruin\nname: stats.daily\ndepends: [{uri: "shop://orders"}]\n@bruin"""\n'
BROKEN = '"""@bruin\nname: stats.broken\nmaterialization: {type: tabel}\ncolumns: [{name: a, checks: [{name: uniq}]}]\n@bruin"""\n'

FILES = {
    "glossary.yml": "entities:\n  Order:\n    attributes:\n      placed: {name: placed, type: date, description: When.}\n",
    "shop/pipeline.yml": PIPELINE,
    "shop/requirements.txt": "tabulate\n",
    "shop/macros/m.sql": "{% macro one() %}1{% endmacro %}\n",
    "shop/assets/raw/_defaults.yml": "owner: Raw\ncolumns: [{name: id, description: The key.}]\n",
    "shop/assets/raw/orders.py": ORDERS,
    "shop/assets/raw/customers.py": CUSTOMERS,
    "stats/pipeline.yml": "name: stats\nschedule: assets\ntags: [s]\n",
    "stats/assets/daily.py": DAILY,
    "stats/assets/broken.py": BROKEN,
}

SERIALIZE = """
import json, sys
from airflow.sdk import DAG
import airflow.timetables.interval, airflow.timetables.simple
before = set(sys.modules)
from airflow_materialize import asset_dags
parsed = [asset_dags(root) for root in sys.argv[1:]]
after = set(sys.modules) - before
from airflow.serialization.serialized_objects import DagSerialization

def serialized(dag):
    data = DagSerialization.to_dict(dag)
    data["dag"].pop("fileloc", None)
    return data

print(json.dumps([{
    # Airflow writes the fields in the order of a set.
    "dags": json.dumps({name: serialized(dag) for name, dag in dags.items()}, sort_keys=True),
    "modules": sorted(after),
    "rendered": [str(getattr(task, field)) for dag in dags.values() for task in dag.tasks for field in task.template_fields],
    "hashes": {task.task_id: task.source_hash for dag in dags.values() for task in dag.tasks},
} for dags in parsed]))
"""

# A secrets backend, which Airflow asks before its environment and its database.
BACKEND = """
import os
from airflow.sdk.bases.secrets_backend import BaseSecretsBackend

class Backend(BaseSecretsBackend):
    def get_conn_value(self, conn_id, team_name=None):
        self.note(conn_id)
    def get_variable(self, key, team_name=None):
        self.note(key)
    def get_config(self, key):
        return None
    def note(self, what):
        with open(os.environ["LOOKED_UP"], "a") as file:
            file.write(what + "\\n")
"""

CANARY = "canary-8d1f0b77"


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes the example project below a folder, and gives its DAGs folder."""

    def write(name: str = "dags", **changed: str) -> Path:
        root = tmp_path / name
        for path, text in {**FILES, **changed}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        (root / ".git").mkdir(exist_ok=True)
        return root

    return write


def parse(*roots: Path, seed: str = "0") -> list[dict]:
    """Parse and serialize projects, one after the other in a process of their own."""
    away = roots[0].parent / "away"
    away.mkdir(exist_ok=True)
    (away / "probe_backend.py").write_text(BACKEND)
    connection = json.dumps({"conn_type": "duckdb", "host": "/x", "login": CANARY, "password": CANARY})
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(away / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": "/dags",  # As with bundles: it is the same wherever they are checked out.
        "AIRFLOW__SECRETS__BACKEND": "probe_backend.Backend",
        "AIRFLOW_CONN_X": connection,
        "AIRFLOW_CONN_WAREHOUSE": connection,
        "AIRFLOW_VAR_SECRET": CANARY,
        "LOOKED_UP": str(away / "looked_up"),
        "USER_CODE_RAN": str(away / "user_code_ran"),
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": os.pathsep.join([str(away), str(Path(__file__).parents[3])]),
    }
    command = [sys.executable, "-c", SERIALIZE, *map(str, roots)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    assert CANARY not in done.stdout + done.stderr
    assert not (away / "looked_up").exists(), (away / "looked_up").read_text()
    assert not (away / "user_code_ran").exists()
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, list)
    return found


def broken_in(told: dict) -> list[str]:
    return [name for name, dag in json.loads(told["dags"]).items() if "materialize-error" in dag["dag"]["tags"]]


def test_the_example_uses_all_fields_rightly_but_in_one_asset(project):
    (told,) = parse(project())
    assert broken_in(told) == ["stats"]
    assert "has no effect" not in told["dags"]
    for trace in (
        "check__id__min",
        "has_on_failure_callback",
        '\\"pool\\": \\"small\\"',
        "shop://orders",
        "domain:web",
    ):
        assert trace in json.dumps(told["dags"])


def test_dags_are_equal_to_the_byte_with_different_hash_seeds_and_from_different_checkouts(project):
    (first,) = parse(project("one"), seed="1")
    (second,) = parse(project("a/much/longer path/two"), seed="4242")
    assert first["dags"] == second["dags"]


CHANGES = [
    ("shop/assets/raw/orders.py", '"mail": "a"', '"mail": "b"', {"raw__orders"}),
    ("shop/assets/raw/orders.py", "SELECT 1", "SELECT 2", {"raw__orders"}),
    ("shop/assets/raw/_defaults.yml", "The key", "A key", {"raw__orders", "raw__customers"}),
    ("glossary.yml", "When.", "When it was.", {"raw__orders"}),
    ("shop/requirements.txt", "tabulate", "tabulate>0.8", {"raw__orders", "raw__customers"}),
    ("shop/macros/m.sql", "1", "2", {"raw__orders", "raw__customers"}),
    ("shop/pipeline.yml", "default: 3", "default: 4", {"raw__orders", "raw__customers"}),
]


def test_a_change_of_what_assets_are_made_of_changes_their_dag_and_a_touched_file_does_not(project):
    changed = [
        project(f"change{number}", **{file: FILES[file].replace(old, new)})
        for number, (file, old, new, _) in enumerate(CHANGES)
    ]
    touched = project("touched")
    for file in touched.rglob("*.*"):
        os.utime(file, (1, 1))
    before, again, *after = parse(project(), touched, *changed)
    assert before["dags"] == again["dags"]
    for told, (file, old, new, assets) in zip(after, CHANGES, strict=True):
        other = {name.partition(".")[0] for name, text in told["hashes"].items() if before["hashes"][name] != text}
        assert (other, told["dags"] != before["dags"]) == (assets, True), (file, old, new)


def test_parsing_imports_no_provider_no_driver_and_no_dataframes(project):
    (told,) = parse(project())
    heavy = {"pandas", "polars", "numpy", "pyarrow", "duckdb", "sqlglot", "sqlite3", "requests", "slack_sdk", "aiohttp"}
    assert not heavy & {name.partition(".")[0] for name in told["modules"]}
    # Airflow itself asks these how URIs of assets are written, and where its own names have moved.
    own = re.compile(r"airflow\.providers\.(common\.(io|compat)|\w+(\.assets|$))")
    assert not [name for name in told["modules"] if name.startswith("airflow.providers.") and not own.match(name)]
    assert "airflow_materialize.dag.notify" in told["modules"]


WANTING = ["{{ conn.x.password }}", "{{ conn['x'].password }}", "{{ ti.xcom_pull('x') }}", "{{ var.value.secret }}"]


def wanting(text: str) -> dict[str, str]:
    """The same project with a template in place of every text that may be any."""
    quoted = json.dumps(text)
    files = dict(FILES)
    for word in ("All of the **shop**.", "Orders.", "Grace, Alan", "The key.", "When.", "no gaps", "Raw", "Ada"):
        files = {path: content.replace(word, quoted) for path, content in files.items()}
    pipeline, orders = files["shop/pipeline.yml"], files["shop/assets/raw/orders.py"]
    for word in ("[zeta, alpha, mid]", "[sales, web]"):
        pipeline = pipeline.replace(word, f"[{quoted}]")
    pipeline = pipeline.replace("{z: 1", f"{{z: {quoted}").replace("'#data'", quoted)
    pipeline = pipeline.replace("default: BE, enum: [BE, NL]", f"default: {quoted}, description: {quoted}")
    for word in ("[x, c, b]", "[sales]", "[k, a]", "[id, name]"):
        orders = orders.replace(word, f"[{quoted}]")
    for word in ("'1'", "'2'", "'3'", "varchar"):
        orders = orders.replace(word, quoted)
    return files | {"shop/pipeline.yml": pipeline, "shop/assets/raw/orders.py": orders}


def test_a_template_that_wants_a_secret_stays_text_or_is_refused(project):
    *kept, refused = parse(*(project(f"wants{number}", **wanting(text)) for number, text in enumerate(WANTING)))
    for told in kept:
        assert broken_in(told) == ["stats"]
        assert told["dags"].count("{{") > 20
    assert broken_in(refused) == ["shop", "stats"]
    assert "var.value is unknown" in refused["dags"]
    for told in (*kept, refused):
        assert CANARY not in json.dumps(told)
        # What Airflow renders is ours alone.
        assert all("{" not in value for value in told["rendered"])


def test_a_template_where_none_may_stand_gets_no_secret_either(project):
    fields = ("name", "connection", "instance", "timeout", "uri", "image", "start_date", "run", "type", "enabled")
    files = {
        f"stats/assets/{field}.py": f'"""@bruin\n{field}: {json.dumps(WANTING[0])}\n@bruin"""\n' for field in fields
    }
    (told,) = parse(project(**files))
    assert CANARY not in json.dumps(told)
    assert all("{" not in value for value in told["rendered"])
