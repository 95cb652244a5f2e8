"""What states.txt says of a parameter is so: one that is served changes what is answered or kept, one that is only checked does
not. Each has a row here, two requests that differ in nothing else; none may be without."""

import json
import sys

import pytest

from tests.faults.kill_client import signed_headers
from tests.faults.kill_probe import wait_for

from .conftest import ROOT, assert_refused

sys.path.insert(0, str(ROOT / "api/model"))

import compat  # noqa: E402
import model_text  # noqa: E402

STATES = compat.read_states()
OPERATIONS, SHAPES = model_text.read(ROOT / "api/model/dynamodb.model")
TABLE, OTHER = "effects", "effects-other"
KEY, NEXT = ({"pk": {"S": "a"}, "sk": {"N": n}} for n in "12")
BESIDE = {"v": {"N": "1"}, "w": {"N": "2"}}
ITEM = {**KEY, **BESIDE}
ABSENT = object()


class Refused:
    """A value of which the refusal is the effect."""

    def __init__(self, value, message):
        self.value, self.message = value, message


def equals(value):
    return {"ComparisonOperator": "EQ", "AttributeValueList": [value]}


def arn(table):
    """Made an ARN when it is sent."""
    return f"@ARN/{table}"


# ---- rows: {parameter: (what comes with it, a value, another)} ----

CAPACITY = {"ReturnConsumedCapacity": ({}, "TOTAL", "INDEXES")}
COLLECTION = {"ReturnItemCollectionMetrics": ({}, "NONE", "SIZE")}
TAGS = [{"Key": "k", "Value": "one"}], [{"Key": "k", "Value": "two"}]
PROJECTION = {
    "ProjectionExpression": ({}, "v", "w"),
    "ExpressionAttributeNames": ({"ProjectionExpression": "#n"}, {"#n": "v"}, {"#n": "w"}),
    "AttributesToGet": ({}, ["v"], ["w"]),
    "ConsistentRead": ({"ReturnConsumedCapacity": "TOTAL"}, True, False),
}
ONE_OF_TWO = {"v": equals({"N": "1"}), "w": equals({"N": "5"})}  # what old conditions ask of ITEM
WRITE = {
    **CAPACITY,
    **COLLECTION,
    "ConditionExpression": ({}, "attribute_exists(v)", "attribute_not_exists(v)"),
    "ExpressionAttributeNames": ({"ConditionExpression": "attribute_exists(#n)"}, {"#n": "v"}, {"#n": "x"}),
    "ExpressionAttributeValues": ({"ConditionExpression": "v = :v"}, {":v": {"N": "1"}}, {":v": {"N": "5"}}),
    "ReturnValues": ({}, "NONE", "ALL_OLD"),
    "ReturnValuesOnConditionCheckFailure": ({"ConditionExpression": "attribute_exists(x)"}, "NONE", "ALL_OLD"),
    "Expected": ({}, {"v": {"Value": {"N": "1"}}}, {"v": {"Value": {"N": "5"}}}),
    "ConditionalOperator": ({"Expected": ONE_OF_TWO}, "AND", "OR"),
}
RANGE = {
    **CAPACITY,
    **PROJECTION,
    "TableName": ({}, TABLE, OTHER),
    "IndexName": ({}, ABSENT, Refused("no-index", "The table does not have the specified index: no-index")),
    "Select": ({}, "COUNT", "ALL_ATTRIBUTES"),
    "Limit": ({}, 1, 2),
    "ExclusiveStartKey": ({}, KEY, NEXT),
    "FilterExpression": ({}, "attribute_exists(v)", "attribute_not_exists(v)"),
}
QUERY = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "a"}}}
OLD_QUERY = {"KeyConditions": {"pk": equals({"S": "a"})}}

# {operation: (what each of its requests has, rows)}
ROWS = {
    "PutItem": ({"TableName": TABLE, "Item": {**KEY, "v": {"N": "7"}}}, {
        **WRITE,
        "TableName": ({}, TABLE, OTHER),
        "Item": ({}, {**KEY, "v": {"N": "8"}}, {**NEXT, "v": {"N": "8"}}),
    }),
    "DeleteItem": ({"TableName": TABLE, "Key": KEY}, {
        **WRITE,
        "TableName": ({}, TABLE, OTHER),
        "Key": ({}, KEY, NEXT),
    }),
    "UpdateItem": ({"TableName": TABLE, "Key": KEY}, {
        **WRITE,
        "TableName": ({"UpdateExpression": "REMOVE v"}, TABLE, OTHER),
        "Key": ({"UpdateExpression": "REMOVE v"}, KEY, NEXT),
        "UpdateExpression": ({}, "REMOVE v", "REMOVE w"),
        "AttributeUpdates": ({}, {"v": {"Action": "DELETE"}}, {"w": {"Action": "DELETE"}}),
    }),
    "GetItem": ({"TableName": TABLE, "Key": KEY, "ConsistentRead": True}, {
        **CAPACITY,
        **PROJECTION,
        "TableName": ({}, TABLE, OTHER),
        "Key": ({}, KEY, NEXT),
    }),
    "Query": ({"TableName": TABLE, "ConsistentRead": True}, {
        **{name: ({**more, **QUERY}, *values) for name, (more, *values) in RANGE.items()},
        "ScanIndexForward": (QUERY, True, False),
        "KeyConditionExpression": ({"ExpressionAttributeValues": {":pk": {"S": "a"}, ":n": {"N": "1"}}},
                                   "pk = :pk AND sk = :n", "pk = :pk AND sk > :n"),
        "ExpressionAttributeValues": ({"KeyConditionExpression": "pk = :pk"}, {":pk": {"S": "a"}}, {":pk": {"S": "b"}}),
        "AttributesToGet": (OLD_QUERY, ["v"], ["w"]),
        "KeyConditions": ({}, {"pk": equals({"S": "a"})}, {"pk": equals({"S": "b"})}),
        "QueryFilter": (OLD_QUERY, {"v": equals({"N": "1"})}, {"v": equals({"N": "5"})}),
        "ConditionalOperator": ({**OLD_QUERY, "QueryFilter": ONE_OF_TWO}, "AND", "OR"),
    }),
    "Scan": ({"TableName": TABLE, "ConsistentRead": True}, {
        **RANGE,
        "ExpressionAttributeValues": ({"FilterExpression": "v = :v"}, {":v": {"N": "1"}}, {":v": {"N": "5"}}),
        "Segment": ({"TotalSegments": 2}, 0, 1),
        "TotalSegments": ({"Segment": 0}, 1, 2),
        "ScanFilter": ({}, {"v": equals({"N": "1"})}, {"v": equals({"N": "5"})}),
        "ConditionalOperator": ({"ScanFilter": ONE_OF_TWO}, "AND", "OR"),
    }),
    "BatchGetItem": ({"RequestItems": {TABLE: {"Keys": [KEY], "ConsistentRead": True}}}, {
        **CAPACITY,
        "RequestItems": ({}, {TABLE: {"Keys": [KEY]}}, {OTHER: {"Keys": [KEY]}}),
    }),
    "BatchWriteItem": ({"RequestItems": {TABLE: [{"PutRequest": {"Item": KEY}}]}}, {
        **CAPACITY,
        **COLLECTION,
        "RequestItems": ({}, {TABLE: [{"PutRequest": {"Item": KEY}}]}, {TABLE: [{"DeleteRequest": {"Key": KEY}}]}),
    }),
    "DescribeTable": ({}, {"TableName": ({}, TABLE, OTHER)}),
    "DescribeTimeToLive": ({}, {
        "TableName": ({}, TABLE, Refused("no-table", "Requested resource not found: Table: no-table not found")),
    }),
    "DescribeContinuousBackups": ({}, {"TableName": ({}, TABLE, Refused("no-table", "Table not found: no-table"))}),
    "ListTables": ({"Limit": 3}, {
        "Limit": ({}, 1, 2),
        "ExclusiveStartTableName": ({}, "aaa", TABLE),
    }),
    "TagResource": ({"ResourceArn": arn(TABLE), "Tags": TAGS[0]}, {
        "ResourceArn": ({}, arn(TABLE), arn(OTHER)),
        "Tags": ({}, *TAGS),
    }),
    "UntagResource": ({"ResourceArn": arn(TABLE), "TagKeys": [TABLE]}, {
        "ResourceArn": ({}, arn(TABLE), arn(OTHER)),
        "TagKeys": ({}, [TABLE], ["none"]),
    }),
    "ListTagsOfResource": ({"ResourceArn": arn(TABLE)}, {
        "ResourceArn": ({}, arn(TABLE), arn(OTHER)),
        "NextToken": ({}, ABSENT, "next"),
    }),
}

# Of tables: a value for each of two tables, or what UpdateTable changes one after the other.
CREATED = {
    "TableName": ("effects-one", "effects-two"),
    "AttributeDefinitions": ([{"AttributeName": "k", "AttributeType": "S"}], [{"AttributeName": "l", "AttributeType": "N"}]),
    "KeySchema": ([{"AttributeName": "k", "KeyType": "HASH"}], [{"AttributeName": "l", "KeyType": "HASH"}]),
    "BillingMode": ("PROVISIONED", "PAY_PER_REQUEST"),
    "ProvisionedThroughput": ({"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}, ABSENT),
    "OnDemandThroughput": (ABSENT, {"MaxReadRequestUnits": 5}),
    "TableClass": ("STANDARD", "STANDARD_INFREQUENT_ACCESS"),
    "DeletionProtectionEnabled": (False, True),
    "Tags": TAGS,
}
UPDATED = {
    "ProvisionedThroughput": {"ReadCapacityUnits": 7, "WriteCapacityUnits": 4},
    "BillingMode": "PAY_PER_REQUEST",
    "OnDemandThroughput": {"MaxWriteRequestUnits": 9},
    "TableClass": "STANDARD_INFREQUENT_ACCESS",
    "DeletionProtectionEnabled": True,
}
ELSEWHERE = {"CreateTable": set(CREATED), "UpdateTable": {"TableName", "AttributeDefinitions", *UPDATED},
             "DeleteTable": {"TableName"}}


def parameters(*states):
    return [(operation, name) for operation, entry in STATES.items() for name, parameter in entry.parameters.items()
            if parameter.state in states]


def test_no_parameter_is_without_a_row():
    rows = {(operation, name) for operation, (_, rows) in ROWS.items() for name in rows}
    rows |= {(operation, name) for operation, names in ELSEWHERE.items() for name in names}
    assert set(parameters("served", "checked")) - rows == set()
    assert rows - set(parameters("served", "checked", "refused")) == set()


# ---- items and tags ----

@pytest.fixture(scope="module")
def sent(raw):
    """Sends a request, as it is, after everything is as it was; returns the reply and what is kept then."""
    for table in (TABLE, OTHER):
        raw.settled("CreateTable", TableName=table, BillingMode="PAY_PER_REQUEST",
                    KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                    AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"},
                                          {"AttributeName": "sk", "AttributeType": "N"}])
    wait_for(lambda: all(status(raw, table) == "ACTIVE" for table in (TABLE, OTHER)), 30, "the tables to be ACTIVE")
    for pk in "abcdefghijklmnopqrst":  # so many that both halves of the hashes have some
        raw.settled("PutItem", TableName=TABLE, Item={**KEY, "pk": {"S": pk}})
    arns = raw.settled("DescribeTable", TableName=TABLE)["Table"]["TableArn"].rpartition("/")[0]

    def send(operation, request):
        reset(raw, operation, arns)
        reply = raw.call(operation, **json.loads(json.dumps(request).replace("@ARN", arns)))
        return reply, kept(raw, operation, arns)
    yield send
    for table in (TABLE, OTHER):
        raw.settled("DeleteTable", TableName=table)


def reset(raw, operation, arns):
    """OTHER differs from TABLE in its items and tags."""
    if "tag" in operation.lower():
        for table in (TABLE, OTHER):
            raw.settled("TagResource", ResourceArn=f"{arns}/{table}",
                        Tags=[{"Key": table, "Value": ""}, {"Key": "k", "Value": ""}])
    else:
        items = {TABLE: [ITEM, {**NEXT, **BESIDE, "x": {"N": "3"}}], OTHER: [{**ITEM, "v": {"N": "5"}}, NEXT]}
        raw.settled("BatchWriteItem", RequestItems={
            table: [{"PutRequest": {"Item": item}} for item in items] for table, items in items.items()})


def kept(raw, operation, arns):
    if "tag" in operation.lower():
        return [raw.settled("ListTagsOfResource", ResourceArn=f"{arns}/{table}") for table in (TABLE, OTHER)]
    return [raw.settled("GetItem", TableName=table, Key=key, ConsistentRead=True)
            for table in (TABLE, OTHER) for key in (KEY, NEXT)]


def effects(sent, operation, base, parameter, values):
    """For both values, what is answered and what is kept. A refusal is not an effect, but of a condition."""
    for value in values:
        request = {**base, parameter: value.value if isinstance(value, Refused) else value}
        reply, left = sent(operation, {name: value for name, value in request.items() if value is not ABSENT})
        if isinstance(value, Refused):
            assert reply.message == value.message
        else:
            assert reply.status == 200 or reply.error == "ConditionalCheckFailedException", reply.body
        yield reply.json, left


@pytest.mark.parametrize("operation, parameter", [row for row in parameters("served", "checked") if row[0] in ROWS])
def test_a_parameter_has_an_effect_exactly_if_it_is_served(sent, operation, parameter):
    base, rows = ROWS[operation]
    more, *values = rows[parameter]
    one, two = effects(sent, operation, {**base, **more}, parameter, values)
    assert (one != two) == (STATES[operation].parameters[parameter].state == "served")


def of_batches():
    """What a BatchGetItem says of a table, but for the keys, is as for GetItem."""
    members = [member.name for member in SHAPES["KeysAndAttributes"].members if member.name != "Keys"]
    return [name for name in members if STATES["GetItem"].parameters[name].state == "served"]


@pytest.mark.parametrize("parameter", of_batches())
def test_of_a_batch_too(sent, parameter):
    more, *values = ROWS["GetItem"][1][parameter]
    capacity = {"ReturnConsumedCapacity": more.get("ReturnConsumedCapacity", "NONE")}
    more = {name: value for name, value in more.items() if name not in capacity}
    tables = [{"Keys": [KEY], "ConsistentRead": True, **more, parameter: value} for value in values]
    one, two = (sent("BatchGetItem", {**capacity, "RequestItems": {TABLE: table}}) for table in tables)
    assert (one[0].status, two[0].status) == (200, 200)
    assert one[0].json != two[0].json


# ---- tables ----

def status(raw, table):
    return raw.settled("DescribeTable", TableName=table)["Table"]["TableStatus"]


def wait_active(raw, *tables):
    wait_for(lambda: all(status(raw, table) == "ACTIVE" for table in tables), 30, "the tables to be ACTIVE")


def shown(raw, table):
    """{parameter: what is shown of it}"""
    told = raw.settled("DescribeTable", TableName=table)["Table"]
    units = told["ProvisionedThroughput"]
    return {
        **told,
        "BillingMode": told.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
        "ProvisionedThroughput": (units["ReadCapacityUnits"], units["WriteCapacityUnits"]),
        "TableClass": told.get("TableClassSummary", {}).get("TableClass"),
        "OnDemandThroughput": told.get("OnDemandThroughput"),
        "Tags": raw.settled("ListTagsOfResource", ResourceArn=told["TableArn"])["Tags"],
    }


def test_the_life_of_two_tables_that_differ_in_everything(raw):
    names = CREATED["TableName"]
    for number in range(2):
        request = {name: values[number] for name, values in CREATED.items() if values[number] is not ABSENT}
        raw.settled("CreateTable", 10, **request)
    wait_active(raw, *names)
    one, two = (shown(raw, name) for name in names)
    assert [name for name in CREATED if one[name] == two[name]] == []

    before = shown(raw, names[0])
    for parameter, value in UPDATED.items():
        raw.settled("UpdateTable", 10, TableName=names[0], **{parameter: value})
        wait_active(raw, names[0])
        after = shown(raw, names[0])
        assert after[parameter] != before[parameter]
        before = after
    assert shown(raw, names[1]) == two  # it was never named

    definitions = [{"AttributeName": "k", "AttributeType": "S"}]
    raw.settled("UpdateTable", 10, TableName=names[0], AttributeDefinitions=definitions, DeletionProtectionEnabled=False)
    wait_active(raw, names[0])
    assert shown(raw, names[0])["AttributeDefinitions"] == definitions
    raw.settled("DeleteTable", 10, TableName=names[0])
    wait_for(lambda: names[0] not in raw.settled("ListTables")["TableNames"], 30, "the table to be gone")
    assert_refused(raw.call("DeleteTable", TableName=names[1]), "ValidationException")
    raw.settled("UpdateTable", 10, TableName=names[1], DeletionProtectionEnabled=False)
    wait_active(raw, names[1])
    raw.settled("DeleteTable", 10, TableName=names[1])


@pytest.mark.parametrize("target", ["DynamoDBStreams_20120810.ListStreams", "DynamoDBStreams_20120810.DescribeStream",
                                    "DynamoDBStreams_20120810.GetShardIterator", "DynamoDBStreams_20120810.GetRecords"])
def test_streams_are_unknown_operations(raw, target):
    """They come to the same endpoint under a target of their own."""
    assert_refused(raw.send(b"{}", {**signed_headers(raw.key, raw.host, "ListTables", b"{}"), "x-amz-target": target}),
                   "UnknownOperationException")
