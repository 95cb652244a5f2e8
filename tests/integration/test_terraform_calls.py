"""Exactly the calls that Terraform's aws_dynamodb_table makes (its provider's first, STS's GetCallerIdentity, is in
test_identity.py): create, wait, refresh, update, delete. They are signed and sent
by botocore, but not shaped by its model, which is older than the provider's; nothing is checked or tried again on the way. What
Terraform looks at in the answers is what is asserted."""

import json
import time
import uuid

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from deploy.local.layout import REGION


class Aws:
    """One operation is one request; answers of 200 only."""

    def __init__(self, endpoint, key):
        self.endpoint = endpoint
        self.signer = SigV4Auth(Credentials(key["access_key_id"], key["secret_access_key"]), "dynamodb", REGION)
        self.session = URLLib3Session()

    def send(self, operation, request):
        request = AWSRequest("POST", self.endpoint + "/", data=json.dumps(request).encode(), headers={
            "X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"})
        self.signer.add_auth(request)
        reply = self.session.send(request.prepare())
        return reply.status_code, json.loads(reply.content)

    def __call__(self, operation, **request):
        status, answer = self.send(operation, request)
        assert status == 200, (operation, answer)
        return answer

    def refusal(self, operation, **request):
        """(short name, message)"""
        status, answer = self.send(operation, request)
        assert status == 400, (operation, answer)
        return answer["__type"].partition("#")[2], answer.get("message")


@pytest.fixture(scope="module")
def aws(fleet, tenant):
    return Aws(fleet.endpoint, tenant)


def wait_active(aws, name):
    """The table's status, then the warm throughput's: the provider waits for both."""
    deadline = time.monotonic() + 30
    while (table := aws("DescribeTable", TableName=name)["Table"])["TableStatus"] != "ACTIVE":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert table["WarmThroughput"]["Status"] == "ACTIVE"


def update(aws, name, **changes):
    answer = aws("UpdateTable", TableName=name, **changes)["TableDescription"]
    assert answer["TableStatus"] == "UPDATING"
    wait_active(aws, name)


def refresh(aws, name):
    """What every plan reads: one answer for each call, none of them an error."""
    table = aws("DescribeTable", TableName=name)["Table"]
    backups = aws("DescribeContinuousBackups", TableName=name)["ContinuousBackupsDescription"]
    lifetime = aws("DescribeTimeToLive", TableName=name)["TimeToLiveDescription"]
    tags = aws("ListTagsOfResource", ResourceArn=table["TableArn"])["Tags"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    assert lifetime["TimeToLiveStatus"] == "DISABLED"
    return table, {tag["Key"]: tag["Value"] for tag in tags}


def units(table):
    throughput = table["ProvisionedThroughput"]
    return throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]


def test_the_life_of_a_table(aws):
    name = f"terraform-{uuid.uuid4()}"
    created = aws("CreateTable", TableName=name, BillingMode="PAY_PER_REQUEST", TableClass="STANDARD",
                  KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                  AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                  DeletionProtectionEnabled=False, Tags=[{"Key": "Name", "Value": "x"}])["TableDescription"]
    assert created["TableStatus"] == "CREATING" and created["TableArn"].endswith(f":table/{name}")
    wait_active(aws, name)
    table, tags = refresh(aws, name)
    assert tags == {"Name": "x"}
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TableClassSummary"]["TableClass"] == "STANDARD"
    assert table["DeletionProtectionEnabled"] is False
    for absent in ("SSEDescription", "StreamSpecification", "GlobalSecondaryIndexes", "LocalSecondaryIndexes",
                   "Replicas", "OnDemandThroughput"):
        assert absent not in table  # what was not configured must not show, or the plan drifts

    # billing_mode = "PROVISIONED", then read_capacity alone, which comes with the mode as it is
    update(aws, name, BillingMode="PROVISIONED",
           ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 2})
    table, _ = refresh(aws, name)
    assert (table["BillingModeSummary"]["BillingMode"], units(table)) == ("PROVISIONED", (3, 2))
    update(aws, name, BillingMode="PROVISIONED",
           ProvisionedThroughput={"ReadCapacityUnits": 4, "WriteCapacityUnits": 2})
    assert units(refresh(aws, name)[0]) == (4, 2)

    # billing_mode, on_demand_throughput, table_class, deletion_protection_enabled: a call for each
    update(aws, name, BillingMode="PAY_PER_REQUEST")
    update(aws, name, BillingMode="PAY_PER_REQUEST", OnDemandThroughput={"MaxReadRequestUnits": 50})
    update(aws, name, TableClass="STANDARD_INFREQUENT_ACCESS")
    update(aws, name, DeletionProtectionEnabled=True)
    table, _ = refresh(aws, name)
    assert table["OnDemandThroughput"]["MaxReadRequestUnits"] == 50
    assert table["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert table["DeletionProtectionEnabled"] is True

    # tags: the ones that go, then the ones that come
    aws("UntagResource", ResourceArn=table["TableArn"], TagKeys=["Name"])
    aws("TagResource", ResourceArn=table["TableArn"], Tags=[{"Key": "Team", "Value": "y"}])
    assert refresh(aws, name)[1] == {"Team": "y"}

    # destroy
    assert aws.refusal("DeleteTable", TableName=name)[0] == "ValidationException"
    update(aws, name, DeletionProtectionEnabled=False)
    assert aws("DeleteTable", TableName=name)["TableDescription"]["TableStatus"] == "DELETING"
    deadline = time.monotonic() + 30
    while aws.send("DescribeTable", {"TableName": name})[0] == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    gone = aws.refusal("DescribeTable", TableName=name)
    assert gone == ("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")


def test_a_table_that_exists_is_said_to(aws, raw_table):
    refused = aws.refusal("CreateTable", TableName=raw_table, BillingMode="PAY_PER_REQUEST",
                          KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                          AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    assert refused == ("ResourceInUseException", f"Table already exists: {raw_table}")


def test_a_table_that_is_gone_is_gone_for_every_read(aws):
    words = "Requested resource not found: Table: no-such-table not found"
    assert aws.refusal("DescribeTable", TableName="no-such-table") == ("ResourceNotFoundException", words)
    assert aws.refusal("DescribeTimeToLive", TableName="no-such-table") == ("ResourceNotFoundException", words)
    assert aws.refusal("DescribeContinuousBackups", TableName="no-such-table") == (
        "TableNotFoundException", "Table not found: no-such-table")


@pytest.mark.parametrize("operation", [
    "DescribeContributorInsights", "DescribeKinesisStreamingDestination", "DescribeTableReplicaAutoScaling",
    "UpdateTimeToLive", "UpdateContinuousBackups",
])
def test_what_is_not_served_is_an_unknown_operation(aws, raw_table, operation):
    assert aws.refusal(operation, TableName=raw_table)[0] == "UnknownOperationException"
