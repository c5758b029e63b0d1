from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from airflow_materialize import materialize


@pytest.fixture
def shop(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a pipeline `shop` on DuckDB and runs it."""
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ENVIRONMENTS", str(environments))
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", str(tmp_path / "staged"))
    (tmp_path / "shop" / "assets").mkdir(parents=True)
    (tmp_path / "shop" / "pipeline.yml").write_text(
        "name: shop\ndefault_connections: {duckdb: warehouse}\nvariables: {size: {type: integer, default: 3}}\n"
    )

    class Shop:
        folder = tmp_path / "shop"
        warehouse = tmp_path / "warehouse.duckdb"

        def write(self, name: str, body: str, header: str = "materialization: {type: table}\n") -> Path:
            path = self.folder / "assets" / f"{name}.py"
            path.write_text(f'"""@bruin\n{header}@bruin"""\n{body}')
            return path

        def run(self, *paths, **options):
            urls = {"warehouse": f"duckdb:///{self.warehouse}"}
            return materialize(paths or self.folder, connections=urls, **options)

        def rows(self, sql: str) -> list[tuple]:
            with duckdb.connect(str(self.warehouse), read_only=True) as connection:
                return connection.execute(sql).fetchall()

    return Shop()
