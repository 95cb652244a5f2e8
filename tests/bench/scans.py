"""Scans of a large table beside single items of another one: how much later do the items' answers come?

Puts and gets at a modest fixed rate (a fifth of what a closed loop reaches), first alone, then while clients
scan without pause, in turns; latencies count from when an operation was due.
"""

import statistics

from tests.bench import report
from tests.bench.processes import settle

SCANNERS = 8
SCANNED_KEYS = 350_000  # of 900 bytes: more than a node's block cache
RATE_SHARE = 0.2
CALIBRATION_SECONDS = 5
BOUND = 2.0
OPERATIONS = {"GetItem": "read_latency_us", "PutItem": "write_latency_us"}


def scanned(sluice):
    """The options of the load on the table that is scanned."""
    return {"table": f"{sluice.table}-scanned", "keys": SCANNED_KEYS}


def _load(sluice, say):
    say(f"loading {SCANNED_KEYS:,} items to scan and {sluice.keys:,} others")
    sluice.load(workload="batch-write")
    sluice.load(workload="batch-write", **scanned(sluice))
    settle(sluice.processes(), seconds_max=60)


def _phases(sluice, rate, rounds, seconds, say):
    """{phase: [runs]}, and the scanners' reports."""
    runs, scans = {"alone": [], "beside scans": []}, []
    for number in range(1, rounds + 1):
        settle(sluice.processes())
        runs["alone"].append(sluice.measure("a", seconds, rate=rate))
        scanners = sluice.begin("scan", connections=SCANNERS, **scanned(sluice))
        try:
            runs["beside scans"].append(sluice.measure("a", seconds, rate=rate))
        finally:
            scans.append(scanners.finish())
        say(f"round {number}: {scans[-1]['ops_per_s']:.0f} pages per s beside {rate:,} operations")
    return runs, scans


def _quantile(runs, operation, quantile):
    return statistics.median(run[OPERATIONS[operation]][quantile] for run in runs)


def measure_scans(sluice, is_quick, say):
    """Returns (results, summary, what is violated)."""
    _load(sluice, say)
    rate = max(1, int(RATE_SHARE * sluice.measure("a", CALIBRATION_SECONDS)["ops_per_s"]))
    rounds, seconds = (2, 8) if is_quick else (3, 15)
    runs, scans = _phases(sluice, rate, rounds, seconds, say)
    pages = statistics.median(scan["ops_per_s"] for scan in scans)
    print(f"\n{rate:,} operations per s, half gets and half puts; {SCANNERS} clients scan {pages:.0f} pages of 1 MB "
          f"per s of another table; medians of {rounds} rounds")
    print(f"  {'':<12}{'p50 ms alone':>14}{'beside scans':>14}{'p99 ms alone':>14}{'beside scans':>14}{'ratio':>8}"
          f"{'bound':>8}")
    ratios, violated = {}, []
    for operation in OPERATIONS:
        cells = [_quantile(runs[phase], operation, quantile) / 1000
                 for quantile in ("p50", "p99") for phase in runs]
        ratios[operation] = cells[3] / cells[2]
        if ratios[operation] > BOUND:
            violated.append(f"{operation}'s p99 is {ratios[operation]:.2f} x what it is without scans, "
                            f"more than {BOUND}")
        print(f"  {operation:<12}" + "".join(f"{cell:>14.2f}" for cell in cells)
              + f"{ratios[operation]:>8.2f}{BOUND:>8.2f}{'   OVER ITS BOUND' if ratios[operation] > BOUND else ''}")
    report.print_cpu("CPU us per operation", [(phase, report.median_of(found, "ops_per_s"))
                                              for phase, found in runs.items()])
    report.print_others([run for run in runs["alone"]])
    everything = [run for found in runs.values() for run in found] + scans
    violated += [f"errors: {run['errors']}" for run in everything if run["error_count"]]
    violated += [f"{run['missing']} reads found nothing" for run in everything if run["missing"]]
    summary = (f"{SCANNERS} scanners, {pages:.0f} pages/s: "
               + ", ".join(f"{operation} p99 {ratio:.2f} x" for operation, ratio in ratios.items())
               + f" (bound {BOUND})")
    return {"rate": rate, "runs": runs, "scans": scans, "ratios": ratios}, summary, violated
