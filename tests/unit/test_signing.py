from __future__ import annotations

import json

import pytest

from airflow_materialize.signing import ForgedError, Signer

DATA = {"version": 3, "plan": {"hooks": ["DELETE FROM t"], "interval": None}, "files": [{"rows": 3, "seconds": 0.25}]}


@pytest.fixture
def signer(tmp_path):
    return Signer("manifest", tmp_path, b"secret")


def test_what_was_signed_is_recognized_after_json(signer):
    assert signer.opened(json.loads(json.dumps(signer.signed(DATA)))) == DATA


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["plan"]["hooks"].append("DROP TABLE t"),
        lambda data: data["files"][0].update(rows=4),
        lambda data: data["files"][0].update(rows="3"),
        lambda data: data["files"][0].update(rows=True),
        lambda data: data["plan"].update(interval=False),
        lambda data: data.update(more=1),
        lambda data: data.pop("files"),
        lambda data: data.update(signature="0" * 64),
        lambda data: data.update(signature="é"),
        lambda data: data.update(signature=None),
        lambda data: data.pop("signature"),
    ],
)
def test_whatever_is_changed_is_refused(signer, change):
    data = json.loads(json.dumps(signer.signed(DATA)))
    change(data)
    with pytest.raises(ForgedError):
        signer.opened(data)


def test_numbers_are_the_same_however_a_database_writes_them(signer):
    written = {"a": 1.0, "b": 1e10, "c": -0.0, "d": 1e22, "e": 1e-7, "f": 10**400, "g": (1, 2)}
    read = {"a": 1, "b": 10_000_000_000, "c": 0.0, "d": 10**22, "e": 0.0000001, "f": 10**400, "g": [1, 2]}
    signed = signer.signed(written)
    assert signer.opened({**read, "signature": signed["signature"]}) == read


def test_a_signature_with_another_secret_or_for_another_purpose_counts_for_nothing(signer, tmp_path):
    for other in (
        Signer("manifest", tmp_path, b"other"),
        Signer("cache", tmp_path, b"secret"),
        Signer("manifest", tmp_path),
    ):
        with pytest.raises(ForgedError, match="another signature"):
            signer.opened(other.signed(DATA))


def test_while_a_secret_is_exchanged_what_the_old_one_signed_is_recognized(signer, tmp_path):
    rotated = Signer("manifest", tmp_path, b"new, secret")
    assert rotated.opened(signer.signed(DATA)) == DATA
    with pytest.raises(ForgedError):
        signer.opened(rotated.signed(DATA))


def test_the_secret_is_not_shown(signer):
    assert "b'secret'" not in repr(signer)
