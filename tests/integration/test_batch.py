"""BatchGetItem and BatchWriteItem with boto3; what only a raw client can send goes through `raw`."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from .conftest import assert_refused, create_table

POPV = "One or more parameter values were invalid: "


@pytest.fixture(scope="module")
def table(client):
    """Partition key pk (S), sort key sk (N)."""
    name = f"batch-{uuid.uuid4()}"
    create_table(client, name, sort="N")
    return name


@pytest.fixture(scope="module")
def other(client):
    """Partition key pk (S)."""
    name = f"other-{uuid.uuid4()}"
    create_table(client, name)
    return name


def item(pk, sk, **more):
    return {"pk": {"S": pk}, "sk": {"N": str(sk)}, **more}


def put(item_):
    return {"PutRequest": {"Item": item_}}


def delete(key):
    return {"DeleteRequest": {"Key": key}}


def write(client, table, items, **more):
    for start in range(0, len(items), 25):
        answer = client.batch_write_item(RequestItems={table: [put(i) for i in items[start:start + 25]]}, **more)
        assert answer["UnprocessedItems"] == {}


def get(client, table, keys, **more):
    answer = client.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True, **more}})
    assert answer["UnprocessedKeys"] == {}
    return answer["Responses"][table]


def by_key(items):
    return sorted(items, key=lambda i: (i["pk"]["S"], int(i["sk"]["N"])))


def refusal(call, **parameters):
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    error = refused.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def test_a_hundred_items_over_two_tables(client, table, other):
    items = [item(f"many-{n % 7}", n, v={"S": "x" * n}) for n in range(60)]
    others = [{"pk": {"S": f"other-{n}"}, "v": {"L": [{"N": str(n)}]}} for n in range(40)]
    write(client, table, items)
    write(client, other, others)
    answer = client.batch_get_item(RequestItems={
        table: {"Keys": [item(i["pk"]["S"], i["sk"]["N"]) for i in items], "ConsistentRead": True},
        other: {"Keys": [{"pk": i["pk"]} for i in others], "ConsistentRead": True}})
    assert answer["UnprocessedKeys"] == {}
    assert by_key(answer["Responses"][table]) == by_key(items)
    assert sorted(answer["Responses"][other], key=str) == sorted(others, key=str)


def test_puts_and_deletes_go_together(client, table, other):
    write(client, table, [item("mixed", 1), item("mixed", 2)])
    answer = client.batch_write_item(RequestItems={
        table: [delete(item("mixed", 1)), put(item("mixed", 2, v={"N": "2"})), put(item("mixed", 3)),
                delete(item("mixed", "99"))],
        other: [put({"pk": {"S": "mixed"}})]})
    assert answer["UnprocessedItems"] == {}
    found = get(client, table, [item("mixed", n) for n in (1, 2, 3, 99)])
    assert by_key(found) == [item("mixed", 2, v={"N": "2"}), item("mixed", 3)]
    assert get(client, other, [{"pk": {"S": "mixed"}}]) == [{"pk": {"S": "mixed"}}]


def test_what_is_not_there_is_left_out(client, table):
    answer = client.batch_get_item(RequestItems={table: {"Keys": [item("none", 1)]}})
    assert (answer["Responses"], answer["UnprocessedKeys"]) == ({table: []}, {})


def test_a_table_by_its_arn(client, table):
    arn = client.describe_table(TableName=table)["Table"]["TableArn"]
    client.batch_write_item(RequestItems={arn: [put(item("arn", 1))]})
    answer = client.batch_get_item(RequestItems={arn: {"Keys": [item("arn", 1)], "ConsistentRead": True}})
    assert answer["Responses"] == {arn: [item("arn", 1)]}
    # One table under two names is one table.
    assert refusal(client.batch_get_item, RequestItems={arn: {"Keys": [item("arn", 1)]},
                                                        table: {"Keys": [item("arn", 1)]}}) == (
        "ValidationException: Provided list of item keys contains duplicates")


def test_each_table_has_its_projection(client, table, other):
    write(client, table, [item("projected", 1, a={"M": {"x": {"N": "1"}, "y": {"N": "2"}}}, name={"S": "n"})])
    write(client, other, [{"pk": {"S": "projected"}, "z": {"S": "z"}}])
    answer = client.batch_get_item(RequestItems={
        table: {"Keys": [item("projected", 1)], "ConsistentRead": True, "ProjectionExpression": "a.y, #n",
                "ExpressionAttributeNames": {"#n": "name"}},
        other: {"Keys": [{"pk": {"S": "projected"}}], "ConsistentRead": True, "ProjectionExpression": "nothing"}})
    assert answer["Responses"] == {table: [{"a": {"M": {"y": {"N": "2"}}}, "name": {"S": "n"}}], other: [{}]}


def test_capacity_is_counted_for_each_table(client, table, other):
    answer = client.batch_write_item(ReturnConsumedCapacity="TOTAL", RequestItems={
        table: [put(item("capacity", 1, v={"S": "x" * 500})), put(item("capacity", 2, v={"S": "x" * 3500}))],
        other: [delete({"pk": {"S": "no such item"}})]})
    assert sorted(answer["ConsumedCapacity"], key=str) == sorted(
        [{"TableName": table, "CapacityUnits": 5.0}, {"TableName": other, "CapacityUnits": 1.0}], key=str)
    write(client, table, [item("capacity", 3, v={"S": "x" * 6600})])
    keys = [item("capacity", 1), item("capacity", 3), item("capacity", "77")]
    answer = client.batch_get_item(ReturnConsumedCapacity="INDEXES",
                                   RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    assert answer["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 4.0, "Table": {"CapacityUnits": 4.0}}]
    answer = client.batch_get_item(ReturnConsumedCapacity="TOTAL",
                                   RequestItems={table: {"Keys": keys[2:]}})
    assert answer["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 0.5}]
    assert "ConsumedCapacity" not in client.batch_get_item(RequestItems={table: {"Keys": keys}})


def test_the_resource_interface_works_too(fleet, tenant, table):
    import boto3
    resource = boto3.resource("dynamodb", endpoint_url=fleet.endpoint, region_name="us-east-1",
                              aws_access_key_id=tenant["access_key_id"],
                              aws_secret_access_key=tenant["secret_access_key"])
    with resource.Table(table).batch_writer(overwrite_by_pkeys=["pk", "sk"]) as batch:
        for n in range(101):
            batch.put_item(Item={"pk": "writer", "sk": n % 100, "n": n})
        batch.delete_item(Key={"pk": "writer", "sk": 50})
    keys = [{"pk": "writer", "sk": n} for n in range(100)]
    answer = resource.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    assert sorted(int(i["n"]) for i in answer["Responses"][table]) == [*range(1, 50), *range(51, 101)]


# ---- what is refused ----

KEY = {"pk": {"S": "k"}, "sk": {"N": "1"}}
LENGTH = "failed to satisfy constraint: Member must have length "


@pytest.mark.parametrize("request_, message", [
    ({}, "1 validation error detected: Value null at 'requestItems' failed to satisfy constraint: Member must not be "
         "null"),
    ({"RequestItems": {}}, "The requestItems parameter is required for BatchGetItem"),
    ({"RequestItems": {"TABLE": {}}},
     "1 validation error detected: Value null at 'requestItems.TABLE.member.keys' failed to satisfy constraint: Member "
     "must not be null"),
    ({"RequestItems": {"TABLE": {"Keys": []}}},
     f"1 validation error detected: Value '[]' at 'requestItems.TABLE.member.keys' {LENGTH}greater than or equal to 1"),
    ({"RequestItems": {"TABLE": {"Keys": [{"pk": {"S": str(n)}, "sk": {"N": "1"}} for n in range(60)]},
                       "another": {"Keys": [{"pk": {"S": str(n)}} for n in range(41)]}}},
     "Too many items requested for the BatchGetItem call"),
    ({"RequestItems": {f"t-{n}": {"Keys": [KEY]} for n in range(101)}},
     "Too many items requested for the BatchGetItem call"),
    ({"RequestItems": {"TABLE": {"Keys": [KEY, {"sk": {"N": "1.0"}, "pk": {"S": "k"}}]}}},
     "Provided list of item keys contains duplicates"),
    ({"RequestItems": {"TABLE": {"Keys": [{"pk": {"S": "k"}}]}}},
     "The provided key element does not match the schema"),
    ({"RequestItems": {"TABLE": {"Keys": [None]}}}, "The provided key element does not match the schema"),
    ({"RequestItems": {"TABLE": {"Keys": [{**KEY, "more": {"S": "x"}}]}}},
     "The provided key element does not match the schema"),
    ({"RequestItems": {"TABLE": {"Keys": [{"pk": {"S": ""}, "sk": {"N": "1"}}]}}},
     POPV + "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"),
    ({"RequestItems": {"TABLE": {"Keys": [KEY], "ProjectionExpression": ""}}},
     "Invalid ProjectionExpression: The expression can not be empty;"),
    ({"RequestItems": {"TABLE": {"Keys": [KEY], "ExpressionAttributeNames": {"#n": "n"}}}},
     "ExpressionAttributeNames can only be specified when using expressions: ProjectionExpression is null"),
    ({"RequestItems": {"TABLE": {"Keys": [KEY], "ProjectionExpression": "a", "ExpressionAttributeNames": {"#n": "n"}}}},
     "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}"),
    ({"RequestItems": {"TABLE": {"Keys": [KEY], "ProjectionExpression": "a", "AttributesToGet": ["a"]}}},
     "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
     "{AttributesToGet} Expression parameters: {ProjectionExpression}"),
    ({"RequestItems": {"TABLE": {"Keys": [{"pk": {"S": "k"}, "sk": {"N": "one"}}]}}},
     "The parameter cannot be converted to a numeric value: one"),
    ({"RequestItems": {"TABLE": {"Keys": [KEY]}}, "ReturnConsumedCapacity": "ALL"},
     "1 validation error detected: Value 'ALL' at 'returnConsumedCapacity' failed to satisfy constraint: Member must "
     "satisfy enum value set: [INDEXES, TOTAL, NONE]"),
])
def test_a_wrong_batch_get_is_refused(raw, raw_table, request_, message):
    request = json.loads(json.dumps(request_).replace("TABLE", raw_table))
    assert_refused(raw.call("BatchGetItem", **request), "ValidationException", message.replace("TABLE", raw_table))


MAP_VALUE = ("1 validation error detected: Value '{TABLE=[...]}' at 'requestItems' failed to satisfy constraint: Map value "
             "must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater "
             "than or equal to 1]")


@pytest.mark.parametrize("request_, message", [
    ({"RequestItems": {}}, "The requestItems parameter is required for BatchWriteItem"),
    ({"RequestItems": {"TABLE": []}}, MAP_VALUE),
    ({"RequestItems": {"TABLE": [put(item("k", n)) for n in range(20)], "another": [put(KEY)] * 6}},
     "Too many items requested for the BatchWriteItem call"),
    ({"RequestItems": {"a b": [put(KEY)]}},
     "1 validation error detected: Value '{a b=[...]}' at 'requestItems' failed to satisfy constraint: Map keys must "
     "satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or "
     "equal to 1, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]"),
    ({"RequestItems": {"TABLE": [put(item("k", 1)), delete(item("k", "1.00"))]}},
     "Provided list of item keys contains duplicates"),
    ({"RequestItems": {"TABLE": [{}]}},
     "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
    ({"RequestItems": {"TABLE": [{**put(KEY), **delete(KEY)}]}},
     "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"),
    ({"RequestItems": {"TABLE": [{"PutRequest": {}}]}},
     "1 validation error detected: Value null at 'requestItems.TABLE.member.1.member.putRequest.item' failed to satisfy "
     "constraint: Member must not be null"),
    ({"RequestItems": {"TABLE": [put(KEY), {"DeleteRequest": {}}]}},
     "1 validation error detected: Value null at 'requestItems.TABLE.member.2.member.deleteRequest.key' failed to "
     "satisfy constraint: Member must not be null"),
    ({"RequestItems": {"TABLE": [put({"pk": {"S": "k"}})]}}, POPV + "Missing the key sk in the item"),
    ({"RequestItems": {"TABLE": [put({"pk": {"N": "1"}, "sk": {"N": "1"}})]}},
     POPV + "Type mismatch for key pk expected: S actual: N"),
    ({"RequestItems": {"TABLE": [delete({"pk": {"S": "k"}})]}}, "The provided key element does not match the schema"),
    ({"RequestItems": {"TABLE": [put({**KEY, "v": {"SS": []}})]}}, POPV + "An string set  may not be empty"),
    ({"RequestItems": {"TABLE": [put(KEY)]}, "ReturnItemCollectionMetrics": "ALL"},
     "1 validation error detected: Value 'ALL' at 'returnItemCollectionMetrics' failed to satisfy constraint: Member "
     "must satisfy enum value set: [SIZE, NONE]"),
])
def test_a_wrong_batch_write_is_refused(raw, raw_table, request_, message):
    request = json.loads(json.dumps(request_).replace("TABLE", raw_table))
    assert_refused(raw.call("BatchWriteItem", **request), "ValidationException", message.replace("TABLE", raw_table))


def test_an_item_that_is_too_large_refuses_all(client, table):
    large = item("too-large", 2, v={"S": "x" * 410_000})
    assert refusal(client.batch_write_item, RequestItems={table: [put(item("too-large", 1)), put(large)]}) == (
        "ValidationException: Item size has exceeded the maximum allowed size")
    assert get(client, table, [item("too-large", 1), item("too-large", 2)]) == []
    write(client, table, [item("too-large", 3, v={"S": "x" * (400 * 1024 - 50)})])


def test_an_unknown_table_refuses_all(client, table):
    for call, ours, theirs in ((client.batch_write_item, [put(item("unknown", 1))], [put(KEY)]),
                               (client.batch_get_item, {"Keys": [KEY]}, {"Keys": [KEY]})):
        assert refusal(call, RequestItems={table: ours, "no-such-table": theirs}) == (
            "ResourceNotFoundException: Requested resource not found")
    assert get(client, table, [item("unknown", 1)]) == []


@pytest.mark.parametrize("operation, body", [
    ("BatchGetItem", {"RequestItems": []}), ("BatchGetItem", {"RequestItems": {"t": []}}),
    ("BatchGetItem", {"RequestItems": {"t": {"Keys": {}}}}), ("BatchGetItem", {"RequestItems": {"t": {"Keys": [1]}}}),
    ("BatchWriteItem", {"RequestItems": {"t": {}}}), ("BatchWriteItem", {"RequestItems": {"t": [None]}}),
    ("BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": []}]}}),
    ("BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": 5}}]}}),
])
def test_wrong_types_are_serialization_errors(raw, operation, body):
    assert_refused(raw.call(operation, **body), "SerializationException")


def test_far_too_much_is_refused_and_hurts_nobody(raw, raw_table, unharmed):
    keys = [{"pk": {"S": "k"}, "sk": {"N": str(n)}} for n in range(20_000)]
    assert_refused(raw.call("BatchGetItem", RequestItems={raw_table: {"Keys": keys}}), "ValidationException")
    tables = {f"table-{n}": {"Keys": [KEY]} for n in range(10_000)}
    assert_refused(raw.call("BatchGetItem", RequestItems=tables), "ValidationException")
    assert_refused(raw.call("BatchWriteItem", RequestItems={raw_table: [delete(k) for k in keys]}),
                   "ValidationException")


def test_of_a_name_that_comes_twice_the_last_one_counts(raw, raw_table):
    from tests.faults.kill_client import signed_headers
    name = json.dumps(raw_table)
    first, second = ('[{"PutRequest":{"Item":{"pk":{"S":"twice"},"sk":{"N":"%d"}}}}]' % n for n in (1, 2))
    body = f'{{"RequestItems":{{{name}:{first},{name}:{second}}}}}'.encode()
    reply = raw.send(body, signed_headers(raw.key, raw.host, "BatchWriteItem", body))
    assert (reply.status, reply.json["UnprocessedItems"]) == (200, {})
    keys = [{"pk": {"S": "twice"}, "sk": {"N": str(n)}} for n in (1, 2)]
    found = raw.settled("BatchGetItem", RequestItems={raw_table: {"Keys": keys, "ConsistentRead": True}})
    assert found["Responses"] == {raw_table: [keys[1]]}


def test_a_batch_that_is_acknowledged_is_read_as_a_whole(client, table):
    for generation in range(20):
        items = [item("generation", n, g={"N": str(generation)}) for n in range(25)]
        write(client, table, items)
        found = get(client, table, [item("generation", n) for n in range(25)])
        assert by_key(found) == items
