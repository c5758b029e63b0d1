from __future__ import annotations

from datetime import date

import pytest

from airflow_materialize.sdk import ref, source
from airflow_materialize.sdk.exceptions import QueryError


@pytest.fixture
def orders(warehouse):
    """A relation of four orders, and a table of countries beside it."""
    name = warehouse.name("raw.countries")
    warehouse.change(
        f"CREATE TABLE {name} (country TEXT, name TEXT, amount DOUBLE PRECISION)",
        f"INSERT INTO {name} VALUES ('DE', 'Germany', 1), ('IT', 'Italy', 2)",
    )
    with warehouse.answering(header={"depends": ["raw.orders"]}) as desk:
        yield ref("raw.orders")
    assert "raw.orders" in desk.reads() or not desk.reads()


def ids(relation):
    return relation.arrow()["id"].to_pylist()


def test_a_relation_gives_each_kind_of_frame_and_rows(orders):
    first = orders.order_by("id").limit(1)
    row = {"id": 1, "amount": 1.5, "country": "DE", "day": "2026-04-01"}
    assert first.arrow().to_pylist() == [row]
    assert first.pandas().to_dict("records") == [row]
    assert first.polars().to_dicts() == [row]
    assert list(first) == [row]
    assert [batch.num_rows for batch in orders.batches(3)] == [3, 1]
    assert len(orders) == 4


def test_the_least_and_the_greatest_value_of_a_column_are_asked_of_the_database(orders, records):
    assert (orders.min("id"), orders.max("id")) == (1, 4)
    assert (orders.where(country="DE").min("amount"), orders.max("day")) == (1.5, "2026-04-03")
    assert orders.order_by("id").limit(2).max("id") == 2
    assert orders.select("id", total="amount").max("total") == 6.0
    assert orders.where(country="nowhere").max("id") is None
    assert orders.where(country=None).max("country") is None
    assert "MAX(" in records.texts[-1]
    with pytest.raises(QueryError, match="has no column 'ammount'"):
        orders.max("ammount")


def test_columns_are_chosen_and_renamed(orders):
    chosen = orders.select("country", total="amount").order_by("-total").limit(1)
    assert chosen.arrow().to_pylist() == [{"country": "DE", "total": 6.0}]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (("amount", ">", 3), [3, 4]),
        (("amount", ">=", 3.0), [2, 3, 4]),
        (("amount", "<", 3), [1]),
        (("amount", "<=", 3), [1, 2]),
        (("amount", "=", 3), [2]),
        (("amount", "!=", 3), [1, 3, 4]),
        (("country", "=", None), [3]),
        (("country", "!=", None), [1, 2, 4]),
        (("country", "in", ["FR", None]), [2, 3]),
        (("country", "in", []), []),
        (("id", "not in", (1, 2)), [3, 4]),
        (("country", "like", "D%"), [1, 4]),
        (("country", "NOT  LIKE", "D%"), [2]),
        (("day", "between", ["2026-04-02", "2026-04-03"]), [3, 4]),
        (("day", "=", "2026-04-02"), [3]),
        (("amount > ? and country = ?", 2, "DE"), [4]),
        (("amount > 3 or id = 1",), [1, 3, 4]),
        (("lower(country) = 'fr'",), [2]),
        (("country is null",), [3]),
    ],
    ids=str,
)
def test_a_condition_keeps_the_rows_for_which_it_holds(orders, condition, found):
    assert ids(orders.where(*condition).order_by("id")) == found


def test_conditions_are_added_up(orders):
    assert ids(orders.where(country="DE").where("amount", ">", 2)) == [4]
    assert ids(orders.where("id > 1", country=["DE", "FR"]).order_by("id")) == [2, 4]


def test_dates_compare_with_what_loads_write(shelf):
    with shelf.answering():
        assert ids(source("raw.orders").where(day=date(2026, 4, 2))) == [3]


def test_steps_count_in_their_order(orders):
    assert ids(orders.order_by("id").limit(2).where(country="DE")) == [1]
    assert ids(orders.where(country="DE").order_by("id").limit(2)) == [1, 4]
    assert ids(orders.order_by("id").limit(3).order_by("id desc").limit(1)) == [3]
    assert len(orders.limit(3).limit(5)) == 3
    assert ids(orders.order_by("-amount").select("id").limit(2)) == [4, 3]
    assert orders.order_by("country", "-id").arrow()["country"].to_pylist() == ["DE", "DE", "FR", None]
    assert orders.order_by("-country").arrow()["country"].to_pylist() == ["FR", "DE", "DE", None]


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("inner", [(1, "DE", "Germany"), (4, "DE", "Germany")]),
        ("left", [(1, "DE", "Germany"), (2, "FR", None), (3, None, None), (4, "DE", "Germany")]),
        ("right", [(1, "DE", "Germany"), (4, "DE", "Germany"), (None, "IT", "Italy")]),
        (
            "full",
            [(1, "DE", "Germany"), (2, "FR", None), (3, None, None), (4, "DE", "Germany"), (None, "IT", "Italy")],
        ),
    ],
)
def test_joins_add_columns(orders, how, found):
    countries = source("raw.countries").select("country", "name")
    joined = orders.join(countries, on="country", how=how).select("id", "country", "name").order_by("id")
    assert [tuple(row.values()) for row in joined] == found


def test_a_join_takes_columns_of_two_names_filters_and_further_joins(orders):
    countries = source("raw.countries").where(name="Germany").select("name", code="country")
    joined = orders.where("id", ">", 1).join(countries, on={"country": "code"})
    assert list(joined.select("id", "code", "name")) == [{"id": 4, "code": "DE", "name": "Germany"}]
    again = joined.select("id", "name").join(ref("raw.orders").select("id", "amount"), on=["id"])
    assert list(again) == [{"id": 4, "name": "Germany", "amount": 6.0}]


@pytest.mark.parametrize(
    ("relation", "said"),
    [
        (lambda orders: orders.select("amuont"), "raw.orders has no column 'amuont'.*did you mean 'amount'"),
        (lambda orders: orders.where(contry="DE"), "did you mean 'country'"),
        (lambda orders: orders.where("contry = 'DE'"), "did you mean 'country'"),
        (lambda orders: orders.order_by("-dya"), "did you mean 'day'"),
        (lambda orders: orders.select("id").where(country="DE"), "has no column 'country'"),
        (lambda orders: orders.select(), "names no column"),
        (lambda orders: orders.select("id", id="amount"), "two columns the name 'id'"),
        (lambda orders: orders.where("id", "~", 3), "no operator '~'"),
        (lambda orders: orders.where("id", "<", None), "nothing is < None"),
        (lambda orders: orders.where("id", "between", 3), "takes two values"),
        (lambda orders: orders.where("id = ?"), "1 `\\?` and 0 values"),
        (lambda orders: orders.where("id = "), "no condition of SQL"),
        (lambda orders: orders.where("id in (select 1)"), "use query\\(\\)"),
        (lambda orders: orders.where("t1.id = 1"), "write the column's name alone"),
        (lambda orders: orders.limit("x"), "a number of rows"),
        (lambda orders: orders.join("raw.countries", on="country"), "both have amount.*other_amount='amount'"),
        (lambda orders: orders.join("raw.countries", on="name"), "has no column 'name'"),
        (lambda orders: orders.join("raw.countries", on=[]), "no column to match by"),
        (lambda orders: orders.join("raw.countries", on="country", how="lift"), "did you mean 'left'"),
        (lambda orders: ref("raw.nothing"), "there is no table raw.nothing.*materialize the asset first"),
        (lambda orders: ref("raw.ordrs"), "there is no table raw.ordrs.*did you mean 'raw.orders'"),
        (lambda orders: ref("ordres"), "there is no table ordres.*did you mean 'raw.orders'"),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(orders, relation, said):
    with pytest.raises(QueryError, match=f"(?s){said}"):
        relation(orders).arrow()


def test_two_connections_are_not_joined(orders):
    with pytest.raises(QueryError, match="on another connection"):
        orders.join(source("raw.countries", connection="lake"), on="country")


@pytest.mark.parametrize("name", ['a"; DROP TABLE x; --', "order", "MiXed", "with space", "ä", "-minus"])
def test_any_name_of_a_column_is_quoted(warehouse, name):
    warehouse.change(f"CREATE TABLE odd ({warehouse.quoted(name)} BIGINT)", "INSERT INTO odd VALUES (7)")
    with warehouse.answering():
        odd = source("odd").select(name).where(**{name: 7}).where(name, ">", 1).order_by(name)
        assert odd.arrow().to_pylist() == [{name: 7}]


def test_hostile_values_are_bound(orders):
    assert ids(orders.where(country="' OR 1=1; DROP TABLE x; --")) == []
    assert ids(orders.where("country = ?", "' OR 1=1 --")) == []
    assert len(orders) == 4


def test_names_are_found_whatever_their_case(warehouse):
    with warehouse.answering():
        assert source("raw.orders").select("ID").limit(1).arrow().column_names == ["ID"]


def test_a_relation_is_a_stream_of_arrow(orders):
    import pyarrow as pa

    assert pa.RecordBatchReader.from_stream(orders.where(id=1)).read_all()["amount"].to_pylist() == [1.5]


def test_ref_of_an_asset_that_is_no_dependency_is_warned_of_once(warehouse, records):
    with warehouse.answering(header={"depends": ["raw.other"]}) as desk:
        len(ref("raw.orders"))
        ref("raw.orders").arrow()
        source("raw.orders").arrow()
    warnings = [text for level, text in records.lines if level == "WARNING"]
    assert len(warnings) == 1
    assert "depends: [raw.orders]" in warnings[0]
    assert "source('raw.orders')" in warnings[0]
    assert desk.reads() == ["raw.orders"]


def test_bounds_hold_for_relations(warehouse):
    with warehouse.answering(max_rows=3):
        with pytest.raises(QueryError, match="max_rows"):
            source("raw.orders").arrow()
        assert len(source("raw.orders")) == 4
        assert len(list(source("raw.orders"))) == 4
