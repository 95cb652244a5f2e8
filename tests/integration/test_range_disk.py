"""Query and Scan of rows that are on disk, beside each other, and while a node is killed. Its own fleet, with little memory."""

import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults import kill_run
from tests.faults.kill_probe import wait_for

from .conftest import create_table, make_client, own_fleet
from .ranges import fill, items, pages

SETTINGS = ["--block-cache", "1MiB", "--flush-interval", "200ms"]
COLLECTIONS, ROWS = 8, 120
PAD = "x" * 5000
NODES = ["node-1", "node-2", "node-3"]


def metric(fleet, process, name):
    with urllib.request.urlopen(fleet.process(process).admin_url + "/metrics", timeout=5) as reply:
        for line in reply.read().decode().splitlines():
            if line.startswith(name):
                return float(line.split()[-1])
    raise KeyError(name)


def from_pool(fleet):
    return sum(metric(fleet, node, "sluice_node_ranges_in_background") for node in NODES)


class Shelf:
    """The fleet, its tenant, and a table of 5 MB in which every collection spans several calls to a node."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.tenant = fleet.create_tenant("shelf")
        client = self.client()
        create_table(client, "shelf", sort="N")
        fill(client, "shelf", [{"pk": {"S": f"c{c}"}, "sk": {"N": str(row - 60)}, "pad": {"S": PAD}}
                               for c in range(COLLECTIONS) for row in range(ROWS)])

    def client(self):
        return make_client(self.fleet, self.tenant, retries=8)

    def check_collection(self, number, forward):
        found = [(item["pk"]["S"], int(item["sk"]["N"])) for item in items(
            self.client().query, TableName="shelf", ConsistentRead=True, ScanIndexForward=forward,
            KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": f"c{number}"}})]
        expected = [(f"c{number}", row - 60) for row in range(ROWS)]
        assert found == (expected if forward else expected[::-1])

    def check_table(self, **more):
        found = sorted((item["pk"]["S"], int(item["sk"]["N"])) for item in
                       items(self.client().scan, TableName="shelf", ConsistentRead=True, **more))
        assert found == sorted((f"c{c}", row - 60) for c in range(COLLECTIONS) for row in range(ROWS))


@pytest.fixture(scope="module")
def shelf():
    with own_fleet(SETTINGS) as fleet:
        yield Shelf(fleet)


def test_rows_on_disk_are_read_in_the_pool(shelf):
    before = from_pool(shelf.fleet)

    def is_from_disk():
        shelf.check_table()
        return from_pool(shelf.fleet) > before
    wait_for(is_from_disk, 20, "a scan of rows on disk")
    for number in range(COLLECTIONS):
        shelf.check_collection(number, forward=True)
        shelf.check_collection(number, forward=False)


def test_pages_are_as_long_from_disk_as_from_memory(shelf):
    found = pages(shelf.client().scan, TableName="shelf", ConsistentRead=True, Select="COUNT")
    size = len(PAD) + len("pk") + len("sk") + len("pad") + 2
    for page in found[:-1]:
        # Numbers take 1 to 4 bytes.
        assert (page["Count"] - 1) * (size + 1) < 1 << 20 <= page["Count"] * (size + 4)


def test_many_walks_at_once(shelf):
    def walk(number):
        if number % 2:
            shelf.check_table(Limit=100)
        else:
            shelf.check_collection(number // 2 % COLLECTIONS, forward=number % 4 == 0)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(walk, range(24)))


def test_walks_go_on_while_a_node_is_killed(shelf):
    with ThreadPoolExecutor(4) as pool:
        walks = [pool.submit(shelf.check_table, Limit=20) for _ in range(4)]
        kill_run.kill_processes(shelf.fleet, ["node-2"])
        for walk in walks:
            walk.result()
    shelf.check_collection(3, forward=False)
    kill_run.start_again(shelf.fleet, ["node-2"])
    kill_run.wait_caught_up(shelf.fleet, NODES)
    shelf.check_table()
