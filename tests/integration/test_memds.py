"""Two MemDS: either may die, hang or lose its disk, with control gone too, and nobody's request fails."""

import os
import re
import shutil
import signal
import statistics
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from deploy.local.layout import HOST
from tests.bench.processes import metrics
from tests.faults import kill_probe, kill_run
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_load import LoadProcess
from tests.faults.kill_probe import wait_for

from .conftest import make_client
from .controlplane.wire import Message, Wire, encode

LOOKUP, COMPARE = 0x0211, 0x0212
BOTH = ["memds-1", "memds-2"]
NODES = ["node-1", "node-2", "node-3"]
COLD_SECONDS = 8
COLD_RATIO_MAX = 1.3     # the aim is 1.1; of two routers' ticks in these seconds each may fall just inside or outside
TABLE = "memds"
OUTAGE_SECONDS = 3
UNREADY_SECONDS = 3      # twice the time for which a starting instance waits for others
PUBLISHED_MS_MAX = 500   # the aim is 100; a test on a machine that may be busy with anything allows more
NEWS_SECONDS_MAX = 5     # for a new table to be known to every router while a MemDS hangs; the poll that hangs lasts 1.5


def measured(fleet, process, name):
    """0 while it does not answer."""
    try:
        return metrics(fleet.row(process)["admin_url"])[f"sluice_{name}"]
    except OSError:
        return 0


def longest_publication_ms(fleet, node):
    with urllib.request.urlopen(fleet.row(node)["admin_url"] + "/metrics", timeout=5) as reply:
        text = reply.read().decode()
    return float(re.search(r'^sluice_node_publication_time_us\{quantile="1"\} (\S+)$', text, re.MULTILINE)[1]) / 1000


def is_ready(fleet, name):
    try:
        with urllib.request.urlopen(fleet.row(name)["admin_url"] + "/readyz", timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wipe(fleet, name):
    shutil.rmtree(fleet.row(name)["data_dir"])


class Told:
    """What one MemDS says: {group: (leader's replica id, start of its range)}."""

    def __init__(self, fleet, name):
        self.wire = Wire(fleet.row(name)["ports"]["data"], cluster_id=fleet.layout.cluster_id())

    def routes(self):
        """By the question of an instance that has nothing: each part is answered, or split into its sixteen."""
        found, parts = {}, [0]
        while parts:
            answer, _ = self.wire.call(COMPARE, encode(f2=[encode(f1=part) for part in parts[:32]]))
            del parts[:32]
            for packed in answer.all(2):  # one number, or several in a row
                parts += [packed] if isinstance(packed, int) else numbers(packed)
            for route in map(Message, answer.all(3)):
                if not route[9]:
                    found[route[1]] = (route[7], route.all(2)[0] if route.all(2) else b"")
        return found

    def leader(self, key):
        reply, _ = self.wire.call(LOOKUP, encode(f1=[key]))
        return Message(reply.all(1)[0])[7]


def numbers(packed):
    found, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(value)
            value = shift = 0
    return found


class Boto:
    """A boto3 client with its default retries, one request after the other, in a thread."""

    def __init__(self, client):
        self.client = client
        self.done, self.failures = 0, []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            key = {"pk": {"S": f"boto-{self.done % 50}"}}
            try:
                self.client.put_item(TableName=TABLE, Item=key)
                self.client.get_item(TableName=TABLE, Key=key, ConsistentRead=True)
                self.done += 2
            except Exception as error:  # any at all is a failed request
                self.failures.append(repr(error))

    def stop(self):
        self.stopping.set()
        self.thread.join()


@pytest.fixture(scope="module")
def key(fleet):
    return fleet.create_tenant("two memds")


@pytest.fixture(scope="module")
def client(fleet, key):
    client = Client(HOST, fleet.layout.port, key)
    create_table(client, TABLE)
    return client


@pytest.fixture
def whole_again(fleet):
    """Whatever the test stopped runs again afterwards."""
    yield
    for name in ("postgres", *BOTH, "control-1", *NODES, "router-1", "router-2"):
        kill_run.start_again(fleet, [name]) if name not in BOTH else fleet.start(name)
    for name in BOTH:
        fleet.wait_ready(name)


@contextmanager
def load(fleet, key):
    """Sixteen connections that never retry, and boto3; leaves when neither saw anything fail."""
    with LoadProcess(HOST, fleet.layout.port, key, TABLE, time.time_ns()) as raw:
        boto = Boto(make_client(fleet, key))
        yield
        boto.stop()
        raw.stop()
        report = raw.check()
    print(f"    {report.acknowledged} writes and {report.reads} reads unretried, {boto.done} by boto3")
    assert boto.failures == [] and boto.done > 5
    assert (report.lost, report.doubled, report.unexpected) == ([], [], [])
    assert (report.unanswered_at, report.unsent) == ([], 0)
    assert report.acknowledged > 50


def use_new_table(client, name):
    """The route to it is in no router's cache. No request of this may fail either."""
    create_table(client, name)
    for i in range(20):
        reply = client.call("PutItem", TableName=name, Item={"pk": {"S": str(i)}})
        assert reply.status == 200, reply.body
    client.call("DeleteTable", TableName=name)


@pytest.mark.parametrize("name", BOTH)
def test_one_dies_under_load_and_no_request_fails(fleet, key, client, whole_again, name):
    with load(fleet, key):
        time.sleep(1)
        fleet.kill(name)
        killed = time.monotonic()
        use_new_table(client, f"made-without-{name}")
        time.sleep(max(0.0, killed + OUTAGE_SECONDS - time.monotonic()))
        fleet.start(name)
        fleet.wait_ready(name)
        use_new_table(client, f"made-with-{name}")


@pytest.mark.parametrize("name", BOTH)
def test_one_hangs_under_load_and_no_request_fails(fleet, key, client, whole_again, name):
    pid = fleet.row(name)["pid"]
    with load(fleet, key):
        time.sleep(1)
        os.kill(pid, signal.SIGSTOP)
        try:
            stopped = time.monotonic()
            create_table(client, f"made-beside-{name}")
            for _ in range(10):  # connections, so that both routers are asked
                other = Client(HOST, fleet.layout.port, key)
                other.settled("PutItem", NEWS_SECONDS_MAX, TableName=f"made-beside-{name}", Item={"pk": {"S": "x"}})
                other.close()
            print(f"    a new table serves everywhere {time.monotonic() - stopped:.2f} s after {name} began to hang")
            time.sleep(max(0.0, stopped + OUTAGE_SECONDS - time.monotonic()))
        finally:
            os.kill(pid, signal.SIGCONT)
    client.call("DeleteTable", TableName=f"made-beside-{name}")


def test_both_die_and_come_back_without_control(fleet, key, client, whole_again):
    with load(fleet, key):
        kill_run.kill_processes(fleet, ["control-1", "postgres", *BOTH])
        time.sleep(OUTAGE_SECONDS)  # routers go on with what they have
        for name in BOTH:
            fleet.start(name)
        for name in BOTH:
            fleet.wait_ready(name)
    for name in ("router-1", "router-2"):
        kill_run.kill_processes(fleet, [name])
    fleet.start("router-1")
    fleet.wait_ready("router-1")
    client.settled("PutItem", 10, TableName=TABLE, Item={"pk": {"S": "cold"}})
    assert not fleet.is_running("control-1")


@pytest.mark.parametrize("name", BOTH)
def test_empty_one_catches_up_without_control(fleet, client, whole_again, name):
    other = BOTH[1 - BOTH.index(name)]
    kill_run.kill_processes(fleet, ["control-1", "postgres", name])
    wipe(fleet, name)
    began = time.monotonic()
    fleet.start(name)
    fleet.wait_ready(name)
    print(f"    ready {time.monotonic() - began:.2f} s after its start")
    assert measured(fleet, name, "memds_bundle_version_count") == measured(fleet, other, "memds_bundle_version_count") > 0
    wait_for(lambda: Told(fleet, name).routes() == Told(fleet, other).routes() != {}, 5, "the same routes")
    kill_run.kill_processes(fleet, [other])  # and a router that starts now has only this one
    kill_run.kill_processes(fleet, ["router-1", "router-2"])
    fleet.start("router-1")
    fleet.wait_ready("router-1")
    client.settled("PutItem", 10, TableName=TABLE, Item={"pk": {"S": "from the empty one"}})


def test_empty_one_is_not_ready_while_there_is_nobody_to_ask(fleet, client, whole_again):
    kill_run.kill_processes(fleet, ["control-1", "postgres", *BOTH])
    wipe(fleet, "memds-1")
    fleet.start("memds-1")
    wait_for(lambda: measured(fleet, "memds-1", "memds_routes_count") > 0, 10, "leaders to publish")
    end = time.monotonic() + UNREADY_SECONDS
    while time.monotonic() < end:
        assert not is_ready(fleet, "memds-1")
        time.sleep(0.2)
    fleet.start("memds-2")  # has its disk
    fleet.wait_ready("memds-2")
    fleet.wait_ready("memds-1")
    assert (measured(fleet, "memds-1", "memds_bundle_version_count") ==
            measured(fleet, "memds-2", "memds_bundle_version_count") > 0)


def test_cold_start_under_load_asks_no_more_than_warm_seconds(fleet, key, client, whole_again):
    """What a cold router looks up it would have refreshed anyway: MemDS never sees a flood."""
    def keys():
        return sum(measured(fleet, name, "memds_lookup_keys_count_total") for name in BOTH)

    with LoadProcess(HOST, fleet.layout.port, key, TABLE, time.time_ns()) as raw:
        time.sleep(2)  # for all of the table's partitions to be in use
        before = keys()
        time.sleep(COLD_SECONDS)
        warm = keys() - before
        everyone = [*BOTH, "router-1", "router-2"]
        kill_run.kill_processes(fleet, everyone)
        for name in everyone:
            fleet.start(name)
        for name in everyone:
            fleet.wait_ready(name)
        time.sleep(COLD_SECONDS)
        cold = keys()
        raw.stop()
        assert raw.check().is_clean
    print(f"    keys looked up in {COLD_SECONDS} s: warm {warm:.0f}, cold {cold:.0f}")
    assert 0 < cold <= COLD_RATIO_MAX * warm


def first_seen(told, key, old):
    """When this MemDS begins to name another leader."""
    while told.leader(key) == old:
        time.sleep(0.002)
    return time.monotonic()


def test_new_leader_is_known_to_both_within_moments(fleet, key, client, whole_again):
    """Leaders hand over and die; publications are timed where they are made, and compared where they arrive."""
    apart = []
    for node in NODES:  # what they have measured until now may be of a MemDS that hung
        fleet.stop(node)
        fleet.start(node)
        fleet.wait_ready(node)
        kill_run.wait_caught_up(fleet, [node])
    group = next(iter(kill_probe.find_keys(fleet, client, TABLE, partitions=1, prefix="led")))
    for _ in range(3):
        told = [Told(fleet, name) for name in BOTH]
        old, start = told[0].routes()[group]
        node = wait_for(lambda: kill_probe.leaders(fleet).get(group), 10, "a leader")
        times = [0.0, 0.0]

        def watch(i):
            times[i] = first_seen(told[i], start, old)

        watchers = [threading.Thread(target=watch, args=(i,), daemon=True) for i in range(2)]
        for watcher in watchers:
            watcher.start()
        kill_run.kill_processes(fleet, [node])
        for watcher in watchers:
            watcher.join(20)
            assert not watcher.is_alive()
        apart.append(abs(times[0] - times[1]) * 1000)
        assert told[0].routes()[group] == told[1].routes()[group]
        fleet.start(node)
        fleet.wait_ready(node)
        kill_run.wait_caught_up(fleet, [node])
    worst = max(longest_publication_ms(fleet, name) for name in NODES)
    print(f"    the two hear of a new leader {statistics.median(apart):.1f} ms apart (at most {max(apart):.1f}); "
          f"from the change to the acknowledgement at most {worst:.1f} ms")
    assert max(apart) < PUBLISHED_MS_MAX and worst < PUBLISHED_MS_MAX
