"""Query: operators and orders of all key types, pages, filters, projections, capacity, refusals."""

import math
import operator
import time

import pytest
from boto3.dynamodb.types import Binary

from tests.faults.kill_probe import wait_for

from .conftest import assert_refused, create_table
from .ranges import fill, items, order_of, pages

SORTS = {
    "S": ["A", "a", "a\u0000", "a\u0000b", "ab", "abc", "b", "zz", "~", "\u00e9", "\U0001F30D"],
    "N": ["-" + "9" * 38 + "0" * 88, "-100", "-99.5", "-99.49", "-1", "-0." + "0" * 129 + "1", "0",
          "0." + "0" * 129 + "1", "0.5", "1", "1." + "0" * 36 + "1", "2", "10", "99", "100",
          "12345678901234567890123456789012345678", "9" * 38 + "0" * 88],
    "B": [b"\x00", b"\x00\x00", b"\x00\x01", b"\x00\xff", b"\x01", b"a", b"\xff", b"\xff\x00", b"\xff\xff"],
}
COMPARISONS = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def values_of(kind):
    return [{kind: value} for value in SORTS[kind]]


def bare(value):
    """An answer's value as it was put: boto3 wraps no binaries in a client, a resource does."""
    (kind, body), = value.items()
    return {kind: bytes(body.value) if isinstance(body, Binary) else body}


@pytest.fixture(scope="module")
def tables(client):
    """A table for each type of sort key, with the same collection among others."""
    for kind in SORTS:
        create_table(client, f"query-{kind}", sort=kind)
        fill(client, f"query-{kind}", [{"pk": {"S": pk}, "sk": value, "i": {"N": str(i)}}
                                       for pk in ("here", "her", "here ") for i, value in enumerate(values_of(kind))])
    yield {kind: f"query-{kind}" for kind in SORTS}
    for kind in SORTS:
        client.delete_table(TableName=f"query-{kind}")


def query(client, table, condition="", values=None, **more):
    text = "pk = :pk" + (f" AND {condition}" if condition else "")
    return [bare(item["sk"]) for item in
            items(client.query, TableName=table, ConsistentRead=True, KeyConditionExpression=text,
                  ExpressionAttributeValues={":pk": {"S": "here"}, **(values or {})}, **more)]


@pytest.mark.parametrize("kind", list(SORTS))
def test_a_collection_comes_in_order_both_ways(client, tables, kind):
    expected = sorted(values_of(kind), key=order_of)
    assert query(client, tables[kind]) == expected
    assert query(client, tables[kind], ScanIndexForward=True) == expected
    assert query(client, tables[kind], ScanIndexForward=False) == expected[::-1]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("kind", list(SORTS))
def test_every_comparison_with_every_value(client, tables, kind, forward):
    everything = sorted(values_of(kind), key=order_of, reverse=not forward)
    for sign, holds in COMPARISONS.items():
        for value in values_of(kind):
            expected = [v for v in everything if holds(order_of(v), order_of(value))]
            assert query(client, tables[kind], f"sk {sign} :v", {":v": value},
                         ScanIndexForward=forward) == expected, (sign, value)


@pytest.mark.parametrize("kind", list(SORTS))
def test_between_holds_both_ends(client, tables, kind):
    everything = sorted(values_of(kind), key=order_of)
    for low in range(len(everything)):
        for high in range(low, len(everything), 3):
            values = {":low": everything[low], ":high": everything[high]}
            assert query(client, tables[kind], "sk BETWEEN :low AND :high", values) == everything[low:high + 1]
            assert query(client, tables[kind], "sk BETWEEN :low AND :high", values,
                         ScanIndexForward=False) == everything[low:high + 1][::-1]


@pytest.mark.parametrize("kind, prefixes", [
    ("S", ["a", "a\u0000", "ab", "\u00e9", "\U0001F30D", "none"]),
    ("B", [b"\x00", b"\x00\xff", b"\xff", b"\xff\xff", b"\xff\xff\xff", b"a"]),
])
def test_begins_with(client, tables, kind, prefixes):
    everything = sorted(values_of(kind), key=order_of)
    for prefix in prefixes:
        expected = [v for v in everything if order_of(v).startswith(order_of({kind: prefix}))]
        assert query(client, tables[kind], "begins_with(sk, :p)", {":p": {kind: prefix}}) == expected, prefix


def test_conditions_in_either_order_and_turned_around(client, tables):
    expected = query(client, tables["N"], "sk < :v", {":v": {"N": "1"}})
    for text in ("sk < :v AND pk = :pk", "(:v > sk) and (pk = :pk)", "#p = :pk AND #s < :v"):
        names = {"ExpressionAttributeNames": {"#p": "pk", "#s": "sk"}} if "#" in text else {}
        found = items(client.query, TableName=tables["N"], ConsistentRead=True, KeyConditionExpression=text,
                      ExpressionAttributeValues={":pk": {"S": "here"}, ":v": {"N": "1"}}, **names)
        assert [item["sk"] for item in found] == expected


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("kind", list(SORTS))
def test_pages_of_every_limit(client, tables, kind, forward):
    expected = sorted(values_of(kind), key=order_of, reverse=not forward)
    for limit in range(1, len(expected) + 2):
        found = pages(client.query, TableName=tables[kind], ConsistentRead=True, Limit=limit,
                      ScanIndexForward=forward, KeyConditionExpression="pk = :pk",
                      ExpressionAttributeValues={":pk": {"S": "here"}})
        assert [bare(item["sk"]) for page in found for item in page["Items"]] == expected
        # A limit that is met exactly says that there may be more.
        assert len(found) == len(expected) // limit + 1
        for page in found:
            assert page["Count"] == page["ScannedCount"] == len(page["Items"])
        for page in found[:-1]:
            assert page["Count"] == limit
            assert {k: bare(v) for k, v in page["LastEvaluatedKey"].items()} == {
                "pk": {"S": "here"}, "sk": bare(page["Items"][-1]["sk"])}


def test_a_start_key_need_not_exist(client, tables):
    def after(sk, **more):
        return [item["sk"] for item in items(
            client.query, TableName=tables["N"], ConsistentRead=True, KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "here"}},
            ExclusiveStartKey={"pk": {"S": "here"}, "sk": {"N": sk}}, **more)]
    assert after("9.5") == [{"N": n} for n in SORTS["N"][12:]]
    assert after("9.5", ScanIndexForward=False) == [{"N": n} for n in SORTS["N"][11::-1]]


def test_a_table_without_a_sort_key(client):
    create_table(client, "query-plain")
    fill(client, "query-plain", [{"pk": {"S": pk}} for pk in ("a", "ab", "b")])
    for forward in (True, False):
        answer = client.query(TableName="query-plain", KeyConditionExpression="pk = :pk", ConsistentRead=True,
                              ExpressionAttributeValues={":pk": {"S": "a"}}, ScanIndexForward=forward)
        assert (answer["Items"], answer["Count"], "LastEvaluatedKey" in answer) == ([{"pk": {"S": "a"}}], 1, False)
    client.delete_table(TableName="query-plain")


# ---- filters, projections, Select ----

@pytest.fixture(scope="module")
def orders(client):
    create_table(client, "orders", sort="N")
    fill(client, "orders", [{"pk": {"S": "o"}, "sk": {"N": str(i)}, "parity": {"S": "odd" if i % 2 else "even"},
                             "deep": {"M": {"list": {"L": [{"N": str(i)}, {"S": "two"}]}}}} for i in range(10)])
    yield "orders"
    client.delete_table(TableName="orders")


def ask(client, **more):
    values = {":pk": {"S": "o"}, **more.pop("values", {})}
    return client.query(TableName="orders", ConsistentRead=True, KeyConditionExpression="pk = :pk",
                        ExpressionAttributeValues=values, **more)


def test_a_filter_counts_what_it_evaluates(client, orders):
    answer = ask(client, FilterExpression="parity = :p", values={":p": {"S": "odd"}})
    assert [item["sk"]["N"] for item in answer["Items"]] == ["1", "3", "5", "7", "9"]
    assert (answer["Count"], answer["ScannedCount"], "LastEvaluatedKey" in answer) == (5, 10, False)


def test_limit_is_of_evaluated_items(client, orders):
    answer = ask(client, FilterExpression="parity = :p", values={":p": {"S": "odd"}}, Limit=3)
    assert [item["sk"]["N"] for item in answer["Items"]] == ["1"]
    assert (answer["Count"], answer["ScannedCount"]) == (1, 3)
    assert answer["LastEvaluatedKey"] == {"pk": {"S": "o"}, "sk": {"N": "2"}}


def test_a_page_may_be_empty_and_have_a_next_one(client, orders):
    answer = ask(client, FilterExpression="parity = :p", values={":p": {"S": "none"}}, Limit=4)
    assert (answer["Items"], answer["Count"], answer["ScannedCount"]) == ([], 0, 4)
    assert answer["LastEvaluatedKey"]["sk"] == {"N": "3"}


def test_a_projection_of_nested_paths(client, orders):
    answer = ask(client, ProjectionExpression="deep.#l[0], parity", ExpressionAttributeNames={"#l": "list"}, Limit=2)
    assert answer["Items"] == [{"deep": {"M": {"list": {"L": [{"N": str(i)}]}}}, "parity": {"S": parity}}
                               for i, parity in ((0, "even"), (1, "odd"))]
    assert ask(client, ProjectionExpression="absent", Limit=1)["Items"] == [{}]


def test_select(client, orders):
    counted = ask(client, Select="COUNT", FilterExpression="parity = :p", values={":p": {"S": "odd"}})
    assert "Items" not in counted
    assert (counted["Count"], counted["ScannedCount"]) == (5, 10)
    assert len(ask(client, Select="ALL_ATTRIBUTES")["Items"]) == 10
    assert ask(client, Select="SPECIFIC_ATTRIBUTES", ProjectionExpression="sk")["Items"][0] == {"sk": {"N": "0"}}


def test_an_eventual_query_sees_it_all_soon(client, orders):
    deadline = time.monotonic() + 10
    while True:
        answer = client.query(TableName="orders", KeyConditionExpression="pk = :pk",
                              ExpressionAttributeValues={":pk": {"S": "o"}})
        if answer["Count"] == 10 or time.monotonic() > deadline:
            break
    assert [item["sk"]["N"] for item in answer["Items"]] == [str(i) for i in range(10)]


# ---- capacity and the megabyte ----

def sized(pk, sk, size):
    """An item of exactly so many bytes: names 2 + 2 + 3, pk's length, the number's 2."""
    return {"pk": {"S": pk}, "sk": {"N": str(sk)}, "pad": {"S": "x" * (size - 9 - len(pk))}}


@pytest.fixture(scope="module")
def heavy(client):
    create_table(client, "query-heavy", sort="N")
    fill(client, "query-heavy", [sized("big", i, 300 * 1024) for i in range(1, 6)])
    fill(client, "query-heavy", [sized("small", i, 1000) for i in range(1, 9)])
    fill(client, "query-heavy", [sized("edge", i, 1024) for i in range(1, 5)])
    yield "query-heavy"
    client.delete_table(TableName="query-heavy")


def consumed(client, pk, consistent, level="TOTAL", **more):
    return client.query(TableName="query-heavy", KeyConditionExpression="pk = :pk", ConsistentRead=consistent,
                        ExpressionAttributeValues={":pk": {"S": pk}, **more.pop("values", {})},
                        ReturnConsumedCapacity=level, **more)


@pytest.mark.parametrize("forward", [True, False])
def test_a_page_ends_with_the_item_that_crosses_a_megabyte(client, heavy, forward):
    found = pages(consumed, client=client, pk="big", consistent=True, ScanIndexForward=forward)
    numbers = [1, 2, 3, 4, 5] if forward else [5, 4, 3, 2, 1]
    assert [[int(item["sk"]["N"]) for item in page["Items"]] for page in found] == [numbers[:4], numbers[4:]]
    assert [page["ConsumedCapacity"]["CapacityUnits"] for page in found] == [300.0, 75.0]


def test_capacity_is_rounded_once_for_a_page(client, heavy):
    wait_for(lambda: consumed(client, "small", False)["Count"] == 8 and consumed(client, "edge", False)["Count"] == 4,
             10, "eventual reads to see it all")
    for consistent, factor in ((True, 1), (False, 0.5)):
        def units(pk, **more):
            return consumed(client, pk, consistent, **more)["ConsumedCapacity"]["CapacityUnits"]
        assert units("small") == math.ceil(8000 / 4096) * factor
        assert units("edge") == 1 * factor
        assert units("edge", Limit=1) == 1 * factor
        assert units("none") == 1 * factor
        assert units("small", Select="COUNT") == 2 * factor
        assert units("small", FilterExpression="attribute_exists(nothing)") == 2 * factor
        assert units("small", ProjectionExpression="sk") == 2 * factor


def test_the_forms_of_consumed_capacity(client, heavy):
    assert consumed(client, "edge", True)["ConsumedCapacity"] == {"TableName": "query-heavy", "CapacityUnits": 1.0}
    assert consumed(client, "edge", True, "INDEXES")["ConsumedCapacity"] == {
        "TableName": "query-heavy", "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}}
    assert "ConsumedCapacity" not in consumed(client, "edge", True, "NONE")


# ---- refusals: a table with pk (S) and sk (N) ----

VALUES = {":pk": {"S": "p"}, ":n": {"N": "1"}, ":m": {"N": "2"}, ":s": {"S": "x"}}
POPV = "One or more parameter values were invalid: "
START = "The provided starting key is invalid: "


def used(*texts):
    return {name: value for name, value in VALUES.items() if any(name in text for text in texts)}


@pytest.mark.parametrize("condition, message", [
    ("sk = :n", "Query condition missed key schema element: pk"),
    ("pk = :pk AND third = :n", "Query condition missed key schema element: sk"),
    ("pk > :pk", "Query key condition not supported"),
    ("begins_with(pk, :pk)", "Query key condition not supported"),
    ("pk = :n", POPV + "Condition parameter type does not match schema type"),
    ("pk = :pk AND sk = :s", POPV + "Condition parameter type does not match schema type"),
    ("pk = :pk OR sk = :n", "Invalid operator used in KeyConditionExpression: OR"),
    ("NOT pk = :pk", "Invalid operator used in KeyConditionExpression: NOT"),
    ("pk = :pk AND sk <> :n", "Invalid operator used in KeyConditionExpression: <>"),
    ("pk = :pk AND sk IN (:n)", "Invalid operator used in KeyConditionExpression: IN"),
    ("pk = :pk AND attribute_exists(sk)", "Invalid operator used in KeyConditionExpression: attribute_exists"),
    ("pk = :pk AND size(sk) = :n", "KeyConditionExpressions cannot contain nested operations"),
    ("pk = :pk AND sk.a = :n", "KeyConditionExpressions cannot have conditions on nested attributes"),
    ("pk = :pk AND sk > :n AND sk < :m", "KeyConditionExpressions must only contain one condition per key"),
    ("pk = :pk AND begins_with(sk, :n)", "Invalid KeyConditionExpression: Incorrect operand type for operator or "
     "function; operator or function: begins_with, operand type: N"),
    ("pk = :pk AND sk BETWEEN :m AND :n", "Invalid KeyConditionExpression: The BETWEEN operator requires upper "
     "bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound "
     "operand: AttributeValue: {N:1}"),
    ("pk = :pk AND", 'Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: ":pk AND"'),
    ("", "Invalid KeyConditionExpression: The expression can not be empty;"),
])
def test_refused_key_conditions(raw, raw_table, condition, message):
    values = {"ExpressionAttributeValues": used(condition)} if used(condition) else {}
    assert_refused(raw.call("Query", TableName=raw_table, KeyConditionExpression=condition, **values),
                   "ValidationException", message)


@pytest.mark.parametrize("more, message", [
    ({"FilterExpression": "pk = :s"}, "Filter Expression can only contain non-primary key attributes: Primary key "
     "attribute: pk"),
    ({"FilterExpression": "a = :s AND attribute_exists(sk)"}, "Filter Expression can only contain non-primary key "
     "attributes: Primary key attribute: sk"),
    ({"FilterExpression": ""}, "Invalid FilterExpression: The expression can not be empty;"),
    ({"FilterExpression": "a = :undefined"}, "Invalid FilterExpression: An expression attribute value used in "
     "expression is not defined; attribute value: :undefined"),
    ({"FilterExpression": "#missing = :s"}, "Invalid FilterExpression: An expression attribute name used in the "
     "document path is not defined; attribute name: #missing"),
    ({"ProjectionExpression": "sk.a"}, "Key attributes must be scalars; list random access '[]' and map lookup '.' "
     "are not allowed: Key: sk"),
    ({"Limit": 0}, "1 validation error detected: Value at 'Limit' failed to satisfy constraint: Member must have "
     "value greater than or equal to 1"),
    ({"Select": "X"}, "1 validation error detected: Value 'X' at 'select' failed to satisfy constraint: Member must "
     "satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"),
    ({"Select": "ALL_ATTRIBUTES", "ProjectionExpression": "a"},
     "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES"),
    ({"Select": "COUNT", "ProjectionExpression": "a"},
     "Cannot specify the ProjectionExpression when choosing to get only the Count"),
    ({"Select": "ALL_PROJECTED_ATTRIBUTES"},
     "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"),
    ({"Select": "SPECIFIC_ATTRIBUTES"}, "Must specify the AttributesToGet or ProjectionExpression when choosing to "
     "get SPECIFIC_ATTRIBUTES"),
    ({"IndexName": "none"}, "The table does not have the specified index: none"),
    ({"ExclusiveStartKey": {"pk": {"S": "p"}}}, START + "The provided key element does not match the schema"),
    ({"ExclusiveStartKey": {"pk": {"S": "p"}, "sk": {"S": "1"}}},
     START + "The provided key element does not match the schema"),
    ({"ExclusiveStartKey": {"pk": {"S": "p"}, "sk": {"N": "1"}, "x": {"N": "1"}}},
     START + "The provided key element does not match the schema"),
    ({"ExclusiveStartKey": {"pk": {"S": "p"}, "sk": {"N": "x"}}},
     START + "The parameter cannot be converted to a numeric value: x"),
    ({"ExclusiveStartKey": {"pk": {"S": "q"}, "sk": {"N": "1"}}},
     "The provided starting key is outside query boundaries based on provided conditions"),
    ({"AttributesToGet": ["a"]}, "Can not use both expression and non-expression parameters in the same request: "
     "Non-expression parameters: {AttributesToGet} Expression parameters: {KeyConditionExpression}"),
    ({"ExpressionAttributeNames": {"#n": "a"}},
     "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}"),
])
def test_refused_parameters(raw, raw_table, more, message):
    values = used("pk = :pk", more.get("FilterExpression", ""))
    assert_refused(raw.call("Query", TableName=raw_table, KeyConditionExpression="pk = :pk",
                            ExpressionAttributeValues=values, **more), "ValidationException", message)


def test_a_start_key_outside_the_sort_condition(raw, raw_table):
    assert_refused(raw.call("Query", TableName=raw_table, KeyConditionExpression="pk = :pk AND sk > :m",
                            ExpressionAttributeValues=used(":pk :m"),
                            ExclusiveStartKey={"pk": {"S": "p"}, "sk": {"N": "2"}}),
                   "ValidationException", "The provided starting key does not match the range key predicate")


@pytest.mark.parametrize("request_, name, message", [
    ({"TableName": "refusals"}, "ValidationException",
     "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
    ({"TableName": "refusals", "KeyConditions": {}}, "ValidationException",
     "Conditions can be of length 1 or 2 only"),
    ({"TableName": "unknown-table", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues":
      {":pk": {"S": "p"}}}, "ResourceNotFoundException", "Requested resource not found"),
    ({"KeyConditionExpression": "pk = :pk"}, "ValidationException", "1 validation error detected: Value null at "
     "'tableName' failed to satisfy constraint: Member must not be null"),
    ({"TableName": "refusals", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": ""}}},
     "ValidationException", POPV + "The AttributeValue for a key attribute cannot contain an empty string value. "
     "Key: pk"),
    ({"TableName": "refusals", "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues":
      {":pk": {"S": "x" * 2049}}}, "ValidationException",
     POPV + "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
    ({"TableName": "refusals", "Limit": "1"}, "SerializationException", None),
    ({"TableName": "refusals", "KeyConditionExpression": 1}, "SerializationException", None),
])
def test_refused_requests(raw, raw_table, request_, name, message):
    assert_refused(raw.call("Query", **request_), name, message)
