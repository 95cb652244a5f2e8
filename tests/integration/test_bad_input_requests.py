"""Requests that are wrong before anybody looks at their item: signature, HTTP, JSON, parameters."""

import json
import socket
import time

import pytest

from deploy.local.layout import HOST
from tests.faults.kill_client import read_reply, signed_headers

from .conftest import assert_refused

pytestmark = pytest.mark.usefixtures("unharmed")

GOOD = {"TableName": "refusals", "Key": {"pk": {"S": "a"}, "sk": {"N": "1"}}}
BODY = json.dumps(GOOD).encode()
MEBIBYTE = 1 << 20


def send(raw, body=BODY, operation="GetItem", without=(), **changes):
    """A well-signed request with some headers changed or left out afterwards."""
    headers = signed_headers(raw.key, raw.host, operation, body)
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    for name in without:
        del headers[name]
    return raw.send(body, headers)


def resign(raw, body=BODY, **options):
    return raw.send(body, signed_headers({**raw.key, **options.pop("key", {})}, raw.host, "GetItem", body, **options))


# ---- signatures ----

def test_a_wrong_secret_is_an_invalid_signature(raw):
    assert_refused(resign(raw, key={"secret_access_key": "x" * 40}), "InvalidSignatureException",
                   "The request signature we calculated does not match the signature you provided. Check your AWS "
                   "Secret Access Key and signing method. Consult the service documentation for details.")


def test_a_changed_body_is_an_invalid_signature(raw):
    headers = signed_headers(raw.key, raw.host, "GetItem", BODY)
    assert_refused(raw.send(BODY.replace(b'"a"', b'"b"'), headers), "InvalidSignatureException")


def test_a_changed_header_is_an_invalid_signature(raw):
    assert_refused(send(raw, x_amz_target="DynamoDB_20120810.DeleteItem"), "InvalidSignatureException")


def test_an_unknown_key_is_an_unrecognized_client(raw):
    assert_refused(resign(raw, key={"access_key_id": "AKIANOSUCHKEYATALLXX"}), "UnrecognizedClientException",
                   "The security token included in the request is invalid.")


@pytest.mark.parametrize("minutes, words", [(-16, "Signature expired: "), (16, "Signature not yet current: ")])
def test_a_date_outside_of_fifteen_minutes_is_refused(raw, minutes, words):
    reply = resign(raw, now=time.time() + 60 * minutes)
    assert_refused(reply, "InvalidSignatureException")
    assert reply.message.startswith(words)


def test_a_date_within_fifteen_minutes_is_taken(raw):
    for minutes in (-14, 14):
        assert resign(raw, now=time.time() + 60 * minutes).status == 200


def test_an_unsigned_request_misses_its_token(raw):
    assert_refused(send(raw, without=["authorization"]), "MissingAuthenticationTokenException",
                   "Request is missing Authentication Token")


def test_a_signature_with_pieces_missing_is_incomplete(raw):
    reply = send(raw, authorization="AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00")
    assert_refused(reply, "IncompleteSignatureException")
    assert reply.message.startswith("Authorization header requires 'Credential' parameter. ")


@pytest.mark.parametrize("options", [{"region": "eu-west-9"}, {"service": "s3"}])
def test_a_signature_for_another_scope_is_invalid(raw, options):
    reply = resign(raw, **options)
    assert_refused(reply, "InvalidSignatureException")
    assert reply.message.startswith("Credential should be scoped to ")


def test_header_and_query_authorization_exclude_each_other(raw):
    headers = signed_headers(raw.key, raw.host, "GetItem", BODY)
    assert_refused(raw.send(BODY, headers, path="/?X-Amz-Algorithm=AWS4-HMAC-SHA256"), "InvalidSignatureException")


# ---- HTTP ----

def test_get_answers_a_health_line(raw):
    reply = raw.send(b"", {"host": raw.host}, method="GET")
    assert reply.status == 200
    assert reply.body == b"healthy: dynamodb.us-east-1.amazonaws.com "


@pytest.mark.parametrize("changes", [{"content_type": "text/plain"}, {"content_type": ""},
                                     {"without": ["content-type"]}])
def test_a_wrong_content_type_is_not_found(raw, changes):
    reply = send(raw, **changes)
    assert (reply.status, reply.body) == (404, b"<UnknownOperationException/>\n")


@pytest.mark.parametrize("target", ["DynamoDB_20120810.GetItems", "DynamoDB_20111205.GetItem", "GetItem", "",
                                    "DynamoDB_20120810.", "DynamoDB_20120810.GetItem.x"])
def test_an_unknown_operation_is_said_before_the_signature(raw, target):
    assert_refused(send(raw, x_amz_target=target), "UnknownOperationException")
    assert_refused(send(raw, x_amz_target=target, without=["authorization"]), "UnknownOperationException")


def test_a_missing_target_is_an_unknown_operation(raw):
    assert_refused(send(raw, without=["x-amz-target"]), "UnknownOperationException")


@pytest.mark.parametrize("media_type, answered", [
    ("application/json", "application/json"), ("application/json ;charset=utf-8", "application/json"),
    ("Application/X-Amz-JSON-1.0\t; a=b", "application/x-amz-json-1.0")])
def test_media_types_may_have_parameters_and_any_case(raw, media_type, answered):
    headers = {"host": raw.host, "content-type": media_type, "x-amz-target": "DynamoDB_20120810.GetItem"}
    reply = raw.send(b"{", headers)
    assert (reply.error, reply.headers["content-type"]) == ("SerializationException", answered)


def begin(raw, headers):
    """A connection on which only the head has been sent."""
    connection = socket.create_connection((HOST, int(raw.host.rpartition(":")[2])), 40)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"POST / HTTP/1.1\r\n{lines}\r\n".encode())
    return connection


def push(connection, pieces):
    """Send as long as the other side takes it."""
    try:
        for piece in pieces:
            connection.sendall(piece)
    except OSError:
        pass
    return read_reply(connection)


def test_a_body_over_16_mib_is_too_large(raw):
    length = 16 * MEBIBYTE + 1
    headers = {**signed_headers(raw.key, raw.host, "PutItem", b""), "content-length": str(length)}
    with begin(raw, headers) as connection:
        reply = push(connection, [b"x" * MEBIBYTE] * 16 + [b"x"])
    assert reply.status == 413
    assert reply.error == "RequestEntityTooLargeException"


def test_a_chunked_body_over_16_mib_is_too_large(raw):
    headers = {**signed_headers(raw.key, raw.host, "PutItem", b""), "transfer-encoding": "chunked"}
    chunk = b"100000\r\n" + b"x" * MEBIBYTE + b"\r\n"
    with begin(raw, headers) as connection:
        reply = push(connection, [chunk] * 17 + [b"0\r\n\r\n"])
    assert reply.status == 413
    assert reply.error == "RequestEntityTooLargeException"


def test_an_announced_gigabyte_is_refused_at_once(raw):
    headers = {**signed_headers(raw.key, raw.host, "PutItem", b""), "content-length": str(1 << 30)}
    with begin(raw, headers) as connection:
        assert read_reply(connection).status == 413


def test_a_body_just_below_16_mib_is_read(raw):
    body = json.dumps({**GOOD, "Ignored": "x" * (16 * MEBIBYTE - 200)}).encode()
    assert resign(raw, body).status == 200


def test_a_chunked_body_is_served(raw):
    headers = {**signed_headers(raw.key, raw.host, "GetItem", BODY), "transfer-encoding": "chunked"}
    chunks = [f"{1:x}\r\n".encode() + bytes([byte]) + b"\r\n" for byte in BODY]
    with begin(raw, headers) as connection:
        assert push(connection, [*chunks, b"0\r\n\r\n"]).status == 200


def test_slow_requests_end_with_a_timeout_and_hold_nobody_up(raw):
    """Heads and bodies that trickle: 408 or a closed connection within the request's deadline, others served."""
    headers = {**signed_headers(raw.key, raw.host, "GetItem", BODY), "content-length": str(len(BODY))}
    bodies = [begin(raw, headers) for _ in range(50)]
    heads = [socket.create_connection((HOST, int(raw.host.rpartition(":")[2])), 40) for _ in range(50)]
    for connection in heads:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\n")
    began = time.monotonic()
    sent = 0
    while time.monotonic() - began < 20:
        for connection in bodies:
            connection.sendall(BODY[sent:sent + 1])
        for connection in heads:
            connection.sendall(b"x")
        sent += 1
        served = time.monotonic()
        assert resign(raw).status == 200
        assert time.monotonic() - served < 2
        time.sleep(2)
    for connection in bodies:
        reply = read_reply(connection)
        assert (reply.status, reply.error) == (408, "RequestTimeoutException")
        connection.close()
    for connection in heads:
        try:
            assert connection.recv(1000)[:12] in (b"", b"HTTP/1.1 408")
        except ConnectionError:
            pass
        connection.close()


# ---- JSON and parameters ----

@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"1", b'"x"', b"{'a': 1}", b'{"a": 1,}', b'{"a" 1}',
                                  b"{}{}", b'{"TableName": "x"', b"\xff\xfe{}", b'{"a": "\xc3"}', b'{"a": "\\ud800"',
                                  b'{"a": 01}', b'{"a": nul}', b'{"a": "\x01"}', b"[" * 100000, b'{"a":' * 100000])
def test_what_is_not_a_json_object_is_a_serialization_error(raw, body):
    assert_refused(resign(raw, body), "SerializationException")
    unsigned = {"host": raw.host, "content-type": "application/x-amz-json-1.0",
                "x-amz-target": "DynamoDB_20120810.GetItem"}
    if len(body) < 1000:
        assert_refused(raw.send(body, unsigned), "SerializationException")


@pytest.mark.parametrize("changes, message", [
    ({"TableName": 23}, "NUMBER_VALUE cannot be converted to String"),
    ({"TableName": 2.3}, "DECIMAL_VALUE cannot be converted to String"),
    ({"TableName": True}, "TRUE_VALUE cannot be converted to String"),
    ({"TableName": {}}, "Start of structure or map found where not expected."),
    ({"ConsistentRead": "yes"}, None),
    ({"Key": []}, None),
    ({"Key": "pk"}, None),
    ({"Key": {"pk": "a"}}, None),
    ({"Key": {"pk": {"S": 1}}}, "NUMBER_VALUE cannot be converted to String"),
    ({"Key": {"pk": {"N": 1}}}, "NUMBER_VALUE cannot be converted to String"),
    ({"Key": {"pk": {"SS": "a"}}}, None),
    ({"Key": {"pk": {"L": {}}}}, None),
    ({"Key": {"pk": {"BOOL": "true"}}}, None),
    ({"ExpressionAttributeNames": {"#a": 1}}, "NUMBER_VALUE cannot be converted to String"),
])
def test_a_wrong_json_type_is_a_serialization_error(raw, changes, message):
    assert_refused(raw.call("GetItem", **{**GOOD, **changes}), "SerializationException", message)


@pytest.mark.parametrize("text", ["a", "====", "a===", "AA=A", "AB==", "A A=", "Ä===", "_-=="])
def test_bad_base64_is_a_serialization_error(raw, text):
    item = {**GOOD["Key"], "b": {"B": text}}
    assert_refused(raw.call("PutItem", TableName="refusals", Item=item), "SerializationException")


MODEL = "1 validation error detected: Value "


@pytest.mark.parametrize("operation, request_, message", [
    ("GetItem", {"Key": {"pk": {"S": "a"}}},
     MODEL + "null at 'tableName' failed to satisfy constraint: Member must not be null"),
    ("PutItem", {"TableName": "refusals"},
     MODEL + "null at 'item' failed to satisfy constraint: Member must not be null"),
    ("GetItem", {"TableName": "refusals"},
     MODEL + "null at 'key' failed to satisfy constraint: Member must not be null"),
    ("GetItem", {}, "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member "
                    "must not be null; Value null at 'key' failed to satisfy constraint: Member must not be null"),
    ("GetItem", {**GOOD, "TableName": "a b"},
     MODEL + "'a b' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
             "[a-zA-Z0-9_.-]+"),
    ("GetItem", {**GOOD, "TableName": ""},
     MODEL + "'' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    ("GetItem", {**GOOD, "TableName": "x" * 256},
     MODEL + f"'{'x' * 256}' at 'tableName' failed to satisfy constraint: Member must have length less than or equal "
             "to 255"),
    ("GetItem", {**GOOD, "ReturnConsumedCapacity": "ALL"},
     MODEL + "'ALL' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: "
             "[INDEXES, TOTAL, NONE]"),
    ("DeleteItem", {**GOOD, "ReturnValues": "EVERYTHING"},
     MODEL + "'EVERYTHING' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: "
             "[ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"),
    ("DeleteItem", {**GOOD, "ReturnValues": "ALL_NEW"}, "ReturnValues can only be ALL_OLD or NONE"),
    ("PutItem", {"TableName": "refusals", "Item": GOOD["Key"], "ReturnValues": "UPDATED_NEW"},
     "ReturnValues can only be ALL_OLD or NONE"),
])
def test_wrong_parameters_are_named(raw, operation, request_, message):
    assert_refused(raw.call(operation, **request_), "ValidationException", message)


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "UpdateItem", "DeleteItem"])
def test_an_unknown_table_is_not_found(raw, operation):
    request = {"TableName": "no-such-table", "Item" if operation == "PutItem" else "Key": GOOD["Key"]}
    assert_refused(raw.call(operation, **request), "ResourceNotFoundException", "Requested resource not found")
