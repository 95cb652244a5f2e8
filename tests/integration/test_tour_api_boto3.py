"""The everyday API with boto3: client, resource, paginators, waiters, batch_writer, exceptions."""

import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore import xform_name
from botocore.exceptions import ClientError

from deploy.local.layout import REGION

from .conftest import make_client
from .everyday import CALLS, ITEMS, LARGE, LARGE_KEYS, ROWS, check, name_of, operation_of

WAIT = {"Delay": 0.2, "MaxAttempts": 150}


@pytest.fixture(scope="module")
def resource(fleet, tenant):
    return boto3.resource("dynamodb", endpoint_url=fleet.endpoint, region_name=REGION,
                          aws_access_key_id=tenant["access_key_id"], aws_secret_access_key=tenant["secret_access_key"])


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_every_call_is_answered_or_refused(client, everyday, call):
    call = everyday.filled(call)
    operation = operation_of(call)
    send = getattr(client, xform_name(operation))
    if "refused" not in call:
        check(call, send(**call[operation]))
        return
    # What the model has is a class of its own.
    with pytest.raises(getattr(client.exceptions, call["refused"], ClientError)) as refused:
        send(**call[operation])
    error = refused.value.response["Error"]
    assert error["Code"] == call["refused"] and error["Message"].startswith(call["message"])
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def sort_keys(pages):
    return [item["sk"]["S"] for page in pages for item in page["Items"]]


def test_paginators_follow_all_pages(client, everyday):
    rows = [f"{row:02}" for row in range(ROWS)]
    query = {"TableName": LARGE, "ConsistentRead": True, "ProjectionExpression": "sk",
             "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "p1"}}}
    paginator = client.get_paginator("query")
    pages = list(paginator.paginate(**query))
    assert sort_keys(pages) == rows
    # The item that crosses 1 MB is still in: four of 300 KB.
    assert [page["Count"] for page in pages] == [4, 4, 4, 3]
    assert sort_keys(paginator.paginate(**query, ScanIndexForward=False, PaginationConfig={"PageSize": 1})) == rows[::-1]

    part = paginator.paginate(**query, PaginationConfig={"MaxItems": 7}).build_full_result()
    rest = paginator.paginate(**query, PaginationConfig={"StartingToken": part["NextToken"]}).build_full_result()
    assert sort_keys([part, rest]) == rows and len(part["Items"]) == 7

    scan = client.get_paginator("scan").paginate(TableName=LARGE, ConsistentRead=True, Select="COUNT")
    assert sum(page["Count"] for page in scan) == len(LARGE_KEYS)
    tables = client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 1})
    names = [name for page in tables for name in page["TableNames"]]
    assert names == sorted(names) and {ITEMS, LARGE} <= set(names)


def test_segments_are_scanned_at_once(client, everyday):
    segments = 3
    paginator = client.get_paginator("scan")

    def scan(segment):
        pages = paginator.paginate(TableName=LARGE, ConsistentRead=True, ProjectionExpression="pk, sk", Segment=segment,
                                   TotalSegments=segments)
        return [item for page in pages for item in page["Items"]]
    with ThreadPoolExecutor(segments) as pool:
        found = list(pool.map(scan, range(segments)))
    assert sorted((item for part in found for item in part), key=str) == sorted(LARGE_KEYS, key=str)


def test_unprocessed_keys_are_asked_for_again(resource, everyday):
    request = {LARGE: {"Keys": [{name: value["S"] for name, value in key.items()} for key in LARGE_KEYS], "ConsistentRead": True}}
    found, rounds = [], 0
    while request:
        answer = resource.batch_get_item(RequestItems=request)
        found += [(item["pk"], item["sk"]) for item in answer["Responses"][LARGE]]
        request = answer["UnprocessedKeys"]
        rounds += 1
    assert rounds > 1 and sorted(found) == [(key["pk"]["S"], key["sk"]["S"]) for key in LARGE_KEYS]


def test_the_resource_queries_and_scans(resource, everyday):
    table = resource.Table(ITEMS)
    answer = table.query(KeyConditionExpression=Key("pk").eq("band") & Key("sk").begins_with("2021"), ConsistentRead=True,
                         FilterExpression=Attr("m.l").size().gt(1) | Attr("tags").contains("rare"),
                         ProjectionExpression="plays, m.l[0]")
    assert answer["Items"] == [{"plays": Decimal(1), "m": {"l": ["x"]}}, {"plays": Decimal(3)}]
    condition = Attr("live").exists() & ~Attr("plays").between(1, Decimal("7.5")) & Attr("sk").is_in(["2023#1", "x"])
    answer = table.scan(FilterExpression=condition, ConsistentRead=True)
    assert answer["Items"] == [{"pk": "solo", "sk": "2023#1", "plays": Decimal(8), "live": False}]
    assert (answer["Count"], answer["ScannedCount"]) == (1, 8)
    assert ITEMS in [table.name for table in resource.tables.all()]


def test_the_life_of_a_table(client, resource, everyday):
    name = "everyday-life"
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    table = resource.create_table(
        TableName=name, ProvisionedThroughput=units, TableClass="STANDARD", Tags=[{"Key": "a", "Value": "1"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "N"}])
    assert table.table_status == "CREATING"
    exists, gone = client.get_waiter("table_exists"), client.get_waiter("table_not_exists")
    exists.wait(TableName=name, WaiterConfig=WAIT)
    table.load()
    assert (table.table_status, table.item_count) == ("ACTIVE", 0)
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", table.table_id)
    with table.batch_writer() as batch:
        for n in range(30):
            batch.put_item(Item={"k": n, "v": f"value {n}"})
    assert len(table.scan(ConsistentRead=True)["Items"]) == 30

    table.update(ProvisionedThroughput={**units, "ReadCapacityUnits": 9})
    exists.wait(TableName=name, WaiterConfig=WAIT)
    table.load()
    assert table.provisioned_throughput["ReadCapacityUnits"] == 9
    with pytest.raises(ClientError, match="will not change"):
        table.update(ProvisionedThroughput={**units, "ReadCapacityUnits": 9})
    table.update(BillingMode="PAY_PER_REQUEST")
    exists.wait(TableName=name, WaiterConfig=WAIT)
    answer = client.update_table(TableName=name, TableClass="STANDARD_INFREQUENT_ACCESS")
    assert answer["TableDescription"]["TableStatus"] == "UPDATING"
    exists.wait(TableName=name, WaiterConfig=WAIT)
    table.load()
    assert table.billing_mode_summary["BillingMode"] == "PAY_PER_REQUEST"
    assert table.table_class_summary["TableClass"] == "STANDARD_INFREQUENT_ACCESS"

    client.tag_resource(ResourceArn=table.table_arn, Tags=[{"Key": "b", "Value": "2"}])
    client.untag_resource(ResourceArn=table.table_arn, TagKeys=["a"])
    tags = client.get_paginator("list_tags_of_resource").paginate(ResourceArn=table.table_arn).build_full_result()["Tags"]
    assert tags == [{"Key": "b", "Value": "2"}]

    client.delete_table(TableName=table.table_arn)
    gone.wait(TableName=name, WaiterConfig=WAIT)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        table.load()


def test_the_endpoint_that_is_told_serves(client, fleet, tenant, everyday):
    """SDKs do not discover endpoints when they were given one: so by hand."""
    address = client.describe_endpoints()["Endpoints"][0]["Address"]
    other = boto3.client("dynamodb", endpoint_url=f"http://{address}", region_name=REGION,
                         aws_access_key_id=tenant["access_key_id"], aws_secret_access_key=tenant["secret_access_key"])
    assert other.scan(TableName=ITEMS, Select="COUNT", ConsistentRead=True)["Count"] == 8


@pytest.mark.parametrize("part, code", [("access_key_id", "UnrecognizedClientException"),
                                        ("secret_access_key", "InvalidSignatureException")])
def test_a_wrong_key_is_refused(fleet, tenant, part, code):
    stranger = make_client(fleet, {**tenant, part: "x" * 20})
    with pytest.raises(ClientError) as refused:
        stranger.list_tables()
    assert refused.value.response["Error"]["Code"] == code
