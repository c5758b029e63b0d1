from __future__ import annotations

import json

import pytest

from airflow_materialize.cli.main import main
from airflow_materialize.definition.schema.json_schema import SCHEMAS


@pytest.mark.parametrize("what", SCHEMAS)
def test_a_schema_is_printed_as_json(what, capsys):
    assert main(["schema", what]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMAS[what]()


def test_the_schema_of_headers_needs_no_word(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "The header of an asset"


def test_a_schema_of_something_else_is_wrong_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["schema", "dag"])
    assert "choose from" in capsys.readouterr().err
