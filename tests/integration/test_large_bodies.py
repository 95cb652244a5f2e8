"""Bodies and answers of up to 16 MB, plain and compressed: what comes back is what went in, byte for byte.

What is over 64 KiB is read and written by the router's workers; these tests see to it that nobody can tell."""

import base64
import gzip
import json
import re
import threading
import time
import zlib

import pytest

from tests.faults.kill_client import signed_headers
from tests.faults.kill_probe import wait_for

from .conftest import assert_refused, connect, create_table

MEBIBYTE = 1 << 20
ITEM_BYTES = 400 * 1024

pytestmark = pytest.mark.usefixtures("unharmed")


@pytest.fixture(scope="module")
def table(client):
    """Partition key pk (S)."""
    create_table(client, "large-bodies")
    return "large-bodies"


def send(raw, operation, body, **headers):
    """Signed over the bytes as they are sent; further headers are not signed."""
    signed = signed_headers(raw.key, raw.host, operation, body)
    signed.update({name.replace("_", "-"): value for name, value in headers.items()})
    return raw.send(body, signed)


def ask(raw, operation, headers=None, **request):
    reply = send(raw, operation, json.dumps(request).encode(), **(headers or {}))
    assert reply.status == 200, (reply.status, reply.body[:300])
    return reply


def content(reply):
    """The answer's JSON, unpacked; its checksum is that of the bytes on the wire."""
    assert int(reply.headers["x-amz-crc32"]) == zlib.crc32(reply.body)
    encoding = reply.headers.get("content-encoding")
    window = {"gzip": 31, "deflate": 15}.get(encoding)
    return json.loads(reply.body if window is None else zlib.decompress(reply.body, window))


def key(name):
    return {"pk": {"S": name}}


def text_item(name, bytes_=ITEM_BYTES - 100):
    return {**key(name), "v": {"S": (name + "-") * (bytes_ // (len(name) + 1))}}


def binary_item(name, bytes_=ITEM_BYTES - 100):
    return {**key(name), "v": {"B": base64.b64encode(bytes(i * i % 251 for i in range(bytes_))).decode()}}


def attributes_item(name, count=20000):
    return {**key(name), **{f"a{n}": {"N": str(n)} for n in range(count)}}


def accents_item(name):
    """Six bytes of JSON for each two of the item's."""
    return {**key(name), "v": {"S": "é" * 107_000}}


def write(raw, table, items):
    """In batches, until nothing is unprocessed."""
    wanted = {table: [{"PutRequest": {"Item": i}} for i in items]}
    while wanted:
        wanted = content(ask(raw, "BatchWriteItem", RequestItems=wanted))["UnprocessedItems"]


def read(raw, table, names, headers=None, **more):
    """All of them, in as many answers as it takes; and how many that were."""
    wanted, found, rounds = {table: {"Keys": [key(n) for n in names], "ConsistentRead": True, **more}}, [], 0
    while wanted:
        reply = ask(raw, "BatchGetItem", headers, RequestItems=wanted)
        assert len(reply.body) < 25 * MEBIBYTE
        answer = content(reply)
        found += answer["Responses"][table]
        wanted = answer["UnprocessedKeys"]
        rounds += 1
    return sorted(found, key=lambda i: i["pk"]["S"]), rounds


# ---- large items and batches ----

@pytest.mark.parametrize("make", [text_item, binary_item, attributes_item, accents_item])
def test_a_batch_of_the_largest_items_comes_back_as_it_went_in(raw, table, make):
    items = [make(f"{make.__name__}-{n:02}") for n in range(25)]
    write(raw, table, items)
    found, _ = read(raw, table, [i["pk"]["S"] for i in items])
    assert found == items


def test_sixteen_megabytes_are_one_answer_and_more_are_two(raw, table):
    items = [text_item(f"sixteen-{n:02}") for n in range(42)]
    for start in range(0, 42, 20):
        write(raw, table, items[start:start + 20])
    names = [i["pk"]["S"] for i in items]
    assert read(raw, table, names[:39]) == (items[:39], 1)
    assert read(raw, table, names[:40]) == (items[:40], 2)
    assert read(raw, table, names) == (items, 2)
    # Compressed, and projected.
    assert read(raw, table, names[:39], {"accept_encoding": "gzip"}) == (items[:39], 1)
    assert read(raw, table, names, ProjectionExpression="pk") == ([key(n) for n in names], 2)


def test_items_that_are_longer_as_json_take_more_answers(raw, table):
    """Control characters: six bytes of JSON for each."""
    items = [{**key(f"control-{n}"), "v": {"S": "\x01" * 300_000}} for n in range(15)]
    for start in (0, 5, 10):
        write(raw, table, items[start:start + 5])
    found, rounds = read(raw, table, [i["pk"]["S"] for i in items])
    assert sorted(found, key=str) == sorted(items, key=str)
    assert rounds == 2


def test_single_items_come_back_whole(raw, table):
    item, other = text_item("single"), attributes_item("single")
    ask(raw, "PutItem", TableName=table, Item=item)
    assert content(ask(raw, "GetItem", TableName=table, Key=key("single"), ConsistentRead=True))["Item"] == item
    answer = content(ask(raw, "GetItem", TableName=table, Key=key("single"), ConsistentRead=True,
                         ProjectionExpression="v", ReturnConsumedCapacity="TOTAL"))
    assert answer == {"Item": {"v": item["v"]}, "ConsumedCapacity": {"TableName": table, "CapacityUnits": 100.0}}
    assert content(ask(raw, "PutItem", TableName=table, Item=other, ReturnValues="ALL_OLD"))["Attributes"] == item
    answer = content(ask(raw, "UpdateItem", TableName=table, Key=key("single"), UpdateExpression="SET a0 = :v",
                         ExpressionAttributeValues={":v": {"S": "new"}}, ReturnValues="ALL_NEW"))
    assert answer["Attributes"] == {**other, "a0": {"S": "new"}}
    refused = send(raw, "DeleteItem", json.dumps({
        "TableName": table, "Key": key("single"), "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}).encode())
    assert_refused(refused, "ConditionalCheckFailedException", "The conditional request failed")
    assert refused.json["Item"] == {**other, "a0": {"S": "new"}}
    deleted = content(ask(raw, "DeleteItem", TableName=table, Key=key("single"), ReturnValues="ALL_OLD"))
    assert deleted["Attributes"] == {**other, "a0": {"S": "new"}}


# ---- pages ----

@pytest.mark.parametrize("accept", ["identity", "gzip"])
@pytest.mark.parametrize("bytes_", [900, 90_000])
def test_pages_of_one_megabyte_hold_every_item_once(client, raw, bytes_, accept):
    name = f"pages-{bytes_}-{accept}"
    create_table(client, name, sort="N")
    items = [{"pk": {"S": "p"}, "sk": {"N": str(n)}, "v": {"S": "x" * bytes_}} for n in range(2_700_000 // bytes_)]
    for start in range(0, len(items), 25):
        write(raw, name, items[start:start + 25])
    for operation, more in [("Scan", {}), ("Query", {"KeyConditionExpression": "pk = :p",
                                                     "ExpressionAttributeValues": {":p": {"S": "p"}}})]:
        found, pages, start = [], 0, {}
        while start is not None:
            answer = content(ask(raw, operation, {"accept_encoding": accept}, TableName=name, ConsistentRead=True,
                                 **more, **start))
            assert answer["Count"] == answer["ScannedCount"] == len(answer["Items"])
            found += answer["Items"]
            pages += 1
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]} if "LastEvaluatedKey" in answer else None
        assert (found, pages) == (items, 3)


# ---- what is short as it is counted, and long as JSON ----

TINY, TINY_TEXT = "1E-130", f"0.{'0' * 129}1"  # two bytes, and 132


def tiny_item(key_, form=TINY, count=136_400):
    """409,204 bytes as DynamoDB counts, 2 MB of request, 19 MB of answer."""
    return {**key_, "v": {"L": [{"N": form}] * count}}


def longest_item(key_):
    """27 MB: sets of all numbers that are as long, for two bytes each."""
    numbers = sorted({f"0.{'0' * 128}{n:02}".rstrip("0") for n in range(1, 100)})
    return {**key_, "v": {"L": [{"NS": numbers}] * 2_055}}


def same_items(found, expected):
    """Without a difference of many megabytes to print."""
    return len(found) == len(expected) and all(f == e for f, e in zip(found, expected))


@pytest.mark.parametrize("accept", ["identity", "gzip"])
def test_an_item_is_read_however_long_it_is_as_json(raw, table, accept):
    name, headers, item = key("tiny"), {"accept_encoding": accept}, tiny_item(key("tiny"), TINY_TEXT)
    ask(raw, "PutItem", TableName=table, Item=tiny_item(name))
    assert same_items([content(ask(raw, "GetItem", headers, TableName=table, Key=name, ConsistentRead=True))["Item"]],
                      [item])
    for number in (1, 2):
        reply = ask(raw, "UpdateItem", headers, TableName=table, Key=name, UpdateExpression="ADD n :n",
                    ExpressionAttributeValues={":n": {"N": "1"}}, ReturnValues="ALL_NEW")
        assert same_items([content(reply)["Attributes"]], [{**item, "n": {"N": str(number)}}])
    item["n"] = {"N": "2"}
    refused = send(raw, "DeleteItem", json.dumps({
        "TableName": table, "Key": name, "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}).encode())
    assert (refused.status, refused.error) == (400, "ConditionalCheckFailedException")
    assert same_items([refused.json["Item"]], [item])
    assert same_items([content(ask(raw, "DeleteItem", headers, TableName=table, Key=name,
                                   ReturnValues="ALL_OLD"))["Attributes"]], [item])


def test_the_item_that_is_longest_as_json(raw, table):
    item = longest_item(key("longest"))
    body = json.dumps({"TableName": table, "Item": item}, separators=(",", ":"))
    assert len(body) > 26 * MEBIBYTE
    short = re.sub(r'"0\.(0+)(\d+)"', lambda m: f'"{m[2]}E-{len(m[1]) + len(m[2])}"', body).encode()
    assert send(raw, "PutItem", short).status == 200
    got = content(ask(raw, "GetItem", TableName=table, Key=key("longest"), ConsistentRead=True))["Item"]
    got["v"]["L"] = [{"NS": sorted(s["NS"])} for s in got["v"]["L"]]
    assert same_items([got], [item])
    reply = content(ask(raw, "BatchGetItem", RequestItems={table: {"Keys": [key("longest"), key("nothing")]}}))
    assert (len(reply["Responses"][table]), reply["UnprocessedKeys"]) == (1, {})


def test_pages_and_batches_end_where_their_json_is_too_long(client, raw):
    name = "long-as-json"
    create_table(client, name, sort="N")
    keys = [{"pk": {"S": "p"}, "sk": {"N": str(n)}} for n in range(3)]
    for key_ in keys:
        ask(raw, "PutItem", TableName=name, Item=tiny_item(key_))
    items = [tiny_item(key_, TINY_TEXT) for key_ in keys]
    query = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}}
    for operation, more in [("Scan", {}), ("Query", query), ("Query", {**query, "ScanIndexForward": False})]:
        found, start = [], {}
        while start is not None:
            answer = content(ask(raw, operation, TableName=name, ConsistentRead=True, ReturnConsumedCapacity="TOTAL",
                                 **more, **start))
            assert answer["Count"] == answer["ScannedCount"] == len(answer["Items"]) <= 1
            assert answer["ConsumedCapacity"]["CapacityUnits"] == 100 * answer["Count"] or not answer["Count"]
            found += answer["Items"]
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]} if "LastEvaluatedKey" in answer else None
        assert same_items(found, items[::-1] if "ScanIndexForward" in more else items)
    wanted, found, rounds = {name: {"Keys": keys, "ConsistentRead": True}}, [], 0
    while wanted:
        answer = content(ask(raw, "BatchGetItem", RequestItems=wanted))
        found, wanted, rounds = found + answer["Responses"][name], answer["UnprocessedKeys"], rounds + 1
    assert rounds == 3 and same_items(sorted(found, key=lambda i: i["sk"]["N"]), items)


@pytest.mark.parametrize("filter_", [{}, {"FilterExpression": "size(v) > :n"}])
def test_pages_of_many_items_that_are_long_as_json(client, raw, filter_):
    """A page's counts are those of what is in it."""
    name = f"longer-as-json-{len(filter_)}"
    create_table(client, name, sort="N")
    items = [tiny_item({"pk": {"S": "p"}, "sk": {"N": str(n)}}, TINY_TEXT, 10_000) for n in range(40)]
    for start in range(0, 40, 8):
        write(raw, name, [tiny_item({"pk": {"S": "p"}, "sk": {"N": str(n)}}, TINY, 10_000)
                          for n in range(start, start + 8)])
    values = {":p": {"S": "p"}, **({":n": {"N": "1"}} if filter_ else {})}
    found, pages, start = [], 0, {}
    while start is not None:
        reply = ask(raw, "Query", TableName=name, ConsistentRead=True, ReturnConsumedCapacity="TOTAL",
                    KeyConditionExpression="pk = :p", ExpressionAttributeValues=values, **filter_, **start)
        answer = content(reply)
        assert len(reply.body) < 17 * MEBIBYTE
        assert answer["Count"] == answer["ScannedCount"] == len(answer["Items"])
        assert answer["ConsumedCapacity"]["CapacityUnits"] == pytest.approx(30_006 * answer["Count"] / 4096, abs=1)
        found += answer["Items"]
        pages += 1
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]} if "LastEvaluatedKey" in answer else None
    assert same_items(found, items) and pages == 5


# ---- bodies that are wrong, or odd ----

HEAD = b'{"TableName":"large-bodies","Item":{"pk":{"S":"junk"}},"Junk":'


def filled(before, piece, after, bytes_=16 * MEBIBYTE):
    return before + piece * ((bytes_ - len(before) - len(after)) // len(piece)) + after


@pytest.mark.parametrize("body", [
    filled(b"", b"\xff", b""), filled(HEAD, b"[", b""), filled(HEAD + b'"', b"x", b""), filled(HEAD + b"[", b"1,", b""),
    filled(HEAD + b"[", b'{"a":[]},', b"1]}}")], ids=["garbage", "deep", "string", "cut-off", "one-too-many"])
def test_sixteen_megabytes_of_no_json_are_refused(raw, table, body):
    assert_refused(send(raw, "PutItem", body), "SerializationException")


@pytest.mark.parametrize("body", [filled(HEAD + b'"', b"x", b'"}'), filled(HEAD + b"[", b"1,", b"1]}")],
                         ids=["string", "numbers"])
def test_sixteen_megabytes_of_what_nobody_knows_are_skipped(raw, table, body):
    assert send(raw, "PutItem", body).status == 200
    unsigned = send(raw, "PutItem", body, authorization="AWS4-HMAC-SHA256 Credential=a")
    assert unsigned.status == 400


def test_a_large_body_with_a_wrong_signature_is_read_first(raw, table):
    headers = signed_headers({**raw.key, "secret_access_key": "x"}, raw.host, "PutItem", b"{}")
    assert_refused(raw.send(filled(b'{"a":[', b"1,", b"1]}"), headers), "InvalidSignatureException")
    assert_refused(raw.send(filled(b'{"a":[', b"1,", b"1}"), headers), "SerializationException")


def test_values_beyond_two_megabytes_are_refused(raw, table):
    body = filled(b'{"TableName":"large-bodies","Key":{"pk":{"S":"junk"}},"UpdateExpression":"SET a = :a",'
                  b'"ExpressionAttributeValues":{":a":{"L":[', b'{"N":"1"},', b'{"N":"1"}]}}}')
    assert_refused(send(raw, "UpdateItem", body), "ValidationException")


def test_operations_on_tables_take_one_megabyte(raw):
    body = filled(b'{"Junk":[', b"1,", b"1]}", MEBIBYTE)
    assert send(raw, "ListTables", body).status == 200
    assert_refused(send(raw, "ListTables", body + b"  "), "RequestEntityTooLargeException", status=413)


# ---- compressed bodies ----

def put_body(table, name, bytes_):
    return json.dumps({"TableName": table, "Item": {**key(name), "v": {"S": "z" * bytes_}}}).encode()


@pytest.mark.parametrize("bytes_", [10, 60_000, 70_000, 400_000])
def test_compressed_bodies_are_taken(raw, table, bytes_):
    body = gzip.compress(put_body(table, "packed", bytes_))
    assert send(raw, "PutItem", body, content_encoding="gzip").status == 200
    item = content(ask(raw, "GetItem", TableName=table, Key=key("packed"), ConsistentRead=True))["Item"]
    assert item["v"]["S"] == "z" * bytes_


def test_a_compressed_batch_of_the_largest_items(raw, table):
    items = [binary_item(f"packed-{n:02}") for n in range(25)]
    request = {"RequestItems": {table: [{"PutRequest": {"Item": i}} for i in items]}}
    reply = send(raw, "BatchWriteItem", gzip.compress(json.dumps(request).encode(), 1), content_encoding="gzip")
    assert (reply.status, content(reply)["UnprocessedItems"]) == (200, {})
    assert read(raw, table, [i["pk"]["S"] for i in items])[0] == items


def test_sixteen_megabytes_are_the_limit_of_what_is_unpacked(raw, table):
    at_limit = filled(HEAD + b'"', b"x", b'"}')
    assert len(at_limit) == 16 * MEBIBYTE
    assert send(raw, "PutItem", gzip.compress(at_limit, 1), content_encoding="gzip").status == 200
    for body in (at_limit + b" ", b" " * (500 * MEBIBYTE)):
        reply = send(raw, "PutItem", gzip.compress(body, 1), content_encoding="gzip")
        assert_refused(reply, "RequestEntityTooLargeException", "Request body is larger than 16 MB", 413)


@pytest.mark.parametrize("bytes_", [100, 1_000_000])
def test_what_is_not_gzip_is_refused(raw, table, bytes_):
    body = gzip.compress(binary_item("x", bytes_)["v"]["B"].encode())
    for wrong in (body[:-3], body[:len(body) // 2] + b"\x00\x00" + body[len(body) // 2 + 2:], body + b"x",
                  put_body(table, "x", bytes_)):
        assert_refused(send(raw, "PutItem", wrong, content_encoding="gzip"), "SerializationException",
                       "The request's body is not gzip")
    assert_refused(send(raw, "PutItem", body, content_encoding="br"), "SerializationException",
                   "The Content-Encoding is not known: gzip is")
    assert send(raw, "PutItem", put_body(table, "x", 10), content_encoding="identity").status == 200


def test_nothing_is_unpacked_for_a_wrong_signature(raw, table):
    for body in (gzip.compress(put_body(table, "x", 10)), gzip.compress(binary_item("x", 100_000)["v"]["B"].encode())):
        wrong = signed_headers(raw.key, raw.host, "PutItem", gzip.decompress(body))  # of what is inside
        assert_refused(raw.send(body, {**wrong, "content-encoding": "gzip"}), "InvalidSignatureException")
        late = signed_headers(raw.key, raw.host, "PutItem", body, now=time.time() - 3600)
        reply = raw.send(body, {**late, "content-encoding": "gzip"})
        assert_refused(reply, "InvalidSignatureException")
        assert "Signature expired" in reply.message
        unknown = signed_headers({**raw.key, "access_key_id": "AKIAUNKNOWN000000000"}, raw.host, "PutItem", body)
        assert_refused(raw.send(body, {**unknown, "content-encoding": "gzip"}), "UnrecognizedClientException")


# ---- compressed answers ----

def test_answers_over_four_kilobytes_are_compressed_for_those_who_ask(raw, table):
    for bytes_, is_packed in [(3_900, False), (4_200, True), (300_000, True)]:
        item = {**key("answer"), "v": {"S": "y" * bytes_}}
        ask(raw, "PutItem", TableName=table, Item=item)
        for accept, encoding in [("gzip, deflate", "gzip"), ("deflate", "deflate"), ("identity", None), ("br", None),
                                 ("gzip;q=0", None)]:
            reply = ask(raw, "GetItem", {"accept_encoding": accept}, TableName=table, Key=key("answer"),
                        ConsistentRead=True)
            assert reply.headers.get("content-encoding") == (encoding if is_packed else None)
            assert content(reply)["Item"] == item


# ---- many at once, and clients that leave ----

def test_large_requests_side_by_side_do_not_mix(fleet, tenant, table):
    failures = []

    def work(index):
        try:
            with_own = connect(fleet, tenant)
            items = [text_item(f"side-{index}-{n:02}", 200_000) for n in range(20)]
            for _ in range(3):
                write(with_own, table, items)
                assert read(with_own, table, [i["pk"]["S"] for i in items])[0] == items
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_short_bodies_that_become_long_keep_nobody_out(fleet, tenant, table):
    """15 MB of blanks are 17 KB of gzip: clients who send them, ten for each router, and one with items of 100 KB."""
    junk = "".join(str(n * n) for n in range(700)).encode()
    other, blanks = fleet.create_tenant("blanks"), gzip.compress(junk + b" " * 15_000_000)
    statuses, is_over = [], threading.Event()
    assert 16_384 < len(blanks) < 20_000  # as much as may become 16 MiB

    def send_blanks():
        sender = connect(fleet, other)
        while not is_over.is_set():
            statuses.append(send(sender, "PutItem", blanks, content_encoding="gzip").status)

    threads = [threading.Thread(target=send_blanks) for _ in range(20)]
    for thread in threads:
        thread.start()
    try:
        own = connect(fleet, tenant)
        wait_for(lambda: len(statuses) > 20, 30, "blanks under way")
        for n in range(10):
            ask(own, "PutItem", TableName=table, Item=text_item(f"between-{n}", 100_000))  # in time, or it is 503
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {400}  # SerializationException: there is nothing in them


def test_clients_that_leave_in_the_middle_harm_nobody(fleet, tenant, table):
    names = [f"sixteen-{n:02}" for n in range(40)]
    bodies = [("BatchGetItem", json.dumps({"RequestItems": {table: {"Keys": [key(n) for n in names]}}}).encode()),
              ("PutItem", filled(HEAD + b"[", b"1,", b"1]}"))]
    for operation, body in bodies * 4:
        leaving = connect(fleet, tenant)
        leaving.timeout = 0.05  # well before the answer
        reply = send(leaving, operation, body, accept_encoding="gzip")
        assert reply.status in (0, 200)
        leaving.close()
