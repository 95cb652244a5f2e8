"""Replicas that the log cannot bring up to date are, by a snapshot; and every copy is the same afterwards."""

import struct
import urllib.request

import pytest

from deploy.local.layout import HOST
from tests.faults import kill_probe, kill_run
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_probe import wait_for

from .conftest import own_fleet
from .controlplane.wire import Refused, Wire, crc32c, encode
from .replica_rows import NotServed, digest, route

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


BEGIN, CHUNK, END = 0x0120, 0x0121, 0x0122
TAKEN, BUSY, UNWANTED, DAMAGED, FORGOTTEN = range(5)
ROLE_NODE, ROLE_TOOL = 2, 7


class Forger:
    """Says to one node what only another node may say, about one follower there."""

    def __init__(self, repaired):
        self.repaired = repaired
        fleet = repaired.fleet
        follower = next(r for r in kill_probe.replicas(fleet) if r.node == "node-2" and not r.is_leader)
        row = fleet.row("node-2")
        line = next(line for line in page(fleet, "node-2", "debug/replicas") if f"group={follower.group} " in line)
        values = dict(word.partition("=")[::2] for word in line.split())
        self.group, self.replica, self.last = follower.group, int(values["replica"]), int(values["last"])
        self.port = row["ports"]["data"] + self.group % fleet.layout.loops
        self.wire = Wire(self.port, role=ROLE_NODE, cluster_id=repaired.cluster_id(), node_id=1)
        self.route = route(self.wire, self.group)

    def membership(self):
        return struct.pack("<BQQB", 1, 9, 1000, 1) + struct.pack("<QIBB", self.replica, 2, 0, 0)

    def begin(self, snapshot, **other):
        fields = {"f1": self.group, "f2": snapshot, "f3": self.replica, "f4": 1, "f5": self.last + 1000, "f6": 1,
                  "f7": self.membership(), "f8": 1, "f9": True, "f10": self.route[2] or b"", "f11": self.route[3] or b"",
                  "f12": self.route[4], **other}
        return self.call(BEGIN, encode(**fields))

    def call(self, kind, header, payload=b""):
        answer, _ = self.wire.call(kind, header, payload)
        return answer[1]


def row_bytes(key, value):
    return bytes([len(key)]) + key + bytes([len(value)]) + value


def chunk(group, snapshot, number, payload, rows=1, checksum=None):
    fixed = struct.pack("<I", crc32c(payload) if checksum is None else checksum)
    return encode(f1=group, f2=snapshot, f3=number, f5=rows) + bytes([6 << 3 | 5]) + fixed, payload


def test_nonsense_about_snapshots_is_refused_and_changes_nothing():
    with own_fleet() as fleet:
        repaired = Repaired(fleet)
        repaired.write(20, 100)
        forger = Forger(repaired)
        group = forger.group
        tool = Wire(forger.port, role=ROLE_TOOL, cluster_id=repaired.cluster_id())
        for wire, kind, header in ((tool, BEGIN, encode(f1=group)), (forger.wire, BEGIN, b"\xff\xff"),
                                   (forger.wire, CHUNK, b"\x08"), (forger.wire, END, b"\xff")):
            with pytest.raises(Refused):
                wire.call(kind, header)
        for wrong in ({"f2": 0}, {"f4": 2}, {"f5": 0}, {"f5": 1 << 63}, {"f6": 0}, {"f7": b"\1\2"}, {"f7": b"\0" * 300}):
            with pytest.raises(Refused):
                forger.begin(7, **wrong)
        for unwanted in ({"f1": 99999}, {"f3": 99999}, {"f5": 1, "f8": 0}, {"f9": False}, {"f10": b"other"}, {"f12": 77}):
            assert forger.begin(7, **unwanted) == UNWANTED
        assert forger.call(CHUNK, *chunk(group, 7, 0, b"x")) == FORGOTTEN
        assert forger.call(END, encode(f1=group, f2=7)) == FORGOTTEN
        before = repaired.metric("node-2", "snapshots_damaged")
        outside = row_bytes(b"\xff" * 40, b"v")
        damages = ({"checksum": 1}, {"number": 3}, {"payload": outside[:-1]}, {"rows": 2}, {"payload": b"\xff" * 20})
        for snapshot, damage in enumerate(damages, 100):
            wait_for(lambda snapshot=snapshot: forger.begin(snapshot) == TAKEN, 5, "the one before to be gone")
            header, payload = chunk(group, snapshot, **{"number": 0, "payload": outside, **damage})
            assert forger.call(CHUNK, header, payload) == DAMAGED
            assert forger.call(CHUNK, header, payload) == FORGOTTEN
        wait_for(lambda: forger.begin(200) == TAKEN, 5, "the one before to be gone")
        assert forger.begin(201) == BUSY
        assert forger.call(END, encode(f1=group, f2=200, f3=1)) == DAMAGED
        assert repaired.metric("node-2", "snapshots_damaged") == before + 6
        repaired.write(20, 100)
        repaired.wait_equal()
        assert {replica.state for replica in kill_probe.replicas(fleet)} == {"active"}
