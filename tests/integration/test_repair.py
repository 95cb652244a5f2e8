"""Replicas that the log cannot bring up to date are, by a snapshot; and every copy is the same afterwards."""

import urllib.request

from deploy.local.layout import HOST
from tests.faults import kill_probe, kill_run
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_probe import wait_for

from .conftest import own_fleet
from .replica_rows import NotServed, digest

# So small that a node that was away for some seconds comes back to a log that begins behind its own end.
SETTINGS = ["--log-segment", "16MiB", "--log-retention", "1MiB", "--flush-interval", "200ms"]
ITEMS, ROUNDS = 60, 7
VALUE_BYTES = 100_000


class Repaired:
    """A fleet, a table in it, and what was written last."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.options = (HOST, fleet.layout.port, fleet.create_tenant("repair"))
        self.client = Client(*self.options)
        create_table(self.client, "kept")
        self.round = 0
        self.reason = None

    def write(self, items=ITEMS, bytes_each=VALUE_BYTES):
        self.round += 1
        for number in range(items):
            self.client.settled("PutItem", TableName="kept", Item={
                "pk": {"S": f"{number}"}, "round": {"N": f"{self.round}"}, "v": {"S": f"{number % 10}" * bytes_each}})

    def remove(self, items):
        for number in range(items):
            self.client.settled("DeleteItem", TableName="kept", Key={"pk": {"S": f"{number}"}})

    def metric(self, node, name):
        return sum(float(line.split()[-1]) for line in page(self.fleet, node, "metrics")
                   if line.startswith(f"sluice_node_{name}"))

    def groups(self):
        return sorted({replica.group for replica in kill_probe.replicas(self.fleet)})

    def digests(self, group):
        """{node: what its replica has}; None while one of them does not serve."""
        try:
            return {row["name"]: digest(row, group, self.fleet.layout.loops, self.cluster_id())
                    for row in self.fleet.rows() if row["role"] == "node"}
        except (NotServed, OSError) as error:
            self.reason = error
            return None

    def cluster_id(self):
        arguments = self.fleet.process("node-1").arguments
        return int(arguments[arguments.index("--cluster-id") + 1]) if "--cluster-id" in arguments else 1

    def wait_equal(self, seconds=20):
        """All replicas of each group have the same rows."""
        for group in self.groups():
            def are_equal(group=group):
                found = self.digests(group)
                return found is not None and len(set(found.values())) == 1
            try:
                wait_for(are_equal, seconds, f"the replicas of group {group} to be equal")
            except TimeoutError as error:
                raise TimeoutError(f"{error}; they have {self.digests(group)}, {self.reason}") from None


def page(fleet, node, name):
    """The lines of one page of a node's admin port."""
    with urllib.request.urlopen(f"{fleet.row(node)['admin_url']}/{name}", timeout=5) as reply:
        return reply.read().decode().splitlines()


def log_begins(fleet, node):
    """The least first index among a node's replicas."""
    rows = [dict(word.partition("=")[::2] for word in line.split()) for line in page(fleet, node, "debug/replicas")]
    return min(int(row["first"]) for row in rows)


def test_a_follower_beyond_the_log_gets_a_snapshot():
    with own_fleet(SETTINGS) as fleet:
        repaired = Repaired(fleet)
        repaired.write()
        fleet.kill("node-3")
        for _ in range(ROUNDS):
            repaired.write()
        repaired.remove(10)
        wait_for(lambda: all(log_begins(fleet, name) > 1 for name in ("node-1", "node-2")), 20, "logs to be shortened")
        kill_run.start_again(fleet, ["node-3"])
        kill_run.wait_caught_up(fleet, ["node-3"])
        assert repaired.metric("node-3", "snapshots_installed") > 0
        repaired.wait_equal()
        assert {replica.state for replica in kill_probe.replicas(fleet)} == {"active"}
        # It acts on what it got: a restart, and a lead.
        fleet.kill("node-3")
        kill_run.start_again(fleet, ["node-3"])
        repaired.write(ITEMS, 100)
        kill_run.wait_caught_up(fleet, ["node-3"])
        repaired.wait_equal()

