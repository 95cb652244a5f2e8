"""UpdateTable, and what descriptions tell of it, with boto3; what only a raw client can send goes through `raw`."""

import time
import uuid

import pytest
from botocore.exceptions import ClientError

from tests.faults.kill_probe import wait_for

from .conftest import assert_refused, create_table, make_client

POPV = "One or more parameter values were invalid: "
UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}


def describe(client, name):
    return client.describe_table(TableName=name)["Table"]


def update(client, name, **changes):
    """The answer's description, once the table is ACTIVE again."""
    answer = client.update_table(TableName=name, **changes)["TableDescription"]
    wait_for(lambda: describe(client, name)["TableStatus"] == "ACTIVE", 10, "the table to be ACTIVE")
    return answer


def refusal(call, **parameters):
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    error = refused.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


@pytest.fixture
def provisioned(client):
    name = f"update-{uuid.uuid4()}"
    create_table(client, name, ProvisionedThroughput=UNITS)
    return name


@pytest.fixture
def on_demand(client):
    name = f"update-{uuid.uuid4()}"
    create_table(client, name)
    return name


def test_throughput_goes_up_and_down(client, provisioned):
    before = describe(client, provisioned)
    assert before["ProvisionedThroughput"] == {**UNITS, "NumberOfDecreasesToday": 0}
    assert "BillingModeSummary" not in before
    answer = update(client, provisioned,
                    ProvisionedThroughput={"ReadCapacityUnits": 10, "WriteCapacityUnits": 6})
    assert answer["TableStatus"] == "UPDATING"
    assert answer["ProvisionedThroughput"]["ReadCapacityUnits"] == 5  # as DynamoDB: the new one when it is ACTIVE
    units = describe(client, provisioned)["ProvisionedThroughput"]
    assert (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) == (10, 6)
    assert abs(units["LastIncreaseDateTime"].timestamp() - time.time()) < 60
    assert "LastDecreaseDateTime" not in units and units["NumberOfDecreasesToday"] == 0
    update(client, provisioned, ProvisionedThroughput={"ReadCapacityUnits": 10, "WriteCapacityUnits": 1})
    units = describe(client, provisioned)["ProvisionedThroughput"]
    assert (units["WriteCapacityUnits"], units["NumberOfDecreasesToday"]) == (1, 1)
    assert abs(units["LastDecreaseDateTime"].timestamp() - time.time()) < 60


def test_throughput_that_stays_is_refused(client, provisioned):
    assert refusal(client.update_table, TableName=provisioned, ProvisionedThroughput=UNITS) == (
        "ValidationException: The provisioned throughput for the table will not change. The requested value equals "
        "the current value. Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. "
        "Current WriteCapacityUnits provisioned for the table: 6. Requested WriteCapacityUnits: 6. Refer to the Amazon "
        "DynamoDB Developer Guide for current limits and how to request higher limits.")
    assert describe(client, provisioned)["TableStatus"] == "ACTIVE"


def test_decreases_are_rationed(client, provisioned):
    update(client, provisioned, ProvisionedThroughput={"ReadCapacityUnits": 20, "WriteCapacityUnits": 6})
    refused = ""
    for units in range(19, 13, -1):  # four, and one more should an hour begin meanwhile
        throughput = {"ReadCapacityUnits": units, "WriteCapacityUnits": 6}
        try:
            update(client, provisioned, ProvisionedThroughput=throughput)
        except ClientError as error:
            refused = error.response["Error"]
            break
    assert refused["Code"] == "LimitExceededException"
    assert refused["Message"].startswith(
        "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the "
        "first 4 decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 "
        "seconds.")


def test_the_billing_mode_is_switched_and_remembered(client, provisioned):
    answer = update(client, provisioned, BillingMode="PAY_PER_REQUEST")
    assert answer["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    table = describe(client, provisioned)
    switched = table["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"]
    assert abs(switched.timestamp() - time.time()) < 60
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    # Once more is no error, and no change.
    again = client.update_table(TableName=provisioned, BillingMode="PAY_PER_REQUEST")["TableDescription"]
    assert again["TableStatus"] == "ACTIVE"
    answer = update(client, provisioned, BillingMode="PROVISIONED", ProvisionedThroughput=UNITS)
    assert answer["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    table = describe(client, provisioned)
    assert table["BillingModeSummary"] == {"BillingMode": "PROVISIONED",
                                           "LastUpdateToPayPerRequestDateTime": switched}
    assert (table["ProvisionedThroughput"]["ReadCapacityUnits"], table["ProvisionedThroughput"]["WriteCapacityUnits"]) \
        == (5, 6)


def test_items_stay_through_all_of_it(client, provisioned):
    item = {"pk": {"S": "stays"}, "v": {"N": "1"}}
    client.put_item(TableName=provisioned, Item=item)
    update(client, provisioned, BillingMode="PAY_PER_REQUEST")
    client.put_item(TableName=provisioned, Item={"pk": {"S": "comes"}})
    assert client.get_item(TableName=provisioned, Key={"pk": {"S": "stays"}}, ConsistentRead=True)["Item"] == item


@pytest.mark.parametrize("changes, message", [
    ({"BillingMode": "PAY_PER_REQUEST", "ProvisionedThroughput": UNITS},
     POPV + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
    ({"ProvisionedThroughput": UNITS},
     POPV + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
    ({"BillingMode": "PROVISIONED"},
     POPV + "ProvisionedThroughput must be specified when BillingMode is PROVISIONED"),
    ({}, "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or "
         "SSESpecification or ReplicaUpdates is required"),
    ({"TableClass": "STANDARD", "DeletionProtectionEnabled": True},
     POPV + "Throughput, TableClass and DeletionProtectionEnabled can only be changed one at a time"),
    ({"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}},
     POPV + "StreamSpecification is not supported by this version of the service"),
    ({"BillingMode": "FREE"},
     "1 validation error detected: Value 'FREE' at 'billingMode' failed to satisfy constraint: Member must satisfy enum "
     "value set: [PROVISIONED, PAY_PER_REQUEST]"),
    ({"OnDemandThroughput": {"MaxReadRequestUnits": 0}},
     POPV + "MaxReadRequestUnits must be at least 1, or -1 for no maximum: 0"),
])
def test_a_wrong_update_is_refused(raw, raw_table, changes, message):
    assert_refused(raw.call("UpdateTable", TableName=raw_table, **changes), "ValidationException", message)


def test_an_account_has_a_quota(fleet):
    own = make_client(fleet, fleet.create_tenant(f"quota-{uuid.uuid4()}"))
    for name, units in (("first", 40000), ("second", 39999), ("third", None)):
        create_table(own, name, ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
        if units:
            update(own, name, ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": units})
    message = refusal(own.update_table, TableName="third",
                      ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 2})
    assert message.startswith("LimitExceededException: Subscriber limit exceeded: Provisioned throughput of an account")
    message = refusal(own.update_table, TableName="third",
                      ProvisionedThroughput={"ReadCapacityUnits": 40001, "WriteCapacityUnits": 1})
    assert message.startswith("LimitExceededException: Subscriber limit exceeded: Provisioned throughput of a table")


def test_an_unknown_table_is_named(client):
    assert refusal(client.update_table, TableName="no-such-table", BillingMode="PAY_PER_REQUEST") == (
        "ResourceNotFoundException: Requested resource not found: Table: no-such-table not found")


def test_a_table_is_protected_and_released(client, raw, on_demand):
    def protect(is_protected):
        raw.settled("UpdateTable", TableName=on_demand, DeletionProtectionEnabled=is_protected)
        wait_for(lambda: describe(client, on_demand)["TableStatus"] == "ACTIVE", 10, "the table to be ACTIVE")
        table = raw.settled("DescribeTable", TableName=on_demand)["Table"]
        assert table["DeletionProtectionEnabled"] is is_protected
    protect(True)
    assert refusal(client.delete_table, TableName=on_demand) == (
        "ValidationException: Resource cannot be deleted as it is currently protected against deletion. Disable "
        "deletion protection first.")
    protect(False)
    client.delete_table(TableName=on_demand)
    client.get_waiter("table_not_exists").wait(TableName=on_demand, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def test_the_class_changes(client, on_demand):
    assert "TableClassSummary" not in describe(client, on_demand)
    update(client, on_demand, TableClass="STANDARD_INFREQUENT_ACCESS")
    summary = describe(client, on_demand)["TableClassSummary"]
    assert summary["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert abs(summary["LastUpdateDateTime"].timestamp() - time.time()) < 60


def test_on_demand_has_maxima(raw):
    name = f"maxima-{uuid.uuid4()}"
    raw.settled("CreateTable", TableName=name, BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                OnDemandThroughput={"MaxReadRequestUnits": 10})

    def active():
        table = raw.settled("DescribeTable", TableName=name)["Table"]
        return table if table["TableStatus"] == "ACTIVE" else None
    table = wait_for(active, 30, "the table to be ACTIVE")
    assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": -1}
    raw.settled("UpdateTable", TableName=name,
                OnDemandThroughput={"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 7})
    table = wait_for(active, 30, "the table to be ACTIVE")
    assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 7}
    assert table["WarmThroughput"] == {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000, "Status": "ACTIVE"}


def test_limits_and_endpoints(client, fleet):
    limits = client.describe_limits()
    del limits["ResponseMetadata"]
    assert limits == {"AccountMaxReadCapacityUnits": 80000, "AccountMaxWriteCapacityUnits": 80000,
                      "TableMaxReadCapacityUnits": 40000, "TableMaxWriteCapacityUnits": 40000}
    endpoints = client.describe_endpoints()["Endpoints"]
    assert endpoints == [{"Address": fleet.endpoint.partition("//")[2], "CachePeriodInMinutes": 1440}]


def test_what_there_is_not_yet_is_disabled(client, on_demand):
    assert client.describe_time_to_live(TableName=on_demand)["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "DISABLED"}
    assert client.describe_continuous_backups(TableName=on_demand)["ContinuousBackupsDescription"] == {
        "ContinuousBackupsStatus": "DISABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}
    assert refusal(client.describe_time_to_live, TableName="no-such-table") == (
        "ResourceNotFoundException: Requested resource not found: Table: no-such-table not found")
    assert refusal(client.describe_continuous_backups, TableName="no-such-table") == (
        "TableNotFoundException: Table not found: no-such-table")
