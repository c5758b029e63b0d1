from __future__ import annotations

import pytest

from airflow_materialize.definition.codes import CODES
from airflow_materialize.definition.project.project import parse_project

PIPELINE = "name: sales\ndefault_connections: {duckdb: db}\n"

# What stands below the line `metadata: {a: b}`, the line of the file, the code, and words that the problem has.
HEADERS = [
    ("materialization: {strategy: merge, type: tabel}", 3, "AM202", "'tabel' is no type of materialization"),
    ("columns: [{name: id, checks: not_null}]", 3, "AM103", "a list is expected, this is the text 'not_null'"),
    ("columns: {id: int}", 3, "AM103", "a list is expected, this is a mapping", "[{name: …}]"),
    ("columns: {id: {type: int}}", 3, "AM103", "a list is expected, this is a mapping", "[{name: …}]"),
    ("columns: id", 3, "AM103", "a list is expected, this is the text 'id'", "[{name: id}]"),
    ("columns: [id]", 3, "AM103", "a mapping is expected, this is the text 'id'", "{name: id}"),
    ("columns: [null]", 3, "AM103", "a mapping is expected, this is empty", "{name: …}"),
    ("columns: [{name: id}, null]", 3, "AM103", "a mapping is expected, this is empty", "{name: …}"),
    ("columns: [{name: }]", 3, "AM102", "`name` is missing"),
    ("columns: [{name: null}]", 3, "AM102", "`name` is missing"),
    ("columns: [{name: [a]}]", 3, "AM103", "a text is expected, this is a list"),
    ("columns: [{name: id, type: [int]}]", 3, "AM103", "a text is expected, this is a list"),
    ("columns: [{nam: id}]", 3, "AM101", "unknown field", "did you mean 'name'?"),
    ("columns: [{name: id, checks: [not_null]}]", 3, "AM103", "a mapping is expected, this is the text 'not_null'"),
    ("columns: [{name: id, checks: [null]}]", 3, "AM103", "a mapping is expected, this is empty", "{name: …}"),
    ("columns: [{name: id, checks: {name: not_null}}]", 3, "AM103", "a list is expected, this is a mapping"),
    ("columns: [{name: id, checks: [{name: Not_Null}]}]", 3, "AM206", "'Not_Null' is no check"),
    ("columns: [{name: id, checks: [{value: 3}]}]", 3, "AM102", "`name` is missing"),
    (
        "columns: [{name: id, checks: [{name: accepted_values, value: [a, null]}]}]",
        3,
        "AM207",
        "accepted_values cannot use a list",
    ),
    (
        "columns: [{name: id, checks: [{name: accepted_values, value: [[a]]}]}]",
        3,
        "AM207",
        "accepted_values cannot use a list in",
    ),
    (
        "columns: [{name: id, checks: [{name: accepted_values, value: {a: b}}]}]",
        3,
        "AM207",
        "accepted_values cannot use a mapping",
    ),
    ("columns: [{name: id, checks: [{name: pattern}]}]", 3, "AM207", "pattern needs a `value`"),
    ('columns: [{name: id, checks: [{name: pattern, value: ""}]}]', 3, "AM207", "pattern needs a `value`"),
    ("columns: [{name: id, checks: [{name: min, value: [1]}]}]", 3, "AM207", "min cannot use a list"),
    ("columns: [{name: id, checks: [{name: not_null, blocking: maybe}]}]", 3, "AM104", "'maybe' is no boolean"),
    ("columns: [{name: id, checks: [{name: not_null, retries: -1}]}]", 3, "AM106", "-1 is too small", "at least 0"),
    (
        "columns: [{name: id, type: integer, checks: [{name: min, value: abc}]}]",
        3,
        "AM207",
        "min of a column of type integer cannot",
    ),
    ("columns: [{name: id, primary_key: 1}]", 3, "AM104", "'1' is no boolean", "true or false"),
    ("columns: [{name: id, nullable: 'yes'}]", 3, "AM104", "'yes' is no boolean", "true or false"),
    ("columns: [{name: id, precision: 0}]", 3, "AM106", "0 is too small", "at least 1"),
    ("columns: [{name: id, length: -5}]", 3, "AM106", "-5 is too small", "at least 1"),
    ("columns: [{name: id, length: 1.5}]", 3, "AM105", "'1.5' is no whole number"),
    ("columns: [{name: id, precision: 3, scale: 4}]", 3, "AM118", "scale 4 is above precision 3", "at most 3"),
    ("columns: [{name: id, foreign_key: other.id}]", 3, "AM103", "a mapping is expected, this is the text 'other.id'"),
    ("columns: [{name: id, foreign_key: {table: other}}]", 3, "AM102", "`column` is missing"),
    ("columns: [{name: id, foreign_key: {tabel: other, column: id}}]", 3, "AM101", "unknown field"),
    ("columns: [{name: id, upstreams: [{column: id}]}]", 3, "AM102", "`table` is missing"),
    ("columns: [{name: id, upstreams: raw.orders}]", 3, "AM103", "a list is expected, this is the text 'raw.orders'"),
    ("columns: [{name: id, extends: Customer}]", 3, "AM601", "'Customer' is no glossary attribute"),
    ("columns: [{name: id, mask: hsh}]", 3, "AM221", "'hsh' is no mask", "did you mean 'hash'?"),
    ("columns: [{name: id, source_column: [a]}]", 3, "AM103", "a text is expected, this is a list"),
    ("columns: [{name: id, default: {a: b}}]", 3, "AM103", "a text is expected, this is a mapping"),
    ("columns: [{name: id, nullable: false, primary_key: maybe}]", 3, "AM104", "'maybe' is no boolean"),
    (
        "columns: [{name: a, source_column: x}, {name: b, source_column: x}]",
        3,
        "AM222",
        "the result's column 'x' becomes 'a'",
    ),
    ("depends: [a, a]", 3, "AM303", "there is no asset 'a'"),
    ("depends: [null]", 3, "AM103", "a mapping is expected, this is empty", "{asset: …}"),
    ("depends: [{asset: a}, {asset: a}]", 3, "AM303", "there is no asset 'a'"),
    ("depends: {a: b}", 3, "AM101", "unknown field", "one of: asset, columns, mode, uri"),
    ("depends: 5", 3, "AM303", "there is no asset '5'"),
    ("depends: [[a]]", 3, "AM103", "a mapping is expected, this is a list", "{asset: …}"),
    ("depends: [orders]", 3, "AM304", "a cycle: orders depends on itself", "drop one of these dependencies"),
    ("depends: [raw.orders]", 3, "AM303", "there is no asset 'raw.orders'"),
    ("depends: [{asset: a, mode: ful}]", 3, "AM303", "there is no asset 'a'"),
    ('depends: [{uri: ""}]', 3, "AM115", "a dependency names neither asset nor uri", "exactly one of the two"),
    ("depends: ['']", 3, "AM115", "a dependency names neither asset nor uri", "exactly one of the two"),
    ("retries: -1", 3, "AM106", "-1 is too small", "at least 0"),
    ("retries: many", 3, "AM105", "'many' is no whole number"),
    ("retries: 1.5", 3, "AM105", "'1.5' is no whole number"),
    ("retries: {max: many}", 3, "AM105", "'many' is no whole number"),
    ("retries: {delay: 30s}", 3, "AM102", "`max` is missing"),
    ("retries: {max: 3, delay: soon}", 3, "AM111", "'soon' is no duration", "seconds, or as 30s, 10m or 1h30m"),
    ("retries: {max: 3, dealy: 5s}", 3, "AM101", "unknown field", "did you mean 'delay'?"),
    ("retries: {max: 3, on: 5}", 3, "AM103", "a list is expected, this is the text '5'", "[5]"),
    ("retries: [3]", 3, "AM105", "a whole number is expected, this is a list"),
    ("rerun_cooldown: -2", 3, "AM106", "-2 is too small", "at least -1"),
    ("rerun_cooldown: 5m", 3, "AM105", "'5m' is no whole number"),
    ("timeout: 30", 3, "AM111", "'30' is no duration", "as 30s, 10m or 1h30m"),
    ("timeout: 1h30", 3, "AM111", "'1h30' is no duration", "as 30s, 10m or 1h30m"),
    ("timeout: -5s", 3, "AM111", "'-5s' is no duration", "as 30s, 10m or 1h30m"),
    ("timeout: 10ms", 3, "AM111", "'10ms' is too short", "at least 1s"),
    ("timeout: 9999999999999999999999h", 3, "AM111", "'9999999999999999999999h' is no duration"),
    ("timeout: [30s]", 3, "AM103", "a text is expected, this is a list"),
    ("tier: 9", 3, "AM106", "9 is too large", "at most 5"),
    ("tier: 0", 3, "AM106", "0 is too small", "at least 1"),
    ("tier: [1]", 3, "AM105", "a whole number is expected, this is a list"),
    ("tags: daily", 3, "AM103", "a list is expected, this is the text 'daily'", "[daily]"),
    ("tags: {a: b}", 3, "AM103", "a list is expected, this is a mapping"),
    ("tags: [a, a]", 3, "AM116", "the tag 'a' stands on line 3 already", "keep one"),
    ("tags: [null]", 3, "AM103", "a text is expected, this is empty"),
    ("tags: [[a]]", 3, "AM103", "a text is expected, this is a list"),
    ("tags: ['']", 3, "AM132", "the tag is empty", "leave it out"),
    ("tags: ['  ']", 3, "AM132", "the tag is empty", "leave it out"),
    ("domains: [null]", 3, "AM103", "a text is expected, this is empty"),
    ("owner: {a: b}", 3, "AM103", "a text is expected, this is a mapping"),
    ("meta: [a]", 3, "AM103", "a mapping is expected, this is a list"),
    ("meta: {a: {b: c}}", 3, "AM103", "a text is expected, this is a mapping"),
    ("meta: text", 3, "AM103", "a mapping is expected, this is the text 'text'"),
    ("name: raw orders", 3, "AM109", "'raw orders' is no name"),
    ("name: 'raw.'", 3, "AM109", "'raw.' is no name", "letters, digits, '_' and '-', in parts joined by '.'"),
    ("name: .raw", 3, "AM109", "'.raw' is no name", "letters, digits, '_' and '-', in parts joined by '.'"),
    ("name: raw..orders", 3, "AM109", "'raw..orders' is no name"),
    ("name: {a: b}", 3, "AM103", "a text is expected, this is a mapping"),
    ("name: ''", 3, "AM109", "'' is no name", "letters, digits, '_' and '-', in parts joined by '.'"),
    ("enabled: perhaps", 3, "AM104", "'perhaps' is no boolean", "true or false"),
    ("enabled: [true]", 3, "AM104", "a boolean is expected, this is a list", "true or false"),
    ("enabled: '{{ var.market'", 3, "AM631", "the template is broken: unexpected end of template,"),
    ("enabled: '{{ conn.x.login }}'", 3, "AM631", "'conn' is unknown"),
    ("enabled: '{{ not full_refesh }}'", 3, "AM631", "'full_refesh' is unknown", "did you mean 'full_refresh'?"),
    ("image: python:2.7", 3, "AM114", "'python:2.7' is no image that assets run on"),
    ("image: python", 3, "AM114", "'python' is no image that assets run on"),
    ("image: python:3.12-slim", 3, "AM114", "'python:3.12-slim' is no image that assets run on"),
    ("start_date: 01/02/2024", 3, "AM110", "'01/02/2024' is no day", "YYYY-MM-DD"),
    ("start_date: 2024-02-30", 3, "AM110", "'2024-02-30' is no day", "YYYY-MM-DD"),
    ("start_date: 20240101", 3, "AM110", "'20240101' is no day", "YYYY-MM-DD"),
    ("start_date: 2024-01-01 10:00:00", 3, "AM110", "'2024-01-01 10:00:00' is no day", "YYYY-MM-DD"),
    ("start_date: tomorrow", 3, "AM110", "'tomorrow' is no day", "YYYY-MM-DD"),
    ("interval_modifiers: -2h", 3, "AM103", "a mapping is expected, this is the text '-2h'", "{start: -2h}"),
    ("interval_modifiers: {start: -2 hours}", 3, "AM112", "'-2 hours' is no interval modifier"),
    ("interval_modifiers: {start: 2w}", 3, "AM112", "'2w' is no interval modifier"),
    ("interval_modifiers: {begin: -2h}", 3, "AM101", "unknown field", "one of: end, start"),
    ("interval_modifiers: {start: '{{ foo'}", 3, "AM631", "the template is broken: unexpected end of template,"),
    ("materialization: [table]", 3, "AM103", "a mapping is expected, this is a list", "{type: …}"),
    ("materialization: {type: table, strategy: mege}", 3, "AM201", "'mege' is no strategy", "did you mean 'merge'?"),
    ("materialization: {type: table, strategy: time_interval}", 3, "AM201", "'time_interval' is not supported"),
    ("materialization: {type: table, strategy: scd2_by_time}", 3, "AM204", "scd2_by_time needs an `incremental_key`"),
    ("materialization: {type: table, strategy: scd2_by_column}", 3, "AM203", "scd2_by_column needs a primary key"),
    (
        "materialization: {type: veiw}",
        3,
        "AM202",
        "'veiw' is no type",
        "did you mean 'view'?",
        "one of: none, table, view",
    ),
    ("materialization: {type: table, on_schema_change: frezee}", 3, "AM107", "'frezee' is none of its values"),
    ("materialization: {type: table, cluster_by: [null]}", 3, "AM103", "a text is expected, this is empty"),
    ("materialization: {type: table, delete_by: value}", 3, "AM107", "'value' is none of its values"),
    ("materialization: {type: table, publish: later}", 3, "AM107", "'later' is none of its values"),
    ("materialization: {type: table, guarantee: once}", 3, "AM107", "'once' is none of its values"),
    ("materialization: {type: table, time_granularity: hour}", 3, "AM107", "'hour' is none of its values"),
    ("materialization: {type: table, strategy: merge}", 3, "AM203", "merge needs a primary key"),
    ("materialization: {type: table, strategy: delete+insert}", 3, "AM204", "delete+insert needs an `incremental_key`"),
    (
        "materialization: {type: table, strategy: delete+insert, incremental_key: ''}",
        3,
        "AM204",
        "delete+insert needs an",
    ),
    ("parameters: [a]", 3, "AM103", "a mapping is expected, this is a list"),
    ("connection: {a: b}", 3, "AM103", "a text is expected, this is a mapping"),
    ("connections: [null]", 3, "AM103", "a text is expected, this is empty"),
    ("secrets: [{inject_as: A}]", 3, "AM102", "`key` is missing"),
    ("secrets: [{key: a}, {key: a}]", 3, "AM116", "the secret 'a' stands on line 3 already", "keep one"),
    (
        "secrets: [{key: a, inject_as: X}, {key: b, inject_as: X}]",
        3,
        "AM116",
        "the variable 'X' stands on line 3 already",
    ),
    ("secrets: [{key: ''}]", 3, "AM108", "it is empty"),
    ("secrets: {key: a}", 3, "AM103", "a list is expected, this is a mapping", "[{key: …}]"),
    ("custom_checks: [{name: c}]", 3, "AM102", "`query` is missing"),
    ("custom_checks: [{query: SELECT 1}]", 3, "AM102", "`name` is missing"),
    ("custom_checks: [{name: c, query: ''}]", 3, "AM211", "the query is empty", "one SELECT"),
    ("custom_checks: [{name: c, query: SELECT 1, count: -1}]", 3, "AM106", "-1 is too small", "at least 0"),
    (
        "custom_checks: [{name: c, query: SELECT 1}, {name: c, query: SELECT 2}]",
        3,
        "AM116",
        "the custom check 'c' stands on line 3",
    ),
    ("custom_checks: [{name: c, query: \"SELECT '{{ foo }'\"}]", 3, "AM631", "the template is broken: unexpected '}'"),
    (
        'custom_checks: [{name: c, query: "SELECT {{ foo"}]',
        3,
        "AM631",
        "the template is broken: unexpected end of template,",
    ),
    ("hooks: {pre: [{query: ''}]}", 3, "AM211", "the query is empty", "one statement"),
    ("hooks: {post: [{}]}", 3, "AM102", "`query` is missing"),
    ("full_refresh_restricted: [true]", 3, "AM104", "a boolean is expected, this is a list", "true or false"),
    ("extends: [5]", 3, "AM604", "there is no glossary"),
    ("extends: [null]", 3, "AM103", "a text is expected, this is empty"),
    ("uri: not a uri", 3, "AM131", "'not a uri' is no URI", "ASCII with a scheme, as s3://shop/orders"),
    ("type: pyhton", 3, "AM107", "'pyhton' is no type of asset", "did you mean 'python'? one of: python"),
    ("resources: 5", 3, "AM103", "a mapping is expected, this is the text '5'"),
    ("resources: {memory: lots}", 3, "AM224", "'lots' is no size", "as 2GB or 512MiB"),
    ("resources: {memory: 64MB}", 3, "AM224", "'64MB' is too little for Python with pyarrow", "at least 256MB"),
    ("resources: {cpu_time: 10ms}", 3, "AM106", "resources.cpu_time"),
    ("resources: {memroy: 2GB}", 3, "AM101", "did you mean 'memory'?"),
    ("? [a]", 3, "AM007", "a key must be a text"),
    (": b", 3, "AM006", "the YAML is broken: a field is expected here", "fields of one mapping start in one column"),
    ("<<: {a: b}", 3, "AM008", "merge keys are not allowed", "write the fields out"),
    ("owner: &a x", 3, "AM008", "the anchor &a is not allowed", "leave it out"),
    ("owner: *a", 3, "AM008", "the alias *a is not allowed", "write the value out"),
    ("owner: !!str x", 3, "AM008", "the tag '!!str' is not allowed", "leave it out"),
    ("owner: !secret x", 3, "AM008", "the tag '!secret' is not allowed", "leave it out"),
    ("owner: a: b", 3, "AM006", "the YAML is broken: a colon where a text goes on"),
    ('owner: "abc', 3, "AM006", "the YAML is broken: a quoted text starts here and does not"),
    ("owner: 'abc", 3, "AM006", "the YAML is broken: a quoted text starts here and does not"),
    ("owner: [a", 3, "AM006", "the YAML is broken: a list starts here and does not end"),
    ("owner: {a", 3, "AM006", "the YAML is broken: a mapping starts here and does not end"),
    ("owner: @x", 3, "AM006", "the YAML is broken: a text cannot start with this sign", "quote the text"),
    ("owner: `x`", 3, "AM006", "the YAML is broken: a text cannot start with this sign", "quote the text"),
    ("owner: %x", 3, "AM006", "the YAML is broken: a text cannot start with this sign", "quote the text"),
    ("\towner: x", 3, "AM006", "the YAML is broken: a text cannot start with this sign"),
    ("owner:\n\t- x", 4, "AM006", "the YAML is broken: a text cannot start with this sign"),
    ("owner: x\n  name: y", 4, "AM006", "the YAML is broken: a colon where a text goes on"),
    ("name: a\n...\nname: b", 5, "AM006", "the YAML is broken: did not find expected <document start>"),
    ("owner: a\nowner: b", 4, "AM009", "'owner' stands twice, on line 3 and on line 4", "keep one"),
    ("columns: [{name: a, name: b}]", 3, "AM009", "'name' stands twice on line 3", "keep one"),
    ("owner: a\x00b", 3, "AM003", "the character U+0000 is not allowed"),
    ("owner: a\x07b", 3, "AM003", "the character U+0007 is not allowed"),
    (
        "meta: [[[[[[[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]]]]]]",
        3,
        "AM005",
        "the header is nested deeper than 20 levels",
    ),
    ("depends: [good, null]", 3, "AM103", "a mapping is expected, this is empty", "{asset: …}"),
    ("depends: {asset: good, uri: s3://x/y}", 3, "AM115", "a dependency names both asset and uri"),
    ("columns:\n  - name: id\n  - name: ID", 5, "AM116", "the column 'ID' stands on line 4 already as 'id'"),
    (
        "columns:\n  - name: id\n    checks:\n      - name: unique\n      - name: unique",
        7,
        "AM208",
        "the check 'unique' stands on",
    ),
    (
        "columns:\n  - name: id\n    type: decimal\n    checks:\n      - name: max\n        value: many",
        8,
        "AM207",
        "max of a column of",
    ),
    ("columns:\n  - type: int", 4, "AM102", "`name` is missing"),
    ("columns: [{name: id, checks: [{name: relationships}]}]", 3, "AM209", "relationships needs a `foreign_key`"),
    ("columns: [{name: id, checks: [{name: pattern, value: '(['}]}]", 3, "AM207", "pattern cannot use the text '(['"),
    ("columns: [{name: id, primary_key: true, update_on_merge: true}]", 3, "AM205", "a primary key is not updated"),
    ("columns: [{name: a, scale: 2}]", 3, "AM118", "scale needs a precision", "add `precision`"),
    (
        "materialization: {type: table, strategy: append}\nparameters: {incremental_strategy: replace}",
        4,
        "AM117",
        "'create+replace'",
    ),
    (
        "materialization:\n  type: table\n  strategy: merge\ncolumns:\n  - name: id",
        5,
        "AM203",
        "merge needs a primary key",
    ),
    ("parameters: {a: '{% if x %}'}", 3, "AM631", "the template is broken: Unexpected end of template. Jinja"),
    ("hooks: {pre: [{query: '{{ x'}]}", 3, "AM631", "the template is broken: unexpected end of template,"),
]

# Whole headers.
DOCUMENTS = [
    ("- a", 2, "AM007", "a mapping is expected", "lines as `name: raw.orders`"),
    ("just text", 2, "AM007", "a mapping is expected", "lines as `name: raw.orders`"),
    ("42", 2, "AM007", "a mapping is expected", "lines as `name: raw.orders`"),
    ("[]", 2, "AM007", "a mapping is expected", "lines as `name: raw.orders`"),
    ("---", 2, "AM007", "the header is empty", "lines as `name: raw.orders`"),
    ("---\nname: a\n---\nname: b", 4, "AM007", "a second YAML document starts here", "one is enough"),
]

# Whole `pipeline.yml` files.
PIPELINES = [
    ("name: a b", 1, "AM109", "'a b' is no name", "letters, digits, '_', '-' and '.'"),
    ("name: [a]", 1, "AM103", "a text is expected, this is a list"),
    ("name: sales\nnam: a", 2, "AM101", "unknown field", "did you mean 'name'?"),
    ("name: sales\nschedule: 5", 2, "AM113", "'5' is no schedule"),
    ("name: sales\nschedule: dayly", 2, "AM113", "'dayly' is no schedule", "did you mean 'daily'?"),
    ("name: sales\nschedule: '* * * *'", 2, "AM113", "'* * * *' is no schedule"),
    ("name: sales\nschedule: [daily]", 2, "AM103", "a text is expected, this is a list"),
    ("name: sales\nstart_date: soon", 2, "AM110", "'soon' is no day", "YYYY-MM-DD"),
    ("name: sales\nstart_date: 9999-99-99", 2, "AM110", "'9999-99-99' is no day", "YYYY-MM-DD"),
    ("name: sales\ndefault_connections: [a]", 2, "AM103", "a mapping is expected, this is a list"),
    ("name: sales\ndefault_connections: warehouse", 2, "AM103", "a mapping is expected, this is the text 'warehouse'"),
    ("name: sales\ndefault_connections: {duckdb: [a]}", 2, "AM103", "a text is expected, this is a list"),
    ("name: sales\ndefault_connections: {duckdb: null}", 2, "AM103", "a text is expected, this is empty"),
    ("name: sales\ndefault_connections: {duckdb: ''}", 2, "AM108", "it is empty"),
    ("name: sales\ndefault: [a]", 2, "AM103", "a mapping is expected, this is a list"),
    ("name: sales\ndefault: x", 2, "AM103", "a mapping is expected, this is the text 'x'"),
    ("name: sales\ndefault: {onwer: x}", 2, "AM101", "unknown field", "did you mean 'owner'?"),
    ("name: sales\ndefault: {tier: 9}", 2, "AM106", "9 is too large", "at most 5"),
    ("name: sales\ndefault: {columns: [{nam: x}]}", 2, "AM102", "`name` is missing"),
    ("name: sales\ndefault: {materialization: {strategy: mege}}", 2, "AM201", "'mege' is no strategy"),
    ("name: sales\ndefault: {retries: -1}", 2, "AM106", "-1 is too small", "at least 0"),
    ("name: sales\nvariables: [a]", 2, "AM103", "a mapping is expected, this is a list"),
    ("name: sales\nvariables: {a: 5}", 2, "AM103", "a mapping is expected, this is the text '5'", "{type: …}"),
    ("name: sales\nvariables: {a: {type: string}}", 2, "AM611", "a variable needs a `default`"),
    ("name: sales\nvariables: {a: {type: strng, default: x}}", 2, "AM614", "'strng' is no type"),
    ("name: sales\nvariables: {a: {type: integer, default: x}}", 2, "AM612", '"x" is of another type'),
    ("name: sales\nvariables: {'a b': {type: string, default: x}}", 2, "AM613", "'a b' is no name of a variable"),
    ("name: sales\nvariables: {a: {defualt: 5}}", 2, "AM611", "a variable needs a `default`"),
    ("name: sales\nvariants: {de: [a]}", 2, "AM621", "a variant is a mapping of variables to values", "name: value"),
    ("name: sales\nvariants: {de: {market: x}}", 2, "AM621", "there is no variable 'market'"),
    ("name: sales\nretries: -1", 2, "AM106", "-1 is too small", "at least 0"),
    ("name: sales\nretries: a", 2, "AM105", "'a' is no whole number"),
    ("name: sales\ntags: daily", 2, "AM103", "a list is expected, this is the text 'daily'", "[daily]"),
    ("name: sales\ntags: [null]", 2, "AM103", "a text is expected, this is empty"),
    ("name: sales\ncatchup: maybe", 2, "AM104", "'maybe' is no boolean", "true or false"),
    ("name: sales\ncatchup: [true]", 2, "AM104", "a boolean is expected, this is a list", "true or false"),
    ("name: sales\nconcurrency: -1", 2, "AM106", "-1 is too small", "at least 0"),
    ("name: sales\nconcurrency: many", 2, "AM105", "'many' is no whole number"),
    ("name: sales\nmax_active_steps: 0", 2, "AM106", "0 is too small", "at least 1"),
    ("name: sales\ncheck_tasks: all", 2, "AM107", "'all' is none of its values", "one of: each, one"),
    ("name: sales\nassets: x", 2, "AM103", "a list is expected, this is the text 'x'"),
    ("name: sales\nmaterialization: {type: table}", 2, "AM101", "unknown field"),
]


def both(write, header, pipeline=PIPELINE):
    """The broken asset, and its valid neighbour."""
    files = {
        "sales/pipeline.yml": pipeline,
        "sales/assets/orders.py": f'"""@bruin\n{header}\n@bruin"""\n'.encode(),
        "sales/assets/good.py": '"""@bruin\nname: good\n@bruin"""\n',
    }
    [pipeline] = parse_project(write(files))
    broken = next(asset for asset in pipeline.assets if asset.path.endswith("orders.py"))
    return broken, next(asset for asset in pipeline.assets if asset.name == "good")


def assert_refused(parsed, line, code, words):
    at = [str(problem) for problem in parsed.problems if (problem.line, problem.code) == (line, code)]
    assert any(all(word in text for word in words) for text in at), parsed.problems
    assert all(problem.code in CODES and problem.excerpt for problem in parsed.problems)
    assert parsed.asset is None


@pytest.mark.parametrize(("header", "line", "code", "words"), [(*row[:3], row[3:]) for row in HEADERS])
def test_a_broken_header_is_refused_with_its_line_and_leaves_its_neighbour_alone(write, header, line, code, words):
    broken, good = both(write, f"metadata: {{a: b}}\n{header}")
    assert_refused(broken, line, code, words)
    assert good.problems == ()
    assert good.asset is not None


@pytest.mark.parametrize(("header", "line", "code", "words"), [(*row[:3], row[3:]) for row in DOCUMENTS])
def test_a_document_that_is_no_header_is_refused_and_leaves_its_neighbour_alone(write, header, line, code, words):
    broken, good = both(write, header)
    assert_refused(broken, line, code, words)
    assert good.asset is not None


@pytest.mark.parametrize(("pipeline", "line", "code", "words"), [(*row[:3], row[3:]) for row in PIPELINES])
def test_a_broken_pipeline_file_is_refused_with_its_line_and_keeps_its_assets(write, pipeline, line, code, words):
    broken, good = both(write, "owner: x", pipeline)
    assert_refused(good, line, code, words)
    assert_refused(broken, line, code, words)


def test_a_dependency_that_stands_twice_is_a_warning_as_bruin_takes_it(write):
    parsed, _ = both(write, "depends: [good, {asset: good}]")
    assert (parsed.problems, parsed.shape.depends) == ((), ("good",))
    assert [(str(warning), warning.code) for warning in parsed.warnings] == [
        (
            "sales/assets/orders.py:2:25: warning: depends[1]: the dependency 'good' stands on line 2 already (keep one)",
            "AM116",
        )
    ]


def test_an_incremental_key_that_is_nearly_a_column_is_a_warning(write):
    load = "materialization: {type: table, strategy: delete+insert, incremental_key: %s}"
    found = {
        key: [warning.code for warning in both(write, f"{load % key}\ncolumns: [{{name: day}}]")[0].warnings]
        for key in ("dya", "day", "DAY", "moment")
    }
    assert found == {"dya": ["AM212"], "day": [], "DAY": [], "moment": []}


def test_a_variable_that_a_pipeline_with_others_does_not_have_is_refused(write):
    pipeline = PIPELINE + "variables: {market: {type: string, default: at}}\n"
    broken, _ = both(write, "name: orders\nmetadata: {a: b}\nenabled: '{{ var.markt }}'", pipeline)
    assert_refused(broken, 4, "AM631", ["'var.markt' is unknown", "did you mean 'var.market'?"])
    for fine in ("{{ var.market == 'at' }}", "{{ other is defined }}", "{{ x | default(true) }}"):
        assert not both(write, f'name: orders\nenabled: "{fine}"', pipeline)[0].problems
