"""The texts of the codes AM0 to AM2: what a header can have wrong by itself."""

from __future__ import annotations

OF_HEADERS: dict[str, tuple[str, str, str, str]] = {
    "AM001": (
        "a file cannot be read",
        "The system refuses to open `pipeline.yml`, or it is a link out of the folder of all pipelines.",
        "# pipeline.yml -> /etc/pipeline.yml",
        "",
    ),
    "AM002": (
        "the header does not end",
        "The docstring opens a header with `@bruin` and ends without the second marker.",
        '# assets/orders.py\n"""@bruin\nname: raw.orders\n"""',
        '# assets/orders.py\n"""@bruin\nname: raw.orders\n@bruin"""',
    ),
    "AM003": (
        "a character that YAML does not take",
        "The header is UTF-8 and has no control characters, so that every tool reads the same text.",
        "description: a\u0007b",
        "description: ab",
    ),
    "AM004": (
        "the header is too long",
        "A header has 64 KiB at most. Data belongs into a file beside the asset.",
        "description: <100,000 characters>",
        "",
    ),
    "AM005": (
        "the header is nested too deeply",
        "Lists and mappings go 20 levels deep at most.",
        "meta: [[[[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]]]",
        "meta: {a: b}",
    ),
    "AM006": (
        "the YAML is broken",
        "The text is no YAML. Often a colon in a text without quotes, a tab, or a quote that does not end.",
        "description: note: this",
        'description: "note: this"',
    ),
    "AM007": (
        "the header is no mapping",
        "A header is lines `field: value`, in one YAML document.",
        "- name: raw.orders",
        "name: raw.orders",
    ),
    "AM008": (
        "an alias, an anchor, a tag or a merge key",
        "What stands in the file is what holds: nothing is expanded, and nothing can grow while it is read.",
        "tags: &words [daily]\ndomains: *words",
        "tags: [daily]\ndomains: [daily]",
    ),
    "AM009": (
        "a field stands twice",
        "YAML would keep the last one silently.",
        "owner: ann\nowner: bob",
        "owner: ann",
    ),
    "AM010": (
        "a comment line without a colon",
        "In the form of comment lines each line is `# @bruin.field: value`.",
        "# assets/orders.py\n# @bruin.name: raw.orders\n# @bruin.owner ann",
        "# assets/orders.py\n# @bruin.name: raw.orders\n# @bruin.owner: ann",
    ),
    "AM011": (
        "more problems than are told",
        "One file tells a hundred problems. Mend some, and look again.",
        "tags: <150 times the same>",
        "",
    ),
    "AM101": (
        "an unknown field",
        "No field has this name here. A misspelled field would silently do nothing.",
        "materialisation: {type: table}",
        "materialization: {type: table}",
    ),
    "AM102": (
        "a field is missing",
        "Another field demands it.",
        "columns:\n  - type: integer",
        "columns:\n  - name: id\n    type: integer",
    ),
    "AM103": (
        "a value of another kind is expected",
        "The field takes a text, a list, a mapping, or something else that the value is not.",
        "tags: daily",
        "tags: [daily]",
    ),
    "AM104": (
        "no boolean",
        "The field takes `true` or `false`, without quotes.",
        "refresh_restricted: maybe",
        "refresh_restricted: true",
    ),
    "AM105": ("no whole number", "The field takes a whole number, without quotes.", "tier: high", "tier: 1"),
    "AM106": ("a number out of its bounds", "The number is too small or too large.", "tier: 9", "tier: 5"),
    "AM107": (
        "a word that is none of the choices",
        "The field takes one of a few words.",
        "materialization: {type: table, on_schema_change: frezee}",
        "materialization: {type: table, on_schema_change: freeze}",
    ),
    "AM108": (
        "an empty value",
        "The field cannot be empty.",
        'columns: [{name: ""}]',
        "columns: [{name: id}]",
    ),
    "AM109": (
        "a name that cannot be used",
        (
            "An asset's name is its table's, `[catalog.][schema.]table`, and makes its tasks' ids; a pipeline's is "
            "the DAG's id."
        ),
        "name: raw orders",
        "name: raw.orders",
    ),
    "AM110": ("no day", "A day is written as `YYYY-MM-DD`.", "start_date: 01/02/2026", "start_date: 2026-02-01"),
    "AM111": ("no duration", "A duration is written as `30s`, `10m` or `1h30m`.", "timeout: 30", "timeout: 30s"),
    "AM112": (
        "no interval modifier",
        "A modifier is a number and its unit: h, m, s, d, M, ms or ns.",
        "interval_modifiers: {start: 2 hours}",
        "interval_modifiers: {start: -2h}",
    ),
    "AM113": (
        "no schedule",
        "A schedule is five cron fields that have a next moment, a word as `daily`, or `@every 1h`.",
        "# pipeline.yml\nname: shop\nschedule: dayly",
        "# pipeline.yml\nname: shop\nschedule: daily",
    ),
    "AM114": (
        "no image that assets run on",
        "`image` chooses the Python version; there are no containers.",
        "image: python:2.7",
        "image: python:3.12",
    ),
    "AM115": (
        "a dependency on nothing, or on two things",
        "A dependency names an asset or a URI.",
        "depends: [{mode: symbolic}]",
        "depends: [{asset: raw.orders, mode: symbolic}]",
    ),
    "AM116": (
        "an item stands twice in its list",
        "Columns, tags, secrets and custom checks are told apart by their names.",
        "columns: [{name: id}, {name: ID}]",
        "columns: [{name: id}]",
    ),
    "AM117": (
        "two values of one load option",
        "An option under `parameters` counts as if it stood under `materialization`, and says something else there.",
        "materialization: {type: table, strategy: append}\nparameters: {incremental_strategy: replace}",
        "materialization: {type: table, strategy: append}",
    ),
    "AM118": (
        "a scale without a fitting precision",
        "`precision` counts all digits, `scale` those after the point.",
        "columns: [{name: price, type: decimal, scale: 2}]",
        "columns: [{name: price, type: decimal, precision: 12, scale: 2}]",
    ),
    "AM131": (
        "no URI",
        "A URI is known to other pipelines and shown by Airflow: ASCII with a scheme, without a user or a password.",
        "uri: s3://me:secret@shop/orders",
        "uri: s3://shop/orders",
    ),
    "AM132": (
        "a tag that cannot be used",
        "Airflow takes tags of 1 to 100 characters.",
        'tags: [""]',
        "tags: [daily]",
    ),
    "AM133": (
        "a rule for retries that cannot be used",
        "`backoff` is true or a factor of at least 1, `on` lists names of exceptions.",
        "retries: {max: 3, backoff: exponential}",
        "retries: {max: 3, backoff: 2}",
    ),
    "AM134": (
        "neither a queue nor a pool",
        "`instance` is the name of a queue, `queue:NAME` or `pool:NAME`.",
        "instance: machine:big",
        "instance: pool:big",
    ),
    "AM135": (
        "assets inside of pipeline.yml",
        "Each asset is a file of its own, so that it has a place of its own.",
        "# pipeline.yml\nname: shop\nassets:\n  - name: orders\n    run: load.py",
        "# pipeline.yml\nname: shop\n# assets/orders.asset.yml\nrun: load.py\n# assets/load.py\n",
    ),
    "AM201": (
        "an unknown strategy",
        "The strategy says how the result meets the rows that are there.",
        "materialization: {type: table, strategy: mege}\ncolumns: [{name: id, primary_key: true}]",
        "materialization: {type: table, strategy: merge}\ncolumns: [{name: id, primary_key: true}]",
    ),
    "AM202": (
        "an unknown type of materialization",
        "`table` makes a table, `view` one with a view over it, `none` a plain script.",
        "materialization: {type: tabel}",
        "materialization: {type: table}",
    ),
    "AM203": (
        "the strategy needs a primary key",
        "A merge matches rows by the columns that are marked as the primary key.",
        "materialization: {type: table, strategy: merge}\ncolumns: [{name: id}]",
        "materialization: {type: table, strategy: merge}\ncolumns: [{name: id, primary_key: true}]",
    ),
    "AM204": (
        "the strategy needs an incremental key",
        "delete+insert replaces the rows whose `incremental_key` has a value of the result.",
        "materialization: {type: table, strategy: delete+insert}",
        "materialization: {type: table, strategy: delete+insert, incremental_key: day}",
    ),
    "AM205": (
        "a primary key is to be updated",
        "Rows are matched by the key, so it is the same in both.",
        "columns: [{name: id, primary_key: true, update_on_merge: true}]",
        "columns: [{name: id, primary_key: true}]",
    ),
    "AM206": (
        "an unknown check",
        "There is no check of this name.",
        "columns: [{name: id, checks: [{name: notnull}]}]",
        "columns: [{name: id, checks: [{name: not_null}]}]",
    ),
    "AM207": (
        "a check cannot use its value",
        "Some checks need a `value` to compare with, of a kind of its own.",
        "columns: [{name: id, checks: [{name: min}]}]",
        "columns: [{name: id, checks: [{name: min, value: 1}]}]",
    ),
    "AM208": (
        "a check stands twice",
        "The same check with the same value says nothing new.",
        "columns:\n  - name: id\n    checks:\n      - name: unique\n      - name: unique",
        "columns:\n  - name: id\n    checks:\n      - name: unique",
    ),
    "AM209": (
        "relationships without a foreign key",
        "The check compares with the column that the column's `foreign_key` names.",
        "columns: [{name: id, checks: [{name: relationships}]}]",
        "columns: [{name: id, foreign_key: {table: a, column: id}, checks: [{name: relationships}]}]",
    ),
    "AM210": (
        "no connection",
        (
            "A table and its checks need a connection id: the header's, the only one of `default_connections`, or the "
            "setting `default_connection`."
        ),
        "# pipeline.yml\nname: shop\n# assets/orders.py\nmaterialization: {type: table}",
        "# pipeline.yml\nname: shop\n# assets/orders.py\nmaterialization: {type: table}\nconnection: warehouse",
    ),
    "AM212": (
        "an incremental key that is no column",
        "A warning: the header declares a column of nearly the same name. It need not declare every column.",
        "materialization: {type: table, strategy: delete+insert, incremental_key: dya}\ncolumns: [{name: day}]",
        "materialization: {type: table, strategy: delete+insert, incremental_key: day}\ncolumns: [{name: day}]",
    ),
    "AM211": (
        "an empty query",
        "The query is one statement.",
        'custom_checks: [{name: any, query: " "}]',
        "custom_checks: [{name: any, query: SELECT 1}]",
    ),
    "AM213": (
        "a default that is no literal",
        "A default is a number, `true`, `false`, `null`, `CURRENT_DATE`, `CURRENT_TIMESTAMP`, or a text as in SQL.",
        "columns: [{name: state, type: varchar, default: new}]",
        "columns: [{name: state, type: varchar, default: \"'new'\"}]",
    ),
    "AM214": (
        "a collation that is no name",
        "A collation is one of the database's names, as `NOCASE` or `de_DE`.",
        "columns: [{name: state, type: varchar, collation: no case}]",
        "columns: [{name: state, type: varchar, collation: NOCASE}]",
    ),
    "AM231": (
        "a column that the load fills",
        "A strategy with history says in columns of its own since when and until when a row was valid.",
        (
            "materialization: {type: table, strategy: scd2_by_column}\n"
            "columns: [{name: id, primary_key: true}, {name: _valid_from}]"
        ),
        "materialization: {type: table, strategy: scd2_by_column}\ncolumns: [{name: id, primary_key: true}]",
    ),
}
