"""The limits of DynamoDB's API: what is just within is taken, one more is refused. docs/limits.md says which row is where."""

import uuid

import pytest

from tests.faults.kill_client import signed_headers
from tests.faults.kill_probe import wait_for

from .conftest import assert_refused, connect

pytestmark = pytest.mark.usefixtures("unharmed")

KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
POPV = "One or more parameter values were invalid: "
TOO_LARGE = "Item size has exceeded the maximum allowed size"
FAILED = "failed to satisfy constraint: Member must "
MEBIBYTE = 1 << 20
ITEM_MAX = 400 * 1024


def put(raw, item, **more):
    return raw.call("PutItem", TableName="refusals", Item={**KEY, **item}, **more)


def update(raw, expression, **more):
    return raw.call("UpdateItem", TableName="refusals", Key=KEY, UpdateExpression=expression, **more)


def stored(raw, key=None, **more):
    return raw.settled("GetItem", TableName="refusals", Key=key or KEY, ConsistentRead=True, **more).get("Item")


def sized(size, **key):
    """An item of the table `refusals` that weighs so much: names 2 + 2 + 1, key values 1 + 2."""
    return {**KEY, **key, "v": {"S": "x" * (size - 8)}}


# ---- items ----

def test_a_put_of_400_kb(raw):
    assert put(raw, sized(ITEM_MAX)).status == 200
    assert len(stored(raw)["v"]["S"]) == ITEM_MAX - 8
    for size in (ITEM_MAX + 1, 15_000_000):
        assert_refused(put(raw, sized(size)), "ValidationException", TOO_LARGE)
    assert len(stored(raw)["v"]["S"]) == ITEM_MAX - 8
    assert put(raw, {}).status == 200


def test_an_update_to_400_kb(raw):
    assert put(raw, {}).status == 200
    for size, status in ((ITEM_MAX, 200), (ITEM_MAX + 1, 400)):
        reply = update(raw, "SET v = :v", ExpressionAttributeValues={":v": sized(size)["v"]})
        assert reply.status == status
    assert_refused(reply, "ValidationException", "Item size to update has exceeded the maximum allowed size")
    # What grows by itself is refused, too.
    grown = update(raw, "SET w = if_not_exists(w, :w)", ExpressionAttributeValues={":w": {"S": ""}})
    assert_refused(grown, "ValidationException", "Item size to update has exceeded the maximum allowed size")
    assert len(stored(raw)["v"]["S"]) == ITEM_MAX - 8 and "w" not in stored(raw)
    assert put(raw, {}).status == 200


def test_a_put_of_400_kb_in_a_batch(raw):
    def write(size):
        return raw.call("BatchWriteItem", RequestItems={"refusals": [{"PutRequest": {"Item": sized(size)}}]})
    assert write(ITEM_MAX).json["UnprocessedItems"] == {}
    assert_refused(write(ITEM_MAX + 1), "ValidationException", TOO_LARGE)
    assert put(raw, {}).status == 200


def test_names_and_all_types_count(raw):
    """Name 3; 1 for null and boolean; 3 for a map or list, 1 for each element, names of elements; digits by two."""
    values = [({"NULL": True}, 1), ({"BOOL": False}, 1), ({"B": "AAAA"}, 3), ({"SS": ["a", "bc"]}, 3), ({"N": "0"}, 1),
              ({"N": "12345"}, 4), ({"N": "-100"}, 3), ({"NS": ["1", "22"]}, 4), ({"L": []}, 3), ({"M": {}}, 3),
              ({"L": [{"S": "abc"}, {"BOOL": True}]}, 9), ({"M": {"ab": {"S": "c"}}}, 7)]
    for value, size in values:
        assert put(raw, {**sized(ITEM_MAX - 3 - size), "abc": value}).status == 200, value
        assert_refused(put(raw, {**sized(ITEM_MAX - 2 - size), "abc": value}), "ValidationException", TOO_LARGE)
    assert put(raw, {}).status == 200


# ---- keys ----

@pytest.fixture(scope="module")
def texts(raw):
    """Both keys are texts."""
    raw.settled("CreateTable", TableName="texts", BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")])
    wait_for(lambda: raw.settled("DescribeTable", TableName="texts")["Table"]["TableStatus"] == "ACTIVE", 30,
             "the table to be ACTIVE")
    yield "texts"
    raw.settled("DeleteTable", TableName="texts")


@pytest.mark.parametrize("pk, sk, message", [
    (2049, 1, POPV + "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
    (1, 1025, POPV + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"),
])
def test_keys_of_2048_and_1024_bytes(raw, texts, pk, sk, message):
    def key(pk, sk):
        return {"pk": {"S": "x" * pk}, "sk": {"S": "\u00e9" * (sk // 2) + "y" * (sk % 2)}}
    longest, too_long = key(2048, 1024), key(pk, sk)
    raw.settled("PutItem", TableName=texts, Item=longest)
    assert raw.settled("GetItem", TableName=texts, Key=longest, ConsistentRead=True)["Item"] == longest
    query = {"TableName": texts, "KeyConditionExpression": "pk = :p AND sk = :s", "ConsistentRead": True}
    values = {":p": longest["pk"], ":s": longest["sk"]}
    assert raw.settled("Query", **query, ExpressionAttributeValues=values)["Items"] == [longest]
    calls = [("PutItem", {"TableName": texts, "Item": too_long}),
             *((operation, {"TableName": texts, "Key": too_long}) for operation in ("GetItem", "UpdateItem", "DeleteItem")),
             ("BatchGetItem", {"RequestItems": {texts: {"Keys": [too_long]}}}),
             ("BatchWriteItem", {"RequestItems": {texts: [{"PutRequest": {"Item": too_long}}]}}),
             ("BatchWriteItem", {"RequestItems": {texts: [{"DeleteRequest": {"Key": too_long}}]}}),
             ("Query", {**query, "ExpressionAttributeValues": {":p": too_long["pk"], ":s": too_long["sk"]}})]
    for operation, request in calls:
        assert_refused(raw.call(operation, **request), "ValidationException", message)


def test_names_of_255_bytes_for_keys(raw):
    def create(length):
        name = "k" * length
        return raw.call("CreateTable", TableName="long-names", BillingMode="PAY_PER_REQUEST",
                        KeySchema=[{"AttributeName": name, "KeyType": "HASH"}],
                        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"}])
    reply = create(256)
    assert_refused(reply, "ValidationException")
    assert f"at 'keySchema.1.member.attributeName' {FAILED}have length less than or equal to 255" in reply.message
    assert create(255).status == 200
    wait_for(lambda: raw.settled("DescribeTable", TableName="long-names")["Table"]["TableStatus"] == "ACTIVE", 30,
             "the table to be ACTIVE")
    item = {"k" * 255: {"S": "a"}}
    raw.settled("PutItem", TableName="long-names", Item=item)
    assert raw.settled("GetItem", TableName="long-names", Key=item, ConsistentRead=True)["Item"] == item
    raw.settled("DeleteTable", TableName="long-names")


# ---- names and values ----

def test_attribute_names_of_65535_bytes(raw):
    longest, too_long = "n" * 65535, "n" * 65536
    one = {":v": {"N": "1"}}
    assert put(raw, {longest: {"N": "1"}, "m": {"M": {longest: {"N": "2"}}}}).status == 200
    assert stored(raw)[longest] == {"N": "1"}
    for item in ({too_long: {"N": "1"}}, {"m": {"M": {too_long: {"N": "2"}}}}):
        reply = put(raw, item)
        assert_refused(reply, "ValidationException")
        assert "Member must have length less than or equal to 65535" in reply.message
    assert update(raw, "SET #n = :v", ExpressionAttributeNames={"#n": longest},
                  ExpressionAttributeValues=one).status == 200
    assert_refused(update(raw, "SET #n = :v", ExpressionAttributeNames={"#n": too_long},
                          ExpressionAttributeValues=one), "ValidationException")
    assert put(raw, {}).status == 200


def test_nesting_of_32_levels(raw):
    def nested(levels, kind):
        value = {"S": "x"}
        for _ in range(levels - 1):
            value = {"L": [value]} if kind == "L" else {"M": {"a": value}}
        return {"v": value}
    message = ("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond "
               "supported limit")
    for kind in "LM":
        assert put(raw, nested(32, kind)).status == 200
        assert stored(raw) == {**KEY, **nested(32, kind)}
        assert_refused(put(raw, nested(33, kind)), "ValidationException", message)
        assert update(raw, "SET v = :v", ExpressionAttributeValues={":v": nested(32, kind)["v"]}).status == 200
        for expression, levels in (("SET v = :v", 33), ("SET w.a = :v", 32)):
            assert put(raw, {"w": {"M": {}}}).status == 200
            assert update(raw, expression, ExpressionAttributeValues={":v": nested(levels, kind)["v"]}).status == 400
        assert update(raw, "SET w.a = :v", ExpressionAttributeValues={":v": nested(31, kind)["v"]}).status == 200


def test_nesting_beyond_all_measure_is_refused(raw):
    value = '{"L":[' * 5000 + '{"S":"x"}' + "]}" * 5000
    body = f'{{"TableName":"refusals","Item":{{"pk":{{"S":"a"}},"sk":{{"N":"1"}},"v":{value}}}}}'.encode()
    assert_refused(raw.send(body, signed_headers(raw.key, raw.host, "PutItem", body)), "SerializationException")


NINES = "9." + "9" * 37
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"


@pytest.mark.parametrize("text, printed", [
    (NINES + "E125", "9" * 38 + "0" * 88), (f"-{NINES}E125", "-" + "9" * 38 + "0" * 88),
    ("1E-130", "0." + "0" * 129 + "1"), ("-1E-130", "-0." + "0" * 129 + "1"), ("1" * 38, "1" * 38),
    ("1" * 38 + "000", "1" * 38 + "000"), ("-0", "0"), ("00042", "42"), ("1.50", "1.5"), ("+7", "7"), (".5", "0.5"),
    ("5.", "5"), ("0" * 50 + "1", "1"), ("1" + "0" * 60, "1" + "0" * 60), ("0e125", "0"), ("0.0e126", "0"),
])
def test_numbers_within_their_range(raw, text, printed):
    assert put(raw, {"v": {"N": text}}).status == 200
    assert stored(raw)["v"] == {"N": printed}


@pytest.mark.parametrize("text, message", [
    ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
    ("1." + "0" * 37 + "1", "Attempting to store more than 38 significant digits in a Number"),
    ("1E126", OVERFLOW), ("-1E126", OVERFLOW), ("10E125", OVERFLOW), ("0e126", OVERFLOW), ("1E-131", UNDERFLOW),
    ("-1E-131", UNDERFLOW), ("0.1E-130", UNDERFLOW),
])
def test_numbers_one_past_their_range(raw, text, message):
    assert_refused(put(raw, {"v": {"N": text}}), "ValidationException", message)
    assert_refused(update(raw, "SET v = :v", ExpressionAttributeValues={":v": {"N": text}}), "ValidationException",
                   message)


def test_a_sum_that_leaves_the_range(raw):
    assert put(raw, {"v": {"N": NINES + "E125"}}).status == 200
    one = {":v": {"N": "1E88"}}
    assert_refused(update(raw, "SET v = v + :v", ExpressionAttributeValues=one), "ValidationException", OVERFLOW)
    assert_refused(update(raw, "ADD v :v", ExpressionAttributeValues=one), "ValidationException", OVERFLOW)
    assert update(raw, "SET v = v - :v", ExpressionAttributeValues=one).status == 200


@pytest.mark.parametrize("value", [
    {"S": ""}, {"B": ""}, {"L": []}, {"M": {}}, {"L": [{"S": ""}, {"B": ""}, {"L": []}, {"M": {}}]},
    {"M": {"a": {"S": ""}, "b": {"B": ""}}}, {"SS": [""]}, {"SS": ["", "a"]}, {"BS": [""]},
])
def test_what_may_be_empty(raw, value):
    assert put(raw, {"v": value}).status == 200
    assert stored(raw)["v"] == value


@pytest.mark.parametrize("value, message", [
    ({"SS": []}, POPV + "An string set  may not be empty"),
    ({"NS": []}, POPV + "An number set  may not be empty"),
    ({"BS": []}, POPV + "Binary sets should not be empty"),
])
def test_what_may_not_be_empty(raw, value, message):
    for attribute in (value, {"L": [value]}, {"M": {"a": value}}):
        assert_refused(put(raw, {"v": attribute}), "ValidationException", message)


def test_a_set_that_loses_its_last_member_is_gone(raw):
    assert put(raw, {"v": {"SS": ["a"]}}).status == 200
    assert update(raw, "DELETE v :v", ExpressionAttributeValues={":v": {"SS": ["a"]}}).status == 200
    assert stored(raw) == KEY


# ---- expressions ----

ONE = {":v": {"N": "1"}}


def padded(start, length, end=""):
    """A text of exactly so many bytes."""
    return start + " " * (length - len(start) - len(end)) + end


@pytest.mark.parametrize("operation, kind, request_", [
    ("UpdateItem", "UpdateExpression", {"Key": KEY}),
    ("PutItem", "ConditionExpression", {"Item": KEY}),
    ("Query", "FilterExpression", {"KeyConditionExpression": "pk = :p"}),
    ("Scan", "FilterExpression", {}),
    ("Query", "KeyConditionExpression", {}),
    ("GetItem", "ProjectionExpression", {"Key": KEY}),
])
def test_expressions_of_4096_bytes(raw, operation, kind, request_):
    start = {"UpdateExpression": "SET a =", "KeyConditionExpression": "pk =", "ProjectionExpression": "b,"}
    end = {"KeyConditionExpression": ":p", "ProjectionExpression": "a"}
    values = {} if kind == "KeyConditionExpression" else {":v": {"N": "1"}}
    if operation == "Query":
        values[":p"] = {"S": "p"}
    if values and operation != "GetItem":
        request_ = {**request_, "ExpressionAttributeValues": values}
    assert put(raw, {"a": {"N": "2"}}).status == 200
    for length, status in ((4096, 200), (4097, 400)):
        text = padded(start.get(kind, "a <>"), length, end.get(kind, ":v"))
        reply = raw.call(operation, TableName="refusals", **request_, **{kind: text})
        assert reply.status == status, reply.body
    assert_refused(reply, "ValidationException", f"Invalid {kind}: Expression size has exceeded the maximum allowed "
                                                 "size; expression size: 4097")


def test_300_operators(raw):
    assert put(raw, {"a": {"N": "2"}}).status == 200

    def scan(text):
        return raw.call("Scan", TableName="refusals", FilterExpression=text, ExpressionAttributeValues=ONE)
    for count, status in ((300, 200), (301, 400)):
        disjunction = " OR ".join(["a=:v"] * (count // 2)) + " OR size(a)>:v" * (count % 2)
        text = ("NOT " if count % 2 == 0 else "") + disjunction
        assert text.count("OR") + text.count("=") + text.count("NOT") + text.count(">") == count
        reply = scan(text)
        assert reply.status == status, reply.body
    assert_refused(reply, "ValidationException",
                   "Invalid FilterExpression: The expression contains too many operators; operator count: 301")
    # Functions and parentheses are none.
    assert scan(" OR ".join(["(attribute_exists(a))"] * 150) + " AND a=:v").status == 200


def test_in_takes_100_operands(raw):
    def condition(count):
        values = {f":v{i}": {"N": str(i)} for i in range(count)}
        return put(raw, {}, ConditionExpression=f"sk IN ({', '.join(values)})", ExpressionAttributeValues=values)
    assert condition(100).status == 200
    assert_refused(condition(101), "ValidationException",
                   "Invalid ConditionExpression: The IN operator is provided with too many operands; number of "
                   "operands: 101")


@pytest.mark.parametrize("sign", ["#", ":"])
def test_names_of_substitutions_have_255_bytes(raw, sign):
    for length, status in ((255, 200), (256, 400)):
        token = sign + "t" * (length - 1)
        if sign == "#":
            more = {"ExpressionAttributeNames": {token: "a"}, "ExpressionAttributeValues": ONE}
            reply = update(raw, f"SET {token} = :v", **more)
        else:
            reply = update(raw, f"SET a = {token}", ExpressionAttributeValues={token: {"N": "1"}})
        assert reply.status == status, reply.body
    name = "Names" if sign == "#" else "Values"
    assert_refused(reply, "ValidationException",
                   f"ExpressionAttribute{name} contains invalid key: The expression attribute map contains a key that is "
                   "too long; key size: 256")


def test_substitutions_of_2_mb(raw):
    """Names and values with their tokens, together: #n, n, and six values with tokens of three bytes."""
    assert put(raw, {}).status == 200
    for total, status in ((2 * MEBIBYTE, 200), (2 * MEBIBYTE + 1, 400)):
        left = total - 3 - 6 * 3
        sizes = [left // 6] * 5 + [left - 5 * (left // 6)]
        values = {f":v{i}": {"S": "x" * size} for i, size in enumerate(sizes)}
        reply = put(raw, {}, ConditionExpression=" AND ".join(f"#n <> {token}" for token in values),
                    ExpressionAttributeNames={"#n": "n"}, ExpressionAttributeValues=values)
        assert reply.status == status, reply.body
    assert_refused(reply, "ValidationException", "The expression attribute names and values have exceeded the maximum "
                                                 f"allowed size; size: {2 * MEBIBYTE + 1}")


# ---- batches ----

def test_a_batch_reads_100_items(raw):
    def get(count):
        return raw.call("BatchGetItem", RequestItems={
            "refusals": {"Keys": [{"pk": {"S": "batch"}, "sk": {"N": str(n)}} for n in range(count)]}})
    assert get(100).json == {"Responses": {"refusals": []}, "UnprocessedKeys": {}}
    assert_refused(get(101), "ValidationException", "1 validation error detected: Value at 'RequestItems.refusals.member."
                                                    f"Keys' {FAILED}have length less than or equal to 100")


def test_a_batch_writes_25_items(raw):
    def write(count):
        return raw.call("BatchWriteItem", RequestItems={"refusals": [
            {"DeleteRequest": {"Key": {"pk": {"S": "batch"}, "sk": {"N": str(n)}}}} for n in range(count)]})
    assert write(25).json == {"UnprocessedItems": {}}
    assert_refused(write(26), "ValidationException",
                   "1 validation error detected: Value '{refusals=[...]}' at 'requestItems' failed to satisfy "
                   "constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, "
                   "Member must have length greater than or equal to 1]")


@pytest.fixture(scope="module")
def hundred(raw, raw_table):
    """A hundred items of 300 KB, all of them in batches of the largest size."""
    keys = [{"pk": {"S": "h"}, "sk": {"N": str(n)}} for n in range(10, 100)]
    keys += [{"pk": {"S": "g"}, "sk": {"N": str(n)}} for n in range(10, 20)]
    for start in range(0, 100, 25):
        writes = [{"PutRequest": {"Item": sized(300 * 1024, **key)}} for key in keys[start:start + 25]]
        wait_for(lambda: raw.call("BatchWriteItem", RequestItems={raw_table: writes}).status == 200, 30, "the items")
    yield keys
    for start in range(0, 100, 25):
        raw.call("BatchWriteItem", RequestItems={raw_table: [{"DeleteRequest": {"Key": k}} for k in keys[start:start + 25]]})


def test_a_batch_returns_16_mb(raw, hundred):
    """DynamoDB's guide: of 100 items of 300 KB it returns 52."""
    request, found = {"refusals": {"Keys": hundred, "ConsistentRead": True, "ProjectionExpression": "pk, #s, v",
                                   "ExpressionAttributeNames": {"#s": "sk"}}}, []
    counts = []
    while request:
        answer = raw.settled("BatchGetItem", RequestItems=request)
        counts.append(len(answer["Responses"]["refusals"]))
        found += answer["Responses"]["refusals"]
        request = answer["UnprocessedKeys"]
    assert counts == [52, 48]
    assert sorted((i["pk"]["S"], i["sk"]["N"]) for i in found) == sorted((k["pk"]["S"], k["sk"]["N"]) for k in hundred)


def test_a_batch_writes_25_items_of_400_kb(raw):
    writes = [{"PutRequest": {"Item": sized(ITEM_MAX, pk={"S": "z"}, sk={"N": str(n)})}} for n in range(10, 35)]
    assert raw.settled("BatchWriteItem", RequestItems={"refusals": writes})["UnprocessedItems"] == {}
    keys = [{name: write["PutRequest"]["Item"][name] for name in ("pk", "sk")} for write in writes]
    raw.settled("BatchWriteItem", RequestItems={"refusals": [{"DeleteRequest": {"Key": key}} for key in keys]})


# ---- pages ----

def test_a_page_of_1_mb_and_the_item_that_crosses(raw):
    """Just below a megabyte one more item comes; with it or without, what is evaluated counts."""
    def query(**more):
        return raw.settled("Query", TableName="refusals", KeyConditionExpression="pk = :p", ConsistentRead=True,
                           ExpressionAttributeValues={":p": {"S": "p"}}, ReturnConsumedCapacity="TOTAL", **more)
    quarter = MEBIBYTE // 4
    for short, counts in ((1, [5, 1]), (0, [4, 2])):
        sizes = [quarter, quarter, quarter, quarter - short, quarter, quarter]
        for n, size in enumerate(sizes):
            raw.settled("PutItem", TableName="refusals", Item=sized(size, pk={"S": "p"}, sk={"N": str(n + 1)}))
        first = query()
        rest = query(ExclusiveStartKey=first["LastEvaluatedKey"])
        assert [first["Count"], rest["Count"]] == counts
        assert first["ConsumedCapacity"]["CapacityUnits"] == -(-sum(sizes[:counts[0]]) // 4096)
        assert "LastEvaluatedKey" not in rest
        assert (query(Select="COUNT")["Count"], query(FilterExpression="attribute_exists(absent)")["ScannedCount"]) == (
            counts[0], counts[0])
    for n in range(6):
        raw.settled("DeleteItem", TableName="refusals", Key={"pk": {"S": "p"}, "sk": {"N": str(n + 1)}})


def test_a_million_segments(raw):
    def scan(segment, total):
        return raw.call("Scan", TableName="refusals", Segment=segment, TotalSegments=total)
    assert scan(999_999, 1_000_000).status == 200
    assert_refused(scan(0, 1_000_001), "ValidationException", "1 validation error detected: Value '1000001' at "
                                       f"'totalSegments' {FAILED}have value less than or equal to 1000000")
    assert_refused(scan(1_000_000, 1_000_000), "ValidationException", "1 validation error detected: Value '1000000' at "
                                               f"'segment' {FAILED}have value less than or equal to 999999")


@pytest.mark.parametrize("operation, message", [
    ("Query", f"1 validation error detected: Value at 'Limit' {FAILED}have value greater than or equal to 1"),
    ("Scan", f"1 validation error detected: Value '0' at 'limit' {FAILED}have value greater than or equal to 1"),
])
def test_a_page_has_one_item_at_least(raw, operation, message):
    query = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}}
    more = query if operation == "Query" else {}
    assert raw.call(operation, TableName="refusals", Limit=1, **more).status == 200
    assert_refused(raw.call(operation, TableName="refusals", Limit=0, **more), "ValidationException", message)


# ---- tables ----

@pytest.fixture(scope="module")
def own(fleet):
    """A tenant of its own, so that nobody else's tables are listed."""
    raw = connect(fleet, fleet.create_tenant(f"limits-{uuid.uuid4()}"))
    wait_for(lambda: raw.call("ListTables").status == 200, 30, "the router to know the key")
    return raw


def create(raw, name, **more):
    return raw.call("CreateTable", TableName=name, KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                    AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                    ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}, **more)


def test_a_list_has_100_tables(own):
    names = [f"table-{n:03}" for n in range(101)]
    for name in names:
        assert create(own, name).status == 200
    for more in ({}, {"Limit": 100}):
        first = own.settled("ListTables", **more)
        assert first == {"TableNames": names[:100], "LastEvaluatedTableName": names[99]}
        assert own.settled("ListTables", ExclusiveStartTableName=names[99], **more) == {"TableNames": names[100:]}
    assert_refused(own.call("ListTables", Limit=101), "ValidationException",
                   f"1 validation error detected: Value '101' at 'limit' {FAILED}have value less than or equal to 100")
    for name in names:
        wait_for(lambda name=name: own.call("DeleteTable", TableName=name).status == 200, 30, f"{name} to go")


@pytest.mark.parametrize("length, status", [(2, 400), (3, 200), (255, 200), (256, 400)])
def test_table_names_of_3_to_255_bytes(own, length, status):
    reply = create(own, "n" * length)
    assert reply.status == status, reply.body
    if status == 400:
        assert_refused(reply, "ValidationException",
                       "TableName must be at least 3 characters long and at most 255 characters long")
    else:
        wait_for(lambda: own.call("DeleteTable", TableName="n" * length).status == 200, 30, "the table to go")


def test_tags(own):
    def tags(count):
        return [{"Key": f"{n:03}", "Value": "v"} for n in range(count)]
    assert_refused(create(own, "tagged", Tags=tags(51)), "ValidationException",
                   POPV + "Too many tags: at most 50 are allowed")
    reply = create(own, "tagged", Tags=tags(49))
    assert reply.status == 200
    arn = reply.json["TableDescription"]["TableArn"]

    def add(key, value):
        return own.call("TagResource", ResourceArn=arn, Tags=[{"Key": key, "Value": value}])
    for key, value, bound in (("k" * 129, "v", 128), ("k", "v" * 257, 256)):
        reply = add(key, value)
        assert_refused(reply, "ValidationException")
        assert f"{FAILED}have length less than or equal to {bound}" in reply.message
    assert add("k" * 128, "v" * 256).status == 200
    assert_refused(add("one more", "v"), "ValidationException", POPV + "Too many tags: at most 50 are allowed")
    listed = own.settled("ListTagsOfResource", ResourceArn=arn)["Tags"]
    assert {"Key": "k" * 128, "Value": "v" * 256} in listed and len(listed) == 50
    wait_for(lambda: own.call("DeleteTable", TableName="tagged").status == 200, 30, "the table to go")
