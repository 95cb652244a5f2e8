"""Static stability: items are served while PostgreSQL and sluice-control are gone, also through a failover and by
a router that starts cold."""

import shutil
import time

from deploy.local.layout import HOST
from tests.faults import kill_probe, kill_run
from tests.faults.kill_client import Client, create_table
from tests.faults.kill_load import LoadProcess
from tests.faults.kill_probe import ProbeProcess, wait_for

SECONDS = 60
SECONDS_LONG = 600
GONE = ["control-1", "postgres"]
# The promise is 2.5 s; a test on a machine that may be busy with anything allows more.
FAILOVER_SECONDS_MAX = 10
TABLE = "stability"


def leader_of(fleet, group):
    return wait_for(lambda: kill_probe.leaders(fleet).get(group), FAILOVER_SECONDS_MAX, "a leader")


def replace_leader(fleet, probes, group):
    """Kill the group's leader, see the others take over, and bring the node back, all without control."""
    node = leader_of(fleet, group)
    kill_run.kill_processes(fleet, [node])
    probes.wait_served(time.monotonic(), FAILOVER_SECONDS_MAX)
    assert leader_of(fleet, group) != node
    fleet.start(node)
    fleet.wait_ready(node)
    kill_run.wait_caught_up(fleet, [node])


def serve_from_a_cold_router(fleet, probes):
    """Restart router-1 with nothing of its own, and let it serve alone: all that it knows is from MemDS."""
    kill_run.kill_processes(fleet, ["router-1"])
    shutil.rmtree(fleet.row("router-1")["data_dir"])
    fleet.start("router-1")
    fleet.wait_ready("router-1")
    kill_run.kill_processes(fleet, ["router-2"])
    alone = time.monotonic()
    probes.wait_served(alone, FAILOVER_SECONDS_MAX)
    time.sleep(1)
    probes.wait_served(time.monotonic(), FAILOVER_SECONDS_MAX)
    fleet.start("router-2")
    fleet.wait_ready("router-2")


def is_excused(begin, end, disturbances):
    """An answer that did not come is excused when its request was under way in a failover's time."""
    return any(begin < until and end > since for since, until in disturbances)


def wait_until(moment):
    """The time itself is what is waited for: the minutes in which nothing may go wrong."""
    time.sleep(max(0.0, moment - time.monotonic()))


def test_items_are_served_without_postgres_and_control(fleet, is_long):
    seconds = SECONDS_LONG if is_long else SECONDS
    options = (HOST, fleet.layout.port, fleet.create_tenant("stability"))
    client = Client(*options)
    create_table(client, TABLE)
    keys = kill_probe.find_keys(fleet, client, TABLE)
    disturbances = []
    try:
        with LoadProcess(*options, TABLE, 7) as load, ProbeProcess(options, TABLE, keys) as probes:
            probes.wait_served(time.monotonic(), FAILOVER_SECONDS_MAX)
            begin = time.monotonic()
            kill_run.kill_processes(fleet, GONE)
            for share, disturb in ((0.25, lambda: replace_leader(fleet, probes, next(iter(keys)))),
                                   (0.6, lambda: serve_from_a_cold_router(fleet, probes))):
                wait_until(begin + share * seconds)
                since = time.monotonic()
                disturb()
                disturbances.append((since, time.monotonic()))
            wait_until(begin + seconds)
            assert not any(fleet.is_running(name) for name in GONE)
            load.stop()
            gaps = probes.gaps(begin, time.monotonic())
            report = load.check()
            assert not any(fleet.is_running(name) for name in GONE)
    finally:
        kill_run.start_again(fleet, ["postgres", "control-1"])
        for name in ("node-1", "node-2", "node-3", "router-1", "router-2"):
            kill_run.start_again(fleet, [name])
    assert (report.lost, report.doubled, report.unexpected) == ([], [], [])
    assert report.acknowledged > 20 * seconds and report.reads > 5 * seconds
    assert [at for at in report.unanswered_at if not is_excused(*at, disturbances)] == []
    assert max(gaps.values()) < FAILOVER_SECONDS_MAX
    # And afterwards control works as before.
    create_table(client, "after-stability")
    client.call("DeleteTable", TableName="after-stability")
    client.call("DeleteTable", TableName=TABLE)
