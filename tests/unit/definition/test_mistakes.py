from __future__ import annotations

import pytest

TABLE = "materialization:\n  type: table\n"
CHECK_NAMES = "accepted_values, max, min, negative, non_negative, not_null, pattern, positive, relationships, unique"
STRATEGY_NAMES = "append, create+replace, delete+insert, merge, scd2_by_column, scd2_by_time, truncate+insert"

BAD = {
    "unknown key": (
        "materialisation: x",
        ["2:1: materialisation: unknown field (did you mean 'materialization'?)"],
    ),
    "unknown key in a column": (
        "columns:\n  - name: id\n    primary_kee: true",
        ["4:5: columns[0].primary_kee: unknown field (did you mean 'primary_key'?)"],
    ),
    "key of another place": (
        "strategy: merge\nschedule: daily",
        [
            "2:1: strategy: unknown field (it stands under `materialization`)",
            "3:1: schedule: unknown field (it stands in pipeline.yml)",
        ],
    ),
    "boolean": (
        "columns: [{name: id, primary_key: maybe}]",
        ["2:22: columns[0].primary_key: 'maybe' is no boolean (true or false)"],
    ),
    "quoted boolean": (
        "columns: [{name: id, primary_key: 'true'}]",
        ["2:22: columns[0].primary_key: 'true' is no boolean (true or false)"],
    ),
    "number": ("tier: high", ["2:1: tier: 'high' is no whole number"]),
    "bounds": (
        "tier: 9\nretries: -1",
        ["2:1: tier: 9 is too large (at most 5)", "3:1: retries: -1 is too small (at least 0)"],
    ),
    "list instead of text": ("description: [a]", ["2:1: description: a text is expected, this is a list"]),
    "text instead of list": ("tags: daily", ["2:1: tags: a list is expected, this is the text 'daily' ([daily])"]),
    "text instead of mapping": (
        "materialization: table",
        ["2:1: materialization: a mapping is expected, this is the text 'table' ({type: table})"],
    ),
    "strategy": (
        TABLE + "  strategy: mege",
        [f"4:3: materialization.strategy: 'mege' is no strategy (did you mean 'merge'? one of: {STRATEGY_NAMES})"],
    ),
    "time_interval": (
        TABLE + "  strategy: time_interval",
        [
            (
                "4:3: materialization.strategy: 'time_interval' is not supported "
                "(use delete+insert with an `incremental_key`)"
            )
        ],
    ),
    "history": (
        TABLE + "  strategy: scd2_by_time\ncolumns:\n- name: id\n- name: _Valid_Until",
        [
            (
                "4:3: materialization.strategy: scd2_by_time needs a primary key "
                "(mark a column under `columns` with `primary_key: true`)"
            ),
            (
                "4:3: materialization.strategy: scd2_by_time needs an `incremental_key` "
                "(add `incremental_key: <column>` beside it)"
            ),
            "7:3: columns[1].name: '_Valid_Until' is filled by scd2_by_time (leave it out)",
        ],
    ),
    "type of materialization": (
        "materialization:\n  type: tabel",
        [
            (
                "3:3: materialization.type: 'tabel' is no type of materialization "
                "(did you mean 'table'? one of: none, table, view)"
            )
        ],
    ),
    "choice": (
        TABLE + "  on_schema_change: frezee",
        [
            (
                "4:3: materialization.on_schema_change: 'frezee' is none of its values "
                "(did you mean 'freeze'? one of: evolve, freeze, ignore, sync)"
            )
        ],
    ),
    "merge without a key": (
        TABLE + "  strategy: merge",
        [
            (
                "4:3: materialization.strategy: merge needs a primary key "
                "(mark a column under `columns` with `primary_key: true`)"
            )
        ],
    ),
    "merge without a key where one column could be it": (
        TABLE + "  strategy: merge\ncolumns:\n  - name: id\n    checks: [{name: unique}, {name: not_null}]",
        [
            (
                "4:3: materialization.strategy: merge needs a primary key "
                "(mark the column 'id', which is unique and not_null, with `primary_key: true`)"
            )
        ],
    ),
    "delete+insert without a key": (
        TABLE + "  strategy: delete+insert",
        [
            (
                "4:3: materialization.strategy: delete+insert needs an `incremental_key` "
                "(add `incremental_key: <column>` beside it)"
            )
        ],
    ),
    "delete+insert without a key where one column could be it": (
        TABLE + "  strategy: delete+insert\ncolumns: [{name: day, type: date}, {name: n, type: int}]",
        [
            (
                "4:3: materialization.strategy: delete+insert needs an `incremental_key` "
                "(add `incremental_key: day` beside it)"
            )
        ],
    ),
    "unknown check": (
        "columns: [{name: id, checks: [{name: notnull}]}]",
        [f"2:32: columns[0].checks[0].name: 'notnull' is no check (did you mean 'not_null'? one of: {CHECK_NAMES})"],
    ),
    "check without its value": (
        "columns: [{name: id, checks: [{name: min}]}]",
        ["2:32: columns[0].checks[0].name: min needs a `value` (a number or a text)"],
    ),
    "values of wrong types": (
        """
        columns:
          - name: id
            checks:
              - name: max
                value: true
              - name: accepted_values
                value: []
              - name: accepted_values
                value: a
              - name: pattern
                value: "(["
        """,
        [
            "6:9: columns[0].checks[0].value: max cannot use 'True' (it takes a number or a text)",
            (
                "8:9: columns[0].checks[1].value: accepted_values cannot use an empty list "
                "(it takes a list of at least one value)"
            ),
            (
                "10:9: columns[0].checks[2].value: accepted_values cannot use the text 'a' "
                "(it takes a list of at least one value)"
            ),
            "12:9: columns[0].checks[3].value: pattern cannot use the text '([' (it takes a regular expression)",
        ],
    ),
    "relationships without foreign_key": (
        "columns: [{name: id, checks: [{name: relationships}]}]",
        [
            (
                "2:32: columns[0].checks[0].name: relationships needs a `foreign_key` "
                "(add `foreign_key: {table: …, column: …}` to the column)"
            )
        ],
    ),
    "column without a name": ("columns:\n  - type: int", ["3:5: columns[0]: `name` is missing"]),
    "column twice": (
        "columns:\n  - name: id\n  - name: ID",
        ["4:5: columns[1].name: the column 'ID' stands on line 3 already as 'id' (keep one)"],
    ),
    "check twice": (
        "columns:\n  - name: id\n    checks:\n      - name: unique\n      - name: unique",
        ["6:9: columns[0].checks[1].name: the check 'unique' stands on line 5 already (keep one)"],
    ),
    "tag twice": ("tags:\n  - a\n  - a", ["4:5: tags[1]: the tag 'a' stands on line 3 already (keep one)"]),
    "key that is updated": (
        "columns: [{name: id, primary_key: true, update_on_merge: true}]",
        ["2:41: columns[0].update_on_merge: a primary key is not updated (leave it out)"],
    ),
    "scale": (
        "columns: [{name: a, scale: 2}, {name: b, precision: 3, scale: 4}]",
        [
            "2:21: columns[0].scale: scale needs a precision (add `precision`)",
            "2:56: columns[1].scale: scale 4 is above precision 3 (at most 3)",
        ],
    ),
    "image": (
        "image: python:2.7",
        [
            (
                "2:1: image: 'python:2.7' is no image that assets run on "
                "(one of: python:3.9, python:3.10, python:3.11, python:3.12, python:3.13, python:3.14)"
            )
        ],
    ),
    "start date": ("start_date: 01/02/2024", ["2:1: start_date: '01/02/2024' is no day (YYYY-MM-DD)"]),
    "day that is none": ("start_date: 2024-02-30", ["2:1: start_date: '2024-02-30' is no day (YYYY-MM-DD)"]),
    "timeout": ("timeout: 30", ["2:1: timeout: '30' is no duration (as 30s, 10m or 1h30m)"]),
    "interval modifier": (
        "interval_modifiers: {start: -2 hours}",
        [
            (
                "2:22: interval_modifiers.start: '-2 hours' is no interval modifier "
                "(a number and its unit (h, m, s, d, M), as -2h)"
            )
        ],
    ),
    "enabled": ("enabled: perhaps", ["2:1: enabled: 'perhaps' is no boolean (true or false)"]),
    "dependency on nothing": (
        "depends:\n  - mode: full",
        ["3:5: depends[0]: a dependency names neither asset nor uri (exactly one of the two)"],
    ),
    "dependency on two things": (
        "depends: {asset: a, uri: s3://b}",
        ["2:1: depends: a dependency names both asset and uri (exactly one of the two)"],
    ),
    "custom check without a query": (
        "custom_checks:\n  - name: c\n    query: ' '",
        ["4:5: custom_checks[0].query: the query is empty (one SELECT)"],
    ),
    "name": (
        "name: raw orders",
        ["2:1: name: 'raw orders' is no name (letters, digits, '_' and '-', in parts joined by '.')"],
    ),
    "name of four parts": (
        "name: a.b.c.d\n" + TABLE,
        ["2:1: name: 'a.b.c.d' has too many parts for a table ([catalog.][schema.]table)"],
    ),
    "two values of one load option": (
        TABLE + "  strategy: append\nparameters:\n  incremental_strategy: replace",
        ["6:3: materialization.strategy: 'create+replace' here, and 'append' on line 4 (keep one)"],
    ),
    "key twice": ("owner: a\nowner: b", ["3:1: owner: 'owner' stands twice, on line 2 and on line 3 (keep one)"]),
    "broken YAML": (
        "owner: a: b\nname: x",
        [
            "2:9: the YAML is broken: a colon where a text goes on (quote a text that has a colon; fields of one mapping start in one column)"
        ],
    ),
    "everything at once": (
        "nam: x\ntier: 7\n" + TABLE + "  strategy: merge",
        [
            "2:1: nam: unknown field (did you mean 'name'?)",
            "3:1: tier: 7 is too large (at most 5)",
            (
                "6:3: materialization.strategy: merge needs a primary key "
                "(mark a column under `columns` with `primary_key: true`)"
            ),
        ],
    ),
}


@pytest.mark.parametrize(("header", "messages"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_reported_at_its_place(problems, header, messages):
    assert problems(header) == [f"orders.py:{message}" for message in messages]
