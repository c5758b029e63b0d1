from __future__ import annotations

import pytest

from airflow_materialize.dag.factory import asset_dags

ASSET = '"""@bruin\nowner: me\n@bruin"""\nfrom airflow_materialize.sdk import context  # of an asset\n'


@pytest.fixture
def root(tmp_path):
    (tmp_path / "sales" / "assets").mkdir(parents=True)
    (tmp_path / "sales" / "pipeline.yml").write_text("name: sales\n")
    (tmp_path / "sales" / "assets" / "orders.py").write_text(ASSET)
    return tmp_path


def test_an_asset_that_airflow_would_import_is_told_in_the_log_and_in_the_docs_of_its_dag(root, caplog):
    dag = asset_dags(root)["sales"]
    line = "add the line **/assets/ to .airflowignore"
    assert any(line in record.message for record in caplog.records)
    assert "Airflow imports this file" in dag.doc_md
    assert "sales/assets/orders.py" in dag.doc_md


def test_an_asset_that_is_covered_is_not_told(root, caplog):
    (root / ".airflowignore").write_text("**/assets/\n")
    assert "Airflow imports" not in asset_dags(root)["sales"].doc_md
    assert not [record for record in caplog.records if "Airflow imports" in record.message]


def test_a_worker_does_not_look(root, monkeypatch, caplog):
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "sales")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "orders.run")
    asset_dags(root)
    assert not [record for record in caplog.records if "Airflow imports" in record.message]


@pytest.mark.parametrize(("syntax", "line"), [("glob", "**/assets/"), ("regexp", "(^|/)assets/")])
def test_the_syntax_is_that_of_airflow(root, monkeypatch, caplog, syntax, line):
    monkeypatch.setenv("AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX", syntax)
    asset_dags(root)
    assert any(f"add the line {line} to" in record.message for record in caplog.records)
