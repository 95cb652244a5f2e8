"""One partition driven past its caps: what it gives beside what it should give, and what it costs to refuse the rest."""

from tests.bench import report

KEYS = 500
SECONDS = 15
WARMUP_SECONDS = 3      # in which what was saved up is spent
FIRST_SECONDS = 5       # in which the partition's leader moves to where control wants it, and begins anew
THROUGHPUT = (10, 10)  # of a table with one partition
BOUND = 0.02           # that a rate may miss its cap by
WRITE_CAP, READ_CAP, REPLICAS = 1000, 3000, 3
# What is done, its cap in operations per second, and the load's options. Items of 900 bytes cost one unit, or half of one.
RUNS = (("PutItem", WRITE_CAP, {"workload": "put"}),
        ("GetItem, strong", READ_CAP, {"workload": "c"}),
        ("GetItem, eventual", 2 * REPLICAS * READ_CAP, {"workload": "c", "eventual": True}))
THROTTLED = "ProvisionedThroughputExceededException"


def _row(name, cap, run):
    refused = run["errors"].get(THROTTLED, 0) / run["seconds"]
    cpu = report.cpu_us_per_op({**run, "ops": run["ops"] + run["error_count"]}) * SECONDS / (SECONDS + WARMUP_SECONDS)
    print(f"  {name:<20}{cap:>10,}{run['ops_per_s']:>12,.0f}{run['ops_per_s'] / cap:>8.3f}{refused:>12,.0f}{cpu:>14.1f}")
    return run["ops_per_s"] / cap


def _violations(name, ratio, run):
    """A machine may be too slow to reach a cap, but then it refuses nothing."""
    if ratio > 1 + BOUND or (ratio < 1 - BOUND and run["error_count"]):
        yield f"{name} gives {ratio:.3f} of its cap"
    others = {error: count for error, count in run["errors"].items() if error != THROTTLED}
    if others:
        yield f"{name}: errors {others}"


def measure_caps(sluice, say):
    """Returns (results, summary, what is violated)."""
    with sluice.tables(throughput=THROUGHPUT):
        sluice.load(keys=KEYS)
        sluice.measure("put", FIRST_SECONDS, keys=KEYS)
        runs = {}
        for name, cap, options in RUNS:
            runs[name] = sluice.measure(seconds=SECONDS, warmup_seconds=WARMUP_SECONDS, keys=KEYS, **options)
            say(f"{name}: {runs[name]['ops_per_s']:,.0f} of {cap:,} per s")
    print(f"\n{'per s, one partition':<22}{'cap':>10}{'accepted':>12}{'ratio':>8}{'refused':>12}{'CPU us each':>14}")
    ratios = {name: _row(name, cap, runs[name]) for name, cap, _ in RUNS}
    report.print_others(list(runs.values()))
    violated = [text for name in runs for text in _violations(name, ratios[name], runs[name])]
    summary = "accepted : cap " + ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items())
    return {"runs": runs, "ratios": ratios}, summary, violated
