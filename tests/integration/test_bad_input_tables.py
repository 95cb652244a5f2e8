"""Table operations that are wrong."""

import pytest

from tests.faults.kill_probe import wait_for

from .conftest import assert_refused

pytestmark = pytest.mark.usefixtures("unharmed")

POPV = "One or more parameter values were invalid: "
HASH = {"AttributeName": "pk", "KeyType": "HASH"}
RANGE = {"AttributeName": "sk", "KeyType": "RANGE"}
PK = {"AttributeName": "pk", "AttributeType": "S"}
SK = {"AttributeName": "sk", "AttributeType": "S"}
GOOD = {"TableName": "wrong-table", "KeySchema": [HASH], "AttributeDefinitions": [PK],
        "BillingMode": "PAY_PER_REQUEST"}
MODEL = "1 validation error detected: Value "


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize("request_, message", [
    (without("TableName"), "The parameter 'TableName' is required but was not present in the request"),
    ({**GOOD, "TableName": "ab"},
     "TableName must be at least 3 characters long and at most 255 characters long"),
    ({**GOOD, "TableName": "a b c"},
     MODEL + "'a b c' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
             "[a-zA-Z0-9_.-]+"),
    ({**GOOD, "KeySchema": [{"AttributeName": "pk", "KeyType": "SORT"}]},
     MODEL + "'SORT' at 'keySchema.1.member.keyType' failed to satisfy constraint: Member must satisfy enum value "
             "set: [HASH, RANGE]"),
    ({**GOOD, "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "BOOL"}]},
     MODEL + "'BOOL' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: Member must "
             "satisfy enum value set: [B, N, S]"),
    ({**GOOD, "KeySchema": [HASH, RANGE]},
     "Invalid KeySchema: Some index key attribute have no definition"),
    ({**GOOD, "AttributeDefinitions": [PK, SK]},
     POPV + "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"),
    ({**GOOD, "AttributeDefinitions": [SK]},
     POPV + "Some index key attributes are not defined in AttributeDefinitions. Keys: [pk], AttributeDefinitions: "
            "[sk]"),
    ({**GOOD, "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}},
     POPV + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
    ({**GOOD, "KeySchema": [RANGE, HASH], "AttributeDefinitions": [PK, SK]},
     "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
    ({**without("BillingMode"), "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 1}},
     MODEL + "'0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value "
             "greater than or equal to 1"),
])
def test_a_wrong_create_table_is_refused(raw, request_, message):
    assert_refused(raw.call("CreateTable", **request_), "ValidationException", message)
    assert "wrong-table" not in raw.settled("ListTables")["TableNames"]


@pytest.mark.parametrize("request_", [
    {**GOOD, "TableName": 5}, {**GOOD, "KeySchema": {}}, {**GOOD, "KeySchema": ["pk"]},
    {**GOOD, "AttributeDefinitions": "pk"}, {**GOOD, "ProvisionedThroughput": {"ReadCapacityUnits": "many"}},
])
def test_a_wrong_type_in_create_table_is_a_serialization_error(raw, request_):
    assert_refused(raw.call("CreateTable", **request_), "SerializationException")


def test_a_table_exists_once(raw):
    request = {**GOOD, "TableName": "refusals"}
    assert_refused(raw.call("CreateTable", **request), "ResourceInUseException", "Table already exists: refusals")


@pytest.mark.parametrize("operation", ["DescribeTable", "DeleteTable"])
def test_an_unknown_table_is_named(raw, operation):
    assert_refused(raw.call(operation, TableName="no-such-table"), "ResourceNotFoundException",
                   "Requested resource not found: Table: no-such-table not found")


@pytest.mark.parametrize("request_, message", [
    ({}, "The parameter 'TableName' is required but was not present in the request"),
    ({"TableName": "a/b"},
     MODEL + "'a/b' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
             "[a-zA-Z0-9_.-]+"),
])
def test_a_wrong_name_is_refused(raw, request_, message):
    assert_refused(raw.call("DescribeTable", **request_), "ValidationException", message)


@pytest.mark.parametrize("request_", [{"Limit": 0}, {"Limit": 101}, {"ExclusiveStartTableName": "a b c"}])
def test_list_tables_has_limits(raw, request_):
    assert_refused(raw.call("ListTables", **request_), "ValidationException")


def test_a_protected_table_is_not_deleted(raw):
    raw.settled("CreateTable", **{**GOOD, "TableName": "protected", "DeletionProtectionEnabled": True})
    wait_for(lambda: raw.settled("DescribeTable", TableName="protected")["Table"]["TableStatus"] == "ACTIVE", 30,
             "the table to be ACTIVE")
    reply = raw.call("DeleteTable", TableName="protected")
    assert_refused(reply, "ValidationException")
    assert "deletion protection" in reply.message.lower()
    assert raw.settled("DescribeTable", TableName="protected")["Table"]["TableStatus"] == "ACTIVE"
