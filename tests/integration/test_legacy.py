"""The parameters that are older than expressions: every operator and form, with a stock client, and every refusal.

What holds is computed in Python from what the API reference says, not asked of the product twice."""

import decimal

import pytest
from botocore.exceptions import ClientError

from .conftest import assert_refused, create_table
from .ranges import fill, items, order_of, pages

POPV = "One or more parameter values were invalid: "
FAILED = "ConditionalCheckFailedException"


def condition(operator, *values):
    return {"ComparisonOperator": operator, "AttributeValueList": list(values)}


@pytest.fixture(scope="module")
def table(client):
    create_table(client, "legacy", sort="N")
    yield "legacy"
    client.delete_table(TableName="legacy")


def key(name, number=1):
    return {"pk": {"S": name}, "sk": {"N": str(number)}}


def put(client, name, **attributes):
    client.put_item(TableName="legacy", Item={**key(name), **attributes})


def get(client, name, **more):
    return client.get_item(TableName="legacy", Key=key(name), ConsistentRead=True, **more).get("Item")


def without_key(item):
    return {name: value for name, value in item.items() if name not in ("pk", "sk")}


def error_of(call, *arguments, **parameters):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    return caught.value.response["Error"]["Code"]


# ---- what conditions hold for which values ----

VALUES = [
    {"S": ""}, {"S": "abc"}, {"S": "abd"}, {"S": "b"}, {"N": "-1"}, {"N": "2"}, {"N": "10"}, {"B": b"abc"}, {"B": b"b"},
    {"BOOL": True}, {"BOOL": False}, {"NULL": True}, {"SS": ["a", "b"]}, {"NS": ["1", "2"]}, {"BS": [b"b", b"x"]},
    {"L": [{"S": "b"}, {"N": "2"}, {"B": b"b"}]}, {"L": []}, {"M": {"b": {"N": "2"}}}, None,
]


def kind_of(value):
    return next(iter(value)) if value else None


def same(a, b):
    """Numbers by value, sets in any order."""
    if kind_of(a) != kind_of(b):
        return False
    body, other = a[kind_of(a)], b[kind_of(b)]
    if kind_of(a) == "N":
        return decimal.Decimal(body) == decimal.Decimal(other)
    return sorted(body) == sorted(other) if kind_of(a) in ("SS", "NS", "BS") else body == other


def contains(whole, part):
    kind, wanted = kind_of(whole), kind_of(part)
    if kind in ("S", "B"):
        return kind == wanted and part[wanted] in whole[kind]
    if kind in ("SS", "NS", "BS"):
        return kind[0] == wanted and part[wanted] in whole[kind]
    return kind == "L" and any(same(element, part) for element in whole["L"])


def ordered(holds):
    return lambda a, b: kind_of(a) == kind_of(b) and holds(order_of(a), order_of(b))


OPERATORS = {
    "EQ": lambda a, b: a is not None and same(a, b),
    "NE": lambda a, b: a is None or not same(a, b),
    "LE": ordered(lambda a, b: a <= b),
    "LT": ordered(lambda a, b: a < b),
    "GE": ordered(lambda a, b: a >= b),
    "GT": ordered(lambda a, b: a > b),
    "CONTAINS": lambda a, b: a is not None and contains(a, b),
    "NOT_CONTAINS": lambda a, b: a is not None and not contains(a, b),
    "BEGINS_WITH": lambda a, b: kind_of(a) == kind_of(b) and order_of(a).startswith(order_of(b)),
    "BETWEEN": lambda a, b, c: kind_of(a) == kind_of(b) and order_of(b) <= order_of(a) <= order_of(c),
    "IN": lambda a, *many: a is not None and any(same(a, b) for b in many),
    "NULL": lambda a: a is None,
    "NOT_NULL": lambda a: a is not None,
}
SCALARS = [v for v in VALUES if kind_of(v) in ("S", "N", "B")]
ARGUMENTS = {
    **{op: [[v] for v in VALUES if v] for op in ("EQ", "NE")},
    **{op: [[v] for v in SCALARS] for op in ("LE", "LT", "GE", "GT", "CONTAINS", "NOT_CONTAINS")},
    "BEGINS_WITH": [[v] for v in SCALARS if kind_of(v) != "N"],
    "BETWEEN": [[{"N": "-1"}, {"N": "2"}], [{"N": "2"}, {"N": "2"}], [{"S": "abc"}, {"S": "az"}], [{"B": b"a"}, {"B": b"b"}]],
    "IN": [[{"N": "2"}, {"N": "3"}], [{"S": "b"}], [{"B": b"x"}, {"B": b"abc"}],
           [{"N": str(n)} for n in range(-5, 300)]],
    "NULL": [[]],
    "NOT_NULL": [[]],
}


@pytest.fixture(scope="module")
def all_values(client, table):
    """One item for each value, in one collection."""
    fill(client, table, [{**key("values", i), **({"v": value} if value else {})} for i, value in enumerate(VALUES)])
    return table


def found(answer_items):
    return sorted(int(item["sk"]["N"]) for item in answer_items)


@pytest.mark.parametrize("operator", list(OPERATORS))
def test_filters_hold_for_what_their_operator_says(client, all_values, operator):
    for arguments in ARGUMENTS[operator]:
        expected = [i for i, value in enumerate(VALUES) if OPERATORS[operator](value, *arguments)]
        filter_ = {"v": condition(operator, *arguments)}
        query = items(client.query, TableName=all_values, ConsistentRead=True, QueryFilter=filter_,
                      KeyConditions={"pk": condition("EQ", {"S": "values"})})
        assert found(query) == expected, arguments
        scan = items(client.scan, TableName=all_values, ConsistentRead=True,
                     ScanFilter={**filter_, "pk": condition("EQ", {"S": "values"})})
        assert found(scan) == expected, arguments


@pytest.mark.parametrize("operator", list(OPERATORS))
def test_expected_holds_for_what_its_operator_says(client, all_values, operator):
    for arguments in ARGUMENTS[operator][:6]:
        for i, value in enumerate(VALUES):
            def write():
                client.update_item(TableName=all_values, Key=key("values", i),
                                   Expected={"v": condition(operator, *arguments)})
            if OPERATORS[operator](value, *arguments):
                write()
            else:
                assert error_of(write) == FAILED, (value, arguments)


# ---- Expected ----

def writes(client, name, expected, **more):
    """The three writes, each under this condition; what they leave is put right again by the caller."""
    common = {"TableName": "legacy", "Expected": expected, **more}
    return [lambda: client.put_item(Item={**key(name), "n": {"N": "5"}, "s": {"S": "x"}}, **common),
            lambda: client.update_item(Key=key(name), AttributeUpdates={"u": {"Value": {"N": "1"}}}, **common),
            lambda: client.delete_item(Key=key(name), **common)]


@pytest.mark.parametrize("expected, holds, operator", [
    ({"n": {"Value": {"N": "5"}}}, True, None),
    ({"n": {"Value": {"N": "6"}}}, False, None),
    ({"none": {"Value": {"N": "6"}}}, False, None),
    ({"n": {"Value": {"N": "5"}, "Exists": True}}, True, None),
    ({"n": {"Value": {"N": "6"}, "Exists": True}}, False, None),
    ({"none": {"Exists": False}}, True, None),
    ({"n": {"Exists": False}}, False, None),
    ({"pk": {"Exists": False}}, False, None),
    ({"n": {"ComparisonOperator": "GT", "Value": {"N": "4"}}}, True, None),
    ({"n": {"ComparisonOperator": "NOT_NULL"}}, True, None),
    ({"none": {"ComparisonOperator": "NOT_NULL"}}, False, None),
    ({"n": {"Value": {"N": "5"}}, "s": condition("BEGINS_WITH", {"S": "x"}), "none": {"Exists": False}}, True, None),
    ({"n": {"Value": {"N": "5"}}, "s": condition("BEGINS_WITH", {"S": "y"})}, False, None),
    ({"n": {"Value": {"N": "5"}}, "s": condition("BEGINS_WITH", {"S": "y"})}, False, "AND"),
    ({"n": {"Value": {"N": "5"}}, "s": condition("BEGINS_WITH", {"S": "x"})}, True, "AND"),
    ({"n": {"Value": {"N": "6"}}, "s": condition("BEGINS_WITH", {"S": "x"})}, True, "OR"),
    ({"n": {"Value": {"N": "5"}}, "s": condition("BEGINS_WITH", {"S": "y"})}, True, "OR"),
    ({"n": {"Value": {"N": "6"}}, "s": condition("BEGINS_WITH", {"S": "y"}), "none": {"Value": {"N": "1"}}}, False, "OR"),
    ({}, True, None),
])
def test_a_write_takes_place_when_what_it_expects_is_there(client, table, expected, holds, operator):
    more = {"ConditionalOperator": operator} if operator else {}
    before = {**key("expected"), "n": {"N": "5"}, "s": {"S": "x"}, "old": {"S": "old"}}
    for write in writes(client, "expected", expected, **more):
        client.put_item(TableName=table, Item=before)
        if holds:
            write()
            assert get(client, "expected") != before
        else:
            assert error_of(write) == FAILED
            assert get(client, "expected") == before


def test_an_item_that_is_not_there_satisfies_what_wants_absence(client, table):
    for write in writes(client, "absent", {"n": {"Value": {"N": "5"}}}):
        assert error_of(write) == FAILED
    assert get(client, "absent") is None
    client.put_item(TableName=table, Item=key("absent"), Expected={"pk": {"Exists": False}})
    assert error_of(client.put_item, TableName=table, Item=key("absent"), Expected={"pk": {"Exists": False}}) == FAILED


def test_a_failed_expectation_shows_the_item_when_asked(raw, client, table):
    put(client, "shown", n={"N": "5"})
    reply = raw.call("PutItem", TableName=table, Item=key("shown"), Expected={"n": {"Value": {"N": "6"}}},
                     ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert_refused(reply, FAILED, "The conditional request failed")
    assert reply.json["Item"] == {**key("shown"), "n": {"N": "5"}}


# ---- AttributeUpdates ----

OLD = {"n": {"N": "5"}, "s": {"S": "x"}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": [b"x"]},
       "l": {"L": [{"N": "1"}]}}


@pytest.mark.parametrize("updates, changed", [
    ({"n": {"Value": {"S": "put"}}}, {"n": {"S": "put"}}),
    ({"new": {"Action": "PUT", "Value": {"M": {"x": {"L": []}}}}}, {"new": {"M": {"x": {"L": []}}}}),
    ({"n": {"Action": "ADD", "Value": {"N": "-7.5"}}}, {"n": {"N": "-2.5"}}),
    ({"new": {"Action": "ADD", "Value": {"N": "7"}}}, {"new": {"N": "7"}}),
    ({"ss": {"Action": "ADD", "Value": {"SS": ["b", "c"]}}}, {"ss": {"SS": ["a", "b", "c"]}}),
    ({"ns": {"Action": "ADD", "Value": {"NS": ["3"]}}}, {"ns": {"NS": ["1", "2", "3"]}}),
    ({"bs": {"Action": "ADD", "Value": {"BS": [b"y"]}}}, {"bs": {"BS": [b"x", b"y"]}}),
    ({"new": {"Action": "ADD", "Value": {"SS": ["c"]}}}, {"new": {"SS": ["c"]}}),
    ({"l": {"Action": "ADD", "Value": {"L": [{"S": "2"}, {"NULL": True}]}}},
     {"l": {"L": [{"N": "1"}, {"S": "2"}, {"NULL": True}]}}),
    ({"new": {"Action": "ADD", "Value": {"L": [{"S": "2"}]}}}, {"new": {"L": [{"S": "2"}]}}),
    ({"n": {"Action": "DELETE"}, "none": {"Action": "DELETE"}}, {"n": None}),
    ({"ss": {"Action": "DELETE", "Value": {"SS": ["b", "z"]}}}, {"ss": {"SS": ["a"]}}),
    ({"ns": {"Action": "DELETE", "Value": {"NS": ["1", "2"]}}}, {"ns": None}),
    ({"none": {"Action": "DELETE", "Value": {"NS": ["1"]}}}, {}),
    ({"n": {"Action": "ADD", "Value": {"N": "1"}}, "s": {"Action": "DELETE"}, "a.b": {"Value": {"S": "one name"}}},
     {"n": {"N": "6"}, "s": None, "a.b": {"S": "one name"}}),
    ({}, {}),
])
def test_updates_change_what_they_name(client, table, updates, changed):
    put(client, "updated", **OLD)
    client.update_item(TableName=table, Key=key("updated"), AttributeUpdates=updates)
    expected = {name: value for name, value in {**OLD, **changed}.items() if value is not None}
    stored = without_key(get(client, "updated"))
    assert sorted(stored) == sorted(expected)
    assert all(same(stored[name], expected[name]) for name in expected)


@pytest.mark.parametrize("updates, created", [
    ({"n": {"Value": {"N": "1"}}}, {"n": {"N": "1"}}),
    ({"n": {"Action": "ADD", "Value": {"N": "1"}}, "s": {"Action": "DELETE"}}, {"n": {"N": "1"}}),
    ({"l": {"Action": "ADD", "Value": {"L": [{"N": "1"}]}}}, {"l": {"L": [{"N": "1"}]}}),
    ({}, {}),
    (None, {}),
    ({"n": {"Action": "DELETE"}}, None),
    ({"n": {"Action": "DELETE", "Value": {"NS": ["1"]}}}, None),
])
def test_updates_of_an_item_that_is_not_there(client, table, updates, created):
    client.delete_item(TableName=table, Key=key("created"))
    client.update_item(TableName=table, Key=key("created"), **({} if updates is None else {"AttributeUpdates": updates}))
    stored = get(client, "created")
    assert (stored is None) == (created is None)
    assert stored is None or without_key(stored) == created


def test_return_values_of_updates(client, table):
    updates = {"n": {"Action": "ADD", "Value": {"N": "1"}}, "s": {"Action": "DELETE"}, "new": {"Value": {"S": "y"}}}
    before = {"n": {"N": "5"}, "s": {"S": "x"}, "kept": {"S": "k"}}
    after = {"n": {"N": "6"}, "new": {"S": "y"}, "kept": {"S": "k"}}
    expected = {"NONE": None, "ALL_OLD": {**key("returned"), **before}, "ALL_NEW": {**key("returned"), **after},
                "UPDATED_OLD": {"n": {"N": "5"}, "s": {"S": "x"}}, "UPDATED_NEW": {"n": {"N": "6"}, "new": {"S": "y"}}}
    for wanted, attributes in expected.items():
        put(client, "returned", **before)
        answer = client.update_item(TableName=table, Key=key("returned"), AttributeUpdates=updates, ReturnValues=wanted)
        assert answer.get("Attributes") == attributes, wanted


@pytest.mark.parametrize("updates", [
    {"s": {"Action": "ADD", "Value": {"N": "1"}}},
    {"n": {"Action": "ADD", "Value": {"NS": ["1"]}}},
    {"ss": {"Action": "ADD", "Value": {"NS": ["1"]}}},
    {"n": {"Action": "ADD", "Value": {"L": []}}},
    {"ss": {"Action": "DELETE", "Value": {"NS": ["1"]}}},
    {"s": {"Action": "DELETE", "Value": {"SS": ["x"]}}},
])
def test_updates_that_do_not_fit_the_item(raw, client, table, updates):
    put(client, "unfit", **OLD)
    assert_refused(raw.call("UpdateItem", TableName=table, Key=key("unfit"), AttributeUpdates=updates),
                   "ValidationException", "Type mismatch for attribute to update")
    assert sorted(without_key(get(client, "unfit"))) == sorted(OLD)


def test_other_words_of_nodes_stay_what_they_are(raw, client, table):
    put(client, "large", n={"N": "9" * 38 + "0" * 88}, pad={"S": "x" * 409_000})
    assert_refused(raw.call("UpdateItem", TableName=table, Key=key("large"),
                            AttributeUpdates={"more": {"Value": {"S": "y" * 1000}}}),
                   "ValidationException", "Item size to update has exceeded the maximum allowed size")
    assert_refused(raw.call("UpdateItem", TableName=table, Key=key("large"),
                            AttributeUpdates={"n": {"Action": "ADD", "Value": {"N": "1" + "0" * 125}}}),
                   "ValidationException")


# ---- AttributesToGet ----

def test_attributes_to_get_of_every_read(client, table):
    put(client, "picked", a={"M": {"b": {"N": "1"}}}, b={"S": "b"}, **{"a.b": {"S": "a name"}})
    names, wanted = ["a.b", "b", "none"], {"a.b": {"S": "a name"}, "b": {"S": "b"}}
    keys = {"pk": condition("EQ", {"S": "picked"})}
    assert get(client, "picked", AttributesToGet=names) == wanted
    assert get(client, "picked", AttributesToGet=["none"]) == {}
    for select in ({}, {"Select": "SPECIFIC_ATTRIBUTES"}):
        assert client.query(TableName=table, ConsistentRead=True, KeyConditions=keys, AttributesToGet=names,
                            **select)["Items"] == [wanted]
        assert items(client.scan, TableName=table, ConsistentRead=True, ScanFilter=keys, AttributesToGet=names,
                     **select) == [wanted]
    found_ = client.batch_get_item(RequestItems={table: {"Keys": [key("picked")], "ConsistentRead": True,
                                                         "AttributesToGet": names}})
    assert found_["Responses"][table] == [wanted]


def test_attributes_to_get_come_back_with_unprocessed_keys(client, table):
    keys = [key("many", n) for n in range(45)]
    for k in keys:
        client.put_item(TableName=table, Item={**k, "v": {"S": "x" * 390_000}, "w": {"S": "not wanted"}})
    wanted = {"Keys": keys, "ConsistentRead": True, "AttributesToGet": ["v", "sk"]}
    answer = client.batch_get_item(RequestItems={table: wanted})
    rest = answer["UnprocessedKeys"][table]
    assert 0 < len(rest["Keys"]) < 45
    assert {**rest, "Keys": keys} == wanted
    more = client.batch_get_item(RequestItems=answer["UnprocessedKeys"])
    got = answer["Responses"][table] + more["Responses"][table]
    assert sorted(int(item["sk"]["N"]) for item in got) == list(range(45))
    assert all(sorted(item) == ["sk", "v"] for item in got)
    for k in keys:
        client.delete_item(TableName=table, Key=k)


# ---- KeyConditions, QueryFilter, ScanFilter ----

@pytest.fixture(scope="module")
def rows(client):
    sorts = {"S": ["a", "ab", "abc", "b", "~"], "N": ["-2", "-1", "0", "1.5", "10"], "B": [b"\x00", b"a", b"ab", b"\xff"]}
    for kind, values in sorts.items():
        create_table(client, f"legacy-{kind}", sort=kind)
        fill(client, f"legacy-{kind}", [{"pk": {"S": pk}, "sk": {kind: v}, "odd": {"BOOL": bool(i % 2)}}
                                        for pk in ("k", "other") for i, v in enumerate(values)])
    yield sorts
    for kind in sorts:
        client.delete_table(TableName=f"legacy-{kind}")


def query(client, kind, sort=None, **more):
    keys = {"pk": condition("EQ", {"S": "k"}), **({"sk": sort} if sort else {})}
    return [item["sk"][kind] for item in items(client.query, TableName=f"legacy-{kind}", ConsistentRead=True,
                                               KeyConditions=keys, **more)]


@pytest.mark.parametrize("operator", ["EQ", "LE", "LT", "GE", "GT", "BETWEEN", "BEGINS_WITH"])
@pytest.mark.parametrize("kind", ["S", "N", "B"])
def test_key_conditions_select_by_the_sort_key(client, rows, kind, operator):
    values = [{kind: v} for v in rows[kind]]
    if operator == "BEGINS_WITH" and kind == "N":
        return
    for i, value in enumerate(values):
        arguments = [value, values[min(i + 2, len(values) - 1)]] if operator == "BETWEEN" else [value]
        expected = [v[kind] for v in values if OPERATORS[operator](v, *arguments)]
        assert query(client, kind, condition(operator, *arguments)) == expected, arguments
        assert query(client, kind, condition(operator, *arguments), ScanIndexForward=False) == expected[::-1]
    assert query(client, kind) == rows[kind]


def test_filters_are_joined_and_counted(client, rows):
    odd, low = condition("EQ", {"BOOL": True}), condition("NOT_NULL")
    low = {"none": condition("NULL")}
    both = {"odd": odd, **low}
    assert query(client, "N", QueryFilter={"odd": odd}) == ["-1", "1.5"]
    assert query(client, "N", QueryFilter=both) == ["-1", "1.5"]
    assert query(client, "N", QueryFilter=both, ConditionalOperator="AND") == ["-1", "1.5"]
    assert query(client, "N", QueryFilter=both, ConditionalOperator="OR") == rows["N"]
    assert query(client, "N", QueryFilter={}) == rows["N"]
    keys = {"pk": condition("EQ", {"S": "k"})}
    answer = client.query(TableName="legacy-N", ConsistentRead=True, KeyConditions=keys, QueryFilter={"odd": odd}, Limit=3)
    assert (answer["Count"], answer["ScannedCount"], answer["LastEvaluatedKey"]["sk"]) == (1, 3, {"N": "0"})
    found_ = pages(client.query, TableName="legacy-N", ConsistentRead=True, KeyConditions=keys, QueryFilter={"odd": odd},
                   Limit=2)
    assert [[item["sk"]["N"] for item in page["Items"]] for page in found_] == [["-1"], ["1.5"], []]
    scan = {"TableName": "legacy-N", "ConsistentRead": True}
    many = {"odd": odd, "pk": condition("EQ", {"S": "k"})}
    assert client.scan(ScanFilter=many, **scan)["Count"] == 2
    assert client.scan(ScanFilter=many, ConditionalOperator="OR", **scan)["Count"] == 7
    assert client.scan(ScanFilter=many, Select="COUNT", **scan)["ScannedCount"] == 10


def test_key_conditions_go_with_new_filters_and_projections(client, rows):
    answer = client.query(TableName="legacy-N", ConsistentRead=True, KeyConditions={"pk": condition("EQ", {"S": "k"})},
                          FilterExpression="odd = :t", ProjectionExpression="sk",
                          ExpressionAttributeValues={":t": {"BOOL": True}})
    assert answer["Items"] == [{"sk": {"N": "-1"}}, {"sk": {"N": "1.5"}}]


# ---- refusals: a table with pk (S) and sk (N) ----

KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
ONE = {"N": "1"}


def refused(raw, operation, message, **request):
    assert_refused(raw.call(operation, TableName="refusals", **request), "ValidationException", message)


def arguments_of(operator):
    return POPV + f"Invalid number of argument(s) for the {operator} ComparisonOperator"


def type_of(operator, kind):
    return POPV + f"ComparisonOperator {operator} is not valid for {kind} AttributeValue type"


SAME_TYPE = POPV + "AttributeValues inside AttributeValueList must be of same type"
REVERSE = "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
WRONG_CONDITIONS = [
    *[(condition(op), arguments_of(op)) for op in ("EQ", "NE", "LE", "LT", "GE", "GT", "CONTAINS", "NOT_CONTAINS",
                                                   "BEGINS_WITH", "IN", "BETWEEN")],
    *[(condition(op, ONE, ONE), arguments_of(op)) for op in ("EQ", "NE", "LE", "LT", "GE", "GT", "CONTAINS",
                                                             "NOT_CONTAINS", "BEGINS_WITH")],
    (condition("NULL", ONE), arguments_of("NULL")),
    (condition("NOT_NULL", ONE), arguments_of("NOT_NULL")),
    (condition("BETWEEN", ONE), arguments_of("BETWEEN")),
    (condition("BETWEEN", ONE, ONE, ONE), arguments_of("BETWEEN")),
    *[(condition(op, {"L": [ONE]}), type_of(op, "L")) for op in ("LE", "LT", "GE", "GT", "CONTAINS", "NOT_CONTAINS",
                                                                 "BEGINS_WITH", "IN")],
    (condition("LT", {"BOOL": True}), type_of("LT", "BOOL")),
    (condition("GT", {"NULL": True}), type_of("GT", "NULL")),
    (condition("CONTAINS", {"SS": ["a"]}), type_of("CONTAINS", "SS")),
    (condition("BEGINS_WITH", ONE), type_of("BEGINS_WITH", "N")),
    (condition("BETWEEN", {"NS": ["1"]}, {"NS": ["2"]}), type_of("BETWEEN", "NS")),
    (condition("IN", {"M": {}}, {"M": {}}), type_of("IN", "M")),
    (condition("IN", ONE, {"S": "1"}), SAME_TYPE),
    (condition("BETWEEN", ONE, {"S": "1"}), SAME_TYPE),
    (condition("BETWEEN", {"N": "2"}, {"N": "1.9"}), REVERSE),
    (condition("EQ", {"N": "x"}), "The parameter cannot be converted to a numeric value: x"),
    (condition("EQ", {}), "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
]


@pytest.mark.parametrize("wrong, message", WRONG_CONDITIONS)
def test_wrong_conditions(raw, unharmed, wrong, message):
    keys = {"pk": condition("EQ", {"S": "k"})}
    refused(raw, "Query", message, KeyConditions=keys, QueryFilter={"a": wrong})
    refused(raw, "Query", message, KeyConditions={**keys, "sk": wrong})
    refused(raw, "Scan", message, ScanFilter={"a": wrong})
    refused(raw, "PutItem", message, Item=KEY, Expected={"a": wrong})
    refused(raw, "UpdateItem", message, Key=KEY, Expected={"a": wrong})
    refused(raw, "DeleteItem", message, Key=KEY, Expected={"a": wrong})


@pytest.mark.parametrize("expected, message", [
    ({"Value": ONE, "AttributeValueList": [ONE]}, "Value and AttributeValueList cannot be used together for Attribute: a"),
    ({"Exists": False, "ComparisonOperator": "NULL"}, "Exists and ComparisonOperator cannot be used together for Attribute: "
     "a"),
    ({"ComparisonOperator": "EQ"}, "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a"),
    ({"AttributeValueList": [ONE]}, "AttributeValueList can only be used with a ComparisonOperator for Attribute: a"),
    ({}, "Value must be provided when Exists is null for Attribute: a"),
    ({"Exists": True}, "Value must be provided when Exists is true for Attribute: a"),
    ({"Exists": False, "Value": ONE}, "Value cannot be used when Exists is false for Attribute: a"),
])
def test_wrong_forms_of_expected(raw, unharmed, expected, message):
    refused(raw, "PutItem", POPV + message, Item=KEY, Expected={"a": expected})
    refused(raw, "UpdateItem", POPV + message, Key=KEY, Expected={"a": expected})
    refused(raw, "DeleteItem", POPV + message, Key=KEY, Expected={"a": expected})


@pytest.mark.parametrize("operation, request_", [
    ("PutItem", {"Item": KEY}), ("UpdateItem", {"Key": KEY}), ("DeleteItem", {"Key": KEY}), ("Scan", {}),
    ("Query", {"KeyConditions": {"pk": condition("EQ", {"S": "k"})}}),
])
def test_a_conditional_operator_without_anything_to_join(raw, unharmed, operation, request_):
    parameter = {"Query": "QueryFilter", "Scan": "ScanFilter"}.get(operation, "Expected")
    none = "ConditionalOperator cannot be used without Filter or Expected"
    refused(raw, operation, none, ConditionalOperator="OR", **request_)
    refused(raw, operation, none, ConditionalOperator="OR", **request_, **{parameter: {}})
    refused(raw, operation, "ConditionalOperator can only be used when Filter or Expected has two or more elements",
            ConditionalOperator="AND", **request_, **{parameter: {"a": condition("NULL")}})


@pytest.mark.parametrize("updates, message", [
    ({"a": {}}, POPV + "Only DELETE action is allowed when no attribute value is specified"),
    ({"a": {"Action": "PUT"}}, POPV + "Only DELETE action is allowed when no attribute value is specified"),
    ({"a": {"Action": "ADD"}}, POPV + "Only DELETE action is allowed when no attribute value is specified"),
    *[({"a": {"Action": "DELETE", "Value": value}},
       POPV + f"DELETE action with value is not supported for the type {kind_of(value)}")
      for value in ({"S": "x"}, ONE, {"B": "YQ=="}, {"BOOL": True}, {"NULL": True}, {"L": []}, {"M": {}})],
    *[({"a": {"Action": "ADD", "Value": value}}, POPV + f"ADD action is not supported for the type {kind_of(value)}")
      for value in ({"S": "x"}, {"B": "YQ=="}, {"BOOL": True}, {"NULL": True}, {"M": {}})],
    ({"a": {"Value": {"N": "x"}}}, "The parameter cannot be converted to a numeric value: x"),
    *[({"sk": update}, POPV + "Cannot update attribute sk. This attribute is part of the key")
      for update in ({"Value": ONE}, {"Action": "DELETE"}, {"Action": "ADD", "Value": ONE},
                     {"Action": "ADD", "Value": {"L": []}}, {"Action": "DELETE", "Value": {"NS": ["1"]}})],
    ({"": {"Value": ONE}}, POPV + "Attribute names must not be empty"),
])
def test_wrong_updates(raw, unharmed, updates, message):
    refused(raw, "UpdateItem", message, Key=KEY, AttributeUpdates=updates)


def test_wrong_attributes_to_get(raw, unharmed):
    message = POPV + "Duplicate value in attribute name: b"
    names = {"AttributesToGet": ["c", "b", "a", "b", "c"]}
    refused(raw, "GetItem", message, Key=KEY, **names)
    refused(raw, "Scan", message, **names)
    refused(raw, "Query", message, KeyConditions={"pk": condition("EQ", {"S": "k"})}, **names)
    assert_refused(raw.call("BatchGetItem", RequestItems={"refusals": {"Keys": [KEY], **names}}), "ValidationException",
                   message)
    refused(raw, "Scan", "Cannot specify the AttributesToGet when choosing to get only the Count", Select="COUNT",
            AttributesToGet=["a"])
    refused(raw, "Scan", "Cannot specify the AttributesToGet when choosing to get ALL_ATTRIBUTES", Select="ALL_ATTRIBUTES",
            AttributesToGet=["a"])


HASH = condition("EQ", {"S": "k"})
NOT_INDEXABLE = "Attempted conditional constraint is not an indexable operation"


@pytest.mark.parametrize("keys, message", [
    ({}, "Conditions can be of length 1 or 2 only"),
    ({"pk": HASH, "sk": condition("EQ", ONE), "a": HASH}, "Conditions can be of length 1 or 2 only"),
    ({"sk": condition("EQ", ONE)}, "Query condition missed key schema element: pk"),
    ({"pk": HASH, "a": HASH}, "Query condition missed key schema element: sk"),
    *[({"pk": condition(op, {"S": "k"})}, "Query key condition not supported") for op in ("LE", "LT", "GE", "GT",
                                                                                         "BEGINS_WITH")],
    ({"pk": condition("BETWEEN", {"S": "k"}, {"S": "l"})}, "Query key condition not supported"),
    *[({"pk": condition(op, {"S": "k"})}, NOT_INDEXABLE) for op in ("NE", "IN", "CONTAINS", "NOT_CONTAINS")],
    *[({"pk": condition(op)}, NOT_INDEXABLE) for op in ("NULL", "NOT_NULL")],
    *[({"pk": HASH, "sk": condition(op, ONE)}, NOT_INDEXABLE) for op in ("NE", "IN", "CONTAINS", "NOT_CONTAINS")],
    *[({"pk": HASH, "sk": condition(op)}, NOT_INDEXABLE) for op in ("NULL", "NOT_NULL")],
    ({"pk": condition("EQ", ONE)}, POPV + "Condition parameter type does not match schema type"),
    ({"pk": HASH, "sk": condition("GT", {"S": "1"})}, POPV + "Condition parameter type does not match schema type"),
    ({"pk": condition("EQ", {"S": ""})},
     POPV + "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"),
    ({"pk": {"AttributeValueList": [{"S": "k"}]}}, "1 validation error detected: Value null at "
     "'keyConditions.pk.member.comparisonOperator' failed to satisfy constraint: Member must not be null"),
    ({"pk": condition("eq", {"S": "k"})}, "1 validation error detected: Value 'eq' at "
     "'keyConditions.pk.member.comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: [EQ, "
     "NE, IN, LE, LT, GE, GT, BETWEEN, NOT_NULL, NULL, CONTAINS, NOT_CONTAINS, BEGINS_WITH]"),
])
def test_wrong_key_conditions(raw, unharmed, keys, message):
    refused(raw, "Query", message, KeyConditions=keys)


def test_a_query_filter_names_no_key(raw, unharmed):
    for name in ("pk", "sk"):
        refused(raw, "Query", f"QueryFilter can only contain non-primary key attributes: Primary key attribute: {name}",
                KeyConditions={"pk": HASH}, QueryFilter={name: condition("NOT_NULL"), "a": condition("NULL")})


MIXED = ("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {%s} "
         "Expression parameters: {%s}")
NULL = {"a": condition("NULL"), "b": condition("NULL")}


@pytest.mark.parametrize("operation, request_, old, new", [
    ("GetItem", {"Key": KEY, "AttributesToGet": ["a"], "ProjectionExpression": "a"}, "AttributesToGet",
     "ProjectionExpression"),
    ("PutItem", {"Item": KEY, "Expected": NULL, "ConditionalOperator": "OR", "ConditionExpression": "x"},
     "Expected, ConditionalOperator", "ConditionExpression"),
    ("UpdateItem", {"Key": KEY, "Expected": {}, "AttributeUpdates": {}, "UpdateExpression": "", "ConditionExpression": ""},
     "AttributeUpdates, Expected", "UpdateExpression, ConditionExpression"),
    ("UpdateItem", {"Key": KEY, "Expected": NULL, "UpdateExpression": "REMOVE a"}, "Expected", "UpdateExpression"),
    ("DeleteItem", {"Key": KEY, "Expected": NULL, "ConditionExpression": "x"}, "Expected", "ConditionExpression"),
    ("Scan", {"AttributesToGet": ["a"], "ScanFilter": NULL, "ConditionalOperator": "OR", "FilterExpression": "x",
              "ProjectionExpression": "x"},
     "AttributesToGet, ScanFilter, ConditionalOperator", "ProjectionExpression, FilterExpression"),
    ("Query", {"AttributesToGet": ["a"], "QueryFilter": NULL, "ConditionalOperator": "OR", "KeyConditions": {},
               "FilterExpression": "x", "ProjectionExpression": "x", "KeyConditionExpression": "x"},
     "AttributesToGet, QueryFilter, ConditionalOperator, KeyConditions",
     "ProjectionExpression, FilterExpression, KeyConditionExpression"),
    ("Query", {"QueryFilter": NULL, "KeyConditions": {}, "ProjectionExpression": "x"}, "QueryFilter",
     "ProjectionExpression"),
])
def test_old_parameters_beside_expressions(raw, unharmed, operation, request_, old, new):
    refused(raw, operation, MIXED % (old, new), **request_)


@pytest.mark.parametrize("operation, request_, message", [
    ("Scan", {"ScanFilter": {f"a{n}": condition("NULL") for n in range(301)}},
     "ScanFilter must not have more than 300 entries"),
    ("Scan", {"ScanFilter": {f"a{n}": condition("NULL") for n in range(10_000)}},
     "ScanFilter must not have more than 4096 entries"),
    ("Scan", {"ScanFilter": {"a": condition("IN", *[{"N": str(n)} for n in range(4097)])}},
     "ScanFilter must not have more than 4096 values"),
    ("PutItem", {"Item": KEY, "Expected": {f"a{n}": {"Value": {"S": "x" * 300_000}} for n in range(8)}},
     "The names and values of Expected have exceeded the maximum allowed size; size: 2400048"),
    ("UpdateItem", {"Key": KEY, "AttributeUpdates": {f"a{n}": {"Action": "ADD", "Value": ONE} for n in range(301)}},
     "AttributeUpdates must not have more than 300 additions and deletions of values"),
    ("UpdateItem", {"Key": KEY, "AttributeUpdates": {f"a{n}": {"Value": ONE} for n in range(4097)}},
     "AttributeUpdates must not have more than 4096 entries"),
    ("UpdateItem", {"Key": KEY, "AttributeUpdates": {f"a{n}": {"Value": {"S": "x" * 300_000}} for n in range(8)}},
     "Item size to update has exceeded the maximum allowed size"),
    ("GetItem", {"Key": KEY, "AttributesToGet": [f"a{n}" for n in range(1025)]},
     "AttributesToGet must not have more than 1024 entries"),
])
def test_what_is_beyond_our_bounds(raw, unharmed, operation, request_, message):
    refused(raw, operation, message, **request_)


def test_what_is_just_within_our_bounds(raw, unharmed):
    def settled(operation, **request):
        return raw.settled(operation, TableName="refusals", **request)
    settled("DeleteItem", Key=KEY)  # other tests of refusals may have left one
    settled("UpdateItem", Key=KEY, AttributeUpdates={f"a{n}": {"Value": ONE} for n in range(4096)})
    assert len(settled("GetItem", Key=KEY, ConsistentRead=True)["Item"]) == 4098
    names = [f"a{n}" for n in range(1024)]
    assert len(settled("GetItem", Key=KEY, ConsistentRead=True, AttributesToGet=names)["Item"]) == 1024
    settled("UpdateItem", Key=KEY, Expected={f"a{n}": {"Value": ONE} for n in range(300)},
            AttributeUpdates={f"a{n}": {"Action": "ADD", "Value": ONE} for n in range(300)})
    stored = settled("GetItem", Key=KEY, ConsistentRead=True)["Item"]
    assert (stored["a299"], stored["a300"]) == ({"N": "2"}, ONE)
    many = {"v": condition("IN", *[{"N": str(n)} for n in range(4096)])}
    assert settled("Scan", ScanFilter=many)["Count"] == 0
    settled("DeleteItem", Key=KEY)


def test_of_a_name_given_twice_the_last_counts(raw, client, table):
    from tests.faults.kill_client import signed_headers
    put(client, "twice", a={"N": "1"})
    body = (b'{"TableName":"legacy","Key":{"pk":{"S":"twice"},"sk":{"N":"1"}},'
            b'"Expected":{"a":{"Value":{"N":"9"}},"a":{"Value":{"N":"8"},"Value":{"N":"1"}}},'
            b'"AttributeUpdates":{"b":{"Value":{"N":"1"}},"b":{"Value":{"N":"2"}}}}')
    reply = raw.send(body, signed_headers(raw.key, raw.host, "UpdateItem", body))
    assert reply.status == 200, reply.body
    assert without_key(get(client, "twice")) == {"a": {"N": "1"}, "b": {"N": "2"}}


def test_null_is_the_same_as_absent(raw, client, table):
    put(client, "nulls", a={"N": "1"})
    raw.settled("UpdateItem", TableName=table, Key=key("nulls"), ConditionalOperator=None,
                Expected={"a": {"Value": ONE, "Exists": None, "ComparisonOperator": None, "AttributeValueList": None},
                          "x": None},
                AttributeUpdates={"b": {"Action": None, "Value": ONE}, "a": {"Action": "DELETE", "Value": None}})
    assert without_key(get(client, "nulls")) == {"b": ONE}
    raw.settled("GetItem", TableName=table, Key=key("nulls"), AttributesToGet=None, ProjectionExpression="b")
