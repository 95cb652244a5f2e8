"""The tour with boto3: tables of all key types, items of all types, conditions, updates, return values."""

import re
import time
from decimal import Decimal

import boto3
import pytest
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from .conftest import create_table

ALL_TYPES = {
    "s": {"S": "Grüße, 世界 \U0001F30D"},
    "n": {"N": "-12345678901234567890.123456789012345678"},
    "b": {"B": b"\x00\xff\x10"},
    "ss": {"SS": ["a", "b", "c"]},
    "ns": {"NS": ["1", "2.5", "-3"]},
    "bs": {"BS": [b"\x00", b"\x01\x02"]},
    "m": {"M": {"inner": {"L": [{"N": "1"}, {"M": {}}]}}},
    "l": {"L": [{"S": "x"}, {"NULL": True}, {"BOOL": False}, {"L": []}]},
    "null": {"NULL": True},
    "yes": {"BOOL": True},
    "empty": {"S": ""},
}


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]


def eventually(client, seconds=10, **arguments):
    """An eventually consistent read that has seen the item, within a bounded time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = client.get_item(**arguments)
        if "Item" in answer:
            return answer
    raise AssertionError(f"not seen within {seconds} s")


def same(a, b):
    """Equality of attribute values, sets without order."""
    def normal(value):
        (kind, body), = value.items()
        if kind in ("SS", "BS"):
            return kind, frozenset(body)
        if kind == "NS":
            return kind, frozenset(Decimal(n) for n in body)
        if kind == "N":
            return kind, Decimal(body)
        if kind == "L":
            return kind, tuple(normal(v) for v in body)
        if kind == "M":
            return kind, tuple(sorted((k, normal(v)) for k, v in body.items()))
        return kind, body
    return {k: normal(v) for k, v in a.items()} == {k: normal(v) for k, v in b.items()}


@pytest.fixture(scope="module")
def table(client):
    create_table(client, "tour-boto3", sort="N")
    yield "tour-boto3"
    client.delete_table(TableName="tour-boto3")
    client.get_waiter("table_not_exists").wait(TableName="tour-boto3",
                                               WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})


@pytest.mark.parametrize("partition", ["S", "N", "B"])
@pytest.mark.parametrize("sort", [None, "S", "N", "B"])
def test_tables_of_every_key_type_hold_items(client, partition, sort):
    name = f"keys-{partition}-{sort}"
    values = {"S": [{"S": "a"}, {"S": "b\u0000c"}], "N": [{"N": "-1.5"}, {"N": "9" * 38}],
              "B": [{"B": b"\x00"}, {"B": b"\x00\xff"}]}
    create_table(client, name, sort=sort, partition=partition)
    for pk in values[partition]:
        for sk in values[sort] if sort else [None]:
            key = {"pk": pk} if sk is None else {"pk": pk, "sk": sk}
            client.put_item(TableName=name, Item={**key, "v": {"S": repr(key)}})
    for pk in values[partition]:
        for sk in values[sort] if sort else [None]:
            key = {"pk": pk} if sk is None else {"pk": pk, "sk": sk}
            item = client.get_item(TableName=name, Key=key, ConsistentRead=True)["Item"]
            assert item["v"] == {"S": repr(key)}
    client.delete_table(TableName=name)


def test_describe_table_says_what_was_created(client):
    create_table(client, "described", sort="S",
                 ProvisionedThroughput={"ReadCapacityUnits": 3100, "WriteCapacityUnits": 1500})
    table = client.describe_table(TableName="described")["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["TableArn"].endswith(":table/described")
    assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"},
                                  {"AttributeName": "sk", "KeyType": "RANGE"}]
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 3100
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 1500
    assert "described" in client.list_tables()["TableNames"]
    assert client.describe_table(TableName=table["TableArn"])["Table"]["TableId"] == table["TableId"]
    assert client.delete_table(TableName="described")["TableDescription"]["TableStatus"] == "DELETING"


def test_list_tables_pages(client):
    for i in range(3):
        create_table(client, f"page-{i}")
    names, start = [], {}
    while True:
        page = client.list_tables(Limit=1, **start)
        names += page["TableNames"]
        if "LastEvaluatedTableName" not in page:
            break
        start = {"ExclusiveStartTableName": page["LastEvaluatedTableName"]}
    assert [n for n in names if n.startswith("page-")] == ["page-0", "page-1", "page-2"]
    for i in range(3):
        client.delete_table(TableName=f"page-{i}")


def test_all_ten_types_come_back_as_they_went(client, table):
    item = {"pk": {"S": "types"}, "sk": {"N": "1"}, **ALL_TYPES}
    client.put_item(TableName=table, Item=item)
    for consistent in (True, False):
        got = client.get_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]},
                              ConsistentRead=consistent)
        if consistent:
            assert same(got["Item"], item)


def test_a_missing_item_is_absent_and_not_empty(client, table):
    answer = client.get_item(TableName=table, Key={"pk": {"S": "none"}, "sk": {"N": "0"}},
                             ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
    assert "Item" not in answer
    assert answer["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 1.0}


def test_consumed_capacity_is_counted_by_size(client, table):
    key = {"pk": {"S": "capacity"}, "sk": {"N": "1"}}
    item = {**key, "v": {"S": "x" * 4500}}
    put = client.put_item(TableName=table, Item=item, ReturnConsumedCapacity="TOTAL")
    assert put["ConsumedCapacity"]["CapacityUnits"] == 5.0
    get = client.get_item(TableName=table, Key=key, ReturnConsumedCapacity="TOTAL", ConsistentRead=True)
    assert get["ConsumedCapacity"]["CapacityUnits"] == 2.0
    get = eventually(client, TableName=table, Key=key, ReturnConsumedCapacity="INDEXES")
    assert get["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 1.0,
                                       "Table": {"CapacityUnits": 1.0}}
    delete = client.delete_item(TableName=table, Key=key, ReturnConsumedCapacity="TOTAL")
    assert delete["ConsumedCapacity"]["CapacityUnits"] == 5.0
    assert "ConsumedCapacity" not in client.put_item(TableName=table, Item=item)


def test_return_values_of_put_and_delete(client, table):
    key = {"pk": {"S": "returns"}, "sk": {"N": "1"}}
    assert "Attributes" not in client.put_item(TableName=table, Item={**key, "v": {"N": "1"}},
                                               ReturnValues="ALL_OLD")
    old = client.put_item(TableName=table, Item={**key, "v": {"N": "2"}}, ReturnValues="ALL_OLD")
    assert old["Attributes"] == {**key, "v": {"N": "1"}}
    gone = client.delete_item(TableName=table, Key=key, ReturnValues="ALL_OLD")
    assert gone["Attributes"] == {**key, "v": {"N": "2"}}
    assert "Attributes" not in client.delete_item(TableName=table, Key=key, ReturnValues="ALL_OLD")


def test_conditions_hold_writes_back(client, table):
    key = {"pk": {"S": "condition"}, "sk": {"N": "1"}}
    client.put_item(TableName=table, Item={**key, "v": {"N": "5"}, "tags": {"SS": ["x", "y"]}},
                    ConditionExpression="attribute_not_exists(pk)")
    error = refusal(client.put_item, TableName=table, Item=key,
                    ConditionExpression="attribute_not_exists(pk)")
    assert error == {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
    for true in ("v BETWEEN :three AND :nine", "v IN (:three, :five)", "contains(tags, :x)",
                 "NOT v = :three AND (size(tags) = :two OR v < :three)", "begins_with(pk, :cond)",
                 "attribute_type(v, :number)"):
        values = {":three": {"N": "3"}, ":nine": {"N": "9"}, ":five": {"N": "5.0"}, ":x": {"S": "x"},
                  ":two": {"N": "2"}, ":cond": {"S": "cond"}, ":number": {"S": "N"}}
        used = {k: v for k, v in values.items() if k in re.findall(r":\w+", true)}
        client.update_item(TableName=table, Key=key, ConditionExpression=true,
                           UpdateExpression="SET seen = if_not_exists(seen, :zero) + :one",
                           ExpressionAttributeValues={**used, ":zero": {"N": "0"}, ":one": {"N": "1"}})
    item = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    assert item["seen"] == {"N": "6"}


def test_update_expressions_in_full(client, table):
    key = {"pk": {"S": "update"}, "sk": {"N": "1"}}
    client.update_item(
        TableName=table, Key=key,
        UpdateExpression="SET #m = :map, l = :list, n = :n REMOVE nothing ADD tags :tags",
        ExpressionAttributeNames={"#m": "map"},
        ExpressionAttributeValues={":map": {"M": {"a": {"N": "1"}}}, ":list": {"L": [{"S": "0"}]},
                                   ":n": {"N": "10"}, ":tags": {"SS": ["a", "b"]}})
    new = client.update_item(
        TableName=table, Key=key,
        UpdateExpression="SET #m.b = #m.a + :n, l = list_append(l, :more), n = n - :n "
                         "DELETE tags :tags ADD visits :n",
        ExpressionAttributeNames={"#m": "map"},
        ExpressionAttributeValues={":n": {"N": "0.1"}, ":more": {"L": [{"S": "1"}]}, ":tags": {"SS": ["a"]}},
        ReturnValues="ALL_NEW")["Attributes"]
    assert new["map"] == {"M": {"a": {"N": "1"}, "b": {"N": "1.1"}}}
    assert new["l"] == {"L": [{"S": "0"}, {"S": "1"}]}
    assert new["n"] == {"N": "9.9"}
    assert new["tags"] == {"SS": ["b"]}
    assert new["visits"] == {"N": "0.1"}
    touched = client.update_item(TableName=table, Key=key, UpdateExpression="REMOVE l[0], #m.a",
                                 ExpressionAttributeNames={"#m": "map"}, ReturnValues="UPDATED_OLD")
    assert touched["Attributes"] == {"l": {"L": [{"S": "0"}]}, "map": {"M": {"a": {"N": "1"}}}}
    new = client.update_item(TableName=table, Key=key, UpdateExpression="SET n = :n",
                             ExpressionAttributeValues={":n": {"N": "1"}}, ReturnValues="UPDATED_NEW")
    assert new["Attributes"] == {"n": {"N": "1"}}
    assert refusal(client.update_item, TableName=table, Key=key, UpdateExpression="SET pk = :n",
                   ExpressionAttributeValues={":n": {"S": "x"}})["Message"] == (
        "One or more parameter values were invalid: Cannot update attribute pk. "
        "This attribute is part of the key")


def test_numbers_of_38_digits_are_exact(client, table):
    key = {"pk": {"S": "numbers"}, "sk": {"N": "1"}}
    nines = "9" * 38
    client.put_item(TableName=table, Item={**key, "n": {"N": nines}})
    new = client.update_item(TableName=table, Key=key, UpdateExpression="SET n = n - :one",
                             ExpressionAttributeValues={":one": {"N": "1"}}, ReturnValues="UPDATED_NEW")
    assert new["Attributes"]["n"] == {"N": nines[:-1] + "8"}
    for text, shown in (("00042", "42"), ("-0", "0"), ("1E5", "100000"), ("1.50", "1.5"), ("1e-3", "0.001")):
        client.put_item(TableName=table, Item={**key, "n": {"N": text}})
        assert client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["n"] == {"N": shown}


def test_a_projection_returns_only_its_paths(client, table):
    key = {"pk": {"S": "projection"}, "sk": {"N": "1"}}
    client.put_item(TableName=table, Item={**key, "a": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}},
                                           "l": {"L": [{"S": "0"}, {"S": "1"}]}, "z": {"S": "z"}})
    got = client.get_item(TableName=table, Key=key, ConsistentRead=True, ProjectionExpression="a.y, l[1]")
    assert got["Item"] == {"a": {"M": {"y": {"N": "2"}}}, "l": {"L": [{"S": "1"}]}}


def test_the_resource_interface_works_too(fleet, tenant, client, table):
    resource = boto3.resource("dynamodb", endpoint_url=fleet.endpoint, region_name="us-east-1",
                              aws_access_key_id=tenant["access_key_id"],
                              aws_secret_access_key=tenant["secret_access_key"])
    handle = resource.Table(table)
    handle.put_item(Item={"pk": "resource", "sk": Decimal(1), "price": Decimal("19.99"), "tags": {"a", "b"}})
    handle.update_item(Key={"pk": "resource", "sk": 1}, UpdateExpression="ADD price :d",
                       ConditionExpression=Attr("price").lt(Decimal(20)),
                       ExpressionAttributeValues={":d": Decimal("0.01")})
    item = handle.get_item(Key={"pk": "resource", "sk": 1}, ConsistentRead=True)["Item"]
    assert item == {"pk": "resource", "sk": Decimal(1), "price": Decimal(20), "tags": {"a", "b"}}
