from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_materialize.child.errors import ResultError
from airflow_materialize.child.masks import METHODS, PIECE_ROWS, Masks
from airflow_materialize.definition.model.masks import MASKS

UTC = dt.timezone.utc  # noqa: UP017  # CPython 3.9 has no other name


def masked(mask, values, kind=None):
    """The values of one column behind a mask, with their type."""
    array = pa.array(values, kind)
    batches = list(Masks([{"name": "c", "mask": mask}]).apply(pa.record_batch([array], names=["c"])))
    column = pa.Table.from_batches(batches).column("c")
    return column.to_pylist(), column.type


def test_what_a_header_may_say_is_what_the_asset_can_do():
    assert set(MASKS) == set(METHODS)


@pytest.mark.parametrize(
    ("mask", "value", "expected"),
    [
        ("hash", "hello", hashlib.sha256(b"hello").hexdigest()),
        ("sha256", "größe", hashlib.sha256("größe".encode()).hexdigest()),
        ("md5", "hello", hashlib.md5(b"hello").hexdigest()),  # noqa: S324  # what the mask is for
        ("hmac:key:of:colons", "hello", hmac.new(b"key:of:colons", b"hello", "sha256").hexdigest()),
        ("redact", "anything", "REDACTED"),
        ("fixed", "x", "MASKED"),
        ("fixed:a:b", "x", "a:b"),
        ("email", "john.doe@example.com", "j******e@example.com"),
        ("email", "ab@test.com", "**@test.com"),
        ("email", "no address", "no******ss"),
        ("phone", "+1-555-123-4567", "+1-555-***-****"),
        ("phone", "12345", "*****"),
        ("phone", "+49 30 1234567 ext. Ann", "+49 30 ******* ***. ***"),
        ("credit_card", "4111-1111-1111-1111", "****-****-****-1111"),
        ("credit_card", "123 456", "*** ***"),
        ("ssn", "123-45-6789", "***-**-6789"),
        ("ssn", "12-34", "**-**"),
        ("partial:2", "Jonathan", "Jo****an"),
        ("partial", "Jonathan", "Jo****an"),
        ("partial:4", "Jonathan", "********"),
        ("first_letter", "Alice", "A****"),
        ("stars", "secret123", "*********"),
        ("stars", "", ""),
    ],
)
def test_a_text_is_masked_as_documented(mask, value, expected):
    assert masked(mask, [value, None, value]) == ([expected, None, expected], pa.string())


@pytest.mark.parametrize(
    ("mask", "values", "kind", "expected"),
    [
        ("round:5000", [52_300, -52_300, 2_500, -2_500], pa.int64(), [50_000, -50_000, 5_000, -5_000]),
        ("round", [34, 35], pa.int8(), [30, 40]),
        ("round:0.05", [1.02, 1.025], pa.float64(), [1.0, 1.05]),
        ("round:0.5", [3], pa.int64(), [3.0]),
        ("round:10", [float("inf")], pa.float64(), [float("inf")]),
        ("round:0.5", [Decimal("9.74")], pa.decimal128(3, 2), [Decimal("9.50")]),
        ("round:10", [Decimal("99.9")], pa.decimal128(3, 1), [Decimal("100.0")]),
        ("range:10000", [45_000], pa.int64(), ["40000-50000"]),
        ("range:100", [234.5, -1.0], pa.float64(), ["200-300", "-100-0"]),
        ("range:0.5", [Decimal("0.75")], None, ["0.5-1"]),
        ("noise:0", [7, 0], pa.int64(), [7, 0]),
    ],
)
def test_a_number_is_masked_as_documented(mask, values, kind, expected):
    assert masked(mask, [*values, None], kind)[0] == [*expected, None]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (dt.date(2024, 3, 15), None),
        (dt.datetime(2024, 3, 15, 1), pa.timestamp("s")),
        # In UTC it is the day before.
        (dt.datetime(2024, 3, 31, 23, tzinfo=UTC), pa.timestamp("ns", "Asia/Tokyo")),
    ],
)
def test_of_a_date_the_year_or_the_month_is_left(value, kind):
    assert masked("year_only", [value, None], kind) == ([2024, None], pa.int64())
    assert masked("month_year", [value, None], kind) == (["2024-03", None], pa.string())


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us"), pa.timestamp("ns", "UTC")])
def test_a_shifted_date_stays_within_its_days_and_keeps_type_and_time(kind):
    day = dt.datetime(2024, 3, 15, 12, 30) if kind != pa.date32() else dt.date(2024, 3, 15)
    shifted, found = masked("date_shift:3", [day] * 400 + [None], pa.date32() if kind == pa.date32() else kind)
    moves = {(value.replace(tzinfo=None) if hasattr(value, "hour") else value) - day for value in shifted[:-1]}
    assert (found, shifted[-1]) == (kind, None)
    assert moves == {dt.timedelta(days=days) for days in range(-3, 4)}


def test_noise_stays_within_its_share_and_differs():
    numbers, kind = masked("noise:0.1", [1000] * 200 + [None])
    assert (kind, numbers.pop()) == (pa.int64(), None)
    assert len(set(numbers)) > 20
    assert all(900 <= number <= 1100 for number in numbers)
    assert masked("noise", [Decimal("10.00")], pa.decimal128(4, 2))[1] == pa.decimal128(5, 2)


def test_a_random_value_has_the_length_or_the_size_of_its_own():
    texts, _ = masked("random", ["abc", "", None])
    assert (len(texts[0]), texts[1], texts[2]) == (3, "", None)
    numbers, kind = masked("random", [123, -9, 2**62, None])
    assert kind == pa.int64()
    assert [100 <= numbers[0] < 1000, 1 <= numbers[1] < 10, numbers[2] > 0, numbers[3]] == [True, True, True, None]
    assert 0 <= masked("random", [2.5])[0][0] <= 5
    assert len({masked("random", ["abcdefgh"])[0][0] for _ in range(3)}) > 1


def test_one_value_has_one_uuid_in_every_run():
    first, second = masked("uuid", ["a", "b", "a", None])[0], masked("uuid", ["b", "a"])[0]
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first[0])
    assert [first[0], first[1], first[3]] == [second[1], second[0], None]
    assert first[0] == first[2] != first[1]


def test_sequential_counts_values_in_the_order_of_their_first_appearance_over_all_batches():
    masks = Masks([{"name": "c", "mask": "sequential"}])
    batches = [pa.record_batch([pa.array(values)], names=["c"]) for values in (["b", "a", "b", None], ["c", "a"])]
    found = [value for batch in batches for part in masks.apply(batch) for value in part.column(0).to_pylist()]
    assert found == [1, 2, 1, None, 3, 2]


@pytest.mark.parametrize(
    "columns",
    [
        [pa.array([1]), pa.array([1.0]), pa.array([Decimal("1.00")]), pa.array(["1"]), pa.array([1], pa.uint8())],
        [pa.array([0.1]), pa.array([Decimal("0.10")])],
        [
            pa.array([dt.datetime(2024, 1, 1, 12)], pa.timestamp("s")),
            pa.array([dt.datetime(2024, 1, 1, 12)], pa.timestamp("ns")),
        ],
        [
            pa.array([dt.datetime(2024, 1, 1, 12, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            pa.array([dt.datetime(2024, 1, 1, 12, tzinfo=UTC)], pa.timestamp("ms", "Asia/Tokyo")),
        ],
        [pa.array([b"x"]), pa.array(["x"]), pa.array(["x"], pa.large_string()), pa.array(["x"]).dictionary_encode()],
    ],
)
def test_a_value_has_one_hash_whatever_type_its_batch_gave_it(columns):
    assert len({masked("hash", column)[0][0] for column in columns}) == 1


@pytest.mark.parametrize(
    ("mask", "values", "message"),
    [
        ("round", ["1"], "column 'c': the mask round does not fit the type string: it takes numbers"),
        ("noise:0.1", [True], "column 'c': the mask noise does not fit the type bool: it takes numbers"),
        ("year_only", ["2024"], "does not fit the type string: it takes dates and timestamps"),
        ("stars", [[1]], "does not fit the type list<item: int64>: it takes texts, numbers, booleans, dates and times"),
        ("partial", [b"x"], "does not fit the type binary"),
        ("hash", [{"a": 1}], "does not fit the type struct<a: int64>: it takes everything but lists"),
        ("random", [dt.date(2024, 1, 1)], "does not fit the type date32[day]: it takes texts and numbers"),
    ],
)
def test_a_mask_that_does_not_fit_names_column_and_type(mask, values, message):
    with pytest.raises(ResultError) as caught:
        masked(mask, values)
    assert message in str(caught.value)


def test_a_value_that_a_mask_leaves_no_room_for_is_not_shown():
    with pytest.raises(ResultError, match="column 'c': the mask round gives a value beyond int64") as caught:
        masked("round:1000", [2**63 - 1])
    assert "922337" not in str(caught.value)


@pytest.mark.parametrize("mask", sorted(MASKS))
def test_nulls_alone_stay_what_they_are(mask):
    parameter = {"hmac": "hmac:k"}.get(mask, mask)
    assert masked(parameter, [None, None]) == ([None, None], pa.null())


@pytest.mark.parametrize("mask", ["redact", "fixed:x"])
def test_a_nested_value_can_be_replaced_whole(mask):
    assert masked(mask, [{"a": 1}, None])[0][1] is None
    assert masked(mask, [[1]])[1] == pa.string()


def test_no_rows_give_a_column_of_the_masks_type():
    assert masked("hash", [], pa.int64()) == ([], pa.string())


def test_many_rows_are_masked_in_pieces():
    masks = Masks([{"name": "c", "mask": "stars"}])
    batch = pa.record_batch([pa.array(["ab"] * (PIECE_ROWS + 1)), pa.array(range(PIECE_ROWS + 1))], names=["c", "n"])
    pieces = list(masks.apply(batch))
    assert [piece.num_rows for piece in pieces] == [PIECE_ROWS, 1]
    assert pa.Table.from_batches(pieces).column("n").to_pylist() == list(range(PIECE_ROWS + 1))


def test_a_column_without_a_mask_keeps_its_type_and_its_extension():
    field = pa.field("x", pa.string(), metadata={"ARROW:extension:name": "arrow.json"})
    batch = pa.record_batch([pa.array(["{}"]), pa.array(["a"])], schema=pa.schema([field, pa.field("c", pa.string())]))
    [found] = Masks([{"name": "c", "mask": "redact"}]).apply(batch)
    assert found.schema.field("x").equals(field, check_metadata=True)


# What the process of an asset does with them.


def test_nothing_of_a_masked_value_reaches_the_staged_file(asset):
    ended = asset(
        """
        def materialize():
            for number in range(3):
                yield {"id": number, "email": f"canary{number}@example.com", "name": "Jane Canary"}
            yield {"id": 3.5, "email": None, "name": 12345}
        """,
        columns=[{"name": "email", "mask": "email"}, {"name": "name", "mask": "redact"}],
    )
    assert ended.failure["message"].startswith("column 'name', row 4: int after str")
    ended = asset(
        """
        def materialize():
            for number in range(3):
                yield {"id": number, "email": f"canary{number}@example.com"}
            yield {"id": 3.5, "email": None}
        """,
        columns=[{"name": "email", "mask": "email"}],
    )
    assert ended.table().to_pylist() == [
        {"id": 0.0, "email": "c*****0@example.com"},
        {"id": 1.0, "email": "c*****1@example.com"},
        {"id": 2.0, "email": "c*****2@example.com"},
        {"id": 3.5, "email": None},
    ]
    with open(ended.output, "rb") as file:  # noqa: PTH123
        assert b"canary" not in file.read()


def test_a_mask_on_a_column_that_never_comes_is_an_error_that_names_it(asset):
    ended = asset(
        "def materialize():\n    return [{'id': 1, 'Email': 'canary@example.com'}]\n",
        columns=[{"name": "email", "mask": "email"}],
    )
    assert ended.failure["message"] == (
        "column 'email': it has a mask, and the result has no such column; it has id, Email"
    )
    assert ended.failure["hint"] == "did you mean 'Email'?"


def test_a_column_with_a_mask_may_come_late(asset):
    ended = asset(
        "def materialize():\n    yield {'id': 1}\n    yield {'id': 2, 'email': 'ab@c.de'}\n",
        columns=[{"name": "email", "mask": "email"}],
    )
    assert ended.table().column("email").to_pylist() == [None, "**@c.de"]


def test_no_data_needs_no_column(asset):
    assert asset("def materialize():\n    return []\n", columns=[{"name": "a", "mask": "hash"}]).kinds() == ["no_data"]


MASKED, SENSITIVE = {"name": "c", "mask": "redact"}, {"name": "c", "sensitive": True}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (MASKED, "return [{'c': 'canary'}, {'c': 1}]"),
        (SENSITIVE, "return [{'c': 'canary'}, {'c': 1}]"),
        (MASKED, "return [{'c': 2**64 + 10}]"),
        (SENSITIVE, "import pyarrow as pa; yield pa.table({'c': ['canary']}); yield {'c': 1}"),
        (MASKED, "import pandas; return pandas.DataFrame({'c': pandas.Series(['canary', 1])})"),
        (SENSITIVE, "return {'c': ['canary', 5]}"),
        (SENSITIVE, "yield {'c': 2**53 + 1}; yield {'c': 0.5}"),
        (MASKED, "return [{'c': {'nested': 'canary'}}, {'c': {'nested': 1}}]"),
        (MASKED, "return [{'c': 'canary\\ud800'}]"),
    ],
)
def test_an_error_shows_no_value_of_a_masked_or_sensitive_column(asset, column, text):
    body = f"def materialize():\n    {text}\n".replace("; ", "\n    ")
    said = str(asset(body, columns=[column]).failure)
    assert "column 'c" in said
    assert not re.search("canary|90071992|184467|the value is", said)


def test_an_error_shows_no_value_under_the_name_of_the_result_either(asset):
    columns = [{"name": "email", "source": "mail", "mask": "email"}]
    said = str(asset("def materialize():\n    return [{'mail': 'canary'}, {'mail': 5}]\n", columns=columns).failure)
    assert "column 'mail', row 2: int after str" in said
    assert "the value" not in said
