from __future__ import annotations

import random
import re

import pytest

from airflow_materialize.dag.ids import check_id, dag_id, group_id
from airflow_materialize.dag.sequence import gate, sequence_of
from airflow_materialize.dag.tasks import follow
from airflow_materialize.definition.model.parsed import Asked, Shape


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("orders", "orders"),
        ("raw.orders", "raw__orders"),
        ("raw.daily_orders", "raw__daily_orders"),
        ("a.b.c-d", "a__b__c-d"),
        ("größe.maß", "größe__maß"),
    ],
)
def test_the_id_of_a_plain_name_is_the_name_with_its_dots_replaced(name, expected):
    assert group_id(name) == expected


@pytest.mark.parametrize(
    "name", ["raw__orders", "_raw.orders", "raw_.orders", "raw orders", "x" * 300, "", "日本 語", "a..b"]
)
def test_a_name_that_could_not_be_read_back_gets_an_id_that_ends_in_its_hash(name):
    assert re.fullmatch(r"[\w-]*___[0-9a-f]{16}", group_id(name))
    assert len(group_id(name)) < 130


def test_no_two_names_have_one_id():
    letters = random.Random(7)
    names = {"".join(letters.choices("ab_.-é ", k=letters.randint(1, 7))) for _ in range(20_000)}
    assert len({group_id(name) for name in names}) == len(names)
    assert len({dag_id(name) for name in names}) == len(names)


def test_every_id_is_one_that_airflow_takes():
    letters = random.Random(8)
    for _ in range(2_000):
        name = "".join(letters.choices("ab_.-é /{}'\"\n", k=letters.randint(1, 300)))
        assert re.fullmatch(r"[\w-]{1,180}", group_id(name))
        assert re.fullmatch(r"[\w.-]{1,200}", dag_id(name))
        assert ".." not in dag_id(name)


def test_a_dag_id_keeps_the_dots_of_a_pipelines_name():
    assert dag_id("sales.daily") == "sales.daily"


@pytest.mark.parametrize(
    ("shape", "steps", "last"),
    [
        (Shape(), ("run",), "run"),
        (Shape(table=True), ("run", "load"), "load"),
        (Shape(table=True, check=True), ("run", "load", "check"), "check"),
        (Shape(table=True, check=True, check_warn=True), ("run", "load", "check", "check_warn"), "check"),
        (Shape(table=True, check_warn=True), ("run", "load", "check_warn"), "load"),
    ],
)
def test_what_depends_on_an_asset_waits_for_its_last_blocking_step(shape, steps, last):
    assert tuple(place.step for place in sequence_of(shape)) == steps
    assert gate(shape) == last
    assert sequence_of(shape)[-1].after == (() if steps == ("run",) else (steps[1] if len(steps) > 2 else "run",))


CHECKS = (Asked("id", "unique", blocking=True), Asked("id", "not_null", blocking=False), Asked("", "no gaps", True))


def test_with_a_task_for_each_check_the_blocking_ones_meet_in_check():
    places = sequence_of(Shape(table=True, check=True, check_warn=True, checks=CHECKS), each=True)
    gaps = check_id("", "no gaps")
    assert {place.step: place.after for place in places} == {
        "run": (),
        "load": ("run",),
        "check__id__unique": ("load",),
        "check__id__not_null": ("load",),
        gaps: ("load",),
        "check": ("check__id__unique", gaps),
    }
    assert [place.step for place in places if place.joins] == ["check"]


def test_without_blocking_checks_nothing_joins_them():
    shape = Shape(table=True, check_warn=True, checks=(Asked("id", "not_null", blocking=False),))
    assert [place.step for place in sequence_of(shape, each=True)] == ["run", "load", "check__id__not_null"]
    assert gate(shape) == "load"


def test_blocking_checks_that_the_load_asks_have_no_task_of_their_own():
    shape = Shape(table=True, check=False, check_warn=True, checks=CHECKS)
    assert [place.step for place in sequence_of(shape, each=True)] == ["run", "load", "check__id__not_null"]


def test_no_two_checks_have_one_id_and_airflow_takes_each():
    letters = random.Random(9)
    words = ["".join(letters.choices("ab_-é .'{\n", k=letters.randint(0, 9))) for _ in range(20_000)]
    words += ["x" * 300, "日本" * 90]
    pairs = {(letters.choice(words), word) for word in words if word}
    ids = {check_id(*pair) for pair in pairs}
    assert len(ids) == len(pairs)
    assert all(re.fullmatch(r"check__[\w-]{1,90}", step) for step in ids)
    assert not ids & {"run", "load", "check", "check_warn"}


def test_a_task_follows_another_as_airflow_itself_would_have_it():
    from airflow.sdk import DAG, BaseOperator

    def related(connect) -> list[tuple]:
        dag = DAG("shop", schedule=None)
        first, second = BaseOperator(task_id="first", dag=dag), BaseOperator(task_id="second", dag=dag)
        connect(first, second)
        return [(task.task_id, task.upstream_task_ids, task.downstream_task_ids) for task in (first, second)]

    assert related(lambda first, second: follow(second, first)) == related(lambda first, second: first >> second)
