"""`./dev bench`: load on a fleet of its own, and in the same run the same work on PostgreSQL and dynalite.

Prints rates, ratios beside their bounds, latencies at half load and the CPU time of every process per
request; the same as JSON in SLUICE_HOME/bench.json; a one-line summary last. Exits 1 when a ratio is under
its bound, an operation failed or a read found nothing. Other kinds of run (README.md) have bounds of their own.
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
from tests.bench.caps import measure_caps
from tests.bench.http_targets import BATCH_ITEMS, Dynalite, Sluice, free_port
from tests.bench.idle_groups import measure_idle_groups
from tests.bench.load import LoadError
from tests.bench.loop_turns import chosen, measure_loop_turns
from tests.bench.pause_hunt import hunt
from tests.bench.postgres_target import CLIENTS, RANGE_ITEM_BYTES, PostgresTarget
from tests.bench.processes import settle
from tests.bench.scans import measure_scans, scanned

# The workload, what it is called with each system, and Sluice's least share of PostgreSQL's rate.
BOUNDS = {"put": 0.6, "c": 0.4, "query": 0.3}
AT_HALF_LOAD = ("put", "c")
# BatchWriteItem: the least items per second, in PutItem's.
BATCH_BOUND = 3.0


@dataclass
class Plan:
    """How long everything takes, in seconds."""

    keys: int
    range_keys: int
    dynalite_keys: int
    rounds: int
    closed: int
    half: int
    dynalite: int
    mixes: int


FULL = Plan(keys=100_000, range_keys=2_000, dynalite_keys=20_000, rounds=3, closed=10, half=15, dynalite=5,
            mixes=8)
QUICK = Plan(keys=20_000, range_keys=500, dynalite_keys=5_000, rounds=2, closed=4, half=4, dynalite=2,
             mixes=0)


def say(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def median_rate(runs):
    return statistics.median(run["ops_per_s"] for run in runs)


def median_run(runs):
    """The run with the median rate; of two, the slower."""
    return report.median_of(runs, "ops_per_s")


def ranges(sluice, plan):
    """The options of a query's load: a table of its own, and as many connections as PostgreSQL has."""
    return {"table": f"{sluice.table}-ranges", "keys": plan.range_keys, "item_bytes": RANGE_ITEM_BYTES,
            "connections": CLIENTS}


def compare(sluice, postgres, plan):
    """Closed loop, taking turns, so that drift of the machine cancels: {workload: {system: [runs]}}."""
    runs = {workload: {"sluice": [], "postgres": []} for workload in BOUNDS}
    runs["batch-write"] = {"sluice": []}
    targets = {"sluice": sluice, "postgres": postgres}
    everyone = {**sluice.processes(), "bench-postgres": postgres.processes()["postgres"]}
    for number in range(1, plan.rounds + 1):
        for workload, systems in runs.items():
            for name, found in systems.items():
                settle(everyone)
                options = ranges(sluice, plan) if (workload, name) == ("query", "sluice") else {}
                run = targets[name].measure(workload, plan.closed, **options)
                say(f"round {number}: {report.WORK[workload]} on {name}: {run['ops_per_s']:,.0f} per s")
                found.append(run)
    return runs


def at_half_load(sluice, postgres, plan, rates):
    """Open loop at half of the closed loop's rate: {workload: {system: run}}."""
    runs = {}
    for workload in AT_HALF_LOAD:
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
        runs = {workload: dynalite.measure(workload, plan.dynalite) for workload in AT_HALF_LOAD}
    finally:
        dynalite.close()
    for workload, run in runs.items():
        say(f"{report.WORK[workload]} on dynalite: {run['ops_per_s']:,.0f} per s")
    return runs


def full_run(sluice, scratch, plan):
    """Everything side by side. Returns the results."""
    say(f"loading {plan.keys:,} items into both")
    loaded = sluice.load()
    sluice.load(workload="query", **ranges(sluice, plan))
    port = free_port(sluice.port + 200)
    postgres = PostgresTarget(scratch, port, plan.keys, plan.range_keys)
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
               "ratios": {workload: rates[workload]["sluice"] / rates[workload]["postgres"] for workload in BOUNDS},
               "batch_ratio": BATCH_ITEMS * rates["batch-write"]["sluice"] / rates["put"]["sluice"]}
    return results


def violations(results):
    found = [f"{report.WORK[workload]} is {ratio:.2f} of PostgreSQL's rate, less than {BOUNDS[workload]}"
             for workload, ratio in results["ratios"].items() if ratio < BOUNDS[workload]]
    if results["batch_ratio"] < BATCH_BOUND:
        found.append(f"BatchWriteItem writes {results['batch_ratio']:.2f} x the items of PutItem, less than {BATCH_BOUND}")
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
    parser.add_argument("--scans", action="store_true",
                        help="instead: puts and gets beside eight clients that scan another table")
    parser.add_argument("--caps", action="store_true",
                        help="instead: one partition driven past its caps; what it gives, and what refusing costs")
    parser.add_argument("--loop-turns", action="store_true",
                        help="instead: the longest turn of each process's loops under hostile requests, one kind at a time")
    parser.add_argument("--kinds", metavar="TEXT,TEXT", help="with --loop-turns: only kinds whose names contain one of these")
    parser.add_argument("--binaries", default="build/release", help="where the programs are")
    return parser.parse_args()


def run(options, port, scratch):
    """One of the kinds of run. Returns (results, summary, what is violated)."""
    plan = QUICK if options.quick else FULL
    binary = Path(options.binaries).resolve() / "sluice-load"
    sluice = Sluice(binary, port, scratch, plan.keys, say, in_session=options.scans, has_caps=options.caps)
    try:
        if options.idle_groups:
            return measure_idle_groups(sluice, options.idle_groups, say)
        if options.loop_turns:
            return measure_loop_turns(sluice, chosen(options.kinds), say)
        if options.caps:
            return measure_caps(sluice, say)
        with sluice.tables():
            if options.half_load_minutes:
                return hunt(sluice, options.half_load_minutes * 60, say)
            if options.scans:
                with sluice.tables(scanned(sluice)["table"]):
                    return measure_scans(sluice, options.quick, say)
            with sluice.tables(ranges(sluice, plan)["table"], sort_key=True):
                results = full_run(sluice, scratch, plan)
    finally:
        sluice.close()
    report.print_comparison(results, BOUNDS, median_run)
    report.print_batches(results, BATCH_BOUND)
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
        results, summary, violated = run(options, int(os.environ["SLUICE_PORT"]), scratch)
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
