"""Nodes that die, return, lose their disk, join, are drained and removed, under load: groups become whole again, and nothing
that was acknowledged is lost.

A fleet of five nodes of its own; the steps build on each other. Times are printed; what is asserted leaves room for a busy
machine.
"""

import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from deploy.local.fleet import http
from deploy.local.layout import HOST
from tests.faults.kill_load import LoadProcess
from tests.faults.kill_probe import wait_for

from .conftest import create_table, make_client, own_fleet

ABANDON_SECONDS = 12
SETTINGS = ["--node-abandon", f"{ABANDON_SECONDS}s", "--node-return", "1s"]
TABLES = 3
WAIT_SECONDS = 120


class Watched:
    """The fleet as control shows it, and a load that goes on all the time."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.key = fleet.create_tenant("fleet")
        self.client = make_client(fleet, self.key, retries=8)
        for number in range(TABLES):
            create_table(self.client, f"watched-{number}")

    def ask(self, method, path):
        return http(method, self.fleet.operator_url + path, None if method == "GET" else {}, self.fleet.token())

    def order(self, node, action):
        return self.ask("POST", f"/v1/fleet/nodes/{node}/{action}")

    def refused(self, node, action):
        """The reason."""
        with pytest.raises(urllib.error.HTTPError) as refusal:
            self.order(node, action)
        return refusal.value.read().decode()

    def nodes(self):
        return self.ask("GET", "/v1/fleet")["nodes"]

    def node(self, name):
        """Of several with one name the one that is not lost."""
        return next(node for node in self.nodes() if node["name"] == name and node["state"] not in ("lost", "removed"))

    def replicas(self):
        """{group: [replica]}, each with its node's row under "node"; what is being removed is left out."""
        groups = {}
        for node in self.nodes():
            for replica in self.ask("GET", f"/v1/fleet/nodes/{node['node_id']}")["replica_list"]:
                if replica["state"] != "being removed":
                    groups.setdefault(replica["group_id"], []).append({**replica, "node": node})
        return groups

    def is_whole(self, replicas, are_zones_apart=True):
        """Three storage replicas that act, and nothing else."""
        return (len(replicas) == 3 and all(r["kind"] == "storage" and r["state"] in ("leader", "follower") and
                                           r["node"]["state"] in ("alive", "suspect") for r in replicas) and
                (not are_zones_apart or len({r["node"]["zone"] for r in replicas}) == 3) and
                sum(r["state"] == "leader" for r in replicas) == 1)

    def are_all_whole(self, are_zones_apart=True):
        return all(self.is_whole(replicas, are_zones_apart) for replicas in self.replicas().values())

    def are_all_whole_anywhere(self):
        return self.are_all_whole(are_zones_apart=False)

    def wait_whole(self, since, what, are_zones_apart=True, seconds=WAIT_SECONDS):
        wait_for(lambda: self.are_all_whole(are_zones_apart), seconds, what)
        print(f"{what}: {time.monotonic() - since:.1f} s")

    def wait_covered(self, groups, since):
        """Two log replicas vote in each of these."""
        uncovered = {}

        def are_covered():
            found = self.replicas()
            logs = {group: [r["state"] for r in found[group] if r["kind"] == "log"] for group in groups}
            uncovered.clear()
            uncovered.update({group: states for group, states in logs.items() if len(states) != 2 or
                              not {"follower", "candidate", "leader"}.issuperset(states)})
            return not uncovered
        try:
            wait_for(are_covered, 20, "log replicas")
        except TimeoutError as error:
            raise TimeoutError(f"{error} in {uncovered}") from error
        print(f"log replicas in {len(groups)} groups: {time.monotonic() - since:.1f} s after the kill")

    def groups_of(self, name):
        node_id = self.node(name)["node_id"]
        return {group for group, replicas in self.replicas().items()
                if any(r["node"]["node_id"] == node_id for r in replicas)}

    def metric(self, name):
        with urllib.request.urlopen(self.fleet.process("control-1").admin_url + "/metrics", timeout=5) as reply:
            return next(float(line.split()[-1]) for line in reply.read().decode().splitlines()
                        if line.startswith(f"sluice_fleet_{name}"))

    def write(self):
        """An item of each table is written and read."""
        for number in range(TABLES):
            item = {"pk": {"S": "alive"}, "n": {"N": str(time.monotonic_ns())}}
            self.client.put_item(TableName=f"watched-{number}", Item=item)
            got = self.client.get_item(TableName=f"watched-{number}", Key={"pk": {"S": "alive"}}, ConsistentRead=True)
            assert got["Item"] == item


@pytest.fixture(scope="module")
def watched():
    with own_fleet(nodes=5, control_settings=SETTINGS) as fleet:
        yield Watched(fleet)


@pytest.fixture(scope="module")
def load(watched):
    create_table(watched.client, "loaded")
    with LoadProcess(HOST, watched.fleet.layout.port, watched.key, "loaded", 5) as load:
        wait_for(watched.are_all_whole, 30, "each group to lead")
        yield load


def test_log_replicas_stand_in_for_a_dead_node_and_go_when_it_is_back(watched, load):
    groups = watched.groups_of("node-3")
    before = {(r["group_id"], r["replica_id"]) for replicas in watched.replicas().values() for r in replicas}
    watched.fleet.kill("node-3")
    killed = time.monotonic()
    watched.wait_covered(groups, killed)
    assert watched.node("node-3")["state"] == "dead"
    watched.write()
    watched.fleet.start("node-3")
    watched.wait_whole(killed, "log replicas gone again")
    after = {(r["group_id"], r["replica_id"]) for replicas in watched.replicas().values() for r in replicas}
    assert after == before  # nothing was built
    assert watched.metric("storage_replicas_wanted") == 0


def test_another_node_may_die_while_log_replicas_stand_in(watched, load):
    groups = watched.groups_of("node-3")
    watched.fleet.kill("node-3")
    watched.wait_covered(groups, time.monotonic())
    watched.fleet.kill("node-1")
    try:
        watched.write()
    finally:
        for name in ("node-1", "node-3"):
            watched.fleet.start(name)
    watched.wait_whole(time.monotonic(), "whole after two deaths")


def test_what_a_dead_node_had_is_built_elsewhere(watched, load):
    watched.fleet.kill("node-3")
    killed = time.monotonic()
    wait_for(lambda: not any(r["node"]["name"] == "node-3" for rs in watched.replicas().values() for r in rs), WAIT_SECONDS,
             "node-3 to be given up")
    watched.wait_whole(killed, f"three storage replicas again, {ABANDON_SECONDS} s of patience included",
                       are_zones_apart=False)
    watched.write()


def test_control_dies_while_it_repairs(watched, load):
    """Whoever is control next goes on from what is stored and reported."""
    wait_for(watched.are_all_whole_anywhere, 30, "quiet")
    watched.fleet.kill("node-5")
    watched.write()
    time_of_death = time.monotonic()
    for _ in range(3):
        wait_for(lambda: watched.metric("log_replicas_wanted") > 0 or time.monotonic() > time_of_death + 15, 30, "a step")
        watched.fleet.kill("control-1")
        watched.fleet.start("control-1")
        watched.fleet.wait_ready("control-1")
    watched.fleet.start("node-5")
    watched.wait_whole(time_of_death, "whole in spite of three controls that died", are_zones_apart=False)


def test_a_node_that_comes_back_too_late_begins_anew(watched, load):
    watched.fleet.start("node-3")
    begun = time.monotonic()
    wait_for(lambda: watched.node("node-3")["state"] == "alive", 20, "node-3 to count again")
    watched.wait_whole(begun, "zones apart again")
    assert len(watched.groups_of("node-3")) > 0
    watched.write()


def test_a_node_with_an_empty_disk_is_another_one_and_gets_new_replicas(watched, load):
    old = watched.node("node-3")["node_id"]
    watched.fleet.kill("node-3")
    shutil.rmtree(Path(watched.fleet.process("node-3").data_dir))
    begun = time.monotonic()
    watched.fleet.start("node-3")
    wait_for(lambda: any(node["name"] == "node-3" and node["node_id"] != old for node in watched.nodes()), 20, "the new node")
    wait_for(lambda: not any(r["node"]["node_id"] == old for rs in watched.replicas().values() for r in rs), WAIT_SECONDS,
             "the lost one's replicas to be replaced")
    watched.wait_whole(begun, "whole after the loss of a disk")
    assert watched.order(old, "remove")["node_id"] == old
    wait_for(lambda: all(node["node_id"] != old for node in watched.nodes()), 20, "the lost node to be forgotten")
    assert "No such node" in watched.refused(old, "drain")
    watched.write()


def test_a_sixth_node_gets_its_share(watched, load):
    begun = time.monotonic()
    assert watched.fleet.add_node("zone-c") == "node-6"
    all_groups = len(watched.replicas())
    wait_for(lambda: watched.node("node-6")["replicas"] >= all_groups * 4 // 10, WAIT_SECONDS, "node-6 to fill up")
    print(f"node-6 has its share of {all_groups} groups: {time.monotonic() - begun:.1f} s")
    watched.wait_whole(begun, "all moves done")
    leads = {node["name"]: node["wanted_leaders"] for node in watched.nodes()}
    assert leads["node-6"] > 0
    watched.write()


def test_a_drained_node_is_empty_and_can_be_removed(watched, load):
    assert "drain it first" in watched.refused("node-6", "remove")
    watched.order("node-6", "drain")
    assert not watched.order("node-6", "undrain")["is_draining"]
    watched.wait_whole(time.monotonic(), "whole, whatever had begun to leave")
    assert watched.node("node-6")["replicas"] > 0
    begun = time.monotonic()
    assert watched.order("node-6", "drain")["is_draining"]
    wait_for(lambda: watched.node("node-6")["state"] == "drained", WAIT_SECONDS, "node-6 to be empty")
    print(f"node-6 drained: {time.monotonic() - begun:.1f} s")
    watched.wait_whole(begun, "whole without node-6")
    assert "zone-c" in watched.refused("node-3", "drain")  # it would be the last of its zone
    wait_for(lambda: watched.ask("GET", "/v1/fleet/nodes/node-6")["replica_list"] == [], 20, "its last replica to go")
    watched.order("node-6", "remove")
    wait_for(lambda: all(node["name"] != "node-6" for node in watched.nodes()), 20, "node-6 to be forgotten")
    watched.fleet.stop("node-6")
    watched.write()


def test_a_dead_node_is_removed_only_if_its_zone_keeps_one(watched, load):
    watched.fleet.kill("node-3")
    wait_for(lambda: watched.node("node-3")["state"] == "dead", 20, "node-3 to be dead")
    assert "add a node in zone-c first" in watched.refused("node-3", "remove")
    watched.fleet.start("node-3")
    watched.wait_whole(time.monotonic(), "whole again")
    assert "No such node" in watched.refused("node-9", "remove")


def test_nothing_was_lost_or_doubled(watched, load):
    load.stop()
    report = load.check()
    print(f"acknowledged {report.acknowledged}, unanswered {report.unanswered}, checked {report.checked}")
    assert report.lost == []
    assert report.doubled == []
    assert report.unexpected == []
    assert report.acknowledged > 1000 and report.checked > 1000
