from __future__ import annotations

import gc

import pytest

from airflow_materialize.dag.run_operator import _collecting_later


@pytest.fixture(autouse=True)
def collector():
    """Leave the collector on."""
    gc.enable()
    yield
    gc.enable()


def test_garbage_is_collected_again_once_the_asset_has_started():
    with _collecting_later() as collect:
        assert not gc.isenabled()
        collect()
        assert gc.isenabled()
    assert gc.isenabled()


def test_garbage_is_collected_again_where_the_asset_never_started():
    with pytest.raises(KeyError), _collecting_later():
        raise KeyError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    with _collecting_later() as collect:
        collect()
    assert not gc.isenabled()
