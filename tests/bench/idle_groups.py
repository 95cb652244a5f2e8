"""What a group costs that nobody uses: memory, messages between nodes, and time of the processor."""

import time
from concurrent.futures import ThreadPoolExecutor

from deploy.local.layout import HOST
from tests.bench.processes import CpuMeter, metrics, rss_bytes, settle
from tests.faults.kill_client import Client, create_table

PARTITIONS_PER_TABLE = 4  # of an on-demand table
AT_ONCE = 32
WATCH_SECONDS = 35  # at least one checkpoint of each node is among them
CPU_PERCENT_MAX = 2.0  # of a core, of a node
COUNTERS = {
    "replication messages": "sluice_node_replication_sent_count_total",
    "heartbeats": "sluice_node_heartbeats_sent_count_total",
    "frames": "sluice_wire_frames_sent_count_total",
}


def _groups(row):
    return int(metrics(row["admin_url"])["sluice_node_groups_count"])


def _create_tables(sluice, nodes, count, say):
    """On-demand tables until each node holds `count` groups."""
    identity = dict(zip(("access_key_id", "secret_access_key"), sluice.identity))
    made = 0

    def create(name):
        client = Client(HOST, sluice.fleet.layout.port, identity)
        create_table(client, name)
        client.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        while (held := min(_groups(row) for row in nodes)) < count:
            wanted = min(4 * AT_ONCE, -(-(count - held) // PARTITIONS_PER_TABLE))
            list(pool.map(create, [f"{sluice.table}-{made + i}" for i in range(wanted)]))
            made += wanted
            say(f"{min(_groups(row) for row in nodes)} groups on each node")


def _wait_quiet(nodes, seconds_max=60):
    """Wait until new groups have found their leaders: three seconds without a replication message. Returns
    how long it took until then; gives up after seconds_max."""
    started = quiet_since = time.monotonic()
    before = None
    while time.monotonic() - started < seconds_max:
        sent = sum(metrics(row["admin_url"])[COUNTERS["replication messages"]] for row in nodes)
        if sent != before:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > 3:
            break
        before = sent
        time.sleep(0.5)
    return quiet_since - started


def _watch(nodes):
    """Messages per second of each node, {node: {kind: rate}}, and its time of the processor, {node: percent of a core}."""
    before = {row["name"]: metrics(row["admin_url"]) for row in nodes}
    meter = CpuMeter({row["name"]: (row["pid"], False) for row in nodes})
    time.sleep(WATCH_SECONDS)
    cpu = {name: us / WATCH_SECONDS / 10_000 for name, us in meter.spent().items()}
    rates = {}
    for row in nodes:
        now = metrics(row["admin_url"])
        rates[row["name"]] = {kind: (now.get(name, 0) - before[row["name"]].get(name, 0)) / WATCH_SECONDS
                              for kind, name in COUNTERS.items()}
    return rates, cpu


def measure_idle_groups(sluice, count, say):
    """Returns (results, summary, what is violated). Idle groups must be silent, and cost next to nothing."""
    nodes = sluice.rows("node")
    settle(sluice.processes())
    before = {row["name"]: (rss_bytes(row["pid"]), _groups(row)) for row in nodes}
    say(f"creating tables of {PARTITIONS_PER_TABLE} partitions")
    started = time.monotonic()
    _create_tables(sluice, nodes, count, say)
    seconds = time.monotonic() - started
    quiet_seconds = _wait_quiet(nodes)
    after = {row["name"]: (rss_bytes(row["pid"]), _groups(row)) for row in nodes}
    say(f"watching {WATCH_SECONDS} s of silence")
    rates, cpu = _watch(nodes)
    return _report(before, after, rates, cpu, {"create_seconds": seconds, "quiet_after_seconds": quiet_seconds})


def _report(before, after, rates, cpu, times):
    print(f"\n{'':<10}{'groups':>8}{'RSS MiB':>10}{'KiB per group':>15}{'% of a core':>13}"
          + "".join(f"{kind + '/s':>24}" for kind in COUNTERS))
    per_group = {}
    for name, (rss, groups) in after.items():
        added = max(1, groups - before[name][1])
        per_group[name] = (rss - before[name][0]) / added
        print(f"{name:<10}{groups:>8}{rss / 2**20:>10.1f}{per_group[name] / 1024:>15.2f}{cpu[name]:>13.2f}"
              + "".join(f"{rates[name][kind]:>24.1f}" for kind in COUNTERS))
    groups = max(groups for _, groups in after.values())
    replication = max(rate["replication messages"] for rate in rates.values())
    heartbeats = max(rate["heartbeats"] for rate in rates.values())
    results = {"groups": {name: groups for name, (_, groups) in after.items()}, "bytes_per_group": per_group,
               "messages_per_s": rates, "cpu_percent": cpu, **times}
    violated = [f"idle groups are not silent: {replication:.1f} replication messages per s on a node"] \
        if replication > 1 else []
    if max(cpu.values()) >= CPU_PERCENT_MAX:
        violated.append(f"idle groups cost {max(cpu.values()):.2f} % of a core, not less than {CPU_PERCENT_MAX} %")
    summary = (f"{groups} groups on a node: {max(per_group.values()) / 1024:.1f} KiB each when idle, "
               f"{replication:.1f} replication messages and {heartbeats:.1f} heartbeats per s and node, "
               f"{max(cpu.values()):.2f} % of a core (bound {CPU_PERCENT_MAX}), "
               f"tables made in {times['create_seconds']:.0f} s, "
               f"quiet after {times['quiet_after_seconds']:.0f} s more")
    return results, summary, violated
