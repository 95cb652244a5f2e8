"""A node that does not come back: full replicas elsewhere, by snapshots, the same as the others'."""

import threading
import time

from tests.faults import kill_probe
from tests.faults.kill_probe import wait_for

from .conftest import own_fleet
from .replica_rows import NotServed, digest
from .test_repair import SETTINGS, Repaired, log_begins

CONTROL = ["--node-abandon", "4s", "--node-return", "1s"]


def members(fleet):
    """{group: names of the nodes whose replica acts}"""
    found = {}
    for replica in kill_probe.replicas(fleet):
        if replica.state == "active":
            found.setdefault(replica.group, set()).add(replica.node)
    return found


def test_a_node_that_does_not_come_back_is_replaced_by_snapshots():
    with own_fleet(SETTINGS, nodes=5, control_settings=CONTROL) as fleet:
        repaired = Repaired(fleet)
        for _ in range(8):
            repaired.write()
        wait_for(lambda: all(log_begins(fleet, row["name"]) > 1 for row in fleet.rows() if row["role"] == "node"), 20,
                 "logs to be shortened")
        held = {group for group, nodes in members(fleet).items() if "node-3" in nodes}
        assert held
        stopping = threading.Event()

        def load():
            while not stopping.is_set():
                repaired.write(20, 2000)
        thread = threading.Thread(target=load)
        thread.start()
        fleet.kill("node-3")
        killed = time.monotonic()
        try:
            def is_whole():
                now = members(fleet)
                return all(len(nodes) >= 3 for nodes in now.values()) and held <= now.keys()
            wait_for(is_whole, 20, "log replicas")
            print(f"three members at least, log replicas among them: {time.monotonic() - killed:.1f} s")
            wait_for(lambda: has_full_replicas(repaired, held), 60, "full replicas")
            print(f"full replicas: {time.monotonic() - killed:.1f} s")
        finally:
            stopping.set()
            thread.join()
        installed = sum(repaired.metric(row["name"], "snapshots_installed") for row in fleet.rows()
                        if row["role"] == "node" and row["name"] != "node-3")
        assert installed >= len(held)
        wait_for(lambda: same_rows(repaired, held), 20, "the same rows")


def has_full_replicas(repaired, groups):
    """Three that serve reads; they need not be at the same place."""
    return same_rows(repaired, groups, must_be_equal=False)


def same_rows(repaired, groups, must_be_equal=True):
    fleet = repaired.fleet
    rows = {row["name"]: row for row in fleet.rows()}
    for group, nodes in members(fleet).items():
        if group not in groups:
            continue
        found = []
        for node in nodes:
            try:
                found.append(digest(rows[node], group, fleet.layout.loops, repaired.cluster_id()))
            except (NotServed, OSError):
                return False
        if len(found) < 3 or (must_be_equal and len(set(found)) != 1):
            return False
    return True
