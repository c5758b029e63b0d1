from __future__ import annotations

from airflow_materialize.definition.parsing.shape import shape_of
from airflow_materialize.definition.text.outline import outline

BROKEN = """
name: "raw.orders
depends: [a, b]
materialization:
    type: table
     strategy: merge
columns:
- name: id  # the key
  checks:
  - name: unique
  - name: not_null
    blocking: false
custom_checks:
  - name: some
    query: |
      select name: x
      - 1
tags: *anchor
"""


def test_broken_text_keeps_name_steps_and_edges():
    tree = outline(BROKEN, "a.py")
    shape = shape_of(tree)
    assert tree.text("name") == "raw.orders"
    assert (shape.table, shape.check, shape.check_warn, shape.depends) == (True, True, True, ("a", "b"))


def test_a_list_may_stand_below_its_key_with_and_without_indentation():
    for indent in ("", "  "):
        tree = outline(f"depends:\n{indent}- a\n{indent}- asset: b\n{indent}  mode: full\nname: x\n: :", "a.py")
        assert shape_of(tree).depends == ("a", "b")


def test_the_non_blocking_checks_of_broken_text_are_non_blocking():
    tree = outline("x: : y\ncustom_checks:\n  - name: a\n    blocking: false\n", "a.py")
    assert (shape_of(tree).check, shape_of(tree).check_warn) == (False, True)


def test_any_text_gives_some_outline():
    for text in ("", "- - - a", "a: {", "- a\nb: c\n  - d\n", "\t:\n", "a:\n- b\n  c: d\n- - e: f\n", "x: y\n- z\n"):
        assert outline(text, "a.py").place.file == "a.py"
