"""What the campaigns share: a database of each kind, and the process that loads are forked from."""

from __future__ import annotations

import pytest
from places import Place, nursery_of, place_of

from airflow_materialize.destinations import MODULES


@pytest.fixture(scope="session")
def nursery():
    with nursery_of(MODULES) as process:
        yield process


@pytest.fixture
def make_place(nursery, tmp_path, empty_database):
    def make(kind: str) -> Place:
        return place_of(kind, tmp_path, nursery, empty_database)

    return make


@pytest.fixture(params=MODULES)
def place(request, make_place) -> Place:
    return make_place(request.param)
