"""Requests that a tenant may send to hold a loop for long: each within DynamoDB's limits, or just past one.

KINDS lists (name, what makes the request, how it may end). A request that ends in another way is an error of the
run: one that is refused at the gate would hold nothing.
"""

import json
from dataclasses import dataclass
from http.client import HTTPConnection

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from deploy.local.layout import HOST, REGION

from tests.bench.load import LoadError

TEXT_BYTES = 399_000
ELEMENTS = 190_000  # NULL: two bytes each, as DynamoDB counts
MEMBERS = 60_000
BATCH = 25
OK, INVALID, FAILED = None, "ValidationException", "ConditionalCheckFailedException"


class Client:
    """Raw requests on one connection: what boto3 would not send, and without its time."""

    def __init__(self, port, identity, table):
        self.port = port
        self.credentials = Credentials(*identity)
        self.table = table
        self.connection = HTTPConnection(HOST, port, timeout=30)

    def send(self, target, body):
        """Send a prepared body. Returns the exception's name, or None."""
        request = AWSRequest("POST", f"http://{HOST}:{self.port}/", data=body, headers={
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{target}"})
        SigV4Auth(self.credentials, "dynamodb", REGION).add_auth(request)
        self.connection.request("POST", "/", body, dict(request.headers))
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status == 200:
            return OK
        return json.loads(text)["__type"].rpartition("#")[2]

    def close(self):
        self.connection.close()


@dataclass
class Kind:
    """One kind of request: `make` gets the table's name and returns (operation, body)."""

    name: str
    make: object
    ends: tuple = (OK,)


def _key(name):
    return {"k": {"S": name}}


def setup(client):
    """The items that the requests are about, each as large as it may be."""
    items = {
        "text": {"a": {"S": "a" * TEXT_BYTES}},
        "list": {"l": {"L": [{"NULL": True}] * ELEMENTS}},
        "set": {"s": {"SS": [f"{i:05}" for i in range(MEMBERS)]}},
        "half": {"l": {"L": [{"NULL": True}] * (ELEMENTS // 2)}},
        "deep": {"m": _nested(30)},
    }
    for name, item in items.items():
        body = {"TableName": client.table, "Item": {**_key(name), **item}}
        if (end := client.send("PutItem", _json(body))) is not OK:
            raise LoadError(f"the item '{name}' is refused: {end}")
    for first in range(0, 50, 5):
        puts = [{"PutRequest": {"Item": {**_key(f"large{i}"), "a": {"S": "a" * TEXT_BYTES}}}}
                for i in range(first, first + 5)]
        if (end := client.send("BatchWriteItem", _json({"RequestItems": {client.table: puts}}))) is not OK:
            raise LoadError(f"a batch is refused: {end}")


def _json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def _nested(levels):
    value = {"S": "x"}
    for _ in range(levels):
        value = {"M": {"m": value}}
    return value


def _joined(terms, word=" or ", bytes_max=4096, operators_max=300):
    """As many of the terms as an expression may have: 4 KB, and each term and each `or` an operator."""
    text, count = terms[0], 1
    for term in terms[1:]:
        if len(text) + len(word) + len(term) > bytes_max or count + 2 > operators_max:
            break
        text, count = text + word + term, count + 2
    return text


def _update(item, update, values=None, condition=None, names=None):
    def make(table):
        body = {"TableName": table, "Key": _key(item), "UpdateExpression": update}
        if values:
            body["ExpressionAttributeValues"] = values
        if condition:
            body["ConditionExpression"] = condition
        if names:
            body["ExpressionAttributeNames"] = names
        return "UpdateItem", _json(body)
    return make


def _condition(item, condition, values=None):
    """A condition that is not met, so that the item stays as it is."""
    return _update(item, "SET z = :z", {**(values or {}), ":z": {"N": "1"}}, condition)


def _needles():
    """Texts that a search cannot skip far for."""
    return {f":{i}": {"S": "a" * 400 + "b" + str(i)} for i in range(250)}


def _contains():
    terms = [f"contains(a,:{i})" for i in range(250)]
    text = _joined(terms)
    used = {name: value for name, value in _needles().items() if f"{name})" in text}
    return _condition("text", text, used)


def _raw(operation, text):
    return lambda table: (operation, text(table))


def _batch_body(table):
    puts = [{"PutRequest": {"Item": {**_key(f"batch{i}"), "a": {"S": "b" * TEXT_BYTES}}}} for i in range(BATCH)]
    return _json({"RequestItems": {table: puts}})


def _many_small(table):
    """16 MB of tiny values in a batch: refused, as an item is too large, when it has been read."""
    item = {**_key("many"), "l": {"L": [{"NULL": True}] * 1_000_000}}
    return _json({"RequestItems": {table: [{"PutRequest": {"Item": item}}]}})[:16 * 1024 * 1024]


def _escapes(table):
    text = "\\u00e4" * 2_500_000
    return f'{{"TableName":"{table}","Item":{{"k":{{"S":"{text}"}}}}}}'.encode()


def _brackets(table):
    return f'{{"TableName":"{table}","x":'.encode() + b"[" * (8 * 1024 * 1024) + b"]" * (8 * 1024 * 1024 - 64) + b"}"


def _get_many(projection=None):
    def make(table):
        wanted = {"Keys": [_key(f"large{i}") for i in range(50)]}
        if projection:
            wanted["ProjectionExpression"] = projection
        return "BatchGetItem", _json({"RequestItems": {table: wanted}})
    return make


def _scan(table_filter, values):
    return lambda table: ("Scan", _json({
        "TableName": table, "FilterExpression": table_filter, "ExpressionAttributeValues": values}))


def _projection(table):
    paths = _joined([f"l[{ELEMENTS - 1 - i}]" for i in range(400)], ",", operators_max=10_000)
    return "GetItem", _json({"TableName": table, "Key": _key("list"), "ProjectionExpression": paths})


def kinds():
    number, true = {":v": {"N": "1"}}, {":v": {"BOOL": True}}
    last = ELEMENTS - 1
    return [
        Kind("300 operators, a<:v or ...", _condition("deep", _joined(["z<:v"] * 300), number), (FAILED,)),
        Kind("a<:v or (a<:v or (...", _condition("deep", "z<:v" + "".join(" or (z<:v" for _ in range(140)) + ")" * 140,
                                                number), (FAILED, INVALID)),
        Kind("32 levels", _update("deep", "SET " + ".".join(["m"] * 31) + " = :v", number)),
        Kind("contains x 150, 400 KB text", _contains(), (FAILED,)),
        Kind("a = 400 KB x 150", _condition("text", _joined(["a=:t"] * 300),
                                            {":t": {"S": "a" * (TEXT_BYTES - 1) + "b"}}), (FAILED,)),
        Kind("size x 150, 400 KB text", _condition("text", _joined(["size(a)<:v"] * 300), number), (FAILED,)),
        Kind("contains x 150, long list", _condition("list", _joined(["contains(l,:v)"] * 300), true), (FAILED,)),
        Kind("contains x 150, large set", _condition("set", _joined(["contains(s,:v)"] * 300), {":v": {"S": "~"}}),
             (FAILED,)),
        Kind("far elements x 150", _condition("list", _joined([f"l[{last - i}]=:v" for i in range(300)]), number),
             (FAILED,)),
        Kind("SET of 200 elements", _update("list", "SET " + ",".join(f"l[{last - i}]=:v" for i in range(200)),
                                            {":v": {"NULL": True}})),
        Kind("SET from 150 far elements",
             _update("list", "SET " + ",".join(f"l[{i}]=l[{last - i}]" for i in range(150)))),
        Kind("list_append x 100", _update("half", "SET " + ",".join(f"z{i}=list_append(l,l)" for i in range(100))),
             (INVALID,)),
        Kind("chain of list_append x 140",
             _update("half", "SET z=" + "list_append(" * 140 + "l" + ",:v)" * 140, {":v": {"L": [{"NULL": True}]}}),
             (INVALID,)),
        Kind("ADD to a large set", _update("set", "ADD s :v", {":v": {"SS": ["00001"]}})),
        Kind("filter, contains x 150", _scan(_joined([f"contains(a,:{i})" for i in range(250)]),
                                             {f":{i}": _needles()[f":{i}"] for i in range(150)}), (OK, INVALID)),
        Kind("projection of 400 far elements", _projection),
        Kind("16 MB reply", _get_many()),
        Kind("16 MB body, 25 items", _raw("BatchWriteItem", _batch_body)),
        Kind("16 MB body, tiny values", _raw("BatchWriteItem", _many_small), (INVALID, "SerializationException")),
        Kind("16 MB body, escapes", _raw("PutItem", _escapes), (INVALID, "SerializationException")),
        Kind("16 MB body, brackets", _raw("PutItem", _brackets), (INVALID, "SerializationException")),
    ]
