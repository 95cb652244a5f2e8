"""`./dev faults --handovers N`: leads moved on purpose under load, and how long each partition then takes no write.

An operator moves the lead of one partition after the other (POST /v1/groups/G/leader) while the load of the kill campaign
runs, which also shows afterwards whether anything was lost or applied twice. Each partition has probes of its own, which
write every few milliseconds: a gap is the longest time between two that were answered.
"""

import random
import statistics
import time
from dataclasses import dataclass, field

from deploy.local.fleet import http
from deploy.local.layout import HOST
from tests.faults import kill_probe
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_load import LoadProcess
from tests.faults.kill_probe import ProbeProcess, percentile, wait_for

PAUSE_SECONDS = 0.004     # of a probe, between an answer and the next write
PROBES = 2                # of each partition
MOVED_SECONDS_MAX = 30
SETTLE_SECONDS = 0.25     # after a move, before its gap is read
QUIET_SECONDS = 3         # at the beginning, without moves: what gaps the probes see anyway
GAP_MEDIAN_SECONDS_MAX = 0.05
GAP_P95_SECONDS_MAX = 0.15


@dataclass
class Result:
    """Seconds, but for the counts."""

    gaps: list = field(default_factory=list)     # of the partitions that were moved
    others: list = field(default_factory=list)   # of the others, meanwhile
    quiet: list = field(default_factory=list)    # of all, before the first move
    failed: int = 0                              # probes that were not answered with 200
    report: object = None                        # kill_load.Report

    def summary(self):
        return (f"{len(self.gaps)} planned hand-overs under load: gap median {1000 * statistics.median(self.gaps):.0f} ms "
                f"(bound {1000 * GAP_MEDIAN_SECONDS_MAX:.0f}), p95 {1000 * percentile(self.gaps, 0.95):.0f} ms (bound "
                f"{1000 * GAP_P95_SECONDS_MAX:.0f}), max {1000 * max(self.gaps):.0f} ms; {self.failed} probes failed")

    @property
    def is_within_bounds(self):
        return (statistics.median(self.gaps) <= GAP_MEDIAN_SECONDS_MAX
                and percentile(self.gaps, 0.95) <= GAP_P95_SECONDS_MAX)


def move_lead(fleet, group, node):
    http("POST", f"{fleet.operator_url}/v1/groups/{group}/leader", {"node": node}, fleet.token())


def wait_steady(fleet):
    """Nobody is handed over to before his node has supported the leader's for two leases: the first move needs it."""
    time.sleep(2.5)
    wait_for(lambda: len(set(kill_probe.leaders(fleet).values())) > 0, MOVED_SECONDS_MAX, "leaders")


def hand_over(fleet, probes, group, node):
    """Moves one lead; {group: gap} of all partitions from the order to a little after its end."""
    begin = time.monotonic()
    move_lead(fleet, group, node)
    wait_for(lambda: kill_probe.leaders(fleet).get(group) == node, MOVED_SECONDS_MAX, f"{node} to lead group {group}")
    time.sleep(SETTLE_SECONDS)
    return probes.gaps(begin, time.monotonic())


def run(fleet, key, count, seed, table="handovers", say=lambda text: None):
    """On a running fleet, for a tenant's key; returns a Result."""
    options = (HOST, fleet.layout.port, key)
    client = Client(*options)
    create_table(client, table)
    keys = kill_probe.find_keys(fleet, client, table)
    nodes = sorted({replica.node for replica in kill_probe.replicas(fleet)})
    chance, result = random.Random(seed), Result()
    with (LoadProcess(*options, table, seed) as load,
          ProbeProcess(options, table, keys, PROBES, PAUSE_SECONDS) as probes):
        probes.wait_served(time.monotonic(), MOVED_SECONDS_MAX)
        wait_steady(fleet)
        begin = time.monotonic()
        time.sleep(QUIET_SECONDS)
        result.quiet = list(probes.gaps(begin, time.monotonic()).values())
        groups = sorted(keys)
        for number in range(count):
            group = groups[number % len(groups)]
            node = chance.choice([n for n in nodes if n != kill_probe.leaders(fleet).get(group)])
            gaps = hand_over(fleet, probes, group, node)
            result.gaps.append(gaps.pop(group))
            result.others.append(max(gaps.values()))
            say(f"{number + 1:3}/{count} group {group} to {node}: {1000 * result.gaps[-1]:.0f} ms, others at most "
                f"{1000 * result.others[-1]:.0f} ms")
        result.failed = probes.failures()
        load.stop()
        result.report = load.check()
    client.call("DeleteTable", TableName=table)
    return result


def describe_noise(result):
    """What the machine does to probes without any move."""
    return (f"without a move, meanwhile: gaps of the other partitions median {1000 * statistics.median(result.others):.0f} "
            f"ms, max {1000 * max(result.others):.0f} ms; before the first move at most {1000 * max(result.quiet):.0f} ms")
