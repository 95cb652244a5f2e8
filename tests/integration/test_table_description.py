"""What DescribeTable tells: fields, states, counts; and tables named by their ARN."""

import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.local.layout import REGION
from tests.faults.kill_probe import wait_for

from .conftest import assert_refused, connect

UNITS = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
HASH, RANGE = {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "a", "KeyType": "RANGE"}
PK, SORT = {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "a", "AttributeType": "B"}
KEY = {"pk": {"S": "k"}}
FRESH_SECONDS = 20  # a description is about a second old; more on a loaded machine


def describe(raw, name):
    return raw.settled("DescribeTable", TableName=name)["Table"]


def create(raw, sort=False, **more):
    name = f"described-{uuid.uuid4()}"
    if "ProvisionedThroughput" not in more:
        more["BillingMode"] = "PAY_PER_REQUEST"
    answer = raw.settled("CreateTable", TableName=name, KeySchema=[HASH, RANGE] if sort else [HASH],
                         AttributeDefinitions=[PK, SORT] if sort else [PK], **more)
    wait_for(lambda: describe(raw, name)["TableStatus"] == "ACTIVE", 30, "the table to be ACTIVE")
    return name, answer["TableDescription"]


@pytest.fixture
def table(raw):
    return create(raw)[0]


# ---- fields ----

def common(name, tenant):
    return {"TableName": name, "TableStatus": "ACTIVE", "TableSizeBytes": 0, "ItemCount": 0,
            "TableArn": f"arn:aws:dynamodb:{REGION}:{tenant}:table/{name}", "DeletionProtectionEnabled": False}


def take_variable(described):
    """Take out what is another at each creation: its form is checked."""
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", described.pop("TableId"))
    created = described.pop("CreationDateTime")
    assert isinstance(created, float) and abs(created - time.time()) < 120
    return described


def tenant_of(name, described):
    return re.fullmatch(f"arn:aws:dynamodb:{REGION}:([0-9]{{12}}):table/{name}", described["TableArn"])[1]


def test_a_provisioned_table(raw):
    name, created = create(raw, sort=True, ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6})
    described = describe(raw, name)
    tenant = tenant_of(name, described)
    assert created["TableId"] == described["TableId"]
    expected = {**common(name, tenant), "KeySchema": [HASH, RANGE], "AttributeDefinitions": [SORT, PK],
                "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
                "WarmThroughput": {"ReadUnitsPerSecond": 5, "WriteUnitsPerSecond": 6, "Status": "ACTIVE"}}
    assert take_variable(described) == expected
    expected["WarmThroughput"]["Status"] = expected["TableStatus"] = "CREATING"
    assert take_variable(created) == expected


def test_a_table_on_demand(raw):
    name, created = create(raw, DeletionProtectionEnabled=True, TableClass="STANDARD")
    described = describe(raw, name)
    tenant = tenant_of(name, described)
    since = described["BillingModeSummary"].pop("LastUpdateToPayPerRequestDateTime")
    assert isinstance(since, float) and abs(since - described["CreationDateTime"]) < 60
    expected = {**common(name, tenant), "KeySchema": [HASH], "AttributeDefinitions": [PK],
                "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                "TableClassSummary": {"TableClass": "STANDARD"}, "DeletionProtectionEnabled": True,
                "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"}}
    assert take_variable(described) == expected
    expected["WarmThroughput"]["Status"] = expected["TableStatus"] = "CREATING"
    assert take_variable(created) == expected


def test_the_last_increase_and_decrease_are_numbers(raw):
    name, _ = create(raw, ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
    for units, field in ((6, "LastIncreaseDateTime"), (4, "LastDecreaseDateTime")):
        before = describe(raw, name)["ProvisionedThroughput"]
        assert field not in before
        raw.settled("UpdateTable", TableName=name,
                    ProvisionedThroughput={"ReadCapacityUnits": units, "WriteCapacityUnits": 5})
        wait_for(lambda: describe(raw, name)["TableStatus"] == "ACTIVE", 30, "the table to be ACTIVE")
        assert abs(describe(raw, name)["ProvisionedThroughput"][field] - time.time()) < 60


# ---- states ----

def states_until(raw, name, last):
    """The states that the table is seen in, in order."""
    seen = []

    def is_last():
        state = describe(raw, name)["TableStatus"]
        if seen[-1:] != [state]:
            seen.append(state)
        return state == last
    wait_for(is_last, 30, f"the table to be {last}")
    return seen


def test_the_states_of_a_table(raw):
    name = f"states-{uuid.uuid4()}"
    answer = raw.settled("CreateTable", TableName=name, KeySchema=[HASH], AttributeDefinitions=[PK],
                         ProvisionedThroughput=UNITS)
    assert answer["TableDescription"]["TableStatus"] == "CREATING"
    assert states_until(raw, name, "ACTIVE") in (["CREATING", "ACTIVE"], ["ACTIVE"])
    answer = raw.settled("UpdateTable", TableName=name, BillingMode="PAY_PER_REQUEST")
    assert answer["TableDescription"]["TableStatus"] == "UPDATING"
    assert states_until(raw, name, "ACTIVE") in (["UPDATING", "ACTIVE"], ["ACTIVE"])
    answer = raw.settled("DeleteTable", TableName=name)
    assert answer["TableDescription"]["TableStatus"] == "DELETING"
    gone = wait_for(lambda: next((reply for reply in [raw.call("DescribeTable", TableName=name)]
                                  if reply.status != 200), None), 30, "the table to go")
    assert_refused(gone, "ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")




def until_hit(attempt):
    """States last for milliseconds: try with another table until one is hit."""
    return next(filter(None, (attempt(n) for n in range(30))))


def test_a_table_that_is_being_created_is_in_use(raw):
    def attempt(_):
        name = f"creating-{uuid.uuid4()}"
        raw.settled("CreateTable", TableName=name, KeySchema=[HASH], AttributeDefinitions=[PK],
                    ProvisionedThroughput=UNITS)
        update = raw.call("UpdateTable", TableName=name, BillingMode="PAY_PER_REQUEST")
        delete = raw.call("DeleteTable", TableName=name)
        wait_for(lambda: raw.call("DeleteTable", TableName=name).status == 200, 30, "the table to go")
        return (name, update, delete) if update.status == delete.status == 400 else None
    name, update, delete = until_hit(attempt)
    assert_refused(update, "ResourceInUseException",
                   f"Attempt to change a resource which is still in use: Table is being created: {name}")
    assert_refused(delete, "ResourceInUseException",
                   f"Attempt to change a resource which is still in use: Table is being created: {name}")


def test_a_table_that_is_being_updated_is_in_use_and_serves(fleet, tenant, raw, table):
    """Two at once: the one that comes second finds the table UPDATING, if it comes soon enough."""
    clients = [connect(fleet, tenant) for _ in range(2)]

    def update(number):
        units = {"ReadCapacityUnits": number + 1, "WriteCapacityUnits": 1}
        return clients[number % 2].call("UpdateTable", TableName=table, BillingMode="PROVISIONED",
                                        ProvisionedThroughput=units)

    def attempt(n):
        with ThreadPoolExecutor(2) as pool:
            replies = list(pool.map(update, (2 * n, 2 * n + 1)))
            raw.settled("PutItem", TableName=table, Item=KEY)
        wait_for(lambda: describe(raw, table)["TableStatus"] == "ACTIVE", 30, "the table to be ACTIVE")
        return next((reply for reply in replies if reply.error == "ResourceInUseException"), None)
    assert_refused(until_hit(attempt), "ResourceInUseException",
                   f"Attempt to change a resource which is still in use: Table is being updated: {table}")


def test_a_table_that_is_being_deleted(raw):
    def attempt(_):
        name, _ = create(raw)
        raw.settled("DeleteTable", TableName=name)
        again = raw.call("DeleteTable", TableName=name)
        update = raw.call("UpdateTable", TableName=name, ProvisionedThroughput=UNITS, BillingMode="PROVISIONED")
        same = raw.call("CreateTable", TableName=name, KeySchema=[HASH], AttributeDefinitions=[PK],
                        ProvisionedThroughput=UNITS)
        return (name, again, update, same) if again.status == 200 and update.status == same.status == 400 else None
    name, again, update, same = until_hit(attempt)
    assert again.json["TableDescription"]["TableStatus"] == "DELETING"  # deleting again is no error
    assert_refused(update, "ResourceInUseException",
                   f"Attempt to change a resource which is still in use: Table is being deleted: {name}")
    assert_refused(same, "ResourceInUseException", f"Table already exists: {name}")


# ---- ARNs ----

def calls(table):
    """Every operation that names a table, on this one."""
    put = {"PutRequest": {"Item": KEY}}
    return [("PutItem", {"TableName": table, "Item": KEY}), ("GetItem", {"TableName": table, "Key": KEY}),
            ("UpdateItem", {"TableName": table, "Key": KEY}),
            ("Query", {"TableName": table, "KeyConditionExpression": "pk = :p",
                       "ExpressionAttributeValues": {":p": {"S": "k"}}}),
            ("Scan", {"TableName": table}), ("BatchWriteItem", {"RequestItems": {table: [put]}}),
            ("BatchGetItem", {"RequestItems": {table: {"Keys": [KEY]}}}), ("DeleteItem", {"TableName": table, "Key": KEY}),
            ("DescribeTable", {"TableName": table}), ("DescribeTimeToLive", {"TableName": table}),
            ("DescribeContinuousBackups", {"TableName": table}),
            ("UpdateTable", {"TableName": table, "TableClass": "STANDARD_INFREQUENT_ACCESS"}),
            ("DeleteTable", {"TableName": table})]


def test_every_operation_takes_an_arn(raw, table):
    arn = describe(raw, table)["TableArn"]
    for operation, request in calls(arn):
        raw.settled(operation, 30, **request)
    wait_for(lambda: raw.call("DescribeTable", TableName=arn).status == 400, 30, "the table to go")


@pytest.mark.parametrize("part, other", [(3, "eu-west-9"), (4, "999999999999")])
def test_an_arn_of_another_region_or_account_is_not_found(raw, table, part, other):
    pieces = describe(raw, table)["TableArn"].split(":")
    pieces[part] = other
    foreign = ":".join(pieces)
    for operation, request in calls(foreign):
        reply = raw.call(operation, **request)
        if operation.endswith(("Table", "Live", "Backups")):
            assert_refused(reply, "ResourceNotFoundException", f"Requested resource not found: Table: {table} not found")
        else:
            assert_refused(reply, "ResourceNotFoundException", "Requested resource not found")
    assert describe(raw, table)["TableStatus"] == "ACTIVE"


@pytest.mark.parametrize("arn", ["arn:aws:dynamodb", "arn:aws:dynamodb:us-east-1:000000000000:table",
                                 "arn:aws:dynamodb:us-east-1:000000000000:table/", "arn:aws:s3:::bucket", "a:b",
                                 "arn:" + "x" * 2000])
def test_what_is_no_arn_is_refused(raw, arn):
    for operation, request in calls(arn):
        reply = raw.call(operation, **request)
        assert reply.status == 400 and reply.error in ("ValidationException", "ResourceNotFoundException"), (
            operation, reply.body)


# ---- counts ----

def size_of(raw, table):
    description = describe(raw, table)
    return description["ItemCount"], description["TableSizeBytes"]


def assert_size(raw, table, count, size):
    wait_for(lambda: size_of(raw, table) == (count, size), FRESH_SECONDS, f"{count} items of {size} bytes")


def test_items_are_counted(raw, table):
    """Over four partitions; items weigh 2 + 7 + 1 + the text."""
    def item(n, length):
        return {"pk": {"S": f"item-{n:02}"}, "v": {"S": "x" * length}}
    for first in (0, 25):
        raw.settled("BatchWriteItem", RequestItems={
            table: [{"PutRequest": {"Item": item(n, n)}} for n in range(first, first + 25)]})
    sizes = {n: 10 + n for n in range(50)}
    assert_size(raw, table, 50, sum(sizes.values()))
    raw.settled("PutItem", TableName=table, Item=item(0, 1000))
    raw.settled("UpdateItem", TableName=table, Key={"pk": {"S": "item-01"}}, UpdateExpression="REMOVE v")
    raw.settled("DeleteItem", TableName=table, Key={"pk": {"S": "item-02"}})
    raw.settled("DeleteItem", TableName=table, Key={"pk": {"S": "nobody"}})
    raw.call("PutItem", TableName=table, Item=item(3, 5000), ConditionExpression="attribute_not_exists(pk)")
    raw.settled("UpdateItem", TableName=table, Key={"pk": {"S": "item-99"}})
    sizes.update({0: 1010, 1: 9, 99: 9})
    del sizes[2]
    assert_size(raw, table, 50, sum(sizes.values()))


def test_counts_outlive_leaders_and_restarts(fleet, raw, table):
    for n in range(40):
        raw.settled("PutItem", TableName=table, Item={"pk": {"S": f"item-{n:02}"}})
    assert_size(raw, table, 40, 40 * 9)
    for name in ("node-1", "node-2", "node-3"):
        fleet.kill(name)
        fleet.start(name)
        raw.settled("PutItem", TableName=table, Item={"pk": {"S": f"after-{name}"}})
        raw.settled("DeleteItem", TableName=table, Key={"pk": {"S": f"item-0{name[-1]}"}})
    assert_size(raw, table, 40, 37 * 9 + 3 * 14)
    fleet.kill("control-1")
    fleet.start("control-1")
    assert_size(raw, table, 40, 37 * 9 + 3 * 14)
    found = raw.settled("Scan", TableName=table, ConsistentRead=True)["Items"]
    assert (len(found), sum(2 + len(item["pk"]["S"]) for item in found)) == (40, 37 * 9 + 3 * 14)
