"""A fleet in a network of its own, and what a schedule does with it and sees of it."""

import contextlib
import random
import time
import urllib.request
from pathlib import Path

from deploy.local.fleet import Fleet
from deploy.local.layout import MEMDS
from tests.faults import kill_probe
from tests.faults.kill_client import Client
from tests.faults.kill_probe import wait_for
from tests.nemesis.network import PROXY, Network
from tests.nemesis.proxy import Proxy

NODES = ("node-1", "node-2", "node-3")
ROUTERS = ("router-1", "router-2")
CONTROL = ("control-1", *(f"memds-{number}" for number in MEMDS))
NAMES = (*NODES, *ROUTERS, *CONTROL)
TABLE = "nemesis"
SETTLED_SECONDS_MAX = 60
QUIET_SECONDS = 4  # without an election: more than a hand-over to where control wants a leader takes


class Scene:
    """with Scene(home, port, binaries) as scene: ..."""

    def __init__(self, home, port, binaries, loops=None):
        self.home = Path(home)
        self.binaries = Path(binaries)
        self.network = Network(port, NAMES)
        self.disks = self.home / "disks"
        places = {name: self.network.place(name, **(self._disk(name) if name in NODES else {})) for name in NAMES}
        self.fleet = Fleet(home, port, binaries, loops, places=places)
        self.held = contextlib.ExitStack()

    def _disk(self, name):
        layer = self.binaries / "tests" / "faults" / "libslow_disk.so"
        return {"LD_PRELOAD": str(layer), "SLOW_DISK": str(self.disks / name)} if layer.exists() else {}

    def __enter__(self):
        self.disks.mkdir(parents=True)
        with self.held:
            self.held.enter_context(self.network)
            self.held.callback(self.fleet.down)
            self.fleet.up()
            self.proxy = self.held.enter_context(Proxy(self.network, PROXY))
            self.key = self.fleet.create_tenant("nemesis")
            self._create_table()
            self.held = self.held.pop_all()
        return self

    def __exit__(self, *_):
        self.held.close()

    def _create_table(self):
        client = Client(*self.routers["router-1"], self.key)
        names = (("pk", "HASH"), ("sk", "RANGE"))
        client.settled("CreateTable", TableName=TABLE, BillingMode="PAY_PER_REQUEST",
                       KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names],
                       AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in names])
        wait_for(lambda: client.settled("DescribeTable", TableName=TABLE)["Table"]["TableStatus"] == "ACTIVE", 60,
                 "the table to be ACTIVE")
        self.keys = kill_probe.find_keys(self.fleet, client, TABLE, more={"sk": {"S": "probe"}})
        client.close()

    # ---- looking ----

    @property
    def routers(self):
        """{name: (host, port)}"""
        return {name: (self.network.addresses[name], self.fleet.layout.port) for name in ROUTERS}

    def leaders(self):
        """{group: node} of the table's groups."""
        return {group: node for group, node in kill_probe.leaders(self.fleet).items() if group in self.keys}

    def terms(self, groups):
        """{group: the latest term that a replica of it knows}"""
        found = kill_probe.replicas(self.fleet)
        return {group: max(replica.term for replica in found if replica.group == group) for group in groups}

    def metric(self, names, metric):
        """The sum of a metric over these processes and their loops."""
        total = 0
        for name in names:
            with urllib.request.urlopen(self.fleet.row(name)["admin_url"] + "/metrics", timeout=5) as reply:
                lines = reply.read().decode().splitlines()
            total += sum(int(line.rpartition(" ")[2]) for line in lines if line.startswith(metric))
        return total

    def elections(self):
        return self.metric(NODES, "sluice_node_elections_won_count_total")

    def wait_settled(self):
        """Each group has a leader, its replicas have what it has, no disk counts as slow, and for a while nobody was elected. Something is
        written meanwhile: a disk that does nothing is not found to be well again."""
        quiet = [self.elections(), time.monotonic()]
        client = Client(*self.routers["router-1"], self.key)

        def is_settled():
            for key in self.keys.values():
                client.call("PutItem", TableName=TABLE, Item={"pk": {"S": key}, "sk": {"S": "settling"}})
            now = self.elections()
            if now != quiet[0] or not self.is_whole() or self.metric(NODES, "sluice_node_disk_slow_count"):
                quiet[:] = now, time.monotonic()
            return time.monotonic() - quiet[1] > QUIET_SECONDS

        wait_for(is_settled, SETTLED_SECONDS_MAX, "the fleet to settle")
        client.close()

    def is_whole(self):
        """Each group has a leader, and its replicas have what that has committed, but for the last few entries."""
        replicas = kill_probe.replicas(self.fleet)
        commits = {replica.group: replica.commit for replica in replicas if replica.is_leader}
        return commits.keys() >= self.keys.keys() and len({replica.node for replica in replicas}) == len(NODES) and all(
            replica.applied + 50 >= commits.get(replica.group, 0) for replica in replicas)

    # ---- doing ----

    def a_leader(self, chance: random.Random):
        """A group, the node that leads it, and the two others in any order."""
        leaders = wait_for(lambda: self.leaders() if len(self.leaders()) == len(self.keys) else None, 30, "leaders")
        group = chance.choice(sorted(leaders))
        others = [node for node in NODES if node != leaders[group]]
        chance.shuffle(others)
        return group, leaders[group], *others

    def slow_disk(self, node, milliseconds):
        """Each sync of this node takes so much longer; 0: as it is."""
        new = self.disks / f"{node}.new"
        new.write_text(f"{milliseconds}\n", encoding="ascii")
        new.replace(self.disks / node)

    def data_port(self, node):
        return self.fleet.row(node)["ports"]["data"]

    def bad_link(self, a, b, there=None, back=None):
        """Between two nodes, for the connections of both: from a to b `there`, from b to a `back` (proxy.Quality)."""
        for loop in range(self.fleet.layout.loops):
            self.proxy.set(a, b, self.data_port(b) + loop, there, back)
            self.proxy.set(b, a, self.data_port(a) + loop, back, there)

    def heal(self):
        self.network.heal()
        self.proxy.clear()
        for node in NODES:
            self.slow_disk(node, 0)
