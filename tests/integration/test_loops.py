"""Several event loops per node: replicas spread over them, and everything that a node does is done on each.

Its own fleet, whose nodes have four loops. The steps build on each other.
"""

import socket
import urllib.request
from pathlib import Path

import pytest

from deploy.local.fleet import http
from deploy.local.layout import HOST
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_probe import wait_for
from tests.integration.controlplane.wire import Wire, encode

from . import frames
from .conftest import own_fleet

LOOPS = 4  # not a multiple of the nodes: each node is then wanted as a leader on several loops
TABLES = ("first", "second", "third")
PARTITIONS = 4
ITEMS = 120
SETTINGS = ["--flush-interval", "1s"]
READ, HEARTBEAT, NO_GROUP, ROUTER = 0x0101, 0x0110, 9, 1
LEAD_MOVES_SECONDS = 20


class Loops:
    """The fleet, its tables, and everything that was acknowledged."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.nodes = [row["name"] for row in fleet.rows() if row["role"] == "node"]
        self.client = Client(HOST, fleet.layout.port, fleet.create_tenant("loops"), timeout=60)
        self.written = {}

    def write(self, tables=TABLES, items=ITEMS):
        for table in tables:
            for _ in range(items):
                key = f"k{len(self.written)}"
                self.client.settled("PutItem", TableName=table, Item={"pk": {"S": key}, "table": {"S": table}})
                self.written[key] = table

    def check(self):
        for key, table in self.written.items():
            reply = self.client.settled("GetItem", TableName=table, Key={"pk": {"S": key}}, ConsistentRead=True)
            assert reply.get("Item", {}).get("table") == {"S": table}, key

    def replicas(self, name):
        """Rows of /debug/replicas."""
        with urllib.request.urlopen(self.fleet.process(name).admin_url + "/debug/replicas", timeout=5) as reply:
            lines = reply.read().decode().splitlines()
        rows = [dict(word.partition("=")[::2] for word in line.split()) for line in lines]
        return [{**row, "group": int(row["group"]), "loop": int(row["loop"])} for row in rows]

    def are_caught_up(self, name):
        """Every replica of the node acts and has applied what its group's leader has."""
        applied = {row["group"]: int(row["applied"]) for other in self.nodes for row in self.replicas(other)
                   if "leading" in row}
        rows = self.replicas(name)
        return len(rows) == len(applied) == len(TABLES) * PARTITIONS and all(
            row["state"] == "active" and int(row["applied"]) >= applied[row["group"]] for row in rows)

    def metric(self, name, metric):
        """Values of all lines of the metric."""
        with urllib.request.urlopen(self.fleet.process(name).admin_url + "/metrics", timeout=5) as reply:
            return [float(line.split()[-1]) for line in reply.read().decode().splitlines()
                    if line.split(" ")[0].split("{")[0] == metric]

    def log(self, name):
        return self.fleet.layout.path("log", f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def restart(self, name):
        self.fleet.start(name)
        self.fleet.wait_ready(name)


@pytest.fixture(scope="module")
def loops():
    with own_fleet(SETTINGS, LOOPS) as fleet:
        yield Loops(fleet)


def test_partitions_land_on_all_loops(loops):
    for table in TABLES:
        create_table(loops.client, table)
    loops.write()
    loops.check()
    for name in loops.nodes:
        rows = loops.replicas(name)
        assert len(rows) == len(TABLES) * PARTITIONS
        assert all(row["state"] == "active" and row["loop"] == row["group"] % LOOPS for row in rows)
        assert {row["loop"] for row in rows} == set(range(LOOPS))
        data = Path(loops.fleet.process(name).data_dir)
        assert sorted(path.name for path in data.glob("store*")) == ["store", *(f"store-{loop}" for loop in range(1, LOOPS))]
        assert len((data / "node_id").read_text(encoding="ascii").split()) == 3


def test_metrics_are_of_all_loops(loops):
    for name in loops.nodes:
        assert loops.metric(name, "sluice_node_groups_count") == [len(TABLES) * PARTITIONS]

    def are_leads_told():  # leads may be on their way to where control wants them
        return all(sum("leading" in row for row in loops.replicas(name)) ==
                   loops.metric(name, "sluice_node_groups_led_count")[0] for name in loops.nodes)

    wait_for(are_leads_told, LEAD_MOVES_SECONDS, "the metric to count the leads of all loops")
    applied = sum(loops.metric(name, "sluice_node_writes_applied_count_total")[0] for name in loops.nodes)
    assert applied >= len(loops.written)


def test_control_knows_the_loops(loops):
    answer = http("GET", loops.fleet.operator_url + "/v1/fleet", token=loops.fleet.token())
    assert [node["loops"] for node in answer["nodes"]] == [LOOPS] * len(loops.nodes)


def test_a_loop_does_not_know_another_loops_groups(loops):
    """Each loop answers at its own port, and only for what it holds."""
    name = loops.nodes[0]
    group = loops.replicas(name)[0]["group"]
    answers = []
    for loop in range(LOOPS):
        wire = Wire(loops.fleet.process(name).ports["data"] + loop, role=ROUTER,
                    cluster_id=loops.fleet.layout.cluster_id())
        header, _ = wire.call(READ, encode(f1=group, f2=1, f3=b"any"))
        answers.append(header[1])
        wire.close()
    assert [answer != NO_GROUP for answer in answers] == [loop == group % LOOPS for loop in range(LOOPS)]


def test_what_is_said_to_the_node_is_refused_by_its_other_loops(loops):
    """Heartbeats are heard by the first loop only: elsewhere they are garbage, and harm nobody."""
    name = loops.nodes[0]
    before = loops.metric(name, "sluice_node_messages_malformed_count_total")[0]
    for loop in range(1, LOOPS):
        port = loops.fleet.process(name).ports["data"] + loop
        with socket.create_connection((HOST, port), timeout=5) as connection:
            connection.sendall(frames.hello(loops.fleet.layout.cluster_id()) +
                               frames.frame(HEARTBEAT, encode(f1=1, f2=2, f3=b"x"), flags=frames.ONE_WAY))
            wait_for(lambda count=before + loop:
                     loops.metric(name, "sluice_node_messages_malformed_count_total")[0] >= count, 5, "it to be counted")


def test_a_killed_node_comes_back_on_all_loops(loops):
    victim = loops.nodes[1]
    loops.fleet.kill(victim)
    loops.write()
    loops.restart(victim)
    wait_for(lambda: loops.are_caught_up(victim), 30, f"{victim} to catch up")
    loops.write(items=20)
    loops.check()


def test_a_node_drains_all_loops(loops):
    """SIGTERM: it hands all leads over and ends by itself, without a complaint."""
    victim = loops.nodes[2]
    wait_for(lambda: any("leading" in row and row["loop"] > 0 for row in loops.replicas(victim)), LEAD_MOVES_SECONDS,
             f"{victim} to lead on another loop than the first")
    assert loops.fleet.stop(victim)
    others = [name for name in loops.nodes if name != victim]

    def led():
        return {row["group"] for name in others for row in loops.replicas(name) if "leading" in row}

    wait_for(lambda: len(led()) == len(TABLES) * PARTITIONS, 5, "the others to lead all groups")
    log = loops.log(victim)
    assert "stopped status=0" in log and "drain_timeout" not in log and "stop_timeout" not in log
    loops.write(items=20)
    loops.restart(victim)
    wait_for(lambda: loops.are_caught_up(victim), 30, f"{victim} to catch up")
    loops.check()


def test_the_data_directory_keeps_its_loops(loops):
    victim = loops.nodes[0]
    usual = loops.fleet.layout.node

    def with_one_loop(number):
        process = usual(number)
        process.arguments[process.arguments.index("--loops") + 1] = "1"
        return process

    assert loops.fleet.stop(victim)
    loops.fleet.layout.node = with_one_loop
    loops.restart(victim)
    loops.fleet.layout.node = usual
    assert f"loops_kept setting=1 data_directory={LOOPS}" in loops.log(victim)
    wait_for(lambda: loops.are_caught_up(victim), 30, f"{victim} to catch up")
    loops.check()


def test_the_fleet_comes_back_without_control(loops):
    """All nodes at once, from their own disks: addresses and loops of the others too."""
    loops.fleet.kill("control-1")
    for name in loops.nodes:
        loops.fleet.kill(name)
    for name in loops.nodes:
        loops.fleet.start(name)
    for name in loops.nodes:
        loops.fleet.wait_ready(name)
    loops.write(items=20)
    loops.check()
    loops.restart("control-1")


def test_a_deleted_table_leaves_all_loops(loops):
    for table in TABLES:
        loops.client.settled("DeleteTable", TableName=table)
    for name in loops.nodes:
        wait_for(lambda name=name: loops.replicas(name) == [], 20, f"{name} to drop its replicas")
        assert loops.metric(name, "sluice_node_groups_count") == [0]
