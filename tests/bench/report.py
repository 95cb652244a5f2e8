"""The campaign's results as text."""

import os
import statistics
from pathlib import Path

WORK = {"put": "PutItem / upsert", "c": "GetItem / select", "query": "Query / range select",
        "batch-write": "BatchWriteItem"}


def machine():
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"cores": os.cpu_count(), "model": models[0] if models else "?",
            "load_average": os.getloadavg()[0]}


def _ms(us):
    return f"{us / 1000:.2f}"


def _latency_row(name, run):
    latency = run["latency_us"]
    pause = f"{_ms(run['pause_us_max']):>10}" if "pause_us_max" in run else f"{'-':>10}"
    print(f"  {name:<34}{run['ops_per_s']:>10,.0f}{_ms(latency['p50']):>10}{_ms(latency['p99']):>10}"
          f"{_ms(latency['p999']):>10}{_ms(latency['max']):>10}{pause}")


def print_latencies(title, runs):
    """runs: [(name, run)]"""
    print(f"\n{title:<36}{'per s':>10}{'p50 ms':>10}{'p99':>10}{'p99.9':>10}{'max':>10}{'pause':>10}")
    for name, run in runs:
        _latency_row(name, run)


def print_cpu(title, runs):
    """CPU microseconds per operation of each process. runs: [(column, run)]; names in order of appearance."""
    names = list(dict.fromkeys(name for _, run in runs for name in run["cpu_us"]))
    print(f"\n{title:<24}" + "".join(f"{column:>14}" for column, _ in runs))
    for name in names:
        cells = "".join(f"{run['cpu_us'].get(name, 0) / max(1, run['ops']):>14.1f}" for _, run in runs)
        print(f"  {name:<22}{cells}")
    totals = "".join(f"{cpu_us_per_op(run):>14.1f}" for _, run in runs)
    print(f"  {'all':<22}{totals}")


def print_others(runs):
    """A busy machine explains figures that nothing else does."""
    shares = [run["others_share"] for run in runs]
    verdict = "  THESE FIGURES ARE DISTURBED." if max(shares) > 0.1 else ""
    median = 100 * statistics.median(shares)
    print(f"\nUnrelated processes took {median:.0f} % of the machine in the median run, "
          f"{100 * max(shares):.0f} % at most.{verdict}")


def median_of(runs, name):
    """The run with the median of this figure; of two, the lower."""
    return sorted(runs, key=lambda run: run[name])[(len(runs) - 1) // 2]


def cpu_us_per_op(run):
    return sum(run["cpu_us"].values()) / max(1, run["ops"])


def print_comparison(results, bounds, median_run):
    rates, dynalite = results["rates"], results["dynalite"]
    print("\nOperations per second, closed loop, 900-byte items; Sluice and dynalite at 64 connections, "
          "PostgreSQL at 16 clients;\nQuery: 100 items of 100 bytes under one key, 16 connections each")
    print(f"  {'':<20}{'Sluice':>10}{'PostgreSQL':>12}{'ratio':>8}{'bound':>8}{'per CPU':>9}"
          f"{'dynalite':>10}{'ratio':>8}")
    for workload, bound in bounds.items():
        ours, ratio = rates[workload]["sluice"], results["ratios"][workload]
        other = dynalite.get(workload, {}).get("ops_per_s")
        beside = f"{other:>10,.0f}{ours / other:>8.1f}" if other else f"{'-':>10}{'-':>8}"
        runs = results["closed"][workload]
        per_cpu = cpu_us_per_op(median_run(runs["postgres"])) / cpu_us_per_op(median_run(runs["sluice"]))
        verdict = "" if ratio >= bound else "   UNDER ITS BOUND"
        print(f"  {WORK[workload]:<20}{ours:>10,.0f}{rates[workload]['postgres']:>12,.0f}{ratio:>8.2f}"
              f"{bound:>8.2f}{per_cpu:>9.2f}{beside}{verdict}")

    print_latencies("Half load, open loop", [
        (f"{WORK[workload]}, {name}", run) for workload, systems in results["half_load"].items()
        for name, run in systems.items()])
    print_latencies("Closed loop, 64 connections", [
        *((f"{WORK[workload]}, sluice", median_run(systems["sluice"]))
          for workload, systems in results["closed"].items()),
        *((f"{name}, zipfian", run) for name, run in results["mixes"].items())])
    closed, half = results["closed"], results["half_load"]
    print_cpu("CPU us per request", [
        ("Put, closed", median_run(closed["put"]["sluice"])),
        ("Get, closed", median_run(closed["c"]["sluice"])),
        ("Put, half", half["put"]["sluice"]), ("Get, half", half["c"]["sluice"]),
        ("Query, closed", median_run(closed["query"]["sluice"])),
        ("Batch, closed", median_run(closed["batch-write"]["sluice"]))])
    print_cpu("The same, PostgreSQL", [
        ("upsert", median_run(closed["put"]["postgres"])), ("select", median_run(closed["c"]["postgres"])),
        ("range select", median_run(closed["query"]["postgres"]))])
    print_others([run for systems in results["closed"].values() for runs in systems.values() for run in runs])
    print()


def print_batches(results, bound):
    items = 25 * results["rates"]["batch-write"]["sluice"]
    ratio = results["batch_ratio"]
    verdict = "" if ratio >= bound else "   UNDER ITS BOUND"
    print(f"BatchWriteItem of 25: {items:,.0f} items per s, {ratio:.2f} x PutItem's "
          f"{results['rates']['put']['sluice']:,.0f} (bound {bound:.2f}){verdict}\n")


def summary(results, bounds):
    parts = []
    for workload, name in (("put", "PutItem"), ("c", "GetItem")):
        half = results["half_load"][workload]["sluice"]["latency_us"]
        parts.append(f"{name} {results['rates'][workload]['sluice']:,.0f}/s = "
                     f"{results['ratios'][workload]:.2f} x PostgreSQL (bound {bounds[workload]}), "
                     f"half load p50 {_ms(half['p50'])} p99 {_ms(half['p99'])} "
                     f"p99.9 {_ms(half['p999'])} ms")
    parts.append(f"Query {results['rates']['query']['sluice']:,.0f}/s = {results['ratios']['query']:.2f} x PostgreSQL "
                 f"(bound {bounds['query']}); BatchWriteItem {results['batch_ratio']:.2f} x PutItem's items")
    return "; ".join(parts)
