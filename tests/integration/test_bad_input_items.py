"""Items, keys and expressions that are wrong: DynamoDB's words for each."""

import pytest

from .conftest import assert_refused

pytestmark = pytest.mark.usefixtures("unharmed")

KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
POPV = "One or more parameter values were invalid: "
SCHEMA = "The provided key element does not match the schema"
UPDATE = "Invalid UpdateExpression: "
CONDITION = "Invalid ConditionExpression: "


def put(raw, item, **more):
    return raw.call("PutItem", TableName="refusals", Item=item, **more)


def update(raw, expression, values=None, names=None, **more):
    more.setdefault("Key", KEY)
    if values:
        more["ExpressionAttributeValues"] = values
    if names:
        more["ExpressionAttributeNames"] = names
    return raw.call("UpdateItem", TableName="refusals", UpdateExpression=expression, **more)


def condition(raw, expression, values=None, names=None):
    more = {}
    if values:
        more["ExpressionAttributeValues"] = values
    if names:
        more["ExpressionAttributeNames"] = names
    return put(raw, KEY, ConditionExpression=expression, **more)


# ---- values ----

EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
TWO = ("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
       "datatypes")


@pytest.mark.parametrize("value, message", [
    ({"N": ""}, "The parameter cannot be converted to a numeric value"),
    ({"N": "x"}, "The parameter cannot be converted to a numeric value: x"),
    ({"N": "1 2"}, "The parameter cannot be converted to a numeric value: 1 2"),
    ({"N": "NaN"}, "The parameter cannot be converted to a numeric value: NaN"),
    ({"N": "Infinity"}, "The parameter cannot be converted to a numeric value: Infinity"),
    ({"N": "0x10"}, "The parameter cannot be converted to a numeric value: 0x10"),
    ({"SS": ["a", "b", "a"]}, POPV + "Input collection [a, b, a] contains duplicates."),
    ({"NS": ["1", "1.0"]}, "Input collection contains duplicates"),
    ({"NULL": False}, POPV + "Null attribute value types must have the value of true"),
    ({}, EMPTY),
    ({"S": "a", "N": "1"}, TWO),
    ({"L": [{}]}, EMPTY),
    ({"M": {"x": {"S": "a", "B": "AA=="}}}, TWO),
])
def test_a_bad_value_is_refused(raw, value, message):
    assert_refused(put(raw, {**KEY, "v": value}), "ValidationException", message)
    assert_refused(update(raw, "SET v = :v", {":v": value}), "ValidationException")


# ---- keys ----

@pytest.mark.parametrize("item, message", [
    ({"sk": {"N": "1"}}, POPV + "Missing the key pk in the item"),
    ({"pk": {"S": "a"}}, POPV + "Missing the key sk in the item"),
    ({}, POPV + "Missing the key pk in the item"),
    ({"pk": {"N": "1"}, "sk": {"N": "1"}}, POPV + "Type mismatch for key pk expected: S actual: N"),
    ({"pk": {"S": "a"}, "sk": {"BOOL": True}}, POPV + "Type mismatch for key sk expected: N actual: BOOL"),
    ({"pk": {"S": ""}, "sk": {"N": "1"}},
     "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
     "string value. Key: pk"),
])
def test_a_put_with_a_bad_key_is_refused(raw, item, message):
    assert_refused(put(raw, item), "ValidationException", message)


@pytest.mark.parametrize("key, message", [
    ({}, SCHEMA),
    ({"pk": {"S": "a"}}, SCHEMA),
    ({"sk": {"N": "1"}}, SCHEMA),
    ({**KEY, "x": {"S": "a"}}, SCHEMA),
    ({"pk": {"S": "a"}, "x": {"N": "1"}}, SCHEMA),
    ({"pk": {"B": "YQ=="}, "sk": {"N": "1"}}, SCHEMA),
    ({"pk": {"S": "a"}, "sk": {"S": "1"}}, SCHEMA),
    ({"pk": {"S": ""}, "sk": {"N": "1"}},
     POPV + "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"),
])
@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem", "DeleteItem"])
def test_a_bad_key_is_refused(raw, operation, key, message):
    assert_refused(raw.call(operation, TableName="refusals", Key=key), "ValidationException", message)


# ---- expressions ----

ONE = {":v": {"N": "1"}}


@pytest.mark.parametrize("expression, values, names, message", [
    ("", None, None, UPDATE + "The expression can not be empty;"),
    ("INVALID SYNTAX", None, None, UPDATE + 'Syntax error; token: "INVALID", near: "INVALID SYNTAX"'),
    ("SET a = :missing", ONE, None,
     UPDATE + "An expression attribute value used in expression is not defined; attribute value: :missing"),
    ("SET #missing = :v", ONE, None,
     UPDATE + "An expression attribute name used in the document path is not defined; attribute name: #missing"),
    ("SET status = :v", ONE, None, UPDATE + "Attribute name is a reserved keyword; reserved keyword: status"),
    ("SET a = :v SET b = :v", ONE, None,
     UPDATE + 'The "SET" section can only be used once in an update expression;'),
    ("SET a = :v, a.b = :v", ONE, None,
     UPDATE + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], "
              "path two: [a, b]"),
    ("SET a = :v REMOVE a", ONE, None,
     UPDATE + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], "
              "path two: [a]"),
    ("SET pk = :v", {":v": {"S": "b"}}, None,
     POPV + "Cannot update attribute pk. This attribute is part of the key"),
    ("SET a = :v", {**ONE, ":unused": {"N": "2"}}, None,
     "Value provided in ExpressionAttributeValues unused in expressions: keys: {:unused}"),
    ("SET a = :v", ONE, {"#unused": "u"},
     "Value provided in ExpressionAttributeNames unused in expressions: keys: {#unused}"),
    ("SET a = nothing + :v", ONE, None, "The provided expression refers to an attribute that does not exist in the "
                                        "item"),
    ("SET nothing.a = :v", ONE, None,
     "The document path provided in the update expression is invalid for update"),
    ("SET a = words + :v", ONE, None,
     "An operand in the update expression has an incorrect data type"),
    ("ADD words :v", ONE, None, "An operand in the update expression has an incorrect data type"),
])
def test_a_bad_update_expression_is_refused(raw, expression, values, names, message):
    assert put(raw, {**KEY, "words": {"S": "t"}}).status == 200
    assert_refused(update(raw, expression, values, names), "ValidationException", message)
    got = raw.settled("GetItem", TableName="refusals", Key=KEY, ConsistentRead=True)
    assert got["Item"] == {**KEY, "words": {"S": "t"}}


@pytest.mark.parametrize("expression, values, names, message", [
    ("", None, None, CONDITION + "The expression can not be empty;"),
    ("a =", None, None, CONDITION + 'Syntax error; token: "<EOF>", near: "a ="'),
    ("a = :missing", None, None,
     CONDITION + "An expression attribute value used in expression is not defined; attribute value: :missing"),
    ("#missing = :v", ONE, None,
     CONDITION + "An expression attribute name used in the document path is not defined; attribute name: #missing"),
    ("status = :v", ONE, None, CONDITION + "Attribute name is a reserved keyword; reserved keyword: status"),
    ("((a = :v))", ONE, None, CONDITION + "The expression has redundant parentheses;"),
    ("a = a", None, None,
     CONDITION + "The first operand must be distinct from the remaining operands for this operator or function; "
                 "operator: =, first operand: [a]"),
    ("a = :v", {**ONE, ":unused": {"N": "2"}}, None,
     "Value provided in ExpressionAttributeValues unused in expressions: keys: {:unused}"),
    ("a = :v AND " + "(" + " " * 4096 + "b = :v)", ONE, None,
     CONDITION + "Expression size has exceeded the maximum allowed size; expression size: 4115"),
])
def test_a_bad_condition_expression_is_refused(raw, expression, values, names, message):
    assert_refused(condition(raw, expression, values, names), "ValidationException", message)


def test_a_false_condition_says_so_and_shows_the_item_when_asked(raw):
    assert put(raw, {**KEY, "words": {"S": "t"}}).status == 200
    for more in ({}, {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}):
        reply = put(raw, KEY, ConditionExpression="attribute_not_exists(pk)", **more)
        assert_refused(reply, "ConditionalCheckFailedException", "The conditional request failed")
        assert reply.json.get("Item") == ({**KEY, "words": {"S": "t"}} if more else None)


@pytest.mark.parametrize("request_, message", [
    ({"ExpressionAttributeValues": ONE},
     "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"),
    ({"ExpressionAttributeNames": {"#a": "a"}},
     "ExpressionAttributeNames can only be specified when using expressions: ConditionExpression is null"),
])
def test_substitutions_without_an_expression_are_refused(raw, request_, message):
    assert_refused(put(raw, KEY, **request_), "ValidationException", message)


def test_legacy_parameters_beside_expressions_are_refused(raw):
    reply = put(raw, KEY, ConditionExpression="attribute_exists(pk)", Expected={"a": {"Exists": False}})
    assert_refused(reply, "ValidationException",
                   "Can not use both expression and non-expression parameters in the same request: Non-expression "
                   "parameters: {Expected} Expression parameters: {ConditionExpression}")


def test_a_bad_projection_is_refused(raw):
    get = {"TableName": "refusals", "Key": KEY}
    assert_refused(raw.call("GetItem", **get, ProjectionExpression="a,"), "ValidationException")
    assert_refused(raw.call("GetItem", **get, ProjectionExpression="a, a"), "ValidationException",
                   "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite "
                   "one of these paths; path one: [a], path two: [a]")


def test_many_substitutions_and_deep_expressions_are_refused_not_fatal(raw):
    values = {f":v{i}": {"N": "1"} for i in range(20000)}
    assert_refused(condition(raw, "a = :v0", values), "ValidationException")
    assert condition(raw, "(" * 2000 + "a = :v" + ")" * 2000, ONE).status == 400
    assert condition(raw, "NOT " * 1000 + "a = :v", ONE).status == 400
    assert update(raw, "SET " + "a." * 1000 + "b = :v", ONE).status == 400


def test_unknown_parameters_are_skipped(raw):
    reply = raw.call("GetItem", TableName="refusals", Key=KEY, Extra={"x": [1, {"y": None}], "TableName": "other"})
    assert reply.status == 200
