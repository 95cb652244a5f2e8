"""Partitions split under load, by size and for throughput: nothing is lost or doubled, nothing fails, counts are exact.

Nodes of these fleets split from 64 KiB on, so that a table of some megabytes splits again and again.
"""

import threading
import time
import urllib.request

import pytest

from deploy.local.fleet import http
from deploy.local.layout import HOST
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_load import LoadProcess
from tests.faults.kill_probe import leaders, replicas, wait_for
from tests.faults.kill_run import kill_processes, start_again, wait_caught_up
from tests.integration.conftest import own_fleet

SMALL = ["--split_size=64KiB"]
ROW = "x" * 400
SPLIT_SECONDS_MAX = 60
KILLS = 5
ONE_PARTITION = {"BillingMode": "PROVISIONED",
                 "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}


@pytest.fixture(scope="module")
def split_fleet():
    with own_fleet(SMALL, loops=2) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def key(split_fleet):
    return split_fleet.create_tenant("splits")


def connect(fleet, key):
    return Client(HOST, fleet.layout.port, key, timeout=30)


def groups(fleet):
    """The groups that have a leader now, without those that were split."""
    return {replica.group for replica in replicas(fleet) if replica.is_leader and not replica.is_split}


def counter(fleet, name):
    """A node metric, summed over all loops of all nodes."""
    total = 0
    for row in fleet.rows():
        if row["role"] == "node":
            with urllib.request.urlopen(row["admin_url"] + "/metrics", timeout=5) as reply:
                lines = reply.read().decode().splitlines()
            total += sum(int(float(line.split()[-1])) for line in lines if line.startswith(f"sluice_node_{name}"))
    return total


def wait_settled(fleet):
    """Until nothing is being split, and what was split is gone: as many partitions as control knows, three replicas each."""
    def is_settled():
        held = {}
        for replica in replicas(fleet):
            held.setdefault(replica.group, []).append(replica)
        known = http("GET", f"{fleet.operator_url}/v1/fleet", token=fleet.token())["partitions"]
        return known == len(held) and all(len(found) == 3 and any(r.is_leader for r in found) and
                                          all(r.state == "active" and not r.is_split for r in found)
                                          for found in held.values())
    wait_for(is_settled, SPLIT_SECONDS_MAX, "the split groups to be removed")


def describe(client, table):
    return client.settled("DescribeTable", TableName=table)["Table"]


def scan(client, table, **more):
    """All items, by pages."""
    found, start = [], {}
    while True:
        page = client.settled("Scan", TableName=table, ConsistentRead=True, **more, **start)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def wait_count(client, table, count):
    wait_for(lambda: describe(client, table)["ItemCount"] == count, 15, f"DescribeTable to say {count} items")


class Filler:
    """Writers that put numbered items, each until it is answered, and never see a failure."""

    def __init__(self, fleet, key, table, writers=4):
        self.fleet, self.key, self.table = fleet, key, table
        self.is_stopping = False
        self.counts = [0] * writers
        self.failures = []
        self.slowest = 0.0
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(writers)]
        for thread in self.threads:
            thread.start()

    def _run(self, writer):
        client = connect(self.fleet, self.key)
        while not self.is_stopping:
            began = time.monotonic()
            number = self.counts[writer]
            reply = client.call("PutItem", TableName=self.table,
                                Item={"pk": {"S": f"w{writer}-{number}"}, "pad": {"S": ROW}})
            self.slowest = max(self.slowest, time.monotonic() - began)
            if reply.status != 200:
                self.failures.append((reply.status, reply.body[:200]))
                time.sleep(0.02)
                continue  # the same item again
            self.counts[writer] += 1

    def stop(self):
        self.is_stopping = True
        for thread in self.threads:
            thread.join()

    def names(self):
        return {f"w{writer}-{number}" for writer, count in enumerate(self.counts) for number in range(count)}


def fill_until(fleet, key, table, splits):
    """Write until so many splits are done; the writers, stopped."""
    before = counter(fleet, "splits_done")
    filler = Filler(fleet, key, table)
    try:
        wait_for(lambda: counter(fleet, "splits_done") >= before + splits, SPLIT_SECONDS_MAX, f"{splits} splits")
    finally:
        filler.stop()
    print(f"{sum(filler.counts)} items, slowest put {filler.slowest:.2f} s, {len(groups(fleet))} groups")
    return filler


def test_more_throughput_splits_ahead(split_fleet, key):
    client = connect(split_fleet, key)
    create_table(client, "raised", **ONE_PARTITION)
    names = [f"k{number}" for number in range(60)]
    for name in names:
        client.settled("PutItem", TableName="raised", Item={"pk": {"S": name}})
    wait_settled(split_fleet)
    before = len(groups(split_fleet))
    client.settled("UpdateTable", TableName="raised",
                   ProvisionedThroughput={"ReadCapacityUnits": 9000, "WriteCapacityUnits": 1500})
    assert describe(client, "raised")["TableStatus"] == "UPDATING"
    wait_for(lambda: describe(client, "raised")["TableStatus"] == "ACTIVE", SPLIT_SECONDS_MAX, "the table")
    wait_settled(split_fleet)
    assert len(groups(split_fleet)) - before == 4  # ceil(9000/3000 + 1500/1000) = 5
    assert sorted(item["pk"]["S"] for item in scan(client, "raised")) == sorted(names)
    wait_count(client, "raised", len(names))


def test_a_growing_table_splits_and_nobody_notices(split_fleet, key):
    client = connect(split_fleet, key)
    create_table(client, "growing", **ONE_PARTITION)
    filler = fill_until(split_fleet, key, "growing", 6)
    assert filler.failures == []
    found = [item["pk"]["S"] for item in scan(client, "growing")]
    assert len(found) == len(set(found))
    assert set(found) == filler.names()
    wait_count(client, "growing", len(found))
    parts = [scan(client, "growing", Segment=i, TotalSegments=3) for i in range(3)]
    assert sorted(item["pk"]["S"] for part in parts for item in part) == sorted(found)


def test_what_was_split_goes_and_its_items_stay(split_fleet, key):
    client = connect(split_fleet, key)
    items = len(scan(client, "growing"))
    wait_settled(split_fleet)
    assert counter(split_fleet, "parents_dropped") >= 18
    assert len(scan(client, "growing")) == items
    wait_count(client, "growing", items)


def test_one_collection_is_queried_across_its_splits_both_ways(split_fleet, key):
    client = connect(split_fleet, key)
    client.settled("CreateTable", TableName="one-collection",
                   KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                   AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"},
                                         {"AttributeName": "sk", "AttributeType": "N"}], **ONE_PARTITION)
    wait_for(lambda: describe(client, "one-collection")["TableStatus"] == "ACTIVE", 30, "the table")
    before = counter(split_fleet, "splits_done")
    for number in range(500):
        client.settled("PutItem", TableName="one-collection",
                       Item={"pk": {"S": "all"}, "sk": {"N": str(number)}, "pad": {"S": ROW}})
    wait_for(lambda: counter(split_fleet, "splits_done") >= before + 2, SPLIT_SECONDS_MAX, "two splits")
    for is_forward in (True, False):
        found, start = [], {}
        while True:
            page = client.settled("Query", TableName="one-collection", ConsistentRead=True, ScanIndexForward=is_forward,
                                  KeyConditionExpression="pk = :pk", Limit=70,
                                  ExpressionAttributeValues={":pk": {"S": "all"}}, **start)
            found += [int(item["sk"]["N"]) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert found == sorted(range(500), reverse=not is_forward)


def test_a_table_is_deleted_while_it_splits(split_fleet, key):
    client = connect(split_fleet, key)
    create_table(client, "short-lived", **ONE_PARTITION)
    fill_until(split_fleet, key, "short-lived", 2)
    client.settled("DeleteTable", TableName="short-lived")
    wait_for(lambda: client.call("DescribeTable", TableName="short-lived").error == "ResourceNotFoundException", 30,
             "the table to go")
    wait_settled(split_fleet)


def test_nodes_and_the_fleet_restart_while_tables_split(split_fleet, key):
    client = connect(split_fleet, key)
    create_table(client, "restarted", **ONE_PARTITION)
    before = counter(split_fleet, "splits_done")
    filler = Filler(split_fleet, key, "restarted")
    try:
        for name in ("node-1", "node-2", "node-3"):
            wait_for(lambda: any(replica.is_split for replica in replicas(split_fleet)), 20, "a split")
            split_fleet.stop(name)
            start_again(split_fleet, [name])
        wait_for(lambda: any(replica.is_split for replica in replicas(split_fleet)), 20, "a split")
        names = [row["name"] for row in split_fleet.rows()]
        kill_processes(split_fleet, names)
        start_again(split_fleet, names)
        time.sleep(3)
    finally:
        filler.stop()
    print(f"{before} splits before, {len(filler.failures)} failures while it was down: {set(filler.failures[:5])}")
    found = [item["pk"]["S"] for item in scan(client, "restarted")]
    assert len(found) == len(set(found))
    assert filler.names() <= set(found)
    unanswered = set(found) - filler.names()
    assert len(unanswered) <= len(filler.counts)  # each writer's last, perhaps
    wait_settled(split_fleet)
    wait_count(client, "restarted", len(found))


def test_leaders_are_killed_while_their_partitions_split(split_fleet, key):
    client = connect(split_fleet, key)
    create_table(client, "killed", **ONE_PARTITION)
    with LoadProcess(HOST, split_fleet.layout.port, key, "killed", 7) as load:
        for _ in range(KILLS):
            split = wait_for(lambda: [r for r in replicas(split_fleet) if r.is_split and r.is_leader], 40, "a split")
            victim = split[0].node
            kill_processes(split_fleet, [victim])
            start_again(split_fleet, [victim])
            wait_caught_up(split_fleet, [victim])
        load.stop()
        report = load.check()
    assert report.lost == []
    assert report.doubled == []
    assert report.unexpected == []
    assert report.acknowledged > 500
    items = len(scan(client, "killed"))
    wait_settled(split_fleet)
    wait_count(client, "killed", items)
    assert leaders(split_fleet)
