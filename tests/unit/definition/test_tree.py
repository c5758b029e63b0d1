from __future__ import annotations

import pytest

from airflow_materialize.definition.text.tree import Unreadable, compose

HOSTILE = {
    "an alias bomb": ("a: &a [x]\nb: [*a,*a]\n", "1:4: a: the anchor &a is not allowed (leave it out)"),
    "an alias to nothing": ("a: *b\n", "1:4: a: the alias *b is not allowed (write the value out)"),
    "a loop": ("&a [*a]\n", "1:1: the anchor &a is not allowed (leave it out)"),
    "a merge key": ("a:\n  <<: {b: 1}\n", "2:3: a: merge keys are not allowed (write the fields out)"),
    "a tag": (
        "a: !!python/object:os.system x\n",
        "1:4: a: the tag '!!python/object:os.system' is not allowed (leave it out)",
    ),
    "5,000 nestings": ("a: " + "[" * 5000, "1:23: the header is nested deeper than 20 levels"),
    "a NUL byte": ("a: b\nc: \0\n", "2:4: the character U+0000 is not allowed"),
    "no UTF-8": ("a: b\udce9\n", "1:5: the byte 0xE9 is no UTF-8"),
    "10 MB": ("a: " + "x" * 10_000_000, "1:1: the header is longer than 64 KiB"),
    "a second document": ("a: 1\n---\nb: 2\n", "2:1: a second YAML document starts here (one is enough)"),
    "a key that is a list": ("[a]: b\n", "1:1: a key must be a text"),
    "a tab": (
        "a:\n\tb: c\n",
        "2:1: the YAML is broken: a text cannot start with this sign (indent with spaces, not with tabs)",
    ),
    "an open quote": ('a: "b\nc: d\n', "1:4: the YAML is broken: a quoted text starts here and does not end"),
    "a colon": (
        "a: b: c\n",
        "1:5: the YAML is broken: a colon where a text goes on (quote a text that has a colon; fields of one mapping start in one column)",
    ),
    "a list": ("- a\n", "1:1: a mapping is expected (lines as `name: raw.orders`)"),
    "nothing": ("# words\n", "1:1: the header is empty (lines as `name: raw.orders`)"),
}


@pytest.mark.parametrize(("text", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_yaml_is_refused_at_its_place(text, message):
    with pytest.raises(Unreadable) as refused:
        compose(text, "a.py")
    assert str(refused.value.problem) == f"a.py:{message}"


def test_a_key_that_stands_twice_names_both_lines():
    _, problems = compose("a:\n  b: 1\n  c: 2\n  b: 3\n", "a.py", first_line=5)
    assert [str(problem) for problem in problems] == [
        "a.py:8:3: a.b: 'b' stands twice, on line 6 and on line 8 (keep one)"
    ]


def test_each_key_knows_its_place():
    tree, _ = compose("a:\n  - b: 1\n    ü: 2\n", "a.py", first_line=3)
    item = tree.maps("a")[0]
    assert tree.entries["a"].place == ("a.py", 3, 1)
    assert item.entries["ü"].place == ("a.py", 5, 5)


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\r"])
def test_a_line_ends_where_editors_end_it_and_not_at_every_sign_at_which_yaml_does(sign):
    tree, _ = compose(f"a: 'b {sign} c'\nd: [é, e]\n", "file", 3)
    assert [tree.entries[name].place[1:] for name in "ad"] == [(3, 1), (4, 1)]
    assert tree.entries["d"].value.items[1].place[1:] == (4, 8)
    with pytest.raises(Unreadable) as caught:
        compose(f"a: 'b {sign} c'\nd: [e\n", "file", 3)
    assert (caught.value.problem.line, caught.value.problem.column) == (4, 4)
