from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import tempfile
from pathlib import Path

import duckdb
import pytest

from airflow_materialize import AssetError, MaterializeError, materialize

CANARY = "c@nary-passw0rd/ü"
TABLE = "materialization: {type: table}\n"


@pytest.fixture
def shop(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes assets of a pipeline `shop` on DuckDB, and runs them."""
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ENVIRONMENTS", str(environments))
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", str(tmp_path / "staged"))
    (tmp_path / "shop" / "assets").mkdir(parents=True)
    (tmp_path / "shop" / "pipeline.yml").write_text("name: shop\ndefault_connections: {duckdb: warehouse}\n")

    class Shop:
        folder = tmp_path / "shop"
        staged = tmp_path / "staged"

        def write(self, name, header, body):
            path = self.folder / "assets" / f"{name}.py"
            path.write_text(f'"""@bruin\n{header}@bruin"""\n{body}')
            return path

        def run(self, path, connections=None, **options):
            urls = {"warehouse": f"duckdb:///{tmp_path}/warehouse.duckdb", **(connections or {})}
            return materialize(path, connections=urls, **options)

        def rows(self, sql):
            with duckdb.connect(f"{tmp_path}/warehouse.duckdb", read_only=True) as connection:
                return connection.execute(sql).fetchall()

    return Shop()


SEES = """
import json, os, sys
from pathlib import Path

def materialize():
    environ = Path("/proc/self/environ")
    first = environ.read_bytes() if os.access(environ, os.R_OK) else b""
    argv = Path("/proc/self/cmdline").read_bytes()
    return [{
        "json": json.loads(os.environ["db"])["password"] == KEY,
        "token": os.environ["TOKEN"] == KEY,
        "types": os.environ["BRUIN_CONNECTION_TYPES"],
        "connection": os.environ["BRUIN_CONNECTION"],
        "shown": any(b"nary" in text for text in (first, argv)),
    }]
""".replace("KEY", repr(CANARY))


def test_user_code_gets_its_secrets_and_no_other_process_could_read_them(shop, monkeypatch):
    connection = {"conn_type": "postgres", "host": "db", "login": "me", "password": CANARY}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_VAR_API_TOKEN", CANARY)
    header = "secrets: [{key: shop_db, inject_as: db}, {key: api_token, inject_as: TOKEN}]\n"
    shop.run(shop.write("sees", header + TABLE, SEES))
    types = '{"db": "postgres", "TOKEN": "generic"}'
    assert shop.rows('SELECT json, token, types, "connection", shown FROM sees') == [
        (True, True, types, "warehouse", False)
    ]


def test_what_is_not_declared_is_not_there(shop, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "sqlite", "host": CANARY}))
    body = f"import os\n\ndef materialize():\n    return [{{'n': sum({CANARY!r} in v for v in os.environ.values())}}]\n"
    shop.run(shop.write("blind", TABLE, body))
    assert shop.rows("SELECT n FROM blind") == [(0,)]


SHOWS = """
import base64, json, logging, os, subprocess, sys, time, urllib.parse, warnings
from pathlib import Path

def materialize():
    secret = os.environ["TOKEN"]
    print(secret, repr(secret), json.dumps(secret), urllib.parse.quote(secret, safe=""))
    print(base64.b64encode(("user:" + secret).encode()).decode())
    print(dict(os.environ))
    print(os.environ["db"], json.loads(os.environ["db"]))
    for part in secret:
        sys.stdout.write(part)
        sys.stdout.flush()
    logging.getLogger(secret).error("by the logger %s", secret)
    warnings.warn(secret)
    Path(os.environ["HOME"], "kept").write_text(secret)
    subprocess.run([sys.executable, "-c", "import os; print(os.environ['TOKEN'])"])
    END
"""


@pytest.mark.parametrize("end", ["raise ValueError(f'{secret} was refused')", "return [{'x': 1}, {'x': secret}]", "return [{'x': 1}]"])  # fmt: skip
def test_a_secret_that_user_code_shows_stands_nowhere(shop, monkeypatch, caplog, tmp_path, end):
    monkeypatch.setenv("AIRFLOW_CONN_DB", json.dumps({"conn_type": "http", "host": "h", "extra": {"own": CANARY}}))
    monkeypatch.setenv("AIRFLOW_VAR_TOKEN", CANARY)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = shop.write("shows", "secrets: [{key: db}, {key: TOKEN}]\n" + TABLE, SHOWS.replace("END", end))
    with caplog.at_level(logging.DEBUG):
        result = shop.run(path, raise_on_error=False, only=["run"])
    said = str(result.assets["shows"].error or "")
    assert bool(said) == (end != "return [{'x': 1}]")
    log = "\n".join(record.getMessage() for record in caplog.records)
    assert log.count("***") >= 8
    forms = (CANARY, "c%40nary", "c@nary", "YzpAY25hcnkt", "QG5hcnktcGFzc3")
    assert not [form for form in forms if form in log + said + repr(result)]
    for file in (each for folder in ("staged", "temporary", "shop") for each in (tmp_path / folder).rglob("*")):
        content = file.read_bytes() if file.is_file() else b""
        assert (CANARY.encode() in content, b"c@nary" in content) == (False, False), file


def test_a_missing_secret_is_an_error_at_its_line_before_any_code_runs(shop):
    path = shop.write("lacks", "secrets:\n  - key: here\n  - key: nowhere\n" + TABLE, "raise SystemExit('ran')\n")
    with pytest.raises(AssetError) as caught:
        shop.run(path, {"here": "generic:x"})
    assert str(caught.value) == (
        "shop/assets/lacks.py:4:5: secrets[1].key: there is no connection and no variable 'nowhere' (add a connection "
        "or a variable of this name in Airflow, or set AIRFLOW_CONN_NOWHERE) [AM711]\n"
        "    4 |   - key: nowhere\n"
        "      |     ^\n"
        "Nothing was changed in lacks."
    )


def test_a_missing_secret_that_is_inherited_is_an_error_where_it_is_declared(shop):
    (shop.folder / "pipeline.yml").write_text(
        "name: shop\ndefault_connections: {duckdb: warehouse}\ndefault:\n  secrets: [{key: nowhere}]\n"
    )
    with pytest.raises(AssetError) as caught:
        shop.run(shop.write("inherits", TABLE, ""))
    assert str(caught.value).startswith("shop/pipeline.yml:4:14: default.secrets[0].key: there is no connection")


def test_the_sdk_finds_a_secret_by_the_name_of_bruin(shop):
    body = (
        "from bruin import get_connection\nfrom bruin.exceptions import ConnectionNotFoundError\n\n"
        "def materialize():\n    try:\n        get_connection('elsewhere')\n    except ConnectionNotFoundError as error:\n"
        "        said = str(error)\n    db = get_connection('db')\n"
        "    return [{'said': said, 'type': db.type, 'password': db.raw['password'] == 'p@ss', 'n': db.raw['port']}]\n"
    )
    path = shop.write("asks", "secrets: [{key: db}]\n" + TABLE, body)
    shop.run(path, {"db": "mysql://me:p%40ss@db:3307/shop"})
    [(said, *rest)] = shop.rows("SELECT said, type, password, n FROM asks")
    assert said.startswith("the header declares no secret 'elsewhere'; it declares db.")
    assert rest == ["mysql", True, 3307]


def test_bruins_own_sdk_works_as_it_is(shop, tmp_path):
    """It comes from the asset's requirements, and reads what a run injects."""
    duckdb.connect(f"{tmp_path}/source.duckdb").execute("CREATE TABLE t AS SELECT 7 AS n").close()
    body = (
        "# /// script\n# dependencies = ['bruin-sdk', 'duckdb']\n# ///\n"
        "import bruin\nfrom bruin import context, get_connection\n\n"
        "def materialize():\n    assert bruin.__version__ != '0.0.0.dev0'\n"
        "    with get_connection('source') as source:\n"
        "        rows = source.client.execute('SELECT n FROM t').fetchall()\n"
        "    return [{'n': rows[0][0], 'key': get_connection('API_KEY').raw == 'k', 'asset': context.asset_name}]\n"
    )
    path = shop.write("genuine", "secrets: [{key: source}, {key: API_KEY}]\n" + TABLE, body)
    shop.run(path, {"source": f"duckdb:///{tmp_path}/source.duckdb", "API_KEY": "generic:k"})
    assert shop.rows("SELECT n, key, asset FROM genuine") == [(7, True, "genuine")]


def test_parameters_reach_the_context_filled_in_and_typed(shop):
    header = "parameters: {day: ' {{ start_date }} ', size: 3, flags: [true, 1.5], nested: {a: '1'}}\n"
    body = "from bruin import context\n\ndef materialize():\n    return [{'p': repr(context.parameters)}]\n"
    shop.run(shop.write("bag", header + TABLE, body), start="2026-04-01", end="2026-04-01")
    [(found,)] = shop.rows("SELECT p FROM bag")
    assert found == "{'day': '2026-04-01', 'size': 3, 'flags': [True, 1.5], 'nested': {'a': '1'}}"


def test_masks_and_renames_stand_in_the_table_and_the_key_of_a_mask_is_a_secret(shop, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_MASK_KEY", CANARY)
    header = (
        "secrets: [{key: MASK_KEY}]\nparameters: {mask: 'city:first_letter'}\ncolumns:\n"
        "  - {name: email, source_column: mail, mask: 'hmac:MASK_KEY'}\n  - {name: phone, mask: 'phone:phone'}\n"
        + TABLE
    )
    body = "def materialize():\n    return [{'mail': 'a@b.c', 'phone': '555-123-4567', 'city': 'Bonn'}]\n"
    result = shop.run(shop.write("hidden", header, body))
    key = hmac.new(CANARY.encode(), b"a@b.c", hashlib.sha256).hexdigest()
    assert shop.rows("SELECT email, phone, city FROM hidden") == [(key, "555-***-****", "B***")]
    assert result.success


def test_two_masks_for_one_column_are_an_error(shop):
    header = "parameters: {mask: 'c:hash'}\ncolumns: [{name: c, mask: redact}]\n" + TABLE
    with pytest.raises(MaterializeError, match="the column 'c' has a mask, and another one under `parameters`"):
        shop.run(shop.write("twice", header, "def materialize():\n    return [{'c': 1}]\n"))


def test_the_timeout_of_an_asset_ends_it_and_changes_nothing(shop):
    body = "import time\n\ndef materialize():\n    time.sleep(600)\n"
    with pytest.raises(MaterializeError) as caught:
        shop.run(shop.write("slow", "timeout: 2s\n" + TABLE, body))
    assert str(caught.value).startswith("slow ran longer than its timeout of 2s\n")
    assert str(caught.value).endswith("\nNothing was changed in slow.")
    assert caught.value.kinds == ("Timeout",)


def test_the_workers_own_environment_never_has_a_secret(shop):
    path = shop.write("one", "secrets: [{key: x}]\n" + TABLE, "def materialize():\n    return [{'x': 1}]\n")
    shop.run(path, {"x": "generic:canary"})
    assert [
        name for name, value in os.environ.items() if "canary" in value or name in {"x", "BRUIN_CONNECTION_TYPES"}
    ] == []
