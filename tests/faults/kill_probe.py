"""How long each partition is out of service: a few writes per second into each, and the longest gap between two
that succeed.

A partition's key is found from outside: on an idle table, a handful of writes to one key makes the log of one
group longer, which /debug/replicas of the nodes shows.
"""

import multiprocessing
import threading
import time
import urllib.request
from dataclasses import dataclass

from tests.faults.kill_client import Client

PROBES_PER_PARTITION = 2
PAUSE_SECONDS = 0.03
PROBE_WRITES = 5
KEYS_TRIED_MAX = 200


@dataclass
class Replica:
    """One line of /debug/replicas."""

    node: str
    group: int
    state: str
    is_leader: bool
    last: int
    commit: int
    applied: int
    term: int
    is_split: bool  # two other groups have its range


def replicas(fleet):
    """Of all nodes that answer."""
    found = []
    for row in fleet.rows():
        if row["role"] == "node":
            found += node_replicas(row)
    return found


def node_replicas(row):
    try:
        with urllib.request.urlopen(row["admin_url"] + "/debug/replicas", timeout=2) as reply:
            lines = reply.read().decode().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        values = dict(word.partition("=")[::2] for word in line.split())
        found.append(Replica(row["name"], int(values["group"]), values["state"], "leading" in values,
                             int(values["last"]), int(values["commit"]), int(values["applied"]),
                             int(values["term"]), "split" in values))
    return found


def leaders(fleet):
    """{group: name of the node that leads it}"""
    return {replica.group: replica.node for replica in replicas(fleet) if replica.is_leader}


def wait_for(condition, seconds, what):
    """The condition's first true value; raises TimeoutError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def find_keys(fleet, client, table, partitions=4, prefix="probe", more=None):
    """{group: a key in it}, for a table that nobody else writes to. Other tables may be at work. `more`: of each item, a sort key."""
    keys = {}
    for number in range(KEYS_TRIED_MAX):
        key = f"{prefix}-{number}"
        write = {"TableName": table, "Item": {"pk": {"S": key}, **(more or {})}}
        client.settled("PutItem", **write)
        before = log_ends(fleet)
        for _ in range(PROBE_WRITES):
            client.settled("PutItem", **write)
        after = log_ends(fleet)
        grown = [group for group in after if after[group] - before.get(group, 0) == PROBE_WRITES]
        if len(grown) == 1:
            keys.setdefault(grown[0], key)
        if len(keys) == partitions:
            return keys
    raise TimeoutError(f"found keys of {len(keys)} of {partitions} partitions with {KEYS_TRIED_MAX} tries")


def log_ends(fleet):
    return {replica.group: replica.last for replica in replicas(fleet) if replica.is_leader}


class Probe:
    """The successes of one partition's probes, as times on the monotonic clock."""

    def __init__(self, options, table, group, key):
        self.group = group
        self.successes = [time.monotonic()]
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        for number in range(PROBES_PER_PARTITION):
            threading.Thread(target=self.run, args=(Client(*options, timeout=5), table, f"{key}", number),
                             daemon=True).start()

    def run(self, client, table, key, number):
        time.sleep(number * PAUSE_SECONDS / PROBES_PER_PARTITION)
        while not self.stopping.is_set():
            reply = client.call("PutItem", TableName=table, Item={"pk": {"S": key}})
            if reply.status == 200:
                with self.lock:
                    self.successes.append(time.monotonic())
            time.sleep(PAUSE_SECONDS)

    def last(self):
        return self.successes[-1]

    def gap(self, since, until):
        """The longest time without a success within [since, until]."""
        with self.lock:
            times = [since, *(t for t in self.successes if since < t <= until), until]
        return max(b - a for a, b in zip(times, times[1:]))


def serve(pipe, options, table, keys):
    probes = [Probe(options, table, group, key) for group, key in keys.items()]
    pipe.send("started")
    try:
        while True:
            question, *arguments = pipe.recv()
            if question == "gaps":
                pipe.send({probe.group: probe.gap(*arguments) for probe in probes})
            else:
                pipe.send({probe.group: probe.last() for probe in probes})
    except EOFError:
        pass


class ProbeProcess:
    """Probes of a table's partitions, in a process of their own; keys as of find_keys."""

    def __init__(self, options, table, keys):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, options, table, keys), daemon=True)
        self.process.start()
        other.close()
        self.pipe.recv()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipe.close()
        self.process.terminate()
        self.process.join()

    def gaps(self, since, until):
        """{group: seconds}"""
        self.pipe.send(("gaps", since, until))
        return self.pipe.recv()

    def wait_served(self, since, seconds):
        """Until each partition has answered after `since`."""
        def is_served():
            self.pipe.send(("last",))
            return all(last > since for last in self.pipe.recv().values())
        wait_for(is_served, seconds, "all partitions to serve")
