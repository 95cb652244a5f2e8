"""A partition driven past its caps: what it gives, what the refused are told, and what it is found to be.

A fleet of its own with caps that a few threads in Python are well beyond."""

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.local.layout import HOST, REGION
from tests.bench.processes import metrics
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_probe import leaders, wait_for

from .conftest import assert_refused, own_fleet
from .node_calls import OK, THROTTLED, NodeCalls

WRITES, READS = 100, 300  # units per second of one partition
SETTINGS = ("--partition-write-units", str(WRITES), "--partition-read-units", str(READS), "--heat-splits", "false")
SECONDS = 5
THREADS = 4
PROVISIONED = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 10, "WriteCapacityUnits": 10}}
PROVISIONED_WORDS = ("The level of configured provisioned throughput for the table was exceeded. Consider increasing your "
                     "provisioning level with the UpdateTable API.")
ON_DEMAND_WORDS = ("Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your "
                   "table or index so please try again shortly. If exceptions persist, check if you have a hot key: "
                   "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html")
EXCEEDED = "ProvisionedThroughputExceededException"


@pytest.fixture(scope="module")
def capped():
    with own_fleet(SETTINGS, has_caps=True) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def key(capped):
    return capped.create_tenant("capped")


def connect(fleet, key):
    return Client(HOST, fleet.layout.port, key)


@pytest.fixture(scope="module")
def client(capped, key):
    """Of items; tables are made by it, too."""
    client = connect(capped, key)
    create_table(client, "bought", **PROVISIONED)  # one partition
    create_table(client, "on-demand")              # four
    return client


def arn(client, table):
    return client.settled("DescribeTable", TableName=table)["Table"]["TableArn"]


def item(pk, kilobytes):
    """Costs so many write units, and a fourth of that to read."""
    return {"pk": {"S": pk}, "v": {"S": "x" * (1024 * kilobytes - 10 - len(pk))}}


def empty(client, operation, **request):
    """Ask until the partition refuses; the refusal."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        reply = client.call(operation, **request)
        if reply.status == 400:
            return reply
        assert reply.status == 200, reply.body
    raise TimeoutError(f"{operation} is never refused")


@dataclass
class Counts:
    accepted: int = 0
    refused: int = 0
    others: list = field(default_factory=list)


def _ask(fleet, key, make_request, counts, stop):
    client = connect(fleet, key)
    number = 0
    while not stop.is_set():
        operation, request = make_request(number)
        number += 1
        reply = client.call(operation, **request)
        if reply.status == 200:
            counts.accepted += 1
        elif reply.error == EXCEEDED:
            counts.refused += 1
        else:
            counts.others.append(reply.body)


@contextlib.contextmanager
def asking(fleet, key, make_request, threads=THREADS):
    """So many clients that never pause, beside the test; what each was told."""
    stop = threading.Event()
    counts = [Counts() for _ in range(threads)]
    workers = [threading.Thread(target=_ask, args=(fleet, key, make_request, mine, stop)) for mine in counts]
    for worker in workers:
        worker.start()
    try:
        yield counts
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def drive(fleet, key, make_request, count=lambda mine: mine.accepted):
    """What such clients are given per second, and how often they were refused. What was left in the bucket at first does not
    count; nor does a run in which a partition got another leader, which begins with a full one."""
    while True:
        with asking(fleet, key, make_request) as counts:
            wait_for(lambda: all(mine.refused for mine in counts), 20, "everybody to be refused once")
            elections, before, began = elections_won(fleet), sum(map(count, counts)), time.monotonic()
            time.sleep(SECONDS)  # a length of time is what is measured
            given, took = sum(map(count, counts)) - before, time.monotonic() - began
        if elections_won(fleet) == elections:
            return given / took, sum(mine.refused for mine in counts), counts


def near(rate, cap):
    """Within 10 %: a busy machine may be late."""
    return 0.9 * cap <= rate <= 1.1 * cap


def total(fleet, name):
    return sum(metrics(row["admin_url"]).get(name, 0) for row in fleet.rows() if row["role"] == "node")


def elections_won(fleet):
    return total(fleet, "sluice_node_elections_won_count_total")


# ---- how much ----

def test_a_partition_takes_the_writes_of_its_cap(capped, key, client):
    rate, refused, counts = drive(capped, key, lambda n: ("PutItem", {"TableName": "bought", "Item": item(f"w{n % 100}", 2)}))
    print(f"{2 * rate:.1f} write units per s of {WRITES}, {refused} refused")
    assert near(2 * rate, WRITES) and not any(mine.others for mine in counts)


def test_failed_conditions_cost_what_writes_cost(capped, key, client):
    client.settled("PutItem", TableName="bought", Item=item("there", 4))
    request = {"TableName": "bought", "Key": {"pk": {"S": "there"}}, "ConditionExpression": "attribute_exists(absent)"}
    rate, refused, counts = drive(capped, key, lambda n: ("DeleteItem", request), count=lambda mine: len(mine.others))
    assert all(b"ConditionalCheckFailedException" in body for mine in counts for body in mine.others)
    print(f"{4 * rate:.1f} write units per s of {WRITES}, {refused} refused")
    assert near(4 * rate, WRITES)


def test_a_leader_gives_the_strong_reads_of_its_cap(capped, key, client):
    client.settled("PutItem", TableName="bought", Item=item("large", 80))
    request = {"TableName": "bought", "Key": {"pk": {"S": "large"}}, "ConsistentRead": True}
    rate, refused, counts = drive(capped, key, lambda n: ("GetItem", request))
    print(f"{20 * rate:.1f} read units per s of {READS}, {refused} refused")
    assert near(20 * rate, READS) and not any(mine.others for mine in counts)


def test_three_replicas_give_six_times_as_many_eventual_reads(capped, key, client):
    client.settled("PutItem", TableName="bought", Item=item("large", 80))
    request = {"TableName": "bought", "Key": {"pk": {"S": "large"}}}
    rate, refused, counts = drive(capped, key, lambda n: ("GetItem", request))
    print(f"{10 * rate:.1f} read units per s of {3 * READS}, {refused} refused")
    assert near(10 * rate, 3 * READS) and not any(mine.others for mine in counts)


def test_reads_and_writes_have_caps_of_their_own(client):
    create_table(client, "apart", **PROVISIONED)  # nobody has read from it
    client.settled("PutItem", TableName="apart", Item=item("small", 1))
    empty(client, "PutItem", TableName="apart", Item=item("own", 100))
    assert client.call("GetItem", TableName="apart", Key={"pk": {"S": "small"}}, ConsistentRead=True).status == 200


def test_a_repeated_write_is_answered_and_charged_once(capped, client):
    before = set(leaders(capped))
    create_table(client, "repeated", **PROVISIONED)
    group = wait_for(lambda: set(leaders(capped)) - before, 20, "the table's leader").pop()
    node = NodeCalls(capped, leaders(capped)[group], group)
    first = os.urandom(16)
    answer = node.delete(first)
    assert (answer[1], answer[6]) == (OK, 1000)
    client.settled("PutItem", TableName="repeated", Item=item("large", 300))  # three seconds' worth
    consumed = total(capped, "sluice_node_consumed_writes_milli_total")
    assert node.delete(os.urandom(16))[1] == THROTTLED
    assert node.delete(first) == answer
    assert node.delete(os.urandom(16))[1] == THROTTLED
    assert total(capped, "sluice_node_consumed_writes_milli_total") == consumed
    node.close()


# ---- in which words ----

def reason(client, table, kind):
    return {"reason": f"Table{kind}KeyRangeThroughputExceeded", "resource": arn(client, table)}


WRITE_OPERATIONS = [("PutItem", {"Item": item("words", 50)}),
                    ("UpdateItem", {"Key": {"pk": {"S": "words"}}}),
                    ("DeleteItem", {"Key": {"pk": {"S": "words"}}})]
READ_OPERATIONS = [("GetItem", {"Key": {"pk": {"S": "words"}}, "ConsistentRead": True}),
                   ("Query", {"KeyConditionExpression": "pk = :p", "ConsistentRead": True,
                              "ExpressionAttributeValues": {":p": {"S": "words"}}}),
                   ("Scan", {"ConsistentRead": True})]


@pytest.mark.parametrize("operation, request_", WRITE_OPERATIONS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("table", ["bought", "on-demand"])
def test_writers_hear_why(client, table, operation, request_):
    resource = reason(client, table, "Write")
    empty(client, "PutItem", TableName=table, Item=item("words", 100))
    reply = empty(client, operation, TableName=table, **request_)
    is_bought = table == "bought"
    assert_refused(reply, EXCEEDED if is_bought else "ThrottlingException",
                   PROVISIONED_WORDS if is_bought else ON_DEMAND_WORDS)
    assert reply.json["__type"].startswith("com.amazonaws.dynamodb.v20120810#")
    assert reply.json["ThrottlingReasons" if is_bought else "throttlingReasons"] == [resource]
    assert ("throttlingReasons" if is_bought else "ThrottlingReasons") not in reply.json


@pytest.mark.parametrize("operation, request_", READ_OPERATIONS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("table", ["bought", "on-demand"])
def test_readers_hear_why(client, table, operation, request_):
    resource = reason(client, table, "Read")
    client.settled("PutItem", TableName=table, Item=item("words", 60))
    reply = empty(client, operation, TableName=table, **request_)
    is_bought = table == "bought"
    assert_refused(reply, EXCEEDED if is_bought else "ThrottlingException",
                   PROVISIONED_WORDS if is_bought else ON_DEMAND_WORDS)
    assert reply.json["ThrottlingReasons" if is_bought else "throttlingReasons"] == [resource]


def test_stock_clients_raise_the_exceptions(capped, key, client):
    stock = boto3.client("dynamodb", endpoint_url=capped.endpoint, region_name=REGION,
                         aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
                         config=Config(retries={"total_max_attempts": 1, "mode": "standard"}))
    for table, name in (("bought", EXCEEDED), ("on-demand", "ThrottlingException")):
        with pytest.raises(ClientError) as error:
            for _ in range(50):
                stock.put_item(TableName=table, Item=item("stock", 100))
        assert error.value.response["Error"]["Code"] == name
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_stock_retries_get_there(capped, key, client):
    stock = boto3.client("dynamodb", endpoint_url=capped.endpoint, region_name=REGION,
                         aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
                         config=Config(retries={"total_max_attempts": 10, "mode": "standard"}))
    for n in range(10):
        stock.put_item(TableName="bought", Item=item(f"retried{n}", 40))


# ---- batches and pages ----

def put_requests(table, count, kilobytes):
    return {table: [{"PutRequest": {"Item": item(f"batch{n}", kilobytes)}} for n in range(count)]}


def test_a_batch_gives_back_what_a_partition_refused(client):
    """The on-demand table has four partitions: one is empty, the others take what is theirs."""
    empty(client, "PutItem", TableName="on-demand", Item=item("batch0", 300))
    batch = put_requests("on-demand", 25, 1)
    answer = client.settled("BatchWriteItem", RequestItems=batch)
    left = answer["UnprocessedItems"]["on-demand"]
    assert 0 < len(left) < 25
    assert all(request in batch["on-demand"] for request in left)
    while left:
        answer = client.settled("BatchWriteItem", RequestItems={"on-demand": left})
        left = answer["UnprocessedItems"].get("on-demand", [])
    keys = [{"pk": {"S": f"batch{n}"}} for n in range(25)]
    client.settled("PutItem", TableName="on-demand", Item=item("batch0", 300))
    empty(client, "GetItem", TableName="on-demand", Key=keys[0], ConsistentRead=True)
    answer = client.settled("BatchGetItem", RequestItems={"on-demand": {"Keys": keys, "ConsistentRead": True}})
    unread = answer["UnprocessedKeys"]["on-demand"]
    assert unread["ConsistentRead"] and 0 < len(unread["Keys"]) < 25
    assert len(answer["Responses"]["on-demand"]) + len(unread["Keys"]) == 25


def test_a_batch_of_which_nothing_is_done_is_the_exception(client):
    client.settled("PutItem", TableName="bought", Item=item("batch0", 300))
    resources = {kind: reason(client, "bought", kind) for kind in ("Read", "Write")}
    empty(client, "PutItem", TableName="bought", Item=item("batch0", 300))
    reply = client.call("BatchWriteItem", RequestItems=put_requests("bought", 25, 1))
    assert_refused(reply, EXCEEDED, PROVISIONED_WORDS)
    assert reply.json["ThrottlingReasons"] == [resources["Write"]]
    get = {"bought": {"Keys": [{"pk": {"S": "batch0"}}], "ConsistentRead": True}}
    reply = empty(client, "BatchGetItem", RequestItems=get)
    assert_refused(reply, EXCEEDED, PROVISIONED_WORDS)
    assert reply.json["ThrottlingReasons"] == [resources["Read"]]


def test_pages_end_at_the_cap_and_go_on_behind_it(client):
    """1.2 MB of items, 300 units when there are 300 per second and none left: each item is had once."""
    create_table(client, "pages", **PROVISIONED)
    for n in range(30):
        client.settled("PutItem", TableName="pages", Item=item(f"page{n}", 40))
    empty(client, "Scan", TableName="pages", ConsistentRead=True)
    seen, pages, refused, start = [], 0, 0, {}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        reply = client.call("Scan", TableName="pages", ConsistentRead=True, ProjectionExpression="pk", **start)
        if reply.status == 400:
            assert reply.error == EXCEEDED
            refused += 1
            continue
        pages += 1
        seen += [found["pk"]["S"] for found in reply.json["Items"]]
        if "LastEvaluatedKey" not in reply.json:
            break
        start = {"ExclusiveStartKey": reply.json["LastEvaluatedKey"]}
    print(f"{len(seen)} items in {pages} pages, {refused} refused")
    assert sorted(seen) == sorted(f"page{n}" for n in range(30))
    assert refused > 0 and pages > 2


# ---- what is known of it ----

def test_refusals_are_counted(capped, client):
    before = total(capped, "sluice_node_writes_throttled_count_total")
    empty(client, "PutItem", TableName="bought", Item=item("counted", 100))
    assert total(capped, "sluice_node_writes_throttled_count_total") > before
    routers = [metrics(row["admin_url"]) for row in capped.rows() if row["role"] == "router"]
    assert sum(found["sluice_router_throttled_count_total"] for found in routers) > 0
    assert total(capped, "sluice_partition_writes_per_s_milli") > 0


@pytest.mark.parametrize("name, keys, metric", [
    ("spread", 1000, "sluice_node_partitions_to_split_count"),
    ("hot", 1, "sluice_node_partitions_indivisible_count"),
])
def test_a_hot_partition_is_found(capped, key, client, name, keys, metric):
    create_table(client, name, **PROVISIONED)
    wait_for(lambda: total(capped, metric) == 0, 30, "other tests' partitions to cool down")
    began = time.monotonic()
    with asking(capped, key, lambda n: ("PutItem", {"TableName": name, "Item": item(f"{n * 7919 % keys}", 4)})):
        wait_for(lambda: total(capped, metric) == 1, 40, "the partition to be found hot")
        print(f"{metric} after {time.monotonic() - began:.1f} s")
