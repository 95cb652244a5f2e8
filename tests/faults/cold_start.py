"""`./dev faults --cold-start`: all routers and MemDS die at full load and start with empty memories.

Full load is what sixty-four connections in a closed loop make of this machine, over the partitions of several tables. Counted
are keys looked up in MemDS for each request, in the seconds before and in those after the start, and how long it takes until
as many requests are answered as before.
"""

import contextlib
import time
from dataclasses import dataclass

from deploy.local.layout import HOST
from tests.bench.load import BackgroundLoad, run_load
from tests.bench.processes import metrics
from tests.faults import kill_run
from tests.faults.kill_client import Client, create_table

TABLES = 4
KEYS = 2000            # of each table
CONNECTIONS = 16       # for each table
WINDOW_SECONDS = 10
SAMPLE_SECONDS = 0.1
GOODPUT_SHARE = 0.9    # of before: it is back
LOOKUPS_RATIO_MAX = 1.1
BACK_SECONDS_MAX = 10
GIVEN_UP_SECONDS = 60
ROUTERS = ["router-1", "router-2"]
MEMDS = ["memds-1", "memds-2"]


@dataclass
class Window:
    """What happened in some seconds."""

    seconds: float
    requests: float  # answered with 200
    keys: float      # looked up

    @property
    def rate(self):
        return self.requests / self.seconds

    @property
    def keys_per_request(self):
        return self.keys / max(1, self.requests)


@dataclass
class Result:
    warm: Window
    cold: Window
    back_seconds: float  # from the start of the processes to the warm rate

    @property
    def ratio(self):
        return self.cold.keys_per_request / self.warm.keys_per_request

    @property
    def is_within_bounds(self):
        return self.ratio <= LOOKUPS_RATIO_MAX and self.back_seconds <= BACK_SECONDS_MAX

    def summary(self):
        return (f"cold start of {len(ROUTERS)} routers and {len(MEMDS)} MemDS at full load: keys looked up per 1,000 requests "
                f"{1000 * self.cold.keys_per_request:.2f} cold, {1000 * self.warm.keys_per_request:.2f} warm, per second "
                f"{self.cold.keys / self.cold.seconds:.1f} and {self.warm.keys / self.warm.seconds:.1f}: ratio "
                f"{self.ratio:.2f} (bound {LOOKUPS_RATIO_MAX}); {self.warm.rate:.0f} requests per s before, "
                f"{100 * GOODPUT_SHARE:.0f} % of it after {self.back_seconds:.1f} s (bound {BACK_SECONDS_MAX})")


def count(fleet, names, metric):
    """The sum; of a process that does not answer 0."""
    total = 0
    for name in names:
        with contextlib.suppress(OSError):
            total += metrics(fleet.row(name)["admin_url"]).get(metric, 0)
    return total


def answered(fleet):
    return count(fleet, ROUTERS, "sluice_http_status_2xx_count_total")


def looked_up(fleet):
    return count(fleet, MEMDS, "sluice_memds_lookup_keys_count_total")


def window(fleet, seconds):
    begin, requests, keys = time.monotonic(), answered(fleet), looked_up(fleet)
    time.sleep(seconds)
    return Window(time.monotonic() - begin, answered(fleet) - requests, looked_up(fleet) - keys)


def rates(fleet, since):
    """Endless: (seconds since `since`, requests answered per second over the last second), every tenth of one."""
    samples = [(time.monotonic(), answered(fleet))]
    while True:
        time.sleep(SAMPLE_SECONDS)
        samples.append((time.monotonic(), answered(fleet)))
        first = next(s for s in samples if s[0] > samples[-1][0] - 1)
        if samples[-1][0] - samples[0][0] > 1:
            yield samples[-1][0] - since, (samples[-1][1] - first[1]) / (samples[-1][0] - first[0])


@contextlib.contextmanager
def full_load(fleet, binary, key, prefix):
    """Reads and writes of all tables, until the end of the with-block."""
    identity = (key["access_key_id"], key["secret_access_key"])
    endpoint = (HOST, fleet.layout.port)
    tables = [f"{prefix}-{i}" for i in range(TABLES)]
    client = Client(*endpoint, key)
    for table in tables:
        create_table(client, table, partition_key="k")
        run_load(binary, endpoint, identity, table=table, load=True, keys=KEYS)
    loads = [BackgroundLoad(binary, endpoint, identity, table=table, keys=KEYS, workload="a", connections=CONNECTIONS,
                            seconds=3600, warmup_seconds=0) for table in tables]
    try:
        yield
    finally:
        for load in loads:
            load.finish()
        for table in tables:
            client.call("DeleteTable", TableName=table)


def start_cold(fleet, warm_rate, say):
    """Everybody dies and starts; (the seconds after the start, how long until the goodput was back)."""
    everyone = [*MEMDS, *ROUTERS]
    kill_run.kill_processes(fleet, everyone)
    begin = time.monotonic()
    for name in everyone:
        fleet.start(name)
    back = None
    for seconds, rate in rates(fleet, begin):
        if back is None and rate >= GOODPUT_SHARE * warm_rate:
            back = seconds
            say(f"{rate:.0f} requests per s again {seconds:.1f} s after the start")
        if (back is not None and seconds >= WINDOW_SECONDS) or seconds >= GIVEN_UP_SECONDS:
            break
    seconds = time.monotonic() - begin  # all counters began with the processes
    return Window(seconds, answered(fleet), looked_up(fleet)), back if back is not None else float("inf")


def run(fleet, binary, key, prefix="cold", say=lambda text: None):
    """On a running fleet, for a tenant's key; returns a Result."""
    with full_load(fleet, binary, key, prefix):
        time.sleep(3)  # for all routes to be in use
        warm = window(fleet, WINDOW_SECONDS)
        say(f"{warm.rate:.0f} requests per s")
        cold, back = start_cold(fleet, warm.rate, say)
    return Result(warm, cold, back)
