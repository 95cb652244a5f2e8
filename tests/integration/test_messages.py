"""DynamoDB's messages, to the letter: spacing and typos are part of the interface.

Each row has a number of its own, so that a message can be talked about; what is left out belongs to transactions (24 to 26),
PartiQL (55) and secondary indexes (12, 46 in part, 50, 53), which this version does not serve."""

import uuid

import pytest

from tests.faults.kill_probe import wait_for

from .conftest import assert_refused, connect

pytestmark = pytest.mark.usefixtures("unharmed")

KEY = {"pk": {"S": "messages"}, "sk": {"N": "1"}}
ONE = {":v": {"N": "1"}}
VALIDATION, NOT_FOUND, IN_USE = "ValidationException", "ResourceNotFoundException", "ResourceInUseException"
FAILED_CONDITION = "ConditionalCheckFailedException"
POPV = "One or more parameter values were invalid: "
MODEL = "1 validation error detected: Value "
SCHEMA = "The provided key element does not match the schema"
START = "The provided starting key is invalid"
UPDATE, CONDITION, FILTER, PROJECTION, KEYS = (
    f"Invalid {kind}Expression: " for kind in ("Update", "Condition", "Filter", "Projection", "KeyCondition"))
HASH, RANGE = {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}
PK, SK = {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}
CREATE = {"TableName": "messages-table", "KeySchema": [HASH], "AttributeDefinitions": [PK],
          "BillingMode": "PAY_PER_REQUEST"}


def put(item=None, values=None, names=None, **more):
    return "PutItem", {"TableName": "refusals", "Item": {**KEY, **(item or {})}, **substitutions(values, names), **more}


def update(expression, values=None, names=None, **more):
    return "UpdateItem", {"TableName": "refusals", "Key": KEY, "UpdateExpression": expression,
                          **substitutions(values, names), **more}


def condition(text, values=None, names=None):
    return put(None, values, names, ConditionExpression=text)


def get(**more):
    return "GetItem", {"TableName": "refusals", "Key": KEY, **more}


def query(text="pk = :p", values=None, names=None, **more):
    values = {**({":p": {"S": "p"}} if ":p" in text else {}), **(values or {})}
    return "Query", {"TableName": "refusals", "KeyConditionExpression": text, **substitutions(values, names), **more}


def scan(values=None, **more):
    return "Scan", {"TableName": "refusals", **substitutions(values, None), **more}


def create(**changes):
    return "CreateTable", {name: value for name, value in {**CREATE, **changes}.items() if value is not None}


def substitutions(values, names):
    given = {"ExpressionAttributeValues": values, "ExpressionAttributeNames": names}
    return {name: value for name, value in given.items() if value}


def batch_get(*keys, table="refusals"):
    return "BatchGetItem", {"RequestItems": {table: {"Keys": list(keys)}}}


def deletes(count, first=0):
    return [{"DeleteRequest": {"Key": {"pk": {"S": "m"}, "sk": {"N": str(n)}}}} for n in range(first, first + count)]


def keys(count):
    return [{"pk": {"S": "m"}, "sk": {"N": str(n)}} for n in range(count)]


def key_with(**changes):
    return {name: value for name, value in {**KEY, **changes}.items() if value is not None}


MESSAGES = [
    # ---- tables ----
    *((1, (operation, {"TableName": "no-such-table", **request}), NOT_FOUND, "Requested resource not found")
      for operation, request in (("GetItem", {"Key": KEY}), ("PutItem", {"Item": KEY}), ("UpdateItem", {"Key": KEY}),
                                 ("DeleteItem", {"Key": KEY}), ("Scan", {}))),
    (1, query(TableName="no-such-table"), NOT_FOUND, "Requested resource not found"),
    (1, batch_get(KEY, table="no-such-table"), NOT_FOUND, "Requested resource not found"),
    (1, ("BatchWriteItem", {"RequestItems": {"no-such-table": deletes(1)}}), NOT_FOUND, "Requested resource not found"),
    *((2, (operation, {"TableName": "no-such-table", **more}), NOT_FOUND,
       "Requested resource not found: Table: no-such-table not found")
      for operation, more in (("DescribeTable", {}), ("DeleteTable", {}),
                              ("UpdateTable", {"BillingMode": "PAY_PER_REQUEST"}), ("DescribeTimeToLive", {}))),
    (3, create(TableName="refusals"), IN_USE, "Table already exists: refusals"),
    (5, create(TableName=None), VALIDATION, "The parameter 'TableName' is required but was not present in the request"),
    (5, ("DescribeTable", {}), VALIDATION, "The parameter 'TableName' is required but was not present in the request"),
    (6, ("PutItem", {"Item": KEY}), VALIDATION,
     MODEL + "null at 'tableName' failed to satisfy constraint: Member must not be null"),
    (7, put(TableName="a b"), VALIDATION, MODEL + "'a b' at 'tableName' failed to satisfy constraint: Member must satisfy "
                                                  "regular expression pattern: [a-zA-Z0-9_.-]+"),
    (7, create(TableName="a b"), VALIDATION, MODEL + "'a b' at 'tableName' failed to satisfy constraint: Member must "
                                                     "satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
    (8, scan(Select="X"), VALIDATION,
     MODEL + "'X' at 'select' failed to satisfy constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, "
             "COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"),
    (8, create(AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "M"}]), VALIDATION,
     MODEL + "'M' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: Member must satisfy enum "
             "value set: [B, N, S]"),
    (8, create(KeySchema=[HASH, {"AttributeName": "sk", "KeyType": "SORT"}]), VALIDATION,
     MODEL + "'SORT' at 'keySchema.2.member.keyType' failed to satisfy constraint: Member must satisfy enum value set: "
             "[HASH, RANGE]"),

    # ---- keys ----
    *((9, (operation, {"TableName": "refusals", "Key": key}), VALIDATION, SCHEMA)
      for operation in ("GetItem", "DeleteItem", "UpdateItem")
      for key in (key_with(sk=None), key_with(sk={"S": "1"}), key_with(x={"S": "x"}))),
    (9, batch_get(key_with(sk=None)), VALIDATION, SCHEMA),
    (10, put(TableName="refusals", Item={"sk": {"N": "1"}}), VALIDATION, POPV + "Missing the key pk in the item"),
    (10, put(TableName="refusals", Item={"pk": {"S": "a"}}), VALIDATION, POPV + "Missing the key sk in the item"),
    (11, put({"pk": {"N": "1"}}), VALIDATION, POPV + "Type mismatch for key pk expected: S actual: N"),
    (11, put({"sk": {"S": "1"}}), VALIDATION, POPV + "Type mismatch for key sk expected: N actual: S"),
    (13, put({"pk": {"S": ""}}), VALIDATION,
     "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string "
     "value. Key: pk"),
    *((13, (operation, {"TableName": "refusals", "Key": key_with(pk={"S": ""})}), VALIDATION,
       POPV + "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk")
      for operation in ("GetItem", "DeleteItem", "UpdateItem")),
    (13, query(values={":p": {"S": ""}}), VALIDATION,
     POPV + "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"),
    (14, put({"pk": {"S": "x" * 2049}}), VALIDATION,
     POPV + "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
    (14, get(Key=key_with(pk={"S": "x" * 2049})), VALIDATION,
     POPV + "Size of hashkey has exceeded the maximum size limit of2048 bytes"),

    # ---- items and values ----
    (16, put({"v": {"S": "x" * 409_600}}), VALIDATION, "Item size has exceeded the maximum allowed size"),
    (17, update("SET v = :v", {":v": {"S": "x" * 409_600}}), VALIDATION,
     "Item size to update has exceeded the maximum allowed size"),
    (18, put({"v": {"SS": []}}), VALIDATION, POPV + "An string set  may not be empty"),
    (18, put({"v": {"NS": []}}), VALIDATION, POPV + "An number set  may not be empty"),
    (18, put({"v": {"BS": []}}), VALIDATION, POPV + "Binary sets should not be empty"),
    (19, put({"v": {"SS": ["a", "a"]}}), VALIDATION, POPV + "Input collection [a, a] contains duplicates."),
    (19, put({"v": {"NS": ["1", "1.0"]}}), VALIDATION, "Input collection contains duplicates"),
    (20, put({"v": {"NULL": False}}), VALIDATION, POPV + "Null attribute value types must have the value of true"),
    (21, put({"v": {}}), VALIDATION,
     "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
    (21, put({"v": {"S": "a", "N": "1"}}), VALIDATION,
     "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"),
    (22, put({"v": {"N": "x"}}), VALIDATION, "The parameter cannot be converted to a numeric value: x"),
    (22, put({"v": {"N": "1" * 39}}), VALIDATION, "Attempting to store more than 38 significant digits in a Number"),
    (22, put({"v": {"N": "1E126"}}), VALIDATION,
     "Number overflow. Attempting to store a number with magnitude larger than supported range"),
    (22, put({"v": {"N": "1E-131"}}), VALIDATION,
     "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
    (23, condition("attribute_not_exists(pk)"), FAILED_CONDITION, "The conditional request failed"),
    (23, update("SET v = :v", ONE, ConditionExpression="v > :v"), FAILED_CONDITION, "The conditional request failed"),
    (23, ("DeleteItem", {"TableName": "refusals", "Key": KEY, "ConditionExpression": "attribute_exists(absent)"}),
     FAILED_CONDITION, "The conditional request failed"),

    # ---- batches ----
    (27, ("BatchWriteItem", {"RequestItems": {}}), VALIDATION, "The requestItems parameter is required for BatchWriteItem"),
    (27, ("BatchGetItem", {"RequestItems": {}}), VALIDATION, "The requestItems parameter is required for BatchGetItem"),
    (28, batch_get(KEY, KEY), VALIDATION, "Provided list of item keys contains duplicates"),
    (28, ("BatchWriteItem", {"RequestItems": {"refusals": deletes(1) * 2}}), VALIDATION,
     "Provided list of item keys contains duplicates"),
    (29, ("BatchWriteItem", {"RequestItems": {"refusals": deletes(26)}}), VALIDATION,
     MODEL + "'{refusals=[...]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: "
             "[Member must have length less than or equal to 25, Member must have length greater than or equal to 1]"),
    (30, ("BatchGetItem", {"RequestItems": {"refusals": {"Keys": keys(60)}, "another": {"Keys": keys(41)}}}), VALIDATION,
     "Too many items requested for the BatchGetItem call"),

    # ---- expressions ----
    (31, put(ConditionExpression="attribute_exists(pk)", Expected={"a": {"Exists": False}}), VALIDATION,
     "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
     "{Expected} Expression parameters: {ConditionExpression}"),
    (32, put(values=ONE), VALIDATION,
     "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"),
    (32, put(names={"#n": "n"}), VALIDATION,
     "ExpressionAttributeNames can only be specified when using expressions: ConditionExpression is null"),
    (33, condition("a = :v", ONE, {"#unused": "n"}), VALIDATION,
     "Value provided in ExpressionAttributeNames unused in expressions: keys: {#unused}"),
    (33, condition("a = :v", {**ONE, ":unused": {"N": "2"}}), VALIDATION,
     "Value provided in ExpressionAttributeValues unused in expressions: keys: {:unused}"),
    (34, update("SET a = :v"), VALIDATION,
     UPDATE + "An expression attribute value used in expression is not defined; attribute value: :v"),
    (34, scan(ONE, FilterExpression="#missing = :v"), VALIDATION,
     FILTER + "An expression attribute name used in the document path is not defined; attribute name: #missing"),
    (34, condition("a = :v"), VALIDATION,
     CONDITION + "An expression attribute value used in expression is not defined; attribute value: :v"),
    (34, get(ProjectionExpression="#missing"), VALIDATION,
     PROJECTION + "An expression attribute name used in the document path is not defined; attribute name: #missing"),
    (35, update(""), VALIDATION, UPDATE + "The expression can not be empty;"),
    (35, condition(""), VALIDATION, CONDITION + "The expression can not be empty;"),
    (35, scan(FilterExpression=""), VALIDATION, FILTER + "The expression can not be empty;"),
    (35, get(ProjectionExpression=""), VALIDATION, PROJECTION + "The expression can not be empty;"),
    (35, query(""), VALIDATION, KEYS + "The expression can not be empty;"),
    (36, update("INVALID SYNTAX"), VALIDATION, UPDATE + 'Syntax error; token: "INVALID", near: "INVALID SYNTAX"'),
    (36, condition("a = = :v", ONE), VALIDATION, CONDITION + 'Syntax error; token: "=", near: "= = :v"'),
    (37, update("SET status = :v", ONE), VALIDATION,
     UPDATE + "Attribute name is a reserved keyword; reserved keyword: status"),
    (37, condition("Status = :v", ONE), VALIDATION,
     CONDITION + "Attribute name is a reserved keyword; reserved keyword: Status"),
    (37, get(ProjectionExpression="name"), VALIDATION,
     PROJECTION + "Attribute name is a reserved keyword; reserved keyword: name"),
    (38, update("SET pk = :v", ONE), VALIDATION, POPV + "Cannot update attribute pk. This attribute is part of the key"),
    (38, update("REMOVE sk"), VALIDATION, POPV + "Cannot update attribute sk. This attribute is part of the key"),
    (39, update("SET absent.a = :v", ONE), VALIDATION,
     "The document path provided in the update expression is invalid for update"),
    (39, update("SET a = absent + :v", ONE), VALIDATION,
     "The provided expression refers to an attribute that does not exist in the item"),
    (39, update("SET a = words + :v", ONE), VALIDATION, "An operand in the update expression has an incorrect data type"),
    (39, update("ADD words :v", ONE), VALIDATION, "An operand in the update expression has an incorrect data type"),
    (40, update("SET a = :v, a.b = :v", ONE), VALIDATION,
     UPDATE + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path "
              "two: [a, b]"),
    (40, update("SET a.b = :v, a[0] = :v", ONE), VALIDATION,
     UPDATE + "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], "
              "path two: [a, [0]]"),
    (41, update("SET a = :v SET b = :v", ONE), VALIDATION,
     UPDATE + 'The "SET" section can only be used once in an update expression;'),
    (42, condition("((a = :v))", ONE), VALIDATION, CONDITION + "The expression has redundant parentheses;"),
    (43, condition("a = a"), VALIDATION,
     CONDITION + "The first operand must be distinct from the remaining operands for this operator or function; operator: "
                 "=, first operand: [a]"),
    (54, condition("a = :v" + " " * 4091, ONE), VALIDATION,
     CONDITION + "Expression size has exceeded the maximum allowed size; expression size: 4097"),
    (54, condition(" OR ".join(["a=:v"] * 151), ONE), VALIDATION,
     CONDITION + "The expression contains too many operators; operator count: 301"),

    # ---- Query and Scan ----
    (44, query("sk = :v", ONE), VALIDATION, "Query condition missed key schema element: pk"),
    (44, query("pk > :p"), VALIDATION, "Query key condition not supported"),
    (44, ("Query", {"TableName": "refusals"}), VALIDATION,
     "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
    (45, query(FilterExpression="pk = :p"), VALIDATION,
     "Filter Expression can only contain non-primary key attributes: Primary key attribute: pk"),
    (45, query(values=ONE, FilterExpression="sk > :v"), VALIDATION,
     "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"),
    (46, query(IndexName="none"), VALIDATION, "The table does not have the specified index: none"),
    (46, scan(IndexName="none"), VALIDATION, "The table does not have the specified index: none"),
    (47, query(ExclusiveStartKey=key_with(sk=None)), VALIDATION, f"{START}: {SCHEMA}"),
    (47, scan(ExclusiveStartKey=key_with(sk={"S": "1"})), VALIDATION, f"{START}: {SCHEMA}"),
    (47, query(ExclusiveStartKey=key_with(pk={"S": "q"})), VALIDATION,
     "The provided starting key is outside query boundaries based on provided conditions"),
    (48, scan(Segment=0), VALIDATION, "The TotalSegments parameter is required but was not present in the request when "
                                      "Segment parameter is present"),
    (48, scan(TotalSegments=5), VALIDATION, "The Segment parameter is required but was not present in the request when "
                                            "parameter TotalSegments is present"),
    (48, scan(Segment=5, TotalSegments=5), VALIDATION,
     "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 5 is not less than "
     "TotalSegments: 5"),

    # ---- CreateTable, UpdateTable ----
    (49, create(KeySchema=[HASH, RANGE]), VALIDATION,
     "Invalid KeySchema: Some index key attribute have no definition"),
    (49, create(AttributeDefinitions=[PK, SK]), VALIDATION,
     POPV + "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"),
    (49, create(AttributeDefinitions=[SK]), VALIDATION,
     POPV + "Some index key attributes are not defined in AttributeDefinitions. Keys: [pk], AttributeDefinitions: [sk]"),
    (51, create(ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}), VALIDATION,
     POPV + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
]


@pytest.fixture(autouse=True)
def item(raw, raw_table):
    """What conditions and updates find."""
    raw.settled("PutItem", TableName=raw_table, Item={**KEY, "words": {"S": "t"}})


@pytest.mark.parametrize("number, call, name, message", MESSAGES,
                         ids=[f"{row[0]}-{row[1][0]}" for row in MESSAGES])
def test_a_message(raw, number, call, name, message):
    operation, request = call
    assert_refused(raw.call(operation, **request), name, message)


def test_every_message_that_is_served_has_a_row():
    unserved = {12, 24, 25, 26, 50, 53, 55}
    elsewhere = {4, 15, 52}  # below: they need a table of their own
    assert {row[0] for row in MESSAGES} == set(range(1, 56)) - unserved - elsewhere


@pytest.fixture(scope="module")
def own(fleet):
    raw = connect(fleet, fleet.create_tenant(f"messages-{uuid.uuid4()}"))
    wait_for(lambda: raw.call("ListTables").status == 200, 30, "the router to know the key")
    return raw


def is_active(raw, name):
    return raw.settled("DescribeTable", TableName=name)["Table"]["TableStatus"] == "ACTIVE"


def test_4_a_table_that_is_being_created(own):
    """The table may be ACTIVE before DeleteTable comes: then the next one."""
    def refusal(n):
        name = f"creating-{n}"
        own.settled("CreateTable", **{**CREATE, "TableName": name})
        reply = own.call("DeleteTable", TableName=name)
        wait_for(lambda: own.call("DeleteTable", TableName=name).status == 200, 30, "the table to go")
        return reply if reply.status != 200 else None
    reply = next(filter(None, map(refusal, range(20))))
    assert_refused(reply, IN_USE)
    prefix = "Attempt to change a resource which is still in use: Table is being created: creating-"
    assert reply.message.startswith(prefix) and reply.message.removeprefix(prefix).isdecimal()


def test_15_a_long_sort_key(own):
    own.settled("CreateTable", **{**CREATE, "KeySchema": [HASH, RANGE], "AttributeDefinitions": [PK, SK]})
    wait_for(lambda: is_active(own, CREATE["TableName"]), 30, "the table to be ACTIVE")
    too_long = {"pk": {"S": "a"}, "sk": {"S": "x" * 1025}}
    message = POPV + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
    for operation, name in (("PutItem", "Item"), ("GetItem", "Key"), ("UpdateItem", "Key"), ("DeleteItem", "Key")):
        assert_refused(own.call(operation, TableName=CREATE["TableName"], **{name: too_long}), VALIDATION, message)
    own.settled("DeleteTable", TableName=CREATE["TableName"])


def test_52_throughput_that_stays(own):
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    own.settled("CreateTable", **{**CREATE, "TableName": "no-change", "BillingMode": "PROVISIONED",
                                  "ProvisionedThroughput": units})
    wait_for(lambda: is_active(own, "no-change"), 30, "the table to be ACTIVE")
    assert_refused(
        own.call("UpdateTable", TableName="no-change", ProvisionedThroughput=units), VALIDATION,
        "The provisioned throughput for the table will not change. The requested value equals the current value. Current "
        "ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. Current WriteCapacityUnits "
        "provisioned for the table: 6. Requested WriteCapacityUnits: 6. Refer to the Amazon DynamoDB Developer Guide for "
        "current limits and how to request higher limits.")
    own.settled("DeleteTable", TableName="no-change")
