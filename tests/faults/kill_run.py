"""Kills of one campaign: a victim, the outage that follows, its return, until it has caught up."""

import os
import random
import signal
import time
from dataclasses import dataclass, field

from deploy.local.fleet import FleetError
from deploy.local.layout import HOST
from tests.faults import kill_probe
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_load import LoadProcess
from tests.faults.kill_probe import ProbeProcess, wait_for

WHOLE_FLEET = "whole fleet"
A_LEADER = "leader"
SERVED_SECONDS_MAX = 60   # generous: how long a partition was out is judged by whoever asked for the campaign
CAUGHT_UP_SECONDS_MAX = 60
SETTLE_SECONDS = 0.5      # after a kill's end, before its gaps are read


@dataclass
class Kill:
    """One kill: what was killed, and how long each partition did without service."""

    victim: str
    led: list = field(default_factory=list)     # seconds, of the partitions whose leader died
    others: list = field(default_factory=list)  # of the other partitions
    caught_up_seconds: float = 0.0              # from its start to where its replicas had all that was committed


@dataclass
class Result:
    kills: list
    report: object  # kill_load.Report
    splits: int = 0  # of partitions, by what nodes said of their groups after each kill


def victims(fleet, count, seed):
    """Each process, a leader wherever it is, and the whole fleet; every one once before any comes again."""
    names = [row["name"] for row in fleet.rows()]
    order, chance = [], random.Random(seed)
    while len(order) < count:
        batch = [*names, A_LEADER, WHOLE_FLEET]
        chance.shuffle(batch)
        order += batch
    return order[:count]


def start_again(fleet, names):
    """Start killed processes on their data. PostgreSQL may find its dead life's children still there: tries again."""
    for name in names:
        deadline = time.monotonic() + 30
        while True:
            fleet.start(name)
            try:
                fleet.wait_ready(name)
                break
            except FleetError:
                if name != "postgres" or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def wait_caught_up(fleet, nodes):
    """Until each replica on these nodes has applied what its leader had committed when this was called."""
    goals = wait_for(lambda: commits(fleet), CAUGHT_UP_SECONDS_MAX, "a leader of each group")

    def is_caught_up():
        held = [replica for replica in kill_probe.replicas(fleet) if replica.node in nodes]
        return {replica.node for replica in held} == set(nodes) and all(
            replica.state == "active" and replica.applied >= goals.get(replica.group, 0) for replica in held)

    wait_for(is_caught_up, CAUGHT_UP_SECONDS_MAX, f"{', '.join(nodes)} to catch up")


def commits(fleet):
    """{group: its leader's commit index}; None while a group has no leader."""
    found = kill_probe.replicas(fleet)
    led = {replica.group: replica.commit for replica in found if replica.is_leader}
    return led if led.keys() == {replica.group for replica in found} else None


def kill_processes(fleet, names):
    """kill -9, all before the first is waited for."""
    for name in names:
        os.kill(fleet.row(name)["pid"], signal.SIGKILL)
    for name in names:
        fleet.kill(name)


def kill_one(fleet, probes, victim, is_started_at_once):
    """Kill, start, wait, measure."""
    led_by = kill_probe.leaders(fleet)
    is_fleet = victim == WHOLE_FLEET
    names = [row["name"] for row in fleet.rows()] if is_fleet else [victim]
    killed = time.monotonic()
    kill_processes(fleet, names)
    if not is_started_at_once and not is_fleet:
        probes.wait_served(time.monotonic(), SERVED_SECONDS_MAX)
    started = time.monotonic()
    start_again(fleet, names)
    ready = time.monotonic()
    wait_caught_up(fleet, [name for name in names if name.startswith("node-")])
    kill = Kill(victim, caught_up_seconds=time.monotonic() - started)
    probes.wait_served(time.monotonic(), SERVED_SECONDS_MAX)
    time.sleep(SETTLE_SECONDS)
    # A fleet that is down serves nobody: its outage counts from where all of its processes run again.
    for group, gap in probes.gaps(ready if is_fleet else killed, time.monotonic()).items():
        (kill.led if is_fleet or led_by.get(group) in names else kill.others).append(gap)
    return kill


def run(fleet, key, kills, seed, table="kills", say=lambda text: None):
    """The whole campaign on a running fleet, for a tenant's key; returns a Result."""
    options = (HOST, fleet.layout.port, key)
    client = Client(*options)
    create_table(client, table)
    keys = kill_probe.find_keys(fleet, client, table)
    chance = random.Random(seed)
    done, groups = [], set(kill_probe.leaders(fleet))
    splits = 0
    with LoadProcess(*options, table, seed) as load, ProbeProcess(options, table, keys) as probes:
        probes.wait_served(time.monotonic(), SERVED_SECONDS_MAX)
        for number, victim in enumerate(victims(fleet, kills, seed), 1):
            if victim == A_LEADER:
                victim = chance.choice(sorted(set(kill_probe.leaders(fleet).values())))
            kill = kill_one(fleet, probes, victim, chance.random() < 0.5)
            done.append(kill)
            # Each split is of one group that is there, and of two that were not.
            new = set(kill_probe.leaders(fleet)) - groups
            groups |= new
            splits += len(new) // 2
            say(f"{number:3}/{kills} {victim:<12} {describe(kill)}")
        load.stop()
        report = load.check()
    client.call("DeleteTable", TableName=table)
    return Result(done, report, splits)


def describe(kill):
    led = " ".join(f"{gap:.2f}" for gap in kill.led) or "-"
    others = f"{max(kill.others):.2f}" if kill.others else "-"
    return f"led: {led} s; other partitions at most {others} s; back after {kill.caught_up_seconds:.1f} s"
