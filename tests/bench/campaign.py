"""`./dev bench`: load on a running fleet, and in the same run the same work on PostgreSQL and dynalite.

Prints rates, ratios beside their bounds, latencies at half load and the CPU time of every process per
request; the same as JSON in SLUICE_HOME/bench.json; a one-line summary last. Exits 1 when a ratio is under
its bound, an operation failed or a read found nothing.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.local.fleet import FleetError

from tests.bench import report
from tests.bench.http_targets import Dynalite, Sluice, free_port
from tests.bench.idle_groups import measure_idle_groups
from tests.bench.load import LoadError
from tests.bench.pause_hunt import hunt
from tests.bench.postgres_target import PostgresTarget
from tests.bench.processes import settle

# The workload, what it is called with each system, and Sluice's least share of PostgreSQL's rate.
BOUNDS = {"put": 0.6, "c": 0.4}


@dataclass
class Plan:
    """How long everything takes, in seconds."""

    keys: int
    dynalite_keys: int
    rounds: int
    closed: int
    half: int
    dynalite: int
    mixes: int


FULL = Plan(keys=100_000, dynalite_keys=20_000, rounds=3, closed=10, half=15, dynalite=5, mixes=8)
QUICK = Plan(keys=20_000, dynalite_keys=5_000, rounds=2, closed=4, half=4, dynalite=2, mixes=0)


def say(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def median_rate(runs):
    return statistics.median(run["ops_per_s"] for run in runs)


def median_run(runs):
    """The run with the median rate; of two, the slower."""
    return sorted(runs, key=lambda run: run["ops_per_s"])[(len(runs) - 1) // 2]


def compare(sluice, postgres, plan):
    """Closed loop, taking turns, so that drift of the machine cancels: {workload: {system: [runs]}}."""
    runs = {workload: {"sluice": [], "postgres": []} for workload in BOUNDS}
    everyone = {**sluice.processes(), "bench-postgres": postgres.processes()["postgres"]}
    for number in range(1, plan.rounds + 1):
        for workload in BOUNDS:
            for name, target in (("sluice", sluice), ("postgres", postgres)):
                settle(everyone)
                run = target.measure(workload, plan.closed)
                say(f"round {number}: {report.WORK[workload]} on {name}: {run['ops_per_s']:,.0f} per s")
                runs[workload][name].append(run)
    return runs


def at_half_load(sluice, postgres, plan, rates):
    """Open loop at half of the closed loop's rate: {workload: {system: run}}."""
    runs = {}
    for workload in BOUNDS:
        runs[workload] = {}
        for name, target in (("sluice", sluice), ("postgres", postgres)):
            settle({**sluice.processes(), **postgres.processes()})
            rate = max(1, int(rates[workload][name] / 2))
            runs[workload][name] = target.measure(workload, plan.half, rate=rate)
            say(f"half load: {report.WORK[workload]} on {name}: {rate:,} per s")
    return runs


def mixes(sluice, plan):
    """YCSB A, B and C over zipfian keys, eventual reads once: {name: run}."""
    if plan.mixes == 0:
        return {}
    runs = {}
    for workload, eventual in (("a", False), ("b", False), ("c", False), ("c", True)):
        name = f"YCSB {workload.upper()}{', eventual reads' if eventual else ''}"
        runs[name] = sluice.measure(workload, plan.mixes, distribution="zipfian", eventual=eventual)
        say(f"{name}, zipfian: {runs[name]['ops_per_s']:,.0f} per s")
    return runs


def on_dynalite(binary, port, plan):
    dynalite = Dynalite(binary, port, plan.dynalite_keys, say)
    try:
        dynalite.create_table()
        dynalite.load()
        runs = {workload: dynalite.measure(workload, plan.dynalite) for workload in BOUNDS}
    finally:
        dynalite.close()
    for workload, run in runs.items():
        say(f"{report.WORK[workload]} on dynalite: {run['ops_per_s']:,.0f} per s")
    return runs


def full_run(sluice, scratch, plan):
    """Everything side by side. Returns the results."""
    say(f"loading {plan.keys:,} items into both")
    loaded = sluice.load()
    port = free_port(sluice.port + 200)
    postgres = PostgresTarget(scratch, port, plan.keys)
    try:
        postgres.load()
        closed = compare(sluice, postgres, plan)
        rates = {workload: {name: median_rate(runs) for name, runs in systems.items()}
                 for workload, systems in closed.items()}
        half = at_half_load(sluice, postgres, plan, rates)
    finally:
        postgres.close()
    more = mixes(sluice, plan)
    results = {"loaded": loaded, "closed": closed, "rates": rates, "half_load": half, "mixes": more,
               "dynalite": on_dynalite(sluice.binary, free_port(port + 100), plan),
               "ratios": {workload: rate["sluice"] / rate["postgres"] for workload, rate in rates.items()}}
    return results


def violations(results):
    found = [f"{report.WORK[workload]} is {ratio:.2f} of PostgreSQL's rate, less than {BOUNDS[workload]}"
             for workload, ratio in results["ratios"].items() if ratio < BOUNDS[workload]]
    runs = [run for systems in results["closed"].values() for run in systems["sluice"]]
    runs += [systems["sluice"] for systems in results["half_load"].values()] + list(results["mixes"].values())
    found += [f"errors: {run['errors']}" for run in runs if run["error_count"]]
    found += [f"{run['missing']} reads found nothing" for run in runs if run["missing"]]
    return found


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute instead of five")
    parser.add_argument("--half-load-minutes", type=float, metavar="N",
                        help="instead: N minutes of YCSB A at half load; longest pause, p99.9, slow seconds")
    parser.add_argument("--idle-groups", type=int, metavar="N",
                        help="instead: N groups on each node; memory of an idle group, messages per second")
    parser.add_argument("--binaries", default="build/release", help="where the programs are")
    return parser.parse_args()


def run(options, home, port, scratch):
    """One of the three kinds of run. Returns (results, summary, what is violated)."""
    plan = QUICK if options.quick else FULL
    binary = Path(options.binaries).resolve() / "sluice-load"
    sluice = Sluice(binary, home, port, scratch, plan.keys, say)
    try:
        if options.idle_groups:
            return measure_idle_groups(sluice, options.idle_groups, say)
        sluice.create_table()
        try:
            if options.half_load_minutes:
                return hunt(sluice, options.half_load_minutes * 60, say)
            results = full_run(sluice, scratch, plan)
        finally:
            sluice.delete_table()
    finally:
        sluice.close()
    report.print_comparison(results, BOUNDS, median_run)
    return results, report.summary(results, BOUNDS), violations(results)


def main():
    options = arguments()
    home = Path(os.environ["SLUICE_HOME"]).resolve()
    home.mkdir(parents=True, exist_ok=True)
    # Beside the fleet's data, so that everybody works on the same disk.
    scratch = Path(tempfile.mkdtemp(prefix="bench-", dir=home))
    scratch.chmod(0o711)  # PostgreSQL's account passes through
    started = time.monotonic()
    try:
        results, summary, violated = run(options, home, int(os.environ["SLUICE_PORT"]), scratch)
    except (LoadError, FleetError) as error:
        print(f"./dev bench: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    results["machine"] = report.machine()
    results["violations"] = violated
    (home / "bench.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for text in violated:
        print(f"VIOLATED: {text}")
    print(f"{summary}; {(time.monotonic() - started) / 60:.1f} minutes; {'FAILED' if violated else 'passed'}")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
