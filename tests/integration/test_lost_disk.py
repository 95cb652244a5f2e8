"""A node that lost its disk, or a part of it, does not come back as who it was.

Its own fleet, as it is damaged, and in which nothing is built, so that the damage stays. The steps build on each other: one
group of three replicas never has more than one away. What is made of such nodes by a fleet that repairs: test_fleet.py.
"""

import shutil
import time
import urllib.request
from pathlib import Path

import pytest

from deploy.local.fleet import http
from tests.faults.kill_probe import wait_for

from .conftest import create_table, make_client, own_fleet

ITEMS = 60


class Damaged:
    """The fleet, one table, and everything that was acknowledged."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.client = make_client(fleet, fleet.create_tenant("lost-disk"), retries=8)
        self.written = {}
        create_table(self.client, "kept")
        self.write()

    def write(self):
        first = len(self.written)
        for i in range(first, first + ITEMS):
            self.client.put_item(TableName="kept", Item={"pk": {"S": f"k{i}"}, "value": {"N": str(i)}})
            self.written[f"k{i}"] = str(i)

    def check(self):
        for key, value in self.written.items():
            reply = self.client.get_item(TableName="kept", Key={"pk": {"S": key}}, ConsistentRead=True)
            assert reply["Item"]["value"]["N"] == value

    def data(self, name):
        return Path(self.fleet.process(name).data_dir)

    def replicas(self, name):
        """{replica id: state} as the node shows it."""
        url = self.fleet.process(name).admin_url + "/debug/replicas"
        with urllib.request.urlopen(url, timeout=5) as reply:
            rows = [dict(word.split("=", 1) for word in line.split() if "=" in word)
                    for line in reply.read().decode().splitlines()]
        return {row["replica"]: row["state"] for row in rows}

    def metric(self, name, metric):
        with urllib.request.urlopen(self.fleet.process(name).admin_url + "/metrics", timeout=5) as reply:
            for line in reply.read().decode().splitlines():
                if line.startswith(metric) and not line.startswith("#"):
                    return float(line.split()[-1])
        raise KeyError(metric)

    def nodes(self, name):
        """Control's rows of that name."""
        answer = http("GET", self.fleet.operator_url + "/v1/fleet", token=self.fleet.token())
        return [node for node in answer["nodes"] if node["name"] == name]

    def log(self, name):
        return self.fleet.layout.path("log", f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def restart(self, name):
        self.fleet.start(name)
        self.fleet.wait_ready(name)


@pytest.fixture(scope="module")
def damaged():
    with own_fleet(control_settings=["--builds", "0"]) as fleet:
        yield Damaged(fleet)


def test_replicas_whose_log_and_store_are_gone_stay_aside(damaged):
    before = damaged.replicas("node-1")
    assert set(before.values()) == {"active"}
    damaged.fleet.kill("node-1")
    for part in ("log", "store"):
        (damaged.data("node-1") / part).rename(damaged.data("node-1") / f"{part}.away")
    damaged.restart("node-1")
    wait_for(lambda: damaged.replicas("node-1") == dict.fromkeys(before, "quarantined"), 10, "them to be set aside")
    assert damaged.metric("node-1", "sluice_node_groups_quarantined") == len(before)
    assert "reason=lost" in damaged.log("node-1")
    wait_for(lambda: damaged.nodes("node-1")[0]["quarantined"] == len(before), 5, "control to know")
    damaged.write()
    damaged.check()
    assert set(damaged.replicas("node-1").values()) == {"quarantined"}


def test_what_was_away_and_is_whole_acts_again(damaged):
    damaged.fleet.kill("node-1")
    for part in ("log", "store"):
        shutil.rmtree(damaged.data("node-1") / part)
        (damaged.data("node-1") / f"{part}.away").rename(damaged.data("node-1") / part)
    damaged.restart("node-1")
    wait_for(lambda: set(damaged.replicas("node-1").values()) == {"active"}, 10, "them to act")
    damaged.write()
    damaged.check()


def test_a_new_disk_is_a_new_node(damaged):
    old = damaged.nodes("node-1")[0]
    lost = damaged.replicas("node-1")
    damaged.fleet.kill("node-1")
    damaged.data("node-1").rename(damaged.data("node-1").with_name("node-1.away"))
    damaged.restart("node-1")
    rows = {node["node_id"]: node for node in damaged.nodes("node-1")}
    assert len(rows) == 2
    assert rows[old["node_id"]]["is_lost"] and rows[old["node_id"]]["quarantined"] == len(lost)
    wait_for(lambda: any(node["is_alive"] for node in damaged.nodes("node-1")), 5, "the new node to be heard")
    assert damaged.replicas("node-1") == {}
    damaged.write()
    damaged.check()
    assert damaged.replicas("node-1") == {}


def test_the_other_two_go_on_through_a_restart(damaged):
    damaged.fleet.kill("node-2")
    damaged.restart("node-2")
    wait_for(lambda: set(damaged.replicas("node-2").values()) == {"active"}, 10, "its replicas to act")
    damaged.check()
    damaged.write()
    damaged.check()


def test_the_new_node_takes_new_replicas(damaged):
    before = time.monotonic()
    create_table(damaged.client, "younger")
    print(f"CreateTable to ACTIVE: {time.monotonic() - before:.2f} s")
    wait_for(lambda: set(damaged.replicas("node-1").values()) == {"active"}, 10, "its replica to act")
    damaged.client.put_item(TableName="younger", Item={"pk": {"S": "a"}})


def test_a_lost_replica_goes_with_its_table(damaged):
    """Quarantine ends, in the metric too."""
    damaged.fleet.kill("node-1")
    for part in ("log", "store"):
        shutil.rmtree(damaged.data("node-1") / part)
    damaged.restart("node-1")
    wait_for(lambda: set(damaged.replicas("node-1").values()) == {"quarantined"}, 10, "it to be set aside")
    damaged.client.delete_table(TableName="younger")
    wait_for(lambda: damaged.replicas("node-1") == {}, 10, "it to go")
    assert damaged.metric("node-1", "sluice_node_groups_quarantined") == 0


def test_replicas_without_a_node_id_do_not_start(damaged):
    create_table(damaged.client, "third")
    damaged.fleet.kill("node-1")
    identity = damaged.data("node-1") / "node_id"
    text = identity.read_text(encoding="ascii")
    identity.unlink()
    damaged.fleet.start("node-1")
    wait_for(lambda: not damaged.fleet.is_running("node-1"), 10, "it to refuse")
    assert "no node_id" in damaged.log("node-1")
    identity.write_text(text, encoding="ascii")
    damaged.restart("node-1")
    damaged.check()


def test_a_lost_node_that_is_back_acts_again(damaged):
    damaged.fleet.kill("node-1")
    damaged.data("node-1").rename(damaged.data("node-1").with_name("node-1.second"))
    damaged.data("node-1").with_name("node-1.away").rename(damaged.data("node-1"))
    damaged.restart("node-1")
    wait_for(lambda: set(damaged.replicas("node-1").values()) == {"active"}, 10, "its replicas to act")
    wait_for(lambda: [node["is_lost"] for node in sorted(damaged.nodes("node-1"), key=lambda n: n["node_id"])] ==
             [False, True], 10, "control to take it back")
    damaged.write()
    damaged.check()
