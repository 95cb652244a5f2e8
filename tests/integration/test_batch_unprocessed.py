"""What a batch does not get done in time comes back as unprocessed.

A router of its own, with little patience, on the session's fleet; a node that is stopped for less than a second does not
answer for the groups that it leads."""

import contextlib
import os
import signal
import subprocess
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from deploy.local.layout import HOST, REGION
from tests.faults.kill_client import Client
from tests.faults.kill_probe import wait_for

from .conftest import assert_refused, create_table

ROUTER, ADMIN = 900, 901  # above the fleet's ports


@pytest.fixture(scope="module")
def hasty(fleet, tenant, client):
    """A client of a router that gives a request 300 ms."""
    create_table(client, "unprocessed")
    process = fleet.layout.router(1)
    port = fleet.layout.port + ROUTER
    moved = {"--port": port, "--admin-port": fleet.layout.port + ADMIN, "--name": "router-hasty",
             "--data-dir": fleet.layout.path("data", "router-hasty")}
    arguments = [str(moved.get(before, word)) for before, word in zip(["", *process.arguments], process.arguments)]
    with open(fleet.layout.path("log", "router-hasty.log"), "wb") as log:
        router = subprocess.Popen([*arguments, "--request-timeout", "300ms"], stdout=log, stderr=log)
    try:
        wait_for(lambda: is_ready(port), 20, "the router to be ready")
        yield Client(HOST, port, tenant)
    finally:
        router.terminate()
        assert router.wait(timeout=20) == 0


def is_ready(port):
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=2) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def stopped(fleet, *names):
    pids = [fleet.row(name)["pid"] for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def request_for(operation, items):
    if operation == "BatchWriteItem":
        return {"unprocessed": [{"PutRequest": {"Item": item}} for item in items]}
    return {"unprocessed": {"Keys": [{"pk": item["pk"]} for item in items], "ConsistentRead": True,
                            "ProjectionExpression": "#p, g", "ExpressionAttributeNames": {"#p": "pk"}}}


def call_until_partly_done(fleet, hasty, operation, items):
    """Stop one node after the other until one was missed: (processed or not, each in the request's form)."""
    for name in ("node-1", "node-2", "node-3"):
        hasty.settled(operation, RequestItems=request_for(operation, items))  # routes and leaders are known
        with stopped(fleet, name):
            reply = hasty.call(operation, RequestItems=request_for(operation, items))
        if reply.status != 200:
            continue
        left = reply.json["UnprocessedItems" if operation == "BatchWriteItem" else "UnprocessedKeys"]
        if left:
            return reply.json, left
    raise AssertionError("no node was missed: who leads?")


def send_until_all_is_done(hasty, operation, request):
    """What was unprocessed, sent as it came, once the groups have leaders again."""
    def answer():
        reply = hasty.call(operation, RequestItems=request)
        is_done = reply.status == 200 and not reply.json.get("UnprocessedItems") and not reply.json.get("UnprocessedKeys")
        return reply.json if is_done else None
    return wait_for(answer, 20, "all of the batch to be done")


def test_the_batch_writer_of_boto3_sends_again_what_comes_back(fleet, hasty, tenant):
    table = boto3.resource("dynamodb", endpoint_url=f"http://{hasty.host}", region_name=REGION,
                           aws_access_key_id=tenant["access_key_id"],
                           aws_secret_access_key=tenant["secret_access_key"]).Table("unprocessed")
    left = []

    def write(name):
        with table.batch_writer() as batch:
            for n in range(100):
                batch.put_item(Item={"pk": f"{name}-{n}"})

    table.meta.client.meta.events.register("after-call.dynamodb.BatchWriteItem",
                                           lambda parsed, **_: left.append(parsed.get("UnprocessedItems")))
    for name in ("node-1", "node-2", "node-3"):
        with ThreadPoolExecutor(1) as pool:
            with stopped(fleet, name):
                writing = pool.submit(write, name)
                wait_for(lambda writing=writing: any(left) or writing.done(), 10, "something unprocessed")
            writing.result(30)
        found = hasty.settled("Scan", TableName="unprocessed", ConsistentRead=True, Select="COUNT",
                              FilterExpression="begins_with(pk, :name)",
                              ExpressionAttributeValues={":name": {"S": f"{name}-"}})
        assert found["Count"] == 100
        if any(left):
            return
    raise AssertionError("no node was missed: who leads?")


def generation(number):
    return [{"pk": {"S": f"p{n}"}, "g": {"N": str(number)}} for n in range(25)]


def test_writes_that_are_not_answered_come_back(fleet, hasty):
    items = generation(1)
    _, left = call_until_partly_done(fleet, hasty, "BatchWriteItem", items)
    writes = left["unprocessed"]
    assert 0 < len(writes) < 25
    assert all(write["PutRequest"]["Item"] in items for write in writes)
    send_until_all_is_done(hasty, "BatchWriteItem", left)
    found = hasty.settled("BatchGetItem", RequestItems=request_for("BatchGetItem", items))
    assert sorted(found["Responses"]["unprocessed"], key=str) == sorted(items, key=str)


def test_writes_that_are_long_as_json_come_back_as_they_were_sent(fleet, hasty):
    """Two items of 1 MB of request each, which would be 19 MB of answer each."""
    small = generation(4)
    value = {"L": [{"NS": [f"{n}E-130" for n in range(10, 100)]}] * 1_400}
    for name in ("node-1", "node-2", "node-3") * 3:
        send_until_all_is_done(hasty, "BatchWriteItem", request_for("BatchWriteItem", small))
        with stopped(fleet, name):
            reply = hasty.call("BatchWriteItem", RequestItems=request_for("BatchWriteItem", small))
        left = reply.json.get("UnprocessedItems", {}).get("unprocessed", [])
        if len(left) < 2:
            continue
        large = [{"pk": write["PutRequest"]["Item"]["pk"], "v": value} for write in left[:2]]
        items = large + [item for item in small if item["pk"] not in [i["pk"] for i in large]]
        send_until_all_is_done(hasty, "BatchWriteItem", request_for("BatchWriteItem", small))
        with stopped(fleet, name):
            reply = hasty.call("BatchWriteItem", RequestItems=request_for("BatchWriteItem", items))
        if reply.status != 200:
            continue  # on a machine that is busy 300 ms may be over before anything is done
        left = [w["PutRequest"]["Item"] for w in reply.json["UnprocessedItems"].get("unprocessed", [])]
        assert all(item in items for item in left)
        if all(item in left for item in large):
            return
    raise AssertionError(f"no node was missed twice: {reply.status} {reply.body[:300]}")


def test_reads_that_are_not_answered_come_back(fleet, hasty):
    items = generation(2)
    hasty.settled("BatchWriteItem", RequestItems=request_for("BatchWriteItem", items))
    answer, left = call_until_partly_done(fleet, hasty, "BatchGetItem", items)
    found = answer["Responses"]["unprocessed"]
    rest = left["unprocessed"]
    assert {k: v for k, v in rest.items() if k != "Keys"} == {
        k: v for k, v in request_for("BatchGetItem", items)["unprocessed"].items() if k != "Keys"}
    assert len(found) + len(rest["Keys"]) == 25
    again = send_until_all_is_done(hasty, "BatchGetItem", left)
    assert sorted(found + again["Responses"]["unprocessed"], key=str) == sorted(items, key=str)


@pytest.mark.parametrize("operation", ["BatchGetItem", "BatchWriteItem"])
def test_when_nothing_is_done_the_answer_is_an_error(fleet, hasty, operation):
    request = request_for(operation, generation(3))
    hasty.settled(operation, RequestItems=request)
    with stopped(fleet, "node-1", "node-2", "node-3"):
        reply = hasty.call(operation, RequestItems=request)
    assert_refused(reply, "InternalServerError", status=500)
    hasty.settled(operation, RequestItems=request)
