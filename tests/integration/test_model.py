"""Requests against the model of DynamoDB's API (api/model): what is not served, and what violates constraints."""

import sys

import pytest

from .conftest import ROOT, assert_refused

sys.path.insert(0, str(ROOT / "api/model"))

import compat  # noqa: E402
import model_text  # noqa: E402

pytestmark = pytest.mark.usefixtures("unharmed")

OPERATIONS, SHAPES = model_text.read(ROOT / "api/model/dynamodb.model")
STATES = compat.read_states()
SERVED = [name for name, entry in STATES.items() if entry.state == "served"]
FAILED = "failed to satisfy constraint: Member must "

KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
GOOD = {
    "CreateTable": {"TableName": "refused-table", "BillingMode": "PAY_PER_REQUEST",
                    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]},
    "PutItem": {"TableName": "refusals", "Item": KEY},
}
OTHERS = {"TableName": "refusals", "Key": KEY}


def sample(name):
    """A value that the model allows for this shape."""
    shape = SHAPES[name]
    if shape.kind == "structure":
        return {member.name: sample(member.shape) for member in shape.members}
    if shape.kind == "enum":
        return shape.words[0]
    values = {"string": "aaa", "any": "a", "value": {"S": "a"}, "boolean": True,
              "list": lambda: [sample(shape.words[0])], "map": lambda: {"aaa": sample(shape.words[1])}}
    value = values.get(shape.kind, shape.options.get("min", 1))
    return value() if callable(value) else value


def parameters(state):
    return [(name, parameter) for name in SERVED for parameter, entry in STATES[name].parameters.items()
            if entry.state == state]


@pytest.mark.parametrize("operation", [name for name in STATES if name not in SERVED])
def test_an_operation_that_is_not_served_is_unknown(raw, operation):
    assert_refused(raw.call(operation), "UnknownOperationException")
    assert_refused(raw.call(operation, **sample(OPERATIONS[operation])), "UnknownOperationException")


@pytest.mark.parametrize("operation, parameter", parameters("refused"))
def test_a_parameter_that_is_not_served_is_refused_by_name(raw, operation, parameter):
    member = next(m for m in SHAPES[OPERATIONS[operation]].members if m.name == parameter)
    reply = raw.call(operation, **{**GOOD.get(operation, OTHERS), parameter: sample(member.shape)})
    assert_refused(reply, "ValidationException")
    assert parameter in reply.message
    assert "validation error" not in reply.message
    assert "refused-table" not in raw.settled("ListTables")["TableNames"]


@pytest.mark.parametrize("operation", SERVED)
def test_a_required_member_is_missed(raw, operation):
    required = [m for m in SHAPES[OPERATIONS[operation]].members if "required" in m.flags]
    if not required:
        assert raw.call(operation).status == 200
        return
    reply = raw.call(operation)
    assert_refused(reply, "ValidationException")
    if any("given" in member.flags for member in required):
        assert reply.message == "The parameter 'TableName' is required but was not present in the request"
        return
    if any("arn" in member.flags for member in required):
        assert reply.message == "Invalid TableArn"
        return
    paths = [f"Value null at '{m.name[0].lower()}{m.name[1:]}' {FAILED}not be null" for m in required]
    errors = "error" if len(required) == 1 else "errors"
    assert reply.message == f"{len(required)} validation {errors} detected: {'; '.join(paths)}"


@pytest.mark.parametrize("operation, request_, message", [
    ("GetItem", {"ReturnConsumedCapacity": "x", "AttributesToGet": [], "TableName": ""},
     f"4 validation errors detected: Value '' at 'tableName' {FAILED}have length greater than or equal to 1; "
     f"Value null at 'key' {FAILED}not be null; "
     f"Value '[]' at 'attributesToGet' {FAILED}have length greater than or equal to 1; "
     f"Value 'x' at 'returnConsumedCapacity' {FAILED}satisfy enum value set: [INDEXES, TOTAL, NONE]"),
    ("CreateTable", {**GOOD["CreateTable"], "BillingMode": "FREE",
                     "ProvisionedThroughput": {"ReadCapacityUnits": 0},
                     "Tags": [{"Key": "k", "Value": "v"}, {"Key": "", "Value": "v" * 257}]},
     f"5 validation errors detected: Value 'FREE' at 'billingMode' {FAILED}satisfy enum value set: [PROVISIONED, "
     f"PAY_PER_REQUEST]; Value null at 'provisionedThroughput.writeCapacityUnits' {FAILED}not be null; "
     f"Value '0' at 'provisionedThroughput.readCapacityUnits' {FAILED}have value greater than or equal to 1; "
     f"Value '' at 'tags.2.member.key' {FAILED}have length greater than or equal to 1; "
     f"Value '{'v' * 257}' at 'tags.2.member.value' {FAILED}have length less than or equal to 256"),
    ("ListTables", {"Limit": 101, "ExclusiveStartTableName": "a"},
     f"2 validation errors detected: Value 'a' at 'exclusiveStartTableName' {FAILED}have length greater than or equal "
     f"to 3; Value '101' at 'limit' {FAILED}have value less than or equal to 100"),
    ("DescribeTable", {"TableName": "x" * 256},
     f"1 validation error detected: Value '{'x' * 256}' at 'tableName' {FAILED}have length less than or equal to 255"),
])
def test_violations_are_collected(raw, operation, request_, message):
    assert_refused(raw.call(operation, **request_), "ValidationException", message)


def test_ten_violations_are_told_in_full(raw):
    request = {**GOOD["CreateTable"],
               "AttributeDefinitions": [{"AttributeName": "n" * 300, "AttributeType": f"type{i}"} for i in range(9)]}
    reply = raw.call("CreateTable", **request)
    assert_refused(reply, "ValidationException")
    assert reply.message.startswith("10 validation errors detected: ")
    assert reply.message.count(FAILED) == 10
    last = f"Value 'type4' at 'attributeDefinitions.5.member.attributeType' {FAILED}satisfy enum value set: [B, N, S]"
    assert reply.message.endswith(last)


@pytest.mark.parametrize("request_, message", [
    ({"TableName": "", "KeySchema": "pk"}, "Unexpected field type"),
    ({"KeySchema": [{"AttributeName": 1}]}, "NUMBER_VALUE cannot be converted to String"),
    ({"ProvisionedThroughput": {"ReadCapacityUnits": "1"}}, "STRING_VALUE cannot be converted to Long"),
    ({"Tags": {}}, "Start of structure or map found where not expected."),
    ({"GlobalSecondaryIndexes": [1]}, "Unexpected value type in payload"),
])
def test_types_go_before_constraints(raw, request_, message):
    assert_refused(raw.call("CreateTable", **request_), "SerializationException", message)


def test_what_the_model_does_not_have_is_ignored(raw):
    item = {"pk": {"S": "ignored"}, "sk": {"N": "1"}}
    raw.settled("PutItem", TableName="refusals", Item=item, Key=5, ProjectionExpression="%", AttributesToGet=[])
    got = raw.settled("GetItem", TableName="refusals", Key=item, ConsistentRead=True, UpdateExpression=1)
    assert got["Item"] == item
