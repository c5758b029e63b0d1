from __future__ import annotations

import sys

import pytest

from airflow_materialize.connections import Connection
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.errors import MaterializeError

MODULE = """
from airflow_materialize.destinations.sqlite.destination import SQLite


class Acme(SQLite):
    conn_type = "acme"
    title = "Acme DB"


WRONG = "no class"
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with one destination where Python finds it."""
    (tmp_path / "acme_database.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_database", raising=False)

    def install(value, name="acme-airflow"):
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[airflow_materialize.destinations]\nacme = {value}\n")

    return install


def test_a_package_brings_a_destination_that_is_imported_when_a_connection_needs_it(install, tmp_path):
    install("acme_database:Acme")
    assert "acme_database" not in sys.modules
    destination = for_connection(Connection("shop", "acme", str(tmp_path / "shop.db")))
    assert "acme_database" in sys.modules
    assert destination.guarantee == "Acme DB: exactly once"
    with destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
        assert session.columns(destination.table("t")) == {"id": "INTEGER"}


@pytest.mark.parametrize(("value", "reason"), [
    ("acme_database:WRONG", "The destination 'acme' of acme-airflow is acme_database:WRONG, which is no Destination"),
    ("acme_databse:Acme", "The destination 'acme' of acme-airflow cannot be imported: ModuleNotFoundError"),
])  # fmt: skip
def test_an_entry_point_that_leads_nowhere_names_its_package(install, value, reason):
    install(value)
    with pytest.raises(MaterializeError, match=reason) as caught:
        for_connection(Connection("shop", "acme"))
    assert caught.value.unchanged == "any table"


def test_two_packages_for_one_type_are_both_named(install):
    install("acme_database:Acme")
    install("acme_database:Acme", "other-airflow")
    with pytest.raises(MaterializeError, match="load into connections of the type 'acme': ") as caught:
        for_connection(Connection("shop", "acme"))
    assert "acme-airflow" in caught.value.message
    assert "other-airflow" in caught.value.message


def test_no_package_takes_the_place_of_our_own(install, tmp_path):
    install("acme_database:Acme")
    destination = for_connection(Connection("shop", "sqlite", str(tmp_path / "shop.db")))
    assert destination.guarantee == "SQLite: exactly once"
