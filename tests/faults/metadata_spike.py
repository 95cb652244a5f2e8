"""`./dev faults --metadata-spike`: ten times the usual look-ups, by clients that try again, while items are served.

Usual is what a few clients that describe their tables and the routers' own look-ups make. Then ten times as many DescribeTable
come through the routers to control, and ten times as many keys are asked of each MemDS. Nobody's request may fail: neither an
item's, which is never tried again here, nor in the end one of those that are.
"""

import os
import threading
import time
from dataclasses import dataclass

from deploy.local.layout import HOST
from tests.faults.cold_start import MEMDS, looked_up
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_load import LoadProcess
from tests.integration.controlplane.wire import Wire, encode

LOOKUP = 0x0211
TIMES = 10
DESCRIBERS_USUAL = 2
DESCRIBES_PER_SECOND = 10    # of each describer
KEYS_PER_LOOKUP = 20
KEYS_PER_SECOND_LEAST = 20   # where routers look up next to nothing
TRIES_MAX = 5
USUAL_SECONDS = 5
SPIKE_SECONDS = 15


@dataclass
class Result:
    usual_describes: float  # per second
    usual_keys: float
    describes: float
    keys: float
    retries: int
    failed: list            # sentences: what no retry helped
    slowest: float          # describe, seconds
    report: object          # kill_load.Report of the items

    @property
    def is_unharmed(self):
        """Nobody's request failed."""
        return (not self.failed and self.report.is_clean and self.report.unanswered == 0 and self.report.unsent == 0)

    @property
    def is_good(self):
        """... and there were as many as there should be."""
        return (self.is_unharmed and self.describes >= 0.8 * TIMES * self.usual_describes and self.keys >= 0.8 * TIMES * self.usual_keys)

    def summary(self):
        return (f"metadata: DescribeTable {self.usual_describes:.0f} per s, then {self.describes:.0f}; keys looked up "
                f"{self.usual_keys:.0f} per s, then {self.keys:.0f}; {self.retries} tried again, {len(self.failed)} failed "
                f"(bound 0), slowest {1000 * self.slowest:.0f} ms; items meanwhile: {self.report.acknowledged} acknowledged, "
                f"{self.report.unanswered + self.report.unsent} failed (bound 0)")


class Paced:
    """Threads that each ask so many times a second, try again, and count."""

    def __init__(self):
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.asked, self.retries, self.slowest, self.failed = 0, 0, 0.0, []
        self.threads = []

    def add(self, ask, per_second):
        """ask() returns None, or why it failed."""
        self.threads.append(threading.Thread(target=self._run, args=(ask, 1 / per_second), daemon=True))
        self.threads[-1].start()

    def _run(self, ask, pause):
        due = time.monotonic()
        while not self.stopping.is_set():
            begin, reason = time.monotonic(), "never asked"
            for tries in range(TRIES_MAX):
                reason = ask()
                if reason is None:
                    break
                time.sleep(0.05 * 2 ** tries)
            with self.lock:
                self.asked += 1
                self.retries += tries
                self.slowest = max(self.slowest, time.monotonic() - begin)
                if reason is not None:
                    self.failed.append(reason)
            due += pause
            self.stopping.wait(max(0, due - time.monotonic()))

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def describer(options, table):
    client = Client(*options)

    def ask():
        reply = client.call("DescribeTable", TableName=table)
        return None if reply.status == 200 else f"DescribeTable: {reply.status} {reply.body[:200]!r}"
    return ask


def looker(fleet, name):
    """Keys of nobody, spread over all spaces: what matters is that they are looked for."""
    port = fleet.row(name)["ports"]["data"]
    wire = Wire(port, role=1, cluster_id=fleet.layout.cluster_id())

    def ask():
        try:
            wire.call(LOOKUP, encode(f1=[os.urandom(24) for _ in range(KEYS_PER_LOOKUP)]))
            return None
        except Exception as error:  # refused, or the connection broke
            return f"{name}: {error!r}"
    return ask


def phase(fleet, asking, seconds, table, options, times):
    """So many describers; (describes per second, keys per second)."""
    begin, keys, asked = time.monotonic(), looked_up(fleet), asking.asked
    for _ in range(DESCRIBERS_USUAL * times):
        asking.add(describer(options, table), DESCRIBES_PER_SECOND)
    time.sleep(seconds)
    passed = time.monotonic() - begin
    return (asking.asked - asked) / passed, (looked_up(fleet) - keys) / passed


def run(fleet, key, seed, table="spike", seconds=SPIKE_SECONDS, say=lambda text: None):
    """On a running fleet, for a tenant's key; returns a Result."""
    options = (HOST, fleet.layout.port, key)
    client = Client(*options)
    create_table(client, table)
    with LoadProcess(*options, table, seed) as load:
        time.sleep(2)  # for all routes to be in use
        usual = Paced()
        usual_describes, usual_keys = phase(fleet, usual, USUAL_SECONDS, table, options, 1)
        usual.stop()
        say(f"usual: {usual_describes:.0f} DescribeTable and {usual_keys:.0f} keys per s")
        wanted_keys = TIMES * max(usual_keys, KEYS_PER_SECOND_LEAST)
        lookers, describers = Paced(), Paced()
        for name in MEMDS:
            lookers.add(looker(fleet, name), wanted_keys / KEYS_PER_LOOKUP / len(MEMDS))
        describes, keys = phase(fleet, describers, seconds, table, options, TIMES)
        lookers.stop()
        describers.stop()
        load.stop()
        report = load.check()
    client.call("DeleteTable", TableName=table)
    return Result(usual_describes, usual_keys, describes, keys, lookers.retries + describers.retries,
                  usual.failed + lookers.failed + describers.failed, describers.slowest, report)
