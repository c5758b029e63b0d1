"""Whatever is wrong with an asset, its table stays as it is, and the message says what is wrong and that."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from airflow_materialize import MaterializeError, materialize

HEADER = """\
name: shop.orders
materialization:
  type: table
columns:
  - name: id
    type: integer
"""
BODY = """
def materialize():
    return [{"id": 1}, {"id": 2}]
"""
MERGE = HEADER.replace("  type: table\n", "  type: table\n  strategy: merge\n").replace(
    "    type: integer\n", "    type: integer\n    primary_key: true\n"
)


@pytest.fixture
def shop(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch):
    """A pipeline with one asset whose table holds one row, 7."""
    warehouse = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders AS SELECT 7 AS id")
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ENVIRONMENTS", str(environments))
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", str(tmp_path / "staged"))
    assets = tmp_path / "shop" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "shop" / "pipeline.yml").write_text("name: shop\ndefault_connections: {duckdb: warehouse}\n")

    class Shop:
        folder = tmp_path / "shop"
        staged = tmp_path / "staged"

        def write(self, header: str, body: str = BODY, name: str = "orders.py") -> Path:
            path = assets / name
            path.write_text(f'"""@bruin\n{header}@bruin"""\n{body}')
            return path

        def fails(self, path: Path | None = None, **options) -> str:
            """Run, expect a failure, and return its text after looking at the table."""
            with pytest.raises(MaterializeError) as raised:
                materialize(
                    path or self.folder,
                    connections={"warehouse": f"duckdb:///{warehouse}", **options.pop("urls", {})},
                    **options,
                )
            with duckdb.connect(str(warehouse), read_only=True) as connection:
                assert connection.execute("SELECT * FROM shop.orders").fetchall() == [(7,)]
            return str(raised.value)

        def run(self, **options) -> None:
            materialize(self.folder, connections={"warehouse": f"duckdb:///{warehouse}"}, **options)

    return Shop()


NOTHING = "Nothing was changed in shop.orders."

WRONG_HEADERS = {
    "half a marker": (HEADER.replace("name: shop.orders", 'name: shop.orders\n"""\nx = 1\n"""'), "@bruin"),
    "broken YAML": (HEADER + "  - name: [\n", "orders.py:"),
    "an unknown key": (HEADER.replace("columns:", "colums:"), "did you mean 'columns'?"),
    "a wrong type": (HEADER.replace("name: id", "name: id\n    primary_key: perhaps"), "columns[0].primary_key"),
    "a merge without a key": (
        HEADER.replace("  type: table\n", "  type: table\n  strategy: merge\n").replace(
            "    type: integer\n", "    type: integer\n    checks: [{name: unique}, {name: not_null}]\n"
        ),
        "primary_key: true",
    ),
    "a delete+insert without a key": (
        HEADER.replace("  type: table\n", "  type: table\n  strategy: delete+insert\n"),
        "incremental_key",
    ),
    "time_interval": (HEADER.replace("  type: table\n", "  type: table\n  strategy: time_interval\n"), "delete+insert"),
    "an unknown check": (HEADER.replace("    type: integer\n", "    checks: [{name: notnull}]\n"), "not_null"),
    "a cycle with itself": (HEADER + "depends: [shop.orders]\n", "depends on itself"),
}


@pytest.mark.parametrize(("header", "text"), WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_a_wrong_header_is_named_with_its_place_and_changes_nothing(shop, header, text):
    shop.write(header)
    message = shop.fails()
    assert text in message
    assert "shop/assets/orders.py:" in message
    assert NOTHING in message


def test_two_assets_of_one_name_both_fail_and_both_places_are_named(shop):
    shop.write(HEADER)
    shop.write(HEADER, name="second.py")
    message = shop.fails()
    assert "shop/assets/orders.py:2" in message
    assert "shop/assets/second.py:2" in message
    assert NOTHING in message


def test_a_table_without_any_connection_lists_what_there_is(shop):
    (shop.folder / "pipeline.yml").write_text("name: shop\n")
    shop.write(HEADER)
    message = shop.fails()
    assert "connection" in message
    assert NOTHING in message


def test_a_file_without_a_marker_is_no_asset(shop):
    (shop.folder / "assets" / "helper.py").write_text("x = 1\n")
    assert "there is no asset here" in shop.fails()


WRONG_BODIES = {
    "no materialize": ("x = 1\n", "materialize"),
    "an import error": ("import nowhere_to_be_found\n" + BODY, "nowhere_to_be_found"),
    "an exception": ("def materialize():\n    raise ValueError('no more pens')\n", "ValueError: no more pens"),
    "sys.exit(0)": ("import sys\n\ndef materialize():\n    sys.exit(0)\n", "sys.exit(0)"),
    "sys.exit(0) at import": ("import sys\nsys.exit(0)\n", "sys.exit(0)"),
    "os._exit(0)": ("import os\n\ndef materialize():\n    os._exit(0)\n", "without a result"),
    "kill -9": ("import os\n\ndef materialize():\n    os.kill(os.getpid(), 9)\n", "killed by signal 9 (SIGKILL)"),
    "a text": ("def materialize():\n    return 'rows'\n", "str"),
    "mixed types": ("def materialize():\n    return [{'id': 1}, {'id': 'x'}]\n", "column 'id', row 2"),
    "a syntax error": ("def materialize(:\n", "SyntaxError"),
    "a generator that fails late": (
        "def materialize():\n    for i in range(100000):\n        yield {'id': i}\n    raise OSError('cut')\n",
        "OSError: cut",
    ),
}


@pytest.mark.parametrize(("body", "text"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_user_code_that_fails_is_shown_with_its_phase_and_changes_nothing(shop, body, text):
    shop.write(HEADER, body)
    message = shop.fails()
    assert message.startswith("shop.orders: failed in phase '")
    assert text in message
    assert message.endswith(NOTHING)
    assert not list(shop.staged.rglob("*.part"))


def test_the_traceback_of_an_exception_shows_the_line_of_the_asset_and_none_of_ours(shop):
    path = shop.write(HEADER, "def materialize():\n    raise ValueError('no more pens')\n")
    message = shop.fails()
    assert f'File "{path}", line 10, in materialize' in message
    assert "airflow_materialize/child" not in message


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("[{'id': 1}, {'id': 1}]", "1 primary key (id) of the result stands in several rows: 1 2 times"),
        ("[{'id': None}, {'id': 1}]", "NULL"),
    ],
    ids=["duplicate keys", "a NULL key"],
)
def test_a_merge_of_keys_that_are_none_is_refused(shop, rows, text):
    shop.write(MERGE, f"def materialize():\n    return {rows}\n")
    message = shop.fails()
    assert "id" in message
    assert text in message
    assert message.endswith(NOTHING)


def test_an_unknown_connection_is_named_and_changes_nothing(shop):
    shop.write(HEADER + "connection: nowhere\n")
    message = shop.fails()
    assert "Connection 'nowhere' is not defined" in message
    assert "Nothing was changed" in message


def test_a_folder_for_staged_files_that_cannot_be_written_names_the_setting(shop, monkeypatch):
    (shop.folder / "file").write_text("")
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", str(shop.folder / "file" / "staged"))
    shop.write(HEADER)
    message = shop.fails()
    assert "staged_files" in message
    assert message.endswith(NOTHING)


def test_a_requirement_that_does_not_resolve_is_shown_with_its_line(shop):
    (shop.folder / "requirements.txt").write_text("six\nsix==99.99\n")
    shop.write(HEADER)
    message = shop.fails()
    assert "requirements.txt:" in message
    assert "six" in message
    assert message.endswith(NOTHING)


def test_a_python_that_no_asset_can_have_is_a_mistake_of_the_header(shop):
    shop.write(HEADER + "image: python:2.7\n")
    message = shop.fails()
    assert "image" in message
    assert message.endswith(NOTHING)


def test_a_staged_file_that_is_gone_is_named_with_what_to_do(shop):
    shop.write(HEADER)
    shop.run(only=["run"])
    (file,) = shop.staged.rglob("*.arrow")
    file.unlink()
    message = shop.fails(only=["load"])
    assert "no staged file is kept" in message
    assert message.endswith(NOTHING)


def test_a_staged_file_that_is_altered_by_one_byte_is_refused(shop):
    shop.write(HEADER)
    shop.run(only=["run"])
    (file,) = shop.staged.rglob("*.arrow")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    message = shop.fails(only=["load"])
    assert "is not the one that was sealed" in message
    assert message.endswith(NOTHING)


def test_a_manifest_that_another_hand_changed_is_refused(shop, tmp_path):
    shop.write(HEADER)
    shop.run(only=["run"])
    (file,) = shop.staged.rglob("*.json")
    manifest = json.loads(file.read_text())
    manifest["files"][0]["path"] = "../../etc/passwd"
    file.write_text(json.dumps(manifest))
    message = shop.fails(only=["load"])
    assert "shop.orders: the manifest of its step run bears another signature" in message
    assert message.endswith(NOTHING)
