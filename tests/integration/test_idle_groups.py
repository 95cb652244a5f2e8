"""Many tables at once: each becomes ACTIVE, and what nobody uses is silent.

`./dev bench --idle-groups 5000` measures what idle groups cost.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.local.layout import HOST
from tests.bench.idle_groups import COUNTERS
from tests.bench.processes import metrics
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_probe import wait_for

TABLES = 64
AT_ONCE = 16
QUIET_SECONDS = 3
WAIT_SECONDS = 60


@pytest.fixture
def tables(fleet):
    key = fleet.create_tenant("idle")
    names = [f"idle-{number}" for number in range(TABLES)]

    def with_client(call, name):
        client = Client(HOST, fleet.layout.port, key, timeout=60)
        call(client, name)
        client.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda name: with_client(create_table, name), names))
        yield names
        list(pool.map(lambda name: with_client(lambda c, n: c.call("DeleteTable", TableName=n), name), names))


def messages(fleet):
    return sum(metrics(row["admin_url"])[COUNTERS["replication messages"]] for row in fleet.rows() if row["role"] == "node")


def is_silent(fleet):
    before = messages(fleet)
    time.sleep(QUIET_SECONDS)
    return messages(fleet) == before


def test_tables_made_at_once_become_active_and_are_silent(fleet, tables):
    """A machine that stands still for long makes groups elect leaders: they have time to become silent again."""
    wait_for(lambda: is_silent(fleet), WAIT_SECONDS, f"{4 * len(tables)} groups to be silent for {QUIET_SECONDS} s")
