"""A partition that is driven at its cap is split, unless one item has all of the load."""

import threading
import time

import pytest

from tests.faults.kill_client import create_table
from tests.faults.kill_probe import wait_for
from tests.integration.conftest import own_fleet
from tests.integration.test_split import ONE_PARTITION, connect, counter, scan, wait_settled

CAP = 60  # writes per second of a partition, so that a test in Python can drive it at that
WRITERS = 6
HOT_SECONDS, HOT_SECONDS_MAX = 15, 40  # a partition is hot after ten


@pytest.fixture(scope="module")
def hot_fleet():
    with own_fleet([f"--partition_write_units={CAP}"], has_caps=True) as fleet:
        yield fleet


class Driver:
    """Writers in a closed loop, to the items that name() says, until it is left."""

    def __init__(self, fleet, key, table, name):
        self.fleet, self.key, self.table, self.name = fleet, key, table, name
        self.is_stopping = False
        self.unexpected = []
        self.counts = [0] * WRITERS
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(WRITERS)]

    def _run(self, writer):
        client = connect(self.fleet, self.key)
        while not self.is_stopping:
            reply = client.call("PutItem", TableName=self.table, Item={"pk": {"S": self.name(self.counts[writer])}})
            self.counts[writer] += reply.status == 200
            if reply.status != 200 and reply.error != "ProvisionedThroughputExceededException":
                self.unexpected.append(reply.body)
            time.sleep(0.005)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_stopping = True
        for thread in self.threads:
            thread.join()
        assert self.unexpected == []


def test_a_partition_at_its_cap_over_many_keys_is_split(hot_fleet):
    key = hot_fleet.create_tenant("hot")
    client = connect(hot_fleet, key)
    create_table(client, "hot-table", **ONE_PARTITION)
    before = counter(hot_fleet, "splits_done")
    with Driver(hot_fleet, key, "hot-table", lambda number: f"k{number * 7919 % 1000}"):
        wait_for(lambda: counter(hot_fleet, "splits_done") > before, HOT_SECONDS_MAX, "a split")
    wait_settled(hot_fleet)
    names = {item["pk"]["S"] for item in scan(client, "hot-table")}
    assert names and names <= {f"k{number}" for number in range(1000)}


def test_one_hot_item_is_not_split(hot_fleet):
    key = hot_fleet.create_tenant("one")
    create_table(connect(hot_fleet, key), "one-item", **ONE_PARTITION)
    before = counter(hot_fleet, "splits_begun")
    with Driver(hot_fleet, key, "one-item", lambda number: "the one") as driver:
        time.sleep(HOT_SECONDS)
    assert sum(driver.counts) > CAP * HOT_SECONDS / 2
    assert counter(hot_fleet, "splits_begun") == before
