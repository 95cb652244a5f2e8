"""ConsumedCapacity to the half unit, for every operation; and what else a request may ask to be told."""

import math

import pytest

from tests.faults.kill_probe import wait_for

from .conftest import assert_refused

TABLE, RANGE = "capacity", "capacity-range"
KEY = {"pk": {"S": "k"}}


@pytest.fixture(scope="module", autouse=True)
def tables(raw):
    for name, keys in ((TABLE, ["pk"]), (RANGE, ["pk", "sk"])):
        raw.settled("CreateTable", TableName=name, BillingMode="PAY_PER_REQUEST",
                    KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"))],
                    AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind}
                                          for key, kind in zip(keys, "SN")])
    for name in (TABLE, RANGE):
        wait_for(lambda name=name: raw.settled("DescribeTable", TableName=name)["Table"]["TableStatus"] == "ACTIVE", 30,
                 f"{name} to be ACTIVE")
    yield
    for name in (TABLE, RANGE):
        raw.settled("DeleteTable", TableName=name)


def sized(size, pk="k"):
    """An item that weighs so much: names 2 + 1."""
    return {"pk": {"S": pk}, "v": {"S": "x" * (size - 3 - len(pk))}}


def leave(raw, size, pk="k"):
    """The item weighs so much, or is not there."""
    if size is None:
        raw.settled("DeleteItem", TableName=TABLE, Key={"pk": {"S": pk}})
    else:
        raw.settled("PutItem", TableName=TABLE, Item=sized(size, pk))


def forms(units, table=TABLE):
    return [("TOTAL", {"TableName": table, "CapacityUnits": units}),
            ("INDEXES", {"TableName": table, "CapacityUnits": units, "Table": {"CapacityUnits": units}})]


# ---- single items ----

def put(size):
    return "PutItem", {"Item": sized(size)}


def update(size):
    return "UpdateItem", {"Key": KEY, "UpdateExpression": "SET v = :v",
                          "ExpressionAttributeValues": {":v": sized(size)["v"]}}


TOUCH = ("UpdateItem", {"Key": KEY})
REMOVE = ("UpdateItem", {"Key": KEY, "UpdateExpression": "REMOVE v"})
DELETE = ("DeleteItem", {"Key": KEY})


@pytest.mark.parametrize("before, call, units", [
    *((None, make(size), units) for make in (put, update)
      for size, units in ((10, 1), (1024, 1), (1025, 2), (2048, 2), (2049, 3), (400 * 1024, 400))),
    *((before, make(after), units) for make in (put, update)
      for before, after, units in ((1024, 1024, 1), (10, 1025, 2), (1025, 10, 2), (5000, 100, 5), (100, 5000, 5),
                                   (400 * 1024, 10, 400))),
    (None, TOUCH, 1), (3000, TOUCH, 3),
    (None, REMOVE, 1), (3000, REMOVE, 3),
    (None, DELETE, 1), (10, DELETE, 1), (1024, DELETE, 1), (1025, DELETE, 2), (400 * 1024, DELETE, 400),
])
def test_a_write_costs_the_larger_of_before_and_after(raw, before, call, units):
    operation, request = call
    for level, consumed in forms(units):
        leave(raw, before)
        answer = raw.settled(operation, TableName=TABLE, **request, ReturnConsumedCapacity=level)
        assert answer == {"ConsumedCapacity": consumed}
    leave(raw, before)
    for more in ({}, {"ReturnConsumedCapacity": "NONE"}):
        assert raw.settled(operation, TableName=TABLE, **request, **more) == {}


def test_values_that_are_returned_cost_nothing_more(raw):
    leave(raw, 1000)
    answer = raw.settled("UpdateItem", TableName=TABLE, Key=KEY, UpdateExpression="SET a = :a", ReturnValues="ALL_NEW",
                         ExpressionAttributeValues={":a": {"N": "1"}}, ReturnConsumedCapacity="TOTAL")
    assert answer["Attributes"] == {**sized(1000), "a": {"N": "1"}}
    assert answer["ConsumedCapacity"] == {"TableName": TABLE, "CapacityUnits": 1.0}
    answer = raw.settled("DeleteItem", TableName=TABLE, Key=KEY, ReturnValues="ALL_OLD", ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 1.0


@pytest.mark.parametrize("size, units", [(None, 1), (10, 1), (4096, 1), (4097, 2), (8192, 2), (8193, 3),
                                         (400 * 1024, 100)])
@pytest.mark.parametrize("is_consistent", [True, False])
def test_a_read_costs_by_4_kb(raw, size, units, is_consistent):
    leave(raw, size)
    units = units if is_consistent else units / 2

    def get(**more):
        return raw.settled("GetItem", TableName=TABLE, Key=KEY, ConsistentRead=is_consistent, **more)
    wait_for(lambda: get().get("Item") == (sized(size) if size else None), 10, "the replicas to have it")
    for level, consumed in forms(units):
        assert get(ReturnConsumedCapacity=level)["ConsumedCapacity"] == consumed
        projected = get(ReturnConsumedCapacity=level, ProjectionExpression="pk")
        assert projected["ConsumedCapacity"] == consumed
        assert projected.get("Item") == (KEY if size else None)
    assert "ConsumedCapacity" not in get(ReturnConsumedCapacity="NONE")


# ---- pages ----

SIZES = [64] * 60 + [1000, 3000, 4096]  # 11,936 bytes: 3 units in one, 63 if each were rounded


@pytest.fixture(scope="module")
def page(raw, tables):
    for n, size in enumerate(SIZES):
        item = {"pk": {"S": "p"}, "sk": {"N": str(n + 10)}, "v": {"S": "x" * (size - 8)}}
        raw.settled("PutItem", TableName=RANGE, Item=item)


@pytest.mark.parametrize("operation", ["Query", "Scan"])
@pytest.mark.parametrize("is_consistent", [True, False])
@pytest.mark.parametrize("more, count", [
    ({}, len(SIZES)), ({"Limit": 1}, 1), ({"Limit": 64}, len(SIZES)), ({"Limit": 61}, 61), ({"Limit": 62}, 62),
    ({"Select": "COUNT"}, len(SIZES)), ({"ProjectionExpression": "pk"}, len(SIZES)),
    ({"FilterExpression": "attribute_exists(absent)"}, len(SIZES)),
    ({"FilterExpression": "size(v) > :least", "Select": "COUNT", "Limit": 61}, 61),
])
def test_a_page_costs_what_it_evaluates_rounded_once(raw, page, operation, is_consistent, more, count):
    values = {":least": {"N": "900"}} if ":least" in str(more) else {}
    request = {"TableName": RANGE, "ConsistentRead": is_consistent, **more}
    if operation == "Query":
        request["KeyConditionExpression"] = "pk = :p"
        values[":p"] = {"S": "p"}
    if values:
        request["ExpressionAttributeValues"] = values
    units = math.ceil(sum(SIZES[:count]) / 4096) / (1 if is_consistent else 2)
    wait_for(lambda: raw.settled(operation, **request)["ScannedCount"] == count, 10, "the replicas to have it")
    for level, consumed in forms(units, RANGE):
        assert raw.settled(operation, **request, ReturnConsumedCapacity=level)["ConsumedCapacity"] == consumed
    assert "ConsumedCapacity" not in raw.settled(operation, **request)


@pytest.mark.parametrize("is_consistent, units", [(True, 1), (False, 0.5)])
def test_a_page_that_finds_nothing_costs_the_least(raw, page, is_consistent, units):
    query = {"TableName": RANGE, "KeyConditionExpression": "pk = :p", "ConsistentRead": is_consistent,
             "ExpressionAttributeValues": {":p": {"S": "nobody"}}}
    for level, consumed in forms(units, RANGE):
        assert raw.settled("Query", **query, ReturnConsumedCapacity=level)["ConsumedCapacity"] == consumed


# ---- batches ----

@pytest.mark.parametrize("is_consistent", [True, False])
def test_a_batch_of_reads_is_rounded_for_each_item(raw, page, is_consistent):
    """1.5 KB and 6.5 KB are 12 KB, and a key that is not there costs the least."""
    leave(raw, 1536, "batch-1")
    leave(raw, 6656, "batch-2")
    leave(raw, None, "batch-3")
    keys = [{"pk": {"S": f"batch-{n}"}} for n in (1, 2, 3)]
    others = [{"pk": {"S": "p"}, "sk": {"N": str(n)}} for n in (10, 11, 72)]
    request = {TABLE: {"Keys": keys, "ConsistentRead": is_consistent},
               RANGE: {"Keys": others, "ConsistentRead": True, "ProjectionExpression": "pk"}}
    wait_for(lambda: len(raw.settled("BatchGetItem", RequestItems=request)["Responses"][TABLE]) == 2, 10,
             "the replicas to have them")
    for level in ("TOTAL", "INDEXES"):
        answer = raw.settled("BatchGetItem", RequestItems=request, ReturnConsumedCapacity=level)
        expected = [dict(forms(4 if is_consistent else 2))[level], dict(forms(3, RANGE))[level]]
        assert sorted(answer["ConsumedCapacity"], key=str) == sorted(expected, key=str)
    assert "ConsumedCapacity" not in raw.settled("BatchGetItem", RequestItems=request)


def test_a_batch_of_writes_is_rounded_for_each_item(raw):
    """500 B and 3.5 KB are 5 units; what is replaced or deleted counts as it was."""
    for level in ("TOTAL", "INDEXES"):
        for n, size in enumerate((None, 100, 5000, 2048, None)):
            leave(raw, size, f"batch-{n}")
        writes = [{"PutRequest": {"Item": sized(500, "batch-0")}}, {"PutRequest": {"Item": sized(3584, "batch-1")}},
                  {"PutRequest": {"Item": sized(10, "batch-2")}}, {"DeleteRequest": {"Key": {"pk": {"S": "batch-3"}}}},
                  {"DeleteRequest": {"Key": {"pk": {"S": "batch-4"}}}}]
        other = [{"DeleteRequest": {"Key": {"pk": {"S": "nobody"}, "sk": {"N": "1"}}}}]
        answer = raw.settled("BatchWriteItem", RequestItems={TABLE: writes, RANGE: other}, ReturnConsumedCapacity=level)
        expected = [dict(forms(1 + 4 + 5 + 2 + 1))[level], dict(forms(1, RANGE))[level]]
        assert sorted(answer["ConsumedCapacity"], key=str) == sorted(expected, key=str)


# ---- the name, metrics of collections, the item that a condition saw ----

def test_the_table_is_named_as_the_request_names_it(raw):
    arn = raw.settled("DescribeTable", TableName=TABLE)["Table"]["TableArn"]
    calls = [("GetItem", {"Key": KEY}), ("PutItem", {"Item": KEY}), ("UpdateItem", {"Key": KEY}),
             ("DeleteItem", {"Key": KEY}), ("Scan", {}),
             ("Query", {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "k"}}})]
    for operation, request in calls:
        answer = raw.settled(operation, TableName=arn, **request, ReturnConsumedCapacity="TOTAL")
        assert answer["ConsumedCapacity"]["TableName"] == arn


@pytest.mark.parametrize("wanted", ["SIZE", "NONE"])
def test_without_local_indexes_there_are_no_metrics_of_collections(raw, wanted):
    more = {"ReturnItemCollectionMetrics": wanted}
    assert raw.settled("PutItem", TableName=TABLE, Item=KEY, **more) == {}
    assert raw.settled("UpdateItem", TableName=TABLE, Key=KEY, **more) == {}
    assert raw.settled("DeleteItem", TableName=TABLE, Key=KEY, **more) == {}
    assert raw.settled("BatchWriteItem", RequestItems={TABLE: [{"PutRequest": {"Item": KEY}}]}, **more) == {
        "UnprocessedItems": {}}


@pytest.mark.parametrize("operation, request_", [
    ("PutItem", {"Item": {**KEY, "new": {"S": "x"}}}),
    ("UpdateItem", {"Key": KEY, "UpdateExpression": "SET a = if_not_exists(a, pk)"}),
    ("UpdateItem", {"Key": KEY}),
    ("DeleteItem", {"Key": KEY}),
])
def test_the_item_that_made_a_condition_fail(raw, operation, request_):
    request = {"TableName": TABLE, **request_, "ConditionExpression": "attribute_exists(absent)"}
    for size, wanted, seen in ((500, "ALL_OLD", sized(500)), (500, "NONE", None), (500, None, None),
                               (None, "ALL_OLD", None)):
        leave(raw, size)
        more = {"ReturnValuesOnConditionCheckFailure": wanted} if wanted else {}
        reply = raw.call(operation, **request, **more, ReturnConsumedCapacity="TOTAL")
        assert_refused(reply, "ConditionalCheckFailedException", "The conditional request failed")
        assert reply.json.get("Item") == seen
        assert "ConsumedCapacity" not in reply.json
        assert raw.settled("GetItem", TableName=TABLE, Key=KEY, ConsistentRead=True).get("Item") == (
            sized(size) if size else None)
    assert_refused(raw.call(operation, **request, ReturnValuesOnConditionCheckFailure="ALL_NEW"), "ValidationException",
                   "1 validation error detected: Value 'ALL_NEW' at 'returnValuesOnConditionCheckFailure' failed to "
                   "satisfy constraint: Member must satisfy enum value set: [ALL_OLD, NONE]")
