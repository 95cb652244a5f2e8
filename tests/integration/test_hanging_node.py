"""A node that hangs - it is there, takes connections and says nothing - holds requests for a bounded time, and nobody else's."""

import os
import signal
import threading
import time
import urllib.error
import urllib.request

from deploy.local.fleet import http
from deploy.local.layout import HOST
from tests.faults import kill_probe
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_probe import wait_for

CLIENTS = 120       # so many that each router has more under way at the node than failures open a breaker
BYSTANDERS = 8
PAUSE_SECONDS = 0.1
HANG_SECONDS = 6
CLOSED_SECONDS_MAX = 20
CALL_SECONDS_MAX = 7       # below the router's deadline: it was answered by the next leader
BYSTANDER_SECONDS_MAX = 3  # on a machine that may be busy with anything
RETRIES_AT_ONCE, RETRIES_PER_S, CALLS_PER_RETRY = 1000, 200, 5
TABLE = "hanging"


class Writers:
    """Clients that write one key each in turn; the longest call and what was not 200."""

    def __init__(self, options, key, count):
        self.key, self.longest, self.failed = key, 0.0, []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(Client(*options),), daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, client):
        while not self.stopping.wait(PAUSE_SECONDS):
            begin = time.monotonic()
            reply = client.call("PutItem", TableName=TABLE, Item={"pk": {"S": self.key}})
            self.longest = max(self.longest, time.monotonic() - begin)
            if reply.status != 200:
                self.failed.append((reply.status, reply.body[:100]))
        client.close()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def of_nodes(fleet, metric):
    """What each router says of its dependency "nodes"."""
    found = []
    for row in fleet.rows():
        if row["role"] == "router":
            with urllib.request.urlopen(row["admin_url"] + "/metrics", timeout=5) as reply:
                found += [int(line.split()[-1]) for line in reply.read().decode().splitlines()
                          if line.startswith(f"sluice_dependency_{metric}") and 'dependency="nodes"' in line]
    return found


def spread_leaders(fleet, groups):
    """{group: node} once each has a leader and not all the same one."""
    leaders = kill_probe.leaders(fleet)
    is_spread = leaders.keys() >= set(groups) and len({leaders[group] for group in groups}) > 1
    return leaders if is_spread else None


def moves_lead(fleet, group, node):
    try:
        http("POST", f"{fleet.operator_url}/v1/groups/{group}/leader", {"node": node}, fleet.token())
    except urllib.error.HTTPError:
        return False
    return True


def test_a_hanging_leader_holds_nobody_for_long_and_no_others(fleet):
    options = (HOST, fleet.layout.port, fleet.create_tenant("hanging"))
    client = Client(*options)
    create_table(client, TABLE)
    keys = kill_probe.find_keys(fleet, client, TABLE)
    leaders = wait_for(lambda: spread_leaders(fleet, keys), 30, "leads where control wants them: not all on one node")
    hung = min(keys)
    other = next(group for group in keys if leaders[group] != leaders[hung])
    opened, calls, retries = (sum(of_nodes(fleet, name)) for name in ("breaker_opened", "calls", "retries_count"))
    crowd, bystanders = Writers(options, keys[hung], CLIENTS), Writers(options, keys[other], BYSTANDERS)
    pid = fleet.row(leaders[hung])["pid"]
    wait_for(lambda: min(of_nodes(fleet, "calls")) > CLIENTS, 10, "the writers to be at work")
    begin = time.monotonic()
    try:
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: sum(of_nodes(fleet, "breaker_opened")) > opened, HANG_SECONDS, "a breaker to open")
        while time.monotonic() < begin + HANG_SECONDS:
            assert max(of_nodes(fleet, "breakers_open")) <= 1  # the node that hangs and no other
            time.sleep(0.1)
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: moves_lead(fleet, hung, leaders[hung]), 30, "control to take the node for alive")  # so it is asked again
        wait_for(lambda: max(of_nodes(fleet, "breakers_open")) == 0, CLOSED_SECONDS_MAX, "the breakers to close")
    finally:
        os.kill(pid, signal.SIGCONT)
        crowd.stop()
        bystanders.stop()
    seconds = time.monotonic() - begin
    assert crowd.failed == [] and crowd.longest < CALL_SECONDS_MAX
    assert bystanders.failed == [] and bystanders.longest < BYSTANDER_SECONDS_MAX
    new_calls = sum(of_nodes(fleet, "calls")) - calls
    bound = 2 * (RETRIES_AT_ONCE + RETRIES_PER_S * seconds) + new_calls / CALLS_PER_RETRY + 4 * CLIENTS  # and once for each new term
    assert sum(of_nodes(fleet, "retries_count")) - retries <= bound
    print(f"a leader hung: longest call {crowd.longest:.2f} s of {new_calls}, of another group {bystanders.longest:.2f} s, "
          f"{sum(of_nodes(fleet, 'retries_count')) - retries} retries")
    client.call("DeleteTable", TableName=TABLE)
