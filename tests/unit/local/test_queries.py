from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from airflow_materialize import MaterializeError, materialize


@pytest.fixture
def shop(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes assets of a pipeline `shop` with a table `raw.orders`, and runs them."""
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ENVIRONMENTS", str(environments))
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", str(tmp_path / "staged"))
    (tmp_path / "shop" / "assets").mkdir(parents=True)

    class Shop:
        warehouse = tmp_path / "warehouse.duckdb"

        def write(self, name, body, header="connection: warehouse\nmaterialization: {type: table}\n"):
            path = tmp_path / "shop" / "assets" / f"{name.replace('.', '_')}.py"
            path.write_text(f'"""@bruin\nname: {name}\n{header}@bruin"""\n{body}')

        def run(self, *paths, **options):
            urls = {"warehouse": f"duckdb:///{self.warehouse}", "archive": f"duckdb:///{tmp_path / 'archive.duckdb'}"}
            return materialize(tmp_path / "shop", connections=urls, **options)

        def rows(self, sql):
            with duckdb.connect(str(self.warehouse), read_only=True) as connection:
                return connection.execute(sql).fetchall()

    made = Shop()
    made.write("raw.orders", "def materialize():\n    return [{'id': i, 'amount': i * 2} for i in range(5)]\n")
    return made


READS = "connection: warehouse\ndepends: [raw.orders]\nmaterialization: {type: table}\n"


def test_an_asset_makes_its_table_of_what_it_queries(shop):
    body = "from bruin import query\n\ndef materialize():\n    return query('SELECT id FROM raw.orders WHERE id > 2')\n"
    shop.write("marts.late", body, READS)
    result = shop.run()
    assert shop.rows("SELECT * FROM marts.late ORDER BY 1") == [(3,), (4,)]
    assert result.assets["marts.late"].run.reads == ["raw.orders"]
    assert result.assets["raw.orders"].run.reads == []


def test_a_relation_is_a_result(shop):
    body = (
        "from airflow_materialize.sdk import ref\n\ndef materialize():\n    return ref('raw.orders').where(id=[1, 2])\n"
    )
    shop.write("marts.some", body, READS)
    shop.run()
    assert shop.rows("SELECT * FROM marts.some ORDER BY 1") == [(1, 2), (2, 4)]


def test_batches_of_a_query_are_a_result(shop):
    body = "from bruin import query\n\ndef materialize():\n    yield from query('FROM raw.orders', batches=2)\n"
    shop.write("marts.all", body, READS)
    assert shop.run().rows("marts.all") == 5


def test_connections_of_the_header_may_be_asked_and_no_others(shop):
    body = "from bruin import query\n\ndef materialize():\n    return query('SELECT 1 AS x', connection='archive')\n"
    shop.write("marts.other", body, READS)
    with pytest.raises(MaterializeError, match="connections: \\[archive\\]"):
        shop.run()
    shop.write("marts.other", body, f"connections: [archive]\n{READS}")
    assert shop.run().rows("marts.other") == 1


def test_bounds_of_the_header_hold(shop):
    body = "from bruin import query\n\ndef materialize():\n    return query('FROM raw.orders')\n"
    shop.write("marts.much", body, f"parameters: {{max_rows: 4}}\n{READS}")
    with pytest.raises(MaterializeError, match="parameters.max_rows: 4"):
        shop.run()


def test_a_script_asks_too(shop, caplog):
    shop.write(
        "report",
        "from bruin import query\nprint(query('SELECT count(*) AS n FROM raw.orders')['n'][0])\n",
        "connection: warehouse\ndepends: [raw.orders]\n",
    )
    with caplog.at_level("INFO"):
        shop.run()
    assert "5" in caplog.messages


@pytest.mark.parametrize("requirements", ["'pandas'", "'bruin-sdk', 'pandas'", "'bruin-sdk[duckdb]'"])
def test_an_asset_for_bruins_sdk_runs_as_it_is_with_it_installed_or_not(shop, requirements):
    body = f"""
# /// script
# dependencies = [{requirements}]
# ///
from bruin import context, get_connection, query
from bruin.exceptions import QueryError

def materialize():
    try:
        query("SELECT * FROM nothing")
    except QueryError as error:
        said = str(error)
    df = query("SELECT id, 1.5 AS price, DATE '2026-04-01' AS day FROM raw.orders ORDER BY id")
    df["price"] = df["price"] * 1.1
    df["month"] = df["day"].dt.month
    df["same"] = len(get_connection(context.connection).query("FROM raw.orders")) == len(df)
    df["said"] = "nothing" in said
    from bruin import ref
    assert len(ref("raw.orders")) == len(df)
    return df[["id", "price", "month", "same", "said"]]
"""
    shop.write("marts.prices", body, READS)
    shop.run()
    assert shop.rows(
        "SELECT count(*), min(round(price, 2)), max(month), bool_and(same), bool_and(said) FROM marts.prices"
    ) == [(5, 1.65, 4, True, True)]
